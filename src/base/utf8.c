/* UTF-8 well-formedness, table 3-7 of the Unicode standard: the lead byte bounds the second byte, every
 * further one is 80 … BF. */
#include "base/utf8.h"
#include "base/buffer.h"

/* What a lead byte that is not ASCII asks for: the sequence's length, 0 if it leads none, and the bounds of
 * the second byte. */
static size_t wanted_length(unsigned char lead, unsigned char *low, unsigned char *high) {
    *low = 0x80, *high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) return 2;
    if ((lead & 0xF0) == 0xE0) {
        if (lead == 0xE0) *low = 0xA0;
        if (lead == 0xED) *high = 0x9F; /* surrogates */
        return 3;
    }
    if (lead < 0xF0 || lead > 0xF4) return 0;
    if (lead == 0xF0) *low = 0x90;
    if (lead == 0xF4) *high = 0x8F; /* past U+10FFFF */
    return 4;
}

/* How many bytes at p, at most n of which exist, agree with the lead p[0], which is not ASCII; `*length` is
 * what it asks for. */
static size_t agreeing(const unsigned char *p, size_t n, size_t *length) {
    unsigned char low, high;
    *length = wanted_length(p[0], &low, &high);
    if (*length == 0 || n < 2 || p[1] < low || p[1] > high) return *length > 0;
    size_t i = 2;
    while (i < *length && i < n && (p[i] & 0xC0) == 0x80) i++;
    return i;
}

bool bl_utf8_check(const char *text, size_t n, size_t *bad) {
    for (size_t i = 0; i < n;) {
        i += bl_ascii_run(text + i, n - i);
        if (i == n) break;
        size_t length, there = agreeing((const unsigned char *)text + i, n - i, &length);
        if (length == 0 || there < length) {
            *bad = i;
            return false;
        }
        i += length;
    }
    return true;
}

size_t bl_utf8_broken(const char *text, size_t n) {
    size_t length, there = agreeing((const unsigned char *)text, n, &length);
    return there ? there : 1;
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

char *bl_utf8_repair(const char *text, bl_error *err) {
    bl_buffer out = {0};
    size_t left = strlen(text), sound;
    while (!bl_utf8_check(text, left, &sound)) {
        bl_buffer_add(&out, text, sound);
        bl_buffer_text(&out, "\xEF\xBF\xBD");
        text += sound + 1;
        left -= sound + 1;
    }
    bl_buffer_add(&out, text, left);
    return bl_buffer_take(&out, err);
}
