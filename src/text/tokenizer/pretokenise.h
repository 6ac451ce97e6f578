/* Pre-tokenizers: Punctuation (isolated), Whitespace, WhitespaceSplit, Digits, ByteLevel, Metaspace, in
 * sequence. They cut normalised text into words.
 *
 * A step cuts one piece into smaller ones and hands each on; the last hands words to a callback. A further
 * pre-tokenizer is one more function and one more name in the table of tokenizer_json.c; one that changes the
 * text hands on pieces of its own buffer. */
#ifndef BL_TEXT_PRETOKENISE_H
#define BL_TEXT_PRETOKENISE_H
#include "text/tokenizer/normalise.h"
#include "text/tokenizer/unicode.h"
#include "base/utf8.h"

/* Called for each word, never an empty one; false (with the error set by the callback) stops. */
typedef bool (*bl_word_fn)(void *context, const char *word, size_t length, bl_error *err);

/* When Metaspace puts its sign before a piece that does not begin with it. */
typedef enum bl_prepend { BL_PREPEND_NEVER, BL_PREPEND_ALWAYS, BL_PREPEND_FIRST } bl_prepend;

typedef struct bl_cutting bl_cutting;
typedef struct bl_pretokeniser_step bl_pretokeniser_step;
struct bl_pretokeniser_step {
    bool (*cut)(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text, size_t n);
    bool individual;    /* Digits: every digit alone */
    bool prefix_space;  /* ByteLevel: a blank before a piece that does not begin with one */
    bool split;         /* ByteLevel: by its regular expression; Metaspace: before every sign */
    bl_prepend prepend; /* Metaspace */
    bl_short_text sign; /* Metaspace: what stands for a blank */
};

typedef struct bl_pretokeniser {
    bl_pretokeniser_step steps[BL_MAX_STEPS];
    size_t n;
} bl_pretokeniser;

bl_pretokeniser_step bl_pretokeniser_punctuation(void);
bl_pretokeniser_step bl_pretokeniser_whitespace(void);
bl_pretokeniser_step bl_pretokeniser_whitespace_split(void);
bl_pretokeniser_step bl_pretokeniser_digits(bool individual);
/* byte_level.c */
bl_pretokeniser_step bl_pretokeniser_byte_level(bool prefix_space, bool split);
/* metaspace.c; BL_PREPEND_FIRST may be the first of a sequence only. */
bl_pretokeniser_step bl_pretokeniser_metaspace(bl_short_text sign, bl_prepend prepend, bool split);

/* Calls `word` for each word of well-formed text, in order. `first`: the text's first character is that of
 * the whole input. */
bool bl_pretokenise(const bl_pretokeniser *pretokeniser, const char *text, size_t n, bool first,
                    bl_normal_scratch *scratch, bl_word_fn word, void *context, bl_error *err);

/* For the steps: those that are still to come, and where words go in the end. */
struct bl_cutting {
    const bl_pretokeniser *pretokeniser;
    size_t step; /* the next one */
    bool first;
    bl_normal_scratch *scratch;
    bl_word_fn word;
    void *context;
    bl_error *err;
};

/* Hands a piece to the next step, or out; an empty one is dropped. */
bool bl_hand_on(const bl_cutting *rest, const char *text, size_t n);
/* The step's own buffer 0 or 1, emptied, with room for `n` bytes; NULL with the error set when memory is
 * short. */
bl_buffer *bl_cutting_buffer(const bl_cutting *rest, int which, size_t n);

/* The classes of the code point at text[*at]; moves *at past it. */
static inline unsigned bl_class_at(const char *text, size_t *at) {
    unsigned char byte = (unsigned char)text[*at];
    if (byte < 128) return *at += 1, bl_ascii_class[byte];
    return bl_unicode_class_beyond_ascii(bl_utf8_next(text, at));
}
#endif
