/* What turns a word into ids: WordPiece (wordpiece.c) and byte-pair encoding (bpe.c). */
#ifndef BL_TEXT_MODELS_H
#define BL_TEXT_MODELS_H
#include "text/tokenizer/vocabulary.h"
#include <bilens/text.h>

typedef struct bl_word_model {
    /* Appends the ids of a word of well-formed UTF-8, not an empty one. Safe to call from many threads. */
    bool (*encode)(const void *data, const char *word, size_t length, bl_ids *ids, bl_error *err);
    void (*free)(void *data);
    void *data;
    bool keeps_blanks; /* tokens hold the text's blanks and capitals: decoding gives prose */
} bl_word_model;

/* WordPiece over the model's strings of the vocabulary. `prefix` marks pieces that continue a word ("##");
 * words of more than `max_chars` code points are unknown. `encode` is NULL when memory is short. */
bl_word_model bl_wordpiece(const bl_vocabulary *vocabulary, const char *prefix, size_t prefix_length,
                           int32_t unknown, size_t max_chars, bl_error *err);

/* Byte-pair encoding: a word begins as its characters; of all neighbours that may merge, those of the lowest
 * rank do, the leftmost first, until none are left. */
typedef struct bl_bpe bl_bpe;
typedef struct bl_bpe_options {
    int32_t unknown;             /* what a character that the vocabulary lacks becomes, or -1: nothing */
    bool fuse_unknown;           /* several in a row become one */
    bool byte_fallback;          /* … or the tokens <0xNN> of its bytes, if they are all there */
    bool ignore_merges;          /* a word of the vocabulary is that token, whatever the merges say */
    const char *prefix, *suffix; /* of characters that do not begin, that end a word; copied */
} bl_bpe_options;

/* The vocabulary holds the model's strings already, and must outlive the model. Room for `merges` merges. */
bl_bpe *bl_bpe_new(const bl_bpe_options *options, const bl_vocabulary *vocabulary, size_t merges,
                   bl_error *err);
void bl_bpe_free(bl_bpe *bpe);
/* One more merge; of two merges of the same pair the later one counts. Merges may have the same rank. */
void bl_bpe_merge(bl_bpe *bpe, int32_t left, int32_t right, int32_t product, uint32_t rank);
/* The model, which takes the bpe over; its `encode` is NULL when memory is short. */
bl_word_model bl_bpe_finish(bl_bpe *bpe, bl_error *err);
#endif
