/* Pre-tokenizers: Punctuation (isolated), Whitespace, WhitespaceSplit, Digits, in sequence. They cut normalised text into words.
 *
 * A step cuts one piece into smaller ones and hands each on; the last hands words to a callback. A further pre-tokenizer is one more
 * function and one more name in the table of tokenizer_json.c; one that changes the text hands on pieces of its own buffer. */
#ifndef BL_TEXT_PRETOKENISE_H
#define BL_TEXT_PRETOKENISE_H
#include "text/normalise.h"

/* Called for each word, never an empty one; false (with the error set by the callback) stops. */
typedef bool (*bl_word_fn)(void *context, const char *word, size_t length, bl_error *err);

typedef struct bl_cutting bl_cutting;
typedef struct bl_pretokeniser_step bl_pretokeniser_step;
struct bl_pretokeniser_step {
    bool (*cut)(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text, size_t n);
    bool individual; /* Digits: every digit alone */
};

typedef struct bl_pretokeniser {
    bl_pretokeniser_step steps[BL_MAX_STEPS];
    size_t n;
} bl_pretokeniser;

bl_pretokeniser_step bl_pretokeniser_punctuation(void);
bl_pretokeniser_step bl_pretokeniser_whitespace(void);
bl_pretokeniser_step bl_pretokeniser_whitespace_split(void);
bl_pretokeniser_step bl_pretokeniser_digits(bool individual);

/* Calls `word` for each word of well-formed text, in order. */
bool bl_pretokenise(const bl_pretokeniser *pretokeniser, const char *text, size_t n, bl_word_fn word, void *context, bl_error *err);
#endif
