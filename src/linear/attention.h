/* Causal attention over packed stories, forward and backward. */
#ifndef BL_LINEAR_ATTENTION_H
#define BL_LINEAR_ATTENTION_H
#include "linear/rotary.h"
#include <bilens/base.h>

/* What both directions need. `start` [n_stories + 1] are the rows where stories begin. */
typedef struct bl_attention {
    size_t n_stories, n_head, d_model;
    bool bilinear; /* the product of two patterns instead of a softmax (docs/specification.md, 22) */
    const size_t *start;
    const bl_rotary *rotary; /* [n_ctx, k/2] */
    size_t longest;          /* story, in rows */
    float *scratch;          /* bl_attention_scratch floats a thread */
} bl_attention;

/* Length of a row of qkv: q, k, v, or q1, k1, q2, k2, v. */
static inline size_t bl_attention_width(size_t d_model, bool bilinear) {
    return (bilinear ? 5 : 3) * d_model;
}

/* Floats of scratch that one thread needs for stories of up to `longest` rows. */
size_t bl_attention_scratch(size_t longest, size_t d_model, size_t n_head, bool bilinear);

/* Rotates q and k of rows `begin` … `end` - 1 of qkv [N, width] by their positions; position [N].
 * `back` rotates
 * the other way (the transpose, which is what a gradient needs). Call it from any thread for that thread's
 * rows. */
void bl_attention_rotate(const bl_attention *a, const uint32_t *position, size_t begin, size_t end, bool back,
                         float *qkv);

/* z [N, d] = attention of qkv [N, width] (rotated); lse [H, N] = log sum exp of each row's scores (not with
 * bilinear attention). */
void bl_attention_forward(const bl_attention *a, const float *qkv, float *z, float *lse);

/* Replaces qkv by the loss's gradient with respect to it (still rotated), given dz [N, d]. */
void bl_attention_backward(const bl_attention *a, float *qkv, const float *z, const float *lse,
                           const float *dz);
#endif
