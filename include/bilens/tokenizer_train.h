/** @file tokenizer_train.h  Making a WordPiece vocabulary from text.
 *
 *      const char *files[] = {"stories.txt"};
 *      bl_corpus *corpus = bl_corpus_open(files, 1, &err);
 *      bl_wordpiece_options options = {.size = 4096};
 *      bl_tokenizer_train(corpus, &options, "tokenizer.json", (bl_progress){0}, NULL, &err);
 */
#ifndef BILENS_TOKENIZER_TRAIN_H
#define BILENS_TOKENIZER_TRAIN_H

#include <bilens/text.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_wordpiece_options {
    size_t size;            /**< of the vocabulary, special tokens and single characters included */
    uint64_t min_frequency; /**< a pair of pieces that stands together less often is never joined; 0 and 1:
                               any pair */
    size_t limit_alphabet;  /**< keep only so many characters, the most frequent ones; 0: all */
} bl_wordpiece_options;

/** What the corpus was made of. */
typedef struct bl_wordpiece_summary {
    uint64_t stories, words;
    size_t distinct;   /**< different words of at most 100 characters */
    size_t alphabet;   /**< different characters kept */
    size_t characters; /**< pieces of one character, with and without ## */
    size_t size;       /**< of the vocabulary */
    uint64_t least;    /**< how often the pair stood together that was joined last */
    uint64_t too_long; /**< words of more than 100 characters: only their characters were learned */
} bl_wordpiece_summary;

/** Reads the rest of `corpus`, joins the most frequent pair of pieces again and again until there are
 * `options->size` of them, and writes `path`, a tokenizer.json with the components of docs/specification.md,
 * 3 ([UNK] 0, [BOS] 1, [EOS] 2), atomically. The same text gives the same bytes, whatever the number of
 * threads. `summary` may be NULL; it is filled in on success. BL_ERR_USAGE for a size that the special tokens
 * and characters do not fit in, BL_ERR_INPUT for a corpus that has not so many pieces: both messages say how
 * many there are. */
BL_API bool bl_tokenizer_train(bl_corpus *corpus, const bl_wordpiece_options *options, const char *path,
                               bl_progress progress, bl_wordpiece_summary *summary, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
