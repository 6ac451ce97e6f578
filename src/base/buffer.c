#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bl_buffer_add(bl_buffer *buffer, const char *data, size_t n) {
    size_t need;
    if (buffer->failed) return;
    if (!bl_add_size(buffer->n, n, &need) || !bl_add_size(need, 1, &need) ||
        !bl_grow(&buffer->data, &buffer->capacity, need, 1, NULL)) {
        buffer->failed = true;
        return;
    }
    if (n) memcpy(buffer->data + buffer->n, data, n);
    buffer->n += n;
    buffer->data[buffer->n] = '\0';
}

void bl_buffer_text(bl_buffer *buffer, const char *text) { bl_buffer_add(buffer, text, strlen(text)); }

void bl_buffer_print(bl_buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n < 0 || !bl_grow(&buffer->data, &buffer->capacity, buffer->n + (size_t)n + 1, 1, NULL))
        buffer->failed = true;
    if (!buffer->failed) {
        vsnprintf(buffer->data + buffer->n, (size_t)n + 1, format, again);
        buffer->n += (size_t)n;
    }
    va_end(again);
}

void bl_buffer_real(bl_buffer *buffer, double value, int digits) {
    size_t begin = buffer->n, to = begin;
    if (isnan(value)) {
        bl_buffer_text(buffer, "nan");
        return;
    }
    bl_buffer_print(buffer, "%.*g", digits, value);
    /* What is neither a digit, a sign nor a letter is the locale's decimal point, of one byte or several. */
    for (size_t i = begin; i < buffer->n; i++) {
        char c = buffer->data[i];
        bool kept = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '+' || c == '-';
        if (kept) buffer->data[to++] = c;
        else if (to == begin || buffer->data[to - 1] != '.') buffer->data[to++] = '.';
    }
    buffer->n = to;
    if (buffer->data) buffer->data[to] = '\0';
}

char *bl_buffer_take(bl_buffer *buffer, bl_error *err) {
    bl_buffer_add(buffer, "", 0);
    char *data = buffer->data;
    if (buffer->failed) {
        free(data);
        data = bl_fail_null(err, BL_ERR_MEMORY, "out of memory while a text of %zu bytes grew", buffer->n);
    }
    *buffer = (bl_buffer){0};
    return data;
}

void bl_buffer_free(bl_buffer *buffer) {
    free(buffer->data);
    *buffer = (bl_buffer){0};
}
