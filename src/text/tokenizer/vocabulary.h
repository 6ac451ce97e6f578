/* Strings and ids of a tokenizer, both ways. */
#ifndef BL_TEXT_VOCABULARY_H
#define BL_TEXT_VOCABULARY_H
#include <bilens/base.h>

/* Ids must be below this, so that a table by id stays small whatever a file says. */
#define BL_MAX_VOCABULARY ((size_t)1 << 22)

/* Zero-initialise, then bl_vocabulary_init once. */
typedef struct bl_vocabulary {
    size_t size;         /* one more than the largest id */
    const char **tokens; /* [size] by id, NULL where there is none */
    uint32_t *slots;     /* open-addressed table of id + 1; 0 = free */
    size_t mask;
    char *strings; /* where the strings lie */
    size_t n_bytes, capacity_bytes;
} bl_vocabulary;

/* Room for ids below `size`, at most `n` strings of `bytes` bytes in all (their final NULs counted). */
bool bl_vocabulary_init(bl_vocabulary *vocabulary, size_t size, size_t n, size_t bytes, bl_error *err);
void bl_vocabulary_free(bl_vocabulary *vocabulary);
/* Enters a string that is not there yet under an id that is free: both are the caller's to check. */
void bl_vocabulary_add(bl_vocabulary *vocabulary, const char *token, size_t length, int32_t id);
/* The id of a string, or -1. */
int32_t bl_vocabulary_id(const bl_vocabulary *vocabulary, const char *token, size_t length);
#endif
