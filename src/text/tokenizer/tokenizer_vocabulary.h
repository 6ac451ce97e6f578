/* Reading the vocabulary and the added tokens of a tokenizer.json. */
#ifndef BL_TEXT_TOKENIZER_VOCABULARY_H
#define BL_TEXT_TOKENIZER_VOCABULARY_H
#include "text/tokenizer/json_place.h"
#include "text/tokenizer/tokenizer_private.h"

/* Fills in tokenizer->vocabulary, raw and normalised from the model's "vocab" and from "added_tokens"; the
 * normaliser must have been read. Every id has been checked afterwards: an integer, in range, its own. */
bool bl_read_vocabulary(const bl_place *vocabulary, const bl_place *added, bl_tokenizer *tokenizer,
                        bl_error *err);
#endif
