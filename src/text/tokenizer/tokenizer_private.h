/* A tokenizer's parts, and its loading from memory. */
#ifndef BL_TEXT_TOKENIZER_PRIVATE_H
#define BL_TEXT_TOKENIZER_PRIVATE_H
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/decoder.h"
#include "text/tokenizer/splitter.h"
#include "text/tokenizer/vocabulary.h"
#include "text/tokenizer/word_model.h"

struct bl_tokenizer {
    bl_vocabulary vocabulary;   /* the model's strings and the added tokens */
    bl_added_tokens raw;        /* found in the text as it is */
    bl_added_tokens normalised; /* found in the normalised text */
    bl_splitter splitter;
    bl_word_model model;
    bl_ids before, after; /* the template's ids around the text */
    bool has_template;
    bl_decoder decoder;
    int32_t eos;
};

/* Parses a tokenizer.json of `size` bytes; `name` is for messages. The tokenizer is zeroed, to be freed by
 * the caller on failure. */
bool bl_tokenizer_parse(bl_tokenizer *tokenizer, const char *name, const char *json, size_t size,
                        bl_error *err);
/* bl_tokenizer_load from memory. */
bl_tokenizer *bl_tokenizer_load_memory(const char *name, const char *json, size_t size, bl_error *err);
#endif
