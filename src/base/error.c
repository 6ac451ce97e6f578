#include "base/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {"ok", "usage",  "input",   "unsupported",
                                         "io", "memory", "numeric", "cancelled"};

const char *bl_code_name(bl_code code) {
    return (size_t)code < sizeof code_names / sizeof *code_names ? code_names[code] : "unknown";
}

static void fill(bl_error *err, bl_code code, const char *format, va_list arguments) {
    if (!err) return;
    err->code = code;
    vsnprintf(err->message, sizeof err->message, format, arguments);
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
