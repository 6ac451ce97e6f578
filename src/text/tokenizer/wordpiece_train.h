/* Learning the pieces of a WordPiece vocabulary from counted words, and writing them as a tokenizer.json. */
#ifndef BL_TEXT_WORDPIECE_TRAIN_H
#define BL_TEXT_WORDPIECE_TRAIN_H
#include "text/tokenizer/word_count.h"
#include <bilens/tokenizer_train.h>

#define BL_WORDPIECE_PREFIX "##"
/* Longer words become [UNK] whatever the vocabulary. */
#define BL_WORDPIECE_LONGEST 100
/* [UNK], [BOS], [EOS] */
#define BL_WORDPIECE_SPECIAL 3

/* Fills `pieces` (zero-initialised): number = id. Fills in the summary's alphabet, characters, size, least.
 */
bool bl_wordpiece_learn(const bl_word_count *words, const bl_wordpiece_options *options, bl_progress progress,
                        bl_string_table *pieces, bl_wordpiece_summary *summary, bl_error *err);

/* Writes the paper's tokenizer around the pieces. */
bool bl_wordpiece_write(const bl_string_table *pieces, const char *path, bl_error *err);
#endif
