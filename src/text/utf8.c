/* UTF-8 well-formedness, table 3-7 of the Unicode standard: the lead byte bounds the second byte, every further one is 80 … BF. */
#include "text/utf8.h"

/* Length of the well-formed sequence at p, at most n bytes of which exist; 0 if there is none. p[0] is not ASCII. */
static size_t sequence_length(const unsigned char *p, size_t n) {
    size_t length;
    unsigned char low = 0x80, high = 0xBF;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        length = 2;
    } else if ((p[0] & 0xF0) == 0xE0) {
        length = 3;
        if (p[0] == 0xE0) low = 0xA0;
        if (p[0] == 0xED) high = 0x9F; /* surrogates */
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        length = 4;
        if (p[0] == 0xF0) low = 0x90;
        if (p[0] == 0xF4) high = 0x8F; /* past U+10FFFF */
    } else {
        return 0;
    }
    if (n < length || p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return length;
}

bool bl_utf8_check(const char *text, size_t n, size_t *bad) {
    for (size_t i = 0; i < n;) {
        i += bl_ascii_run(text + i, n - i);
        if (i == n) break;
        size_t length = sequence_length((const unsigned char *)text + i, n - i);
        if (length == 0) {
            *bad = i;
            return false;
        }
        i += length;
    }
    return true;
}

size_t bl_utf8_count(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

size_t bl_utf8_clip(const char *text, size_t n) {
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    return n;
}
