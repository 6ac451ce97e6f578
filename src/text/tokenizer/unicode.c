/* Looking up classes (binary search over runs) and lower case (utf8proc, and what it does not know). */
#include "text/tokenizer/unicode.h"
#include <utf8proc.h>

unsigned bl_unicode_class_beyond_ascii(uint32_t point) {
    size_t low = 0, high = bl_unicode_n_runs; /* the run that holds `point` is in [low, high) */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (bl_unicode_runs[middle] >> 8 <= point) low = middle;
        else high = middle;
    }
    return bl_unicode_runs[low] & 0xFF;
}

/* Case pairs of Unicode 16 and 17, which utf8proc 2.8 (Unicode 15) lacks; a newer utf8proc agrees with them.
 */
static const struct {
    uint32_t first, last;
    int32_t shift;
} newer_pairs[] = {
    {0x1C89, 0x1C89, 1},    {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CC, 1},    {0xA7CE, 0xA7CE, 1},
    {0xA7D2, 0xA7D2, 1},    {0xA7D4, 0xA7D4, 1},
    {0xA7DA, 0xA7DA, 1},    {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 32}, {0x16EA0, 0x16EB8, 27},
};

size_t bl_unicode_lower(uint32_t point, uint32_t *out) {
    if (point < 128) {
        out[0] = point >= 'A' && point <= 'Z' ? point + 32 : point;
        return 1;
    }
    if (point == 0x130) { /* the only unconditional mapping to two code points: i and a dot above */
        out[0] = 'i', out[1] = 0x307;
        return 2;
    }
    for (size_t i = 0; i < sizeof newer_pairs / sizeof *newer_pairs; i++)
        if (point >= newer_pairs[i].first && point <= newer_pairs[i].last) {
            out[0] = (uint32_t)((int32_t)point + newer_pairs[i].shift);
            return 1;
        }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)point);
    return 1;
}
