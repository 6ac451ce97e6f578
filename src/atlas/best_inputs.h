/* Top inputs of thousands of vectors: a matrix product over mlp_in, and bounded lists (docs/specification.md,
 * 6). */
#ifndef BL_ATLAS_BEST_INPUTS_H
#define BL_ATLAS_BEST_INPUTS_H
#include "base/ranks.h"
#include <bilens/scan.h>

/* A story's best position for one vector. */
typedef struct bl_hit {
    uint32_t story, position;
    float similarity;
} bl_hit;

/* The lists: [J, top] hits, best first, `have` [J] of them there. */
typedef struct bl_hits {
    bl_hit *list;
    uint32_t *have;
    size_t J, top;
} bl_hits;

bool bl_hits_init(bl_hits *hits, size_t J, size_t top, bl_error *err);
void bl_hits_free(bl_hits *hits);
/* Offers a hit to list j: larger squares first, of equal ones the lower story. */
void bl_hits_offer(bl_hits *hits, size_t j, const bl_hit *hit);

/* Offers the best of one run of similarities s [n] + bias, those of one story, to list j; the positions
 * before `first` do not count. Stories must come in order. */
void bl_hits_offer_run(bl_hits *hits, size_t j, uint32_t story, const float *s, size_t first, size_t n,
                       float bias);

/* Rank 0's `all`, made by bl_hits_init with the shape of `mine`, gets the best of all ranks' lists, whose
 * stories differ: what one process would have found. All ranks call these two together. */
bool bl_hits_gather(const bl_ranks *ranks, const bl_hits *mine, bl_hits *all, bl_error *err);
/* Rank 0's lists to all. */
bool bl_hits_share(const bl_ranks *ranks, bl_hits *hits, bl_error *err);

typedef struct bl_best_inputs bl_best_inputs;
/* v [J, n] is kept by pointer, n = bl_interaction_size. */
bl_best_inputs *bl_best_inputs_new(const bl_model *model, size_t layer, const float *v, size_t J,
                                   bl_error *err);
void bl_best_inputs_free(bl_best_inputs *search);
/* Positions after which a chunk of stories should be closed. */
size_t bl_best_inputs_chunk(void);
/* Offers all positions of `count` consecutive stories to all vectors: story first + i has ids[i]
 * [lengths[i]], lengths <= n_ctx, in all fewer than bl_best_inputs_chunk() + n_ctx positions. Stories must
 * come in order. */
bool bl_best_inputs_run(bl_best_inputs *search, uint32_t first, const int32_t *const *ids,
                        const size_t *lengths, size_t count, bl_hits *hits, bl_error *err);
#endif
