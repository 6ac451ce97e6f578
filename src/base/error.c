#include "base/error.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {"ok", "usage",  "input",   "unsupported",
                                         "io", "memory", "numeric", "cancelled"};

const char *bl_code_name(bl_code code) {
    return (size_t)code < sizeof code_names / sizeof *code_names ? code_names[code] : "unknown";
}

/* The code point at text, which ends with NUL, and its length; -1 and 1 for what is no UTF-8. */
static long next_point(const char *text, size_t *length) {
    size_t n = strnlen(text, 4), at = 0, bad;
    *length = 1;
    for (size_t size = 1; size <= n; size++) {
        if (!bl_utf8_check(text, size, &bad)) continue;
        long point = (long)bl_utf8_next(text, &at);
        *length = at;
        return point;
    }
    return -1;
}

/* What a terminal obeys instead of showing: C0 and C1 controls, line and paragraph separators, directions. */
static bool commands(long point) {
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x61C ||
           (point >= 0x200E && point <= 0x200F) || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xFEFF;
}

void bl_escape(const char *text, char *out, size_t size) {
    size_t used = 0, length;
    for (; *text; text += length) {
        char shown[16];
        long point = next_point(text, &length);
        if (point < 0) snprintf(shown, sizeof shown, "\\x%02x", (unsigned char)*text);
        else if (point < 0x80 && commands(point)) snprintf(shown, sizeof shown, "\\x%02x", (unsigned)point);
        else if (commands(point)) snprintf(shown, sizeof shown, "\\u%04x", (unsigned)point);
        else snprintf(shown, sizeof shown, "%.*s", (int)length, text);
        size_t n = strlen(shown);
        if (used + n >= size) break;
        memcpy(out + used, shown, n);
        used += n;
    }
    out[used] = '\0';
}

static void fill(bl_error *err, bl_code code, const char *format, va_list arguments) {
    if (!err) return;
    char raw[sizeof err->message];
    vsnprintf(raw, sizeof raw, format, arguments);
    err->code = code;
    bl_escape(raw, err->message, sizeof err->message);
}

bool bl_fail(bl_error *err, bl_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fill(err, code, format, arguments);
    va_end(arguments);
    return false;
}

void *bl_fail_null(bl_error *err, bl_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fill(err, code, format, arguments);
    va_end(arguments);
    return NULL;
}

void bl_error_clear(bl_error *err) {
    if (!err) return;
    err->code = BL_OK;
    err->message[0] = '\0';
}

bool bl_error_prefix(bl_error *err, const char *prefix) {
    if (!err) return false;
    char old[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    int n = snprintf(err->message, sizeof err->message, "%s: ", prefix);
    if (n > 0 && (size_t)n < sizeof err->message)
        snprintf(err->message + n, sizeof err->message - (size_t)n, "%s", old);
    return false;
}
