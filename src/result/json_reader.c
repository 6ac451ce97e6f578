#include "result/json_reader.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/visible.h"
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text longer than this is no token, name or path. */
#define MAX_TEXT 65536

typedef struct block {
    struct block *next;
} block;

void *bl_reader_alloc(bl_reader *reader, size_t n, size_t size) {
    size_t bytes;
    if (!bl_mul_size(n, size, &bytes) || !bl_add_size(bytes, 64, &bytes)) {
        bl_fail(reader->err, BL_ERR_MEMORY, "%s: too large for this machine", reader->path);
        return NULL;
    }
    block *made = bl_alloc_zero(bytes, 1, reader->err);
    if (!made) return NULL;
    made->next = reader->blocks;
    reader->blocks = made;
    return (char *)made + 64; /* keeps bl_alloc's alignment */
}

void bl_reader_release(void *blocks) {
    for (block *at = blocks; at;) {
        block *next = at->next;
        free(at);
        at = next;
    }
}

static void append(bl_reader *reader, const char *text) {
    size_t room = sizeof reader->path - 1 - reader->n, length = strlen(text);
    if (length > room) return; /* only the message suffers */
    memcpy(reader->path + reader->n, text, length + 1);
    reader->n += length;
}

size_t bl_reader_enter(bl_reader *reader, const char *key) {
    size_t before = reader->n;
    bl_buffer seen = {0};
    bl_visible_add(&seen, key, 40);
    if (before > 0) append(reader, ".");
    append(reader, seen.data && !seen.failed ? seen.data : "?");
    bl_buffer_free(&seen);
    return before;
}

size_t bl_reader_enter_element(bl_reader *reader, size_t i) {
    size_t before = reader->n;
    char text[32];
    snprintf(text, sizeof text, "[%zu]", i);
    append(reader, text);
    return before;
}

void bl_reader_leave(bl_reader *reader, size_t n) {
    reader->n = n;
    reader->path[n] = '\0';
}

bool bl_reader_fail(bl_reader *reader, const char *format, ...) {
    char message[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return bl_fail(reader->err, BL_ERR_INPUT, "result JSON: %s: %s", reader->n ? reader->path : "the whole",
                   message);
}

static const char *type_name(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "a whole number";
    case JSON_REAL: return "a real number";
    case JSON_NULL: return "null";
    default: return "true or false";
    }
}

/* The value of `key`, whose path has been entered. */
static const json_t *find(bl_reader *reader, const json_t *object, const char *key, const char *expected) {
    const json_t *value = json_object_get(object, key);
    if (!value) bl_reader_fail(reader, "missing; %s is expected here", expected);
    return value;
}

static bool wrong_type(bl_reader *reader, const json_t *value, const char *expected) {
    return bl_reader_fail(reader, "%s is expected, %s was found", expected, type_name(value));
}

const json_t *bl_reader_object(bl_reader *reader, const json_t *object, const char *key) {
    size_t before = bl_reader_enter(reader, key);
    const json_t *value = find(reader, object, key, "an object");
    if (value && !json_is_object(value)) {
        wrong_type(reader, value, "an object");
        value = NULL;
    }
    if (value) bl_reader_leave(reader, before);
    return value;
}

const json_t *bl_reader_array(bl_reader *reader, const json_t *object, const char *key, size_t limit,
                              size_t *n) {
    size_t before = bl_reader_enter(reader, key);
    const json_t *value = find(reader, object, key, "an array");
    if (!value) return NULL;
    if (!json_is_array(value)) {
        wrong_type(reader, value, "an array");
        return NULL;
    }
    *n = json_array_size(value);
    if (*n > limit) {
        bl_reader_fail(reader, "%zu elements, at most %zu are expected", *n, limit);
        return NULL;
    }
    bl_reader_leave(reader, before);
    return value;
}

static bool take_text(bl_reader *reader, const json_t *value, const char **out) {
    if (!json_is_string(value)) return wrong_type(reader, value, "a string");
    if (json_string_length(value) > MAX_TEXT)
        return bl_reader_fail(reader, "a string of %zu bytes, at most %d are expected",
                              json_string_length(value), MAX_TEXT);
    *out = json_string_value(value);
    return true;
}

static bool take_number(bl_reader *reader, const json_t *value, double *out) {
    if (!json_is_number(value)) return wrong_type(reader, value, "a number");
    *out = json_number_value(value);
    if (!(fabs(*out) <= FLT_MAX))
        return bl_reader_fail(reader, "%g is beyond the range of a 32-bit float", *out);
    return true;
}

bool bl_reader_text(bl_reader *reader, const json_t *object, const char *key, const char **out) {
    size_t before = bl_reader_enter(reader, key);
    const json_t *value = find(reader, object, key, "a string");
    if (!value || !take_text(reader, value, out)) return false;
    bl_reader_leave(reader, before);
    return true;
}

bool bl_reader_number(bl_reader *reader, const json_t *object, const char *key, double *out) {
    size_t before = bl_reader_enter(reader, key);
    const json_t *value = find(reader, object, key, "a number");
    if (!value || !take_number(reader, value, out)) return false;
    bl_reader_leave(reader, before);
    return true;
}

bool bl_reader_integer(bl_reader *reader, const json_t *object, const char *key, json_int_t low,
                       json_int_t high, json_int_t *out) {
    size_t before = bl_reader_enter(reader, key);
    const json_t *value = find(reader, object, key, "a whole number");
    if (!value) return false;
    if (!json_is_integer(value)) return wrong_type(reader, value, "a whole number");
    *out = json_integer_value(value);
    if (*out < low || *out > high)
        return bl_reader_fail(reader, "%lld, a whole number from %lld to %lld is expected", (long long)*out,
                              (long long)low, (long long)high);
    bl_reader_leave(reader, before);
    return true;
}

bool bl_reader_texts(bl_reader *reader, const json_t *object, const char *key, size_t limit,
                     const char *const **out, size_t *n) {
    const json_t *array = bl_reader_array(reader, object, key, limit, n);
    const char **texts = array ? bl_reader_alloc(reader, *n, sizeof *texts) : NULL;
    if (!texts) return false;
    size_t before = bl_reader_enter(reader, key);
    for (size_t i = 0; i < *n; i++) {
        size_t inner = bl_reader_enter_element(reader, i);
        if (!take_text(reader, json_array_get(array, i), &texts[i])) return false;
        bl_reader_leave(reader, inner);
    }
    bl_reader_leave(reader, before);
    *out = texts;
    return true;
}

bool bl_reader_numbers(bl_reader *reader, const json_t *object, const char *key, size_t limit,
                       const double **out, size_t *n) {
    const json_t *array = bl_reader_array(reader, object, key, limit, n);
    double *numbers = array ? bl_reader_alloc(reader, *n, sizeof *numbers) : NULL;
    if (!numbers) return false;
    size_t before = bl_reader_enter(reader, key);
    for (size_t i = 0; i < *n; i++) {
        size_t inner = bl_reader_enter_element(reader, i);
        if (!take_number(reader, json_array_get(array, i), &numbers[i])) return false;
        bl_reader_leave(reader, inner);
    }
    bl_reader_leave(reader, before);
    *out = numbers;
    return true;
}
