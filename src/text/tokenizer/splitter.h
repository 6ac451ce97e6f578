/* Normalising and pre-tokenizing in one: from text to words. A tokenizer does it before the words become ids;
 * whoever trains a vocabulary does it to count words exactly as the tokenizer will see them. */
#ifndef BL_TEXT_SPLITTER_H
#define BL_TEXT_SPLITTER_H
#include "text/tokenizer/pretokenise.h"

/* A plain value: copy it, nothing to free. Without any step the whole text is one word. */
typedef struct bl_splitter {
    bl_normaliser normaliser;
    bl_pretokeniser pretokeniser;
} bl_splitter;

/* The paper's: NFD, StripAccents, Lowercase; Punctuation, Whitespace, Digits (individual). */
bl_splitter bl_splitter_seed(void);

/* Calls `word` for each word of `text`, which must be well-formed UTF-8 (bl_utf8_check). The words lie in
 * `text` or in the scratch and are valid during the call only. Added tokens are not looked for. The scratch
 * is the caller's: zero-initialise it once, free it with bl_normal_scratch_free, one per thread. */
bool bl_splitter_words(const bl_splitter *splitter, const char *text, size_t n, bl_normal_scratch *scratch,
                       bl_word_fn word, void *context, bl_error *err);
#endif
