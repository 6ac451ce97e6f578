/* A tokenizer's parts, and its loading from memory. */
#ifndef BL_TEXT_TOKENIZER_PRIVATE_H
#define BL_TEXT_TOKENIZER_PRIVATE_H
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/decoders.h"
#include "text/tokenizer/models.h"
#include "text/tokenizer/normalizers.h"
#include "text/tokenizer/pretokenizers.h"
#include "text/tokenizer/vocabulary.h"

struct bl_tokenizer {
    bl_vocabulary vocabulary;   /* the model's strings and the added tokens */
    bl_added_tokens raw;        /* found in the text as it is */
    bl_added_tokens normalized; /* found in the normalized text */
    bl_normalizer normalizer;
    bl_pretokenizer pretokenizer;
    bl_word_model model;
    bl_ids before, after; /* the template's ids around the text */
    bool has_template;
    bl_decoder decoder;
    int32_t eos;
};

/* Parses a tokenizer.json of `size` bytes into a zeroed tokenizer, to be freed by the caller also on
 * failure; `name` is for messages. */
bool bl_tokenizer_parse(bl_tokenizer *tokenizer, const char *name, const char *json, size_t size,
                        bl_error *err);
/* bl_tokenizer_load from memory. */
bl_tokenizer *bl_tokenizer_load_memory(const char *name, const char *json, size_t size, bl_error *err);

/* Calls `word` for each word of `text`, well-formed UTF-8, as the model would see it: normalized and cut by
 * the pre-tokenizers. Added tokens are not looked for. The words are valid during the call only. */
bool bl_tokenizer_words(const bl_tokenizer *tokenizer, const char *text, size_t n, bl_scratch *scratch,
                        bl_word_fn word, void *context, bl_error *err);

/* For loaders: "normalizer", "pre_tokenizer" and "decoder" of a tokenizer.json. */
bool bl_load_components(const bl_node *root, bl_tokenizer *tokenizer, bl_error *err);
/* An added token: entered into the vocabulary under its id if it is not there, and found in raw text or,
 * `normalized` as the text is, in normalized text. One that is there already stays as it is. */
bool bl_load_added(bl_tokenizer *tokenizer, const char *content, size_t n, bl_added_token token,
                   bool normalized, bl_error *err);
/* The last step: the token that ends a text. */
void bl_load_finish(bl_tokenizer *tokenizer);
/* False: there is no tokenizer, and one is needed. */
bool bl_no_tokenizer(bl_error *err);
#endif
