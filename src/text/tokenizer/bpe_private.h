/* The parts of a byte-pair encoding: bpe.c builds and encodes, bpe_merge.c merges. */
#ifndef BL_TEXT_BPE_PRIVATE_H
#define BL_TEXT_BPE_PRIVATE_H
#include "text/tokenizer/bpe.h"

#define BL_NO_RANK UINT32_MAX

typedef struct bl_merge {
    uint32_t left, right, rank, product; /* rank BL_NO_RANK: a free slot */
} bl_merge;

/* Merges by their pair. */
typedef struct bl_merges {
    bl_merge *slots; /* open-addressed table, at most half full */
    size_t mask;
    uint32_t *products; /* [n] by rank */
    size_t n;
    bool queued; /* short words, too, go by the queue: with a prefix, two pairs may give the same product,
                    which only the queue sees */
} bl_merges;

static inline size_t bl_pair_slot(uint32_t left, uint32_t right, size_t mask) {
    uint64_t h = ((uint64_t)left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(h ^ h >> 32) & mask;
}

/* The slot of the pair: with rank BL_NO_RANK if it does not merge. */
static inline bl_merge *bl_merges_find(const bl_merges *merges, uint32_t left, uint32_t right) {
    size_t slot = bl_pair_slot(left, right, merges->mask);
    bl_merge *merge = &merges->slots[slot];
    while (merge->rank != BL_NO_RANK && (merge->left != left || merge->right != right))
        merge = &merges->slots[slot = (slot + 1) & merges->mask];
    return merge;
}

/* Merges symbols[0 … n) in place; returns how many are left, 0 with the error set when memory is short. */
size_t bl_merge_all(const bl_merges *merges, int32_t *symbols, size_t n, bl_error *err);
#endif
