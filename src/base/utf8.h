/* UTF-8: checking, repairing, decoding, encoding. Everything after bl_utf8_check may rely on the text being
 * well-formed. */
#ifndef BL_BASE_UTF8_H
#define BL_BASE_UTF8_H
#include <bilens/base.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* False when text[0 … n) is not well-formed UTF-8 (overlong forms, surrogates and values past U+10FFFF
 * included); `*bad` is then the offset of the first byte of the first ill-formed sequence. */
bool bl_utf8_check(const char *text, size_t n, size_t *bad);

/* text[0 … n), n > 0, begins with an ill-formed sequence: the length of its longest part that a well-formed
 * one could begin with, at least 1 (the Unicode standard's "maximal subpart"). */
size_t bl_utf8_broken(const char *text, size_t n);

/* A copy with every byte that is not UTF-8 replaced by U+FFFD and nothing else changed; free with bl_free. */
char *bl_utf8_repair(const char *text, bl_error *err);

/* The number of code points of well-formed text. */
size_t bl_utf8_count(const char *text, size_t n);

/* The largest length <= n at which well-formed text may be cut without splitting a code point. */
size_t bl_utf8_clip(const char *text, size_t n);

/* The number of ASCII bytes that text begins with. */
static inline size_t bl_ascii_run(const char *text, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, sizeof word);
        if (word & UINT64_C(0x8080808080808080)) break;
    }
    while (i < n && !((unsigned char)text[i] & 0x80)) i++;
    return i;
}

/* The code point at text[*at] of well-formed text; moves *at past it. */
static inline uint32_t bl_utf8_next(const char *text, size_t *at) {
    const unsigned char *p = (const unsigned char *)text + *at;
    if (p[0] < 0x80) return *at += 1, p[0];
    if (p[0] < 0xE0) return *at += 2, ((uint32_t)(p[0] & 0x1F) << 6) | (p[1] & 0x3F);
    if (p[0] < 0xF0)
        return *at += 3, ((uint32_t)(p[0] & 0x0F) << 12) | ((uint32_t)(p[1] & 0x3F) << 6) | (p[2] & 0x3F);
    return *at += 4, ((uint32_t)(p[0] & 0x07) << 18) | ((uint32_t)(p[1] & 0x3F) << 12) |
                         ((uint32_t)(p[2] & 0x3F) << 6) | (p[3] & 0x3F);
}

/* The code point that ends before text[*at], *at > 0, of well-formed text; moves *at to its beginning. */
static inline uint32_t bl_utf8_previous(const char *text, size_t *at) {
    size_t begin = *at - 1;
    while (begin > 0 && ((unsigned char)text[begin] & 0xC0) == 0x80) begin--;
    *at = begin;
    return bl_utf8_next(text, &begin);
}

/* Encodes a scalar value; returns the number of bytes written, 1 to 4. */
static inline size_t bl_utf8_put(uint32_t point, char *out) {
    if (point < 0x80) return out[0] = (char)point, 1;
    if (point < 0x800) return out[0] = (char)(0xC0 | (point >> 6)), out[1] = (char)(0x80 | (point & 0x3F)), 2;
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | (point >> 12)), out[1] = (char)(0x80 | ((point >> 6) & 0x3F)),
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (point >> 18)), out[1] = (char)(0x80 | ((point >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((point >> 6) & 0x3F)), out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}
#endif
