/* How often each word stands in a corpus. */
#ifndef BL_TEXT_WORD_COUNT_H
#define BL_TEXT_WORD_COUNT_H
#include "text/tokenizer/string_table.h"
#include <bilens/text.h>

/* Zero-initialise; free with bl_word_count_free. */
typedef struct bl_word_count {
    bl_string_table words;
    uint64_t *count; /* [words.n] */
    size_t capacity;
    uint64_t stories, total; /* total: sum of the counts */
} bl_word_count;

/* Counts the words of the rest of `corpus` as the paper's tokenizer will see them: normalised, cut by its
 * pre-tokenizers. Words of more than `longest` characters are left out. Threads over stories; the order of
 * the words depends on their number, the counts do not. */
bool bl_word_count_corpus(bl_word_count *counts, bl_corpus *corpus, size_t longest, bl_progress progress,
                          bl_error *err);
bool bl_word_count_add(bl_word_count *counts, const char *word, size_t length, uint64_t n, bl_error *err);
void bl_word_count_free(bl_word_count *counts);
#endif
