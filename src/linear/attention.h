/* Causal attention, forward and backward: one head at a time over a run of queries, and all heads of packed
 * stories for the trainer. The forward pass, with and without a cache, and training call the same functions;
 * only the folded scan has a kernel of its own (attend.h), which forms another product. */
#ifndef BL_LINEAR_ATTENTION_H
#define BL_LINEAR_ATTENTION_H
#include "linear/rotary.h"
#include <bilens/base.h>

#define BL_ATTENTION_QUERIES ((size_t)64) /* a good number of queries at a time */

/* One head: consecutive queries against the first `keys` positions of the same text. Query i is position
 * keys - queries + i, so that the last query is the last key. */
typedef struct bl_attention {
    size_t queries, keys, k; /* k: width of a head */
    size_t stride;           /* between the rows of queries, keys and values alike */
    float scale;             /* of a score, 1 / sqrt(k) */
    float cap;               /* scores become cap tanh(score / cap); 0: no cap */
    size_t window;           /* a query sees itself and the window - 1 positions before it; 0: all */
    bool steady;             /* add up in an order that does not depend on the number of queries */
} bl_attention;

/* Query i sees the keys first <= j < end. */
static inline size_t bl_attention_end(const bl_attention *a, size_t i) {
    return a->keys - a->queries + i + 1;
}
static inline size_t bl_attention_first(const bl_attention *a, size_t i) {
    size_t end = bl_attention_end(a, i);
    return a->window && end > a->window ? end - a->window : 0;
}

/* scores [queries, keys] = cap(scale q k^T), q [queries, k] and k [keys, k]. Entries that a query does not
 * see are not to be used: mask them. */
void bl_attention_scores(const bl_attention *a, const float *q, const float *key, float *scores);
/* Entries of scores [queries, keys] that a query does not see become `value`. */
void bl_attention_mask(const bl_attention *a, float value, float *scores);
/* Scores become the pattern, 0 where a query does not see: their softmax, or, with `second`, the product of
 * both scores (docs/specification.md, 22). With inverse [queries] the rows of a softmax are left without
 * their last factor, which is written there: k numbers of z are fewer to multiply by it than a row of the
 * pattern. lse [queries], or NULL: log sum exp of each row's scores. */
void bl_attention_pattern(const bl_attention *a, float *scores, const float *second, float *inverse,
                          float *lse);
/* z [queries, k], its rows ld_z apart, = pattern [queries, keys] v, v [keys, k]; `inverse` as
 * bl_attention_pattern wrote it, or NULL. */
void bl_attention_values(const bl_attention *a, const float *pattern, const float *inverse, const float *v,
                         float *z, size_t ld_z);

/* All heads of packed stories, as the trainer has them. `start` [n_stories + 1] are the rows where stories
 * begin. A row of qkv is q, k, v, or with bilinear attention q1, k1, q2, k2, v, of d_model numbers each. */
typedef struct bl_packed_stories {
    size_t n_stories, n_head, d_model;
    bool bilinear;
    const size_t *start;
    const bl_rotary *rotary; /* [n_ctx, k/2] */
    size_t longest;          /* story, in rows */
    float *scratch;          /* bl_attention_scratch floats per thread */
} bl_packed_stories;

/* Length of a row of qkv. */
static inline size_t bl_attention_width(size_t d_model, bool bilinear) {
    return (bilinear ? 5 : 3) * d_model;
}

/* Floats of scratch that one thread needs for stories of up to `longest` rows. */
size_t bl_attention_scratch(size_t longest, size_t d_model, size_t n_head, bool bilinear);

/* Rotates q and k of rows `begin` … `end` - 1 of qkv [N, width] by their positions; position [N]. `back`
 * rotates the other way (the transpose, which is what a gradient needs). Call it from any thread for that
 * thread's rows. */
void bl_attention_rotate(const bl_packed_stories *s, const uint32_t *position, size_t begin, size_t end,
                         bool back, float *qkv);

/* z [N, d] = attention of qkv [N, width] (rotated); lse [H, N] = log sum exp of each row's scores (not with
 * bilinear attention). */
void bl_attention_forward(const bl_packed_stories *s, const float *qkv, float *z, float *lse);

/* Replaces qkv by the loss's gradient with respect to it (still rotated), given dz [N, d]. */
void bl_attention_backward(const bl_packed_stories *s, float *qkv, const float *z, const float *lse,
                           const float *dz);
#endif
