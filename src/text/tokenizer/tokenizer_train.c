/* From a corpus to a tokenizer.json: count the words, learn the pieces, write. */
#include "base/error.h"
#include "text/tokenizer/vocabulary.h"
#include "text/tokenizer/wordpiece_train.h"

bool bl_tokenizer_train(bl_corpus *corpus, const bl_wordpiece_options *options, const char *path,
                        bl_progress progress, bl_wordpiece_summary *summary, bl_error *err) {
    bl_error_clear(err);
    if (options->size > BL_MAX_VOCABULARY)
        return bl_fail(err, BL_ERR_USAGE, "a vocabulary of %zu is too large: at most %zu", options->size,
                       BL_MAX_VOCABULARY);
    bl_word_count words = {0};
    bl_string_table pieces = {0};
    bl_wordpiece_summary found = {0};
    bool ok = bl_word_count_corpus(&words, corpus, BL_WORDPIECE_LONGEST, progress, err) &&
              bl_wordpiece_learn(&words, options, progress, &pieces, &found, err) &&
              bl_wordpiece_write(&pieces, path, err);
    found.stories = words.stories;
    found.words = words.total;
    found.distinct = words.words.n;
    if (ok && summary) *summary = found;
    bl_string_table_free(&pieces);
    bl_word_count_free(&words);
    return ok;
}
