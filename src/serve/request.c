/* Parameters of a request: percent-decoding that refuses what is broken. */
#include "serve/request.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PARAMETERS 256

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes text[0 … n) into out, NUL-terminated; returns the end behind the NUL, NULL when it is broken. */
static char *decode(const char *text, size_t n, char *out, bl_error *err) {
    const char *begin = out;
    size_t bad;
    for (size_t i = 0; i < n; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            int high = n - i > 2 ? digit(text[i + 1]) : -1, low = high >= 0 ? digit(text[i + 2]) : -1;
            if (low < 0)
                return bl_fail_null(
                    err, BL_ERR_USAGE,
                    "a parameter holds a %% that is no escape: two hexadecimal digits follow it");
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0') return bl_fail_null(err, BL_ERR_USAGE, "a parameter holds NUL");
        *out++ = c;
    }
    if (!bl_utf8_check(begin, (size_t)(out - begin), &bad))
        return bl_fail_null(err, BL_ERR_USAGE, "a parameter is not valid UTF-8 (byte 0x%02x at offset %zu)",
                            (unsigned char)begin[bad], bad);
    *out++ = '\0';
    return out;
}

bool bl_request_add(bl_request *request, const char *encoded, size_t n, bl_error *err) {
    size_t slot = request->storage[0] ? 1 : 0;
    if (n == 0) return true;
    if (request->storage[slot]) return bl_fail(err, BL_ERR_USAGE, "more than a query and a body");
    char *out = request->storage[slot] =
        bl_alloc(n + 2, 2, err); /* every part ends with a NUL, and "a" has an empty value */
    if (!out) return false;
    for (const char *part = encoded, *end = encoded + n; part <= end;) {
        const char *stop = memchr(part, '&', (size_t)(end - part));
        if (!stop) stop = end;
        if (stop > part) {
            const char *equals = memchr(part, '=', (size_t)(stop - part)), *name = out;
            if (request->n == MOST_PARAMETERS)
                return bl_fail(err, BL_ERR_USAGE, "more than %d parameters", MOST_PARAMETERS);
            if (!bl_grow(&request->list, &request->capacity, request->n + 1, sizeof *request->list, err))
                return false;
            const char *value = decode(part, (size_t)((equals ? equals : stop) - part), out, err);
            if (!value) return false;
            out = equals ? decode(equals + 1, (size_t)(stop - equals - 1), out + strlen(name) + 1, err)
                         : out + strlen(name) + 1;
            if (!out) return false;
            if (!equals) *out++ = '\0';
            request->list[request->n++] = (bl_parameter){name, value};
        }
        part = stop + 1;
    }
    return true;
}

void bl_request_free(bl_request *request) {
    free(request->list);
    free(request->storage[0]);
    free(request->storage[1]);
    *request = (bl_request){0};
}

/* Whether `name` is in the list of words, and whether it is marked with a *. */
static bool find_word(const char *words, const char *name, bool *many) {
    size_t n = strlen(name);
    for (const char *at = words; *at; at += strcspn(at, " "), at += *at == ' ') {
        size_t length = strcspn(at, " *");
        *many = at[length] == '*';
        if (length == n && memcmp(at, name, n) == 0) return true;
    }
    return false;
}

bool bl_request_check(const bl_request *request, const char *known, bl_error *err) {
    for (size_t i = 0; i < request->n; i++) {
        const char *name = request->list[i].name;
        bool many;
        if (!find_word(known, name, &many))
            return bl_fail(err, BL_ERR_USAGE, "unknown parameter '%.60s'; there are %s (* = may be repeated)",
                           name, *known ? known : "none");
        for (size_t j = 0; j < i && !many; j++)
            if (strcmp(request->list[j].name, name) == 0)
                return bl_fail(err, BL_ERR_USAGE, "parameter '%s' is given twice", name);
    }
    return true;
}

const char *bl_request_next(const bl_request *request, const char *name, size_t *at) {
    while (*at < request->n) {
        const bl_parameter *p = &request->list[(*at)++];
        if (strcmp(p->name, name) == 0) return p->value;
    }
    return NULL;
}

const char *bl_request_text(const bl_request *request, const char *name) {
    size_t at = 0;
    return bl_request_next(request, name, &at);
}

bool bl_request_count(const bl_request *request, const char *name, size_t otherwise, size_t most, size_t *out,
                      bl_error *err) {
    const char *text = bl_request_text(request, name);
    char *end;
    *out = otherwise;
    if (!text) return true;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value > most)
        return bl_fail(err, BL_ERR_USAGE, "%s: '%.40s' is not a whole number from 0 to %zu", name, text,
                       most);
    *out = (size_t)value;
    return true;
}

bool bl_request_flag(const bl_request *request, const char *name, bool *out, bl_error *err) {
    const char *text = bl_request_text(request, name);
    *out = text && strcmp(text, "1") == 0;
    return !text || *out || strcmp(text, "0") == 0 ||
           bl_fail(err, BL_ERR_USAGE, "%s: '%.40s' is neither 0 nor 1", name, text);
}
