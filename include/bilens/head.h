/** @file head.h  One head of bilinear attention by itself, in layer 0, where it is exact
 * (docs/specification.md, 22).
 *
 * Layer 0 reads y_t = N1(W_E[t]), one vector per token. With a query at a distance of D positions behind its
 * key and A_m = W_q^mᵀ Rot(D) W_k^m / sqrt k, both with their biases,
 *
 *      pattern(a, b) = (y_a A_1 y_b) (y_a A_2 y_b)     query a, key b: no other token matters
 *      added to u    = pattern(a, b) s u·O (V y_b + b_v)      the skip-trigram  b … a -> u
 *
 * For one query the pattern is a quadratic form in the key, K_a = sym(alpha betaᵀ) with
 * alpha = A_1ᵀ y_a and beta = A_2ᵀ y_a. It has two eigenvalues that need not be 0,
 * (alpha·beta ± |alpha||beta|) / 2: one key that the query raises, one that it lowers. */
#ifndef BILENS_HEAD_H
#define BILENS_HEAD_H

#include <bilens/pairs.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A head of layer 0 and the distance query - key in positions, 1 <= distance < n_ctx. */
typedef struct bl_head {
    const bl_model *model;
    size_t head, distance;
} bl_head;

/** The extreme (query, key) pairs: .a is the query, .b the key. u [d]: what the key adds to that direction;
 * NULL: the pattern alone. All V x V ordered pairs are searched in blocks. BL_ERR_UNSUPPORTED for softmax
 * attention, BL_ERR_USAGE for a head or distance that does not exist. Free with bl_token_pairs_free. */
BL_API bool bl_head_pairs(const bl_head *head, const float *u, size_t k, bl_token_pairs *out, bl_error *err);

/** The form that a query makes of its key. */
typedef struct bl_head_query {
    size_t n;          /**< V */
    double values[2];  /**< low <= 0 <= high */
    float *similarity; /**< [2, V] v·y_b of the eigenvectors of `high` and of `low`, each of unit length with
                            its coordinate of largest magnitude positive; y_b with its constant 1 where the
                            attention has biases */
} bl_head_query;

/** The two eigenpairs of query token `query`. Errors as bl_head_pairs; BL_ERR_USAGE for a token that does not
 * exist. Free with bl_head_query_free, also after a failure. */
BL_API bool bl_head_query_of(const bl_head *head, size_t query, bl_head_query *out, bl_error *err);
/** Frees what `query` holds, not the struct itself. NULL is allowed. */
BL_API void bl_head_query_free(bl_head_query *query);

#ifdef __cplusplus
}
#endif
#endif
