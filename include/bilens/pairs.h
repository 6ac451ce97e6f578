/** @file pairs.h  Which two tokens together speak for an output direction (docs/specification.md, 14).
 *
 *      T[a, b] = m_aᵀ Q~_u m'_b        m, m' [V, n]: the tokens as a path delivers them to the MLP
 *
 * A path is the embedding itself, m_t = W_E[t], or a head, m_t = s O_i V_i W_E[t]. T has V x V entries and is
 * never stored: it comes in blocks, of which the k largest and the k lowest entries are kept.
 *
 *      bl_token_pairs_options options = {.left = BL_PATH_DIRECT, .right = 3, .k = 20};
 *      bl_token_pairs pairs;
 *      if (!bl_token_pairs_of(model, layer, u, &options, &pairs, &err)) …
 *      bl_token_pairs_free(&pairs); */
#ifndef BILENS_PAIRS_H
#define BILENS_PAIRS_H

#include <bilens/model.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BL_PATH_DIRECT (-1) /**< the embedding itself; 0 … H - 1 are heads */

typedef struct bl_token_pairs_options {
    int left, right;      /**< BL_PATH_DIRECT or a head of the layer */
    size_t k;             /**< entries kept at each end; 0 = 20 */
    bl_progress progress; /**< phase "pairs" */
} bl_token_pairs_options;

/** Tokens a (left) and b (right) and T[a, b]. */
typedef struct bl_token_pair {
    int32_t a, b;
    float value;
} bl_token_pair;

typedef struct bl_token_pairs {
    size_t n_top, n_bottom;
    double shift;          /**< tr(Q)/n behind a norm, else 0: T is of Q less that (8) */
    bl_token_pair *top;    /**< [n_top] descending; ties: lower a, then lower b */
    bl_token_pair *bottom; /**< [n_bottom] lowest first; ties likewise */
} bl_token_pairs;

/** The extreme pairs of direction u [d] at `layer`. With left = right T is symmetric and only a <= b are
 * listed; the value is T[a, b], not doubled (a pair a != b enters the form as 2 T[a, b]). BL_ERR_USAGE for a
 * layer or head that does not exist, BL_ERR_UNSUPPORTED for an MLP that is not bilinear. Memory grows with V,
 * not with V^2. Free with bl_token_pairs_free. */
BL_API bool bl_token_pairs_of(const bl_model *model, size_t layer, const float *u,
                              const bl_token_pairs_options *options, bl_token_pairs *out, bl_error *err);
/** Frees what `pairs` holds, not the struct itself. NULL is allowed. */
BL_API void bl_token_pairs_free(bl_token_pairs *pairs);

#ifdef __cplusplus
}
#endif
#endif
