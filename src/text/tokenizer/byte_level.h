/* GPT-2's alphabet: every byte is written as a character that can be seen, so that any text is text of 256
 * characters.
 *
 * The bytes 33 … 126, 161 … 172 and 174 … 255 stand for themselves as code points; the other 68,
 * in ascending
 * order, are U+0100 … U+0143 (a blank is U+0120, "Ġ"). */
#ifndef BL_TEXT_BYTE_LEVEL_H
#define BL_TEXT_BYTE_LEVEL_H
#include <stdint.h>

static inline uint32_t bl_byte_to_point(unsigned char byte) {
    if (byte < 33) return 256U + byte;
    if (byte < 127) return byte;
    if (byte < 161) return 256U + 33 + (byte - 127U);
    return byte == 173 ? 0x143 : byte;
}

/* The byte that a character stands for, or -1. */
static inline int bl_point_to_byte(uint32_t point) {
    if (point < 256) return point < 33 || (point >= 127 && point < 161) || point == 173 ? -1 : (int)point;
    if (point < 256 + 33) return (int)point - 256;
    if (point < 0x143) return (int)point - 256 - 33 + 127;
    return point == 0x143 ? 173 : -1;
}
#endif
