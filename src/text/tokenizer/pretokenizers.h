/* Pre-tokenizers: Punctuation, Whitespace, WhitespaceSplit, Digits, Split, ByteLevel, Metaspace, in
 * sequence. They cut normalized text into words.
 *
 * A step cuts one piece into smaller ones and hands each on; the last hands words to a callback. A further
 * one is a function and a row in the table of pretokenizers.c; one that changes the text hands on pieces of
 * its own buffer. */
#ifndef BL_TEXT_PRETOKENIZERS_H
#define BL_TEXT_PRETOKENIZERS_H
#include "text/tokenizer/normalizers.h"
#include "text/tokenizer/regex.h"

/* Called for each word, never an empty one; false (with the error set by the callback) stops. */
typedef bool (*bl_word_fn)(void *context, const char *word, size_t length, bl_error *err);

/* What becomes of the matches of a pattern: each is a piece, none is, each is joined to what stands before
 * it, or behind it, or neighbouring ones are one piece. */
typedef enum bl_behavior {
    BL_ISOLATED,
    BL_REMOVED,
    BL_MERGED_WITH_PREVIOUS,
    BL_MERGED_WITH_NEXT,
    BL_CONTIGUOUS
} bl_behavior;

typedef struct bl_cutting bl_cutting;
typedef struct bl_matches bl_matches;
typedef struct bl_pretokenizer_step bl_pretokenizer_step;
struct bl_pretokenizer_step {
    bool (*cut)(const bl_pretokenizer_step *step, const bl_cutting *rest, const char *text, size_t n);
    bl_regex_found (*next)(const bl_pretokenizer_step *step,
                           bl_matches *matches); /* steps that cut at matches */
    bl_behavior behavior;
    bool invert;        /* what does not match counts as matches, and the other way round */
    unsigned class;     /* steps by character class: which characters */
    bl_regex *regex;    /* Split by an expression; owned */
    bl_short_text text; /* Split by a string; Metaspace: what stands for a blank */
    bool prefix_space;  /* ByteLevel: a blank before a piece that does not begin with one */
    bool split;         /* ByteLevel: by its regular expression; Metaspace: before every sign */
    bl_prepend prepend; /* Metaspace */
};

/* Zero-initialise; without any step the whole text is one word. */
typedef struct bl_pretokenizer {
    bl_pretokenizer_step steps[BL_MAX_STEPS];
    size_t n;
} bl_pretokenizer;

/* Reads a tokenizer.json's pre-tokenizer, whose `normalizer` has been read. The caller frees what there is
 * also on failure. */
bool bl_read_pretokenizer(const bl_node *node, const bl_normalizer *normalizer, bl_pretokenizer *pretokenizer,
                          bl_error *err);
void bl_pretokenizer_free(bl_pretokenizer *pretokenizer);

/* Calls `word` for each word of well-formed text, in order. `first`: the text's first character is that of
 * the whole input. The words lie in `text` or in the scratch and are valid during the call only. */
bool bl_pretokenize(const bl_pretokenizer *pretokenizer, const char *text, size_t n, bool first,
                    bl_scratch *scratch, bl_word_fn word, void *context, bl_error *err);

/* GPT-2's alphabet: every byte is written as a character that can be seen, so that any text is text of 256
 * characters. The bytes 33 … 126, 161 … 172 and 174 … 255 stand for themselves as code points; the
 * other 68, in ascending order, are U+0100 … U+0143 (a blank is U+0120, "Ġ"). */
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
