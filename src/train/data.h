/* A whole corpus as token ids in memory, and the order in which a run sees it. */
#ifndef BL_TRAIN_DATA_H
#define BL_TRAIN_DATA_H
#include "train/net.h"

/* Stories of at least two tokens, each truncated to n_ctx. */
typedef struct bl_dataset {
    uint16_t *narrow; /* ids of a vocabulary of at most 65536; NULL otherwise */
    int32_t *wide;    /* the ids otherwise */
    uint64_t *begin;  /* [n + 1] */
    size_t n, longest;
    uint64_t cut, empty; /* stories truncated; stories without anything to predict, left out */
    uint64_t hash;       /* of all ids and lengths: the same data or not */
    char *note;          /* what bl_corpus_note says of the text; NULL: nothing */
    size_t capacity, begin_capacity;
} bl_dataset;

/* Reads and tokenises `paths`. `vocabulary` is the model's: an id beyond it is an error. Progress in
 * compressed bytes as `phase`. */
bool bl_dataset_read(bl_dataset *data, const char *const *paths, size_t n_paths, const char *text_key,
                     const bl_tokenizer *tokenizer, size_t vocabulary, size_t n_ctx, const char *phase,
                     const bl_progress *progress, bl_error *err);
void bl_dataset_free(bl_dataset *data);
static inline size_t bl_dataset_length(const bl_dataset *data, size_t story) {
    return (size_t)(data->begin[story + 1] - data->begin[story]);
}
static inline int32_t bl_dataset_id(const bl_dataset *data, uint64_t at) {
    return data->narrow ? (int32_t)data->narrow[at] : data->wide[at];
}

/* The order of a run: epoch e is a permutation of all stories, drawn from (seed, e) alone. */
typedef struct bl_order {
    uint32_t *story; /* [n] of the epoch at hand */
    size_t n;
    uint64_t seed, epoch; /* epoch = UINT64_MAX: none drawn yet */
} bl_order;

bool bl_order_init(bl_order *order, size_t n, uint64_t seed, bl_error *err);
void bl_order_free(bl_order *order);
/* The story at `position` of the run's endless sequence of epochs. */
size_t bl_order_story(bl_order *order, uint64_t position);

/* A micro-batch's own memory. */
typedef struct bl_packer {
    bl_minibatch batch;
    int32_t *input, *target;
    uint32_t *position;
    uint64_t *row;
    size_t *start;
    size_t rows, stories; /* capacity */
} bl_packer;

/* Packs stories[0 … n-1]; the rows of the i-th are named (first + i) * n_ctx + position. */
bool bl_packer_fill(bl_packer *packer, const bl_dataset *data, const size_t *stories, size_t n,
                    uint64_t first, size_t n_ctx, bl_error *err);
void bl_packer_free(bl_packer *packer);
#endif
