/* Tiny models, written by the test itself: every path of loading and decomposing in a few hundred
 * allocations. */
#ifndef BL_TESTS_TINY_MODEL_H
#define BL_TESTS_TINY_MODEL_H
#include <stdbool.h>

typedef enum tiny_kind {
    TINY_PLAIN, /* 2024-05, one file, no norm */
    TINY_NORM,  /* 2024-05, RMS norms with weights: everything is folded */
    TINY_LATER, /* later, two layers, norms without weights, biases, two shards */
    N_TINY
} tiny_kind;

/* Makes `directory` (which must not exist) a model of `kind`: V 14, d 8, h 6, H 2, T 16. False with a message
 * on stderr. */
bool tiny_model_write(const char *directory, tiny_kind kind);
/* Makes `path` a corpus of three stories in the tiny models' words, .txt or .jsonl. */
bool tiny_corpus_write(const char *path, bool jsonl);
#endif
