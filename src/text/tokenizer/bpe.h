/* Byte-pair encoding: a word begins as its characters; of all neighbours that may merge, those of the lowest
 * rank do, the leftmost first, until none are left. */
#ifndef BL_TEXT_BPE_H
#define BL_TEXT_BPE_H
#include "text/tokenizer/vocabulary.h"
#include "text/tokenizer/word_model.h"

typedef struct bl_bpe_options {
    int32_t unknown;             /* what a character that the vocabulary lacks becomes, or -1: nothing */
    bool fuse_unknown;           /* several in a row become one */
    bool byte_fallback;          /* … or the tokens <0xNN> of its bytes, if they are all there */
    bool ignore_merges;          /* a word of the vocabulary is that token, whatever the merges say */
    const char *prefix, *suffix; /* of characters that do not begin, that end a word; copied */
} bl_bpe_options;

/* First every string of the vocabulary, then the merges from rank 0 on, then bl_bpe_finish, which takes the
 * bpe over. */
typedef struct bl_bpe bl_bpe;
/* Room for ids below `size`, `n` strings of `bytes` bytes in all, their final NULs counted, and `merges`
 * merges. */
bl_bpe *bl_bpe_new(const bl_bpe_options *options, size_t size, size_t n, size_t bytes, size_t merges,
                   bl_error *err);
void bl_bpe_free(bl_bpe *bpe);
/* A string and an id that are not there yet. */
void bl_bpe_add(bl_bpe *bpe, const char *token, size_t length, int32_t id);
/* The id of a string, or -1. */
int32_t bl_bpe_id(const bl_bpe *bpe, const char *token, size_t length);
/* The merge of the next rank; of two merges of the same pair the later one counts. */
void bl_bpe_merge(bl_bpe *bpe, int32_t left, int32_t right, int32_t product);
/* The model; its `encode` is NULL when memory is short. */
bl_word_model bl_bpe_finish(bl_bpe *bpe, bl_error *err);
#endif
