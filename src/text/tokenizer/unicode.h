/* Unicode as the Hugging Face library sees it: character classes and lower-casing.
 *
 * The library is made of Rust crates, each with tables of its own age: `\w`, white space, numbers and lower
 * case are those of Unicode 16 or 17, punctuation that of Unicode 7, marks and the normal forms those of
 * Unicode 9. utf8proc (Unicode 15 at the time of writing, newer elsewhere) cannot give these answers, and ids
 * must not depend on which utf8proc is installed. So the classes come from a table of our own
 * (unicode_tables.c, made by tools/unicode_tables.py), and utf8proc is asked only for what does not change
 * once assigned (decompositions, combining classes, case pairs), with the few differences written out where
 * it is asked. */
#ifndef BL_TEXT_UNICODE_H
#define BL_TEXT_UNICODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BL_CLASS_WORD = 1,        /* \w of Rust's regex: Alphabetic, M*, Nd, Pc, Join_Control */
    BL_CLASS_SPACE = 2,       /* White_Space */
    BL_CLASS_PUNCTUATION = 4, /* ASCII punctuation, P* of Unicode 7 */
    BL_CLASS_NUMERIC = 8,     /* Nd, Nl, No */
    BL_CLASS_MARK = 16,       /* M* of Unicode 9: what StripAccents removes and what has a combining class */
    BL_CLASS_LETTER =
        32, /* \p{L} of the library's other engine of regular expressions, which ByteLevel uses */
    BL_CLASS_NUMBER = 64, /* its \p{N} */
    BL_CLASS_BLANK = 128  /* its \s */
};

/* Runs of code points of one class set, ascending: first code point << 8 | classes. The first run begins at
 * 0. */
extern const uint32_t bl_unicode_runs[];
extern const size_t bl_unicode_n_runs;
/* The same for ASCII, by code point. */
extern const uint8_t bl_ascii_class[128];

/* The classes of a code point not in ASCII. */
unsigned bl_unicode_class_beyond_ascii(uint32_t point);

static inline unsigned bl_unicode_class(uint32_t point) {
    return point < 128 ? bl_ascii_class[point] : bl_unicode_class_beyond_ascii(point);
}

/* Full lower-casing of one code point, without context, into out[2]; returns how many code points that gives.
 */
size_t bl_unicode_lower(uint32_t point, uint32_t *out);

/* What Python's str.strip() strips: White_Space and the four separators U+001C … U+001F. */
static inline bool bl_is_strippable(uint32_t point) {
    return (bl_unicode_class(point) & BL_CLASS_SPACE) || (point >= 0x1C && point <= 0x1F);
}
#endif
