/** @file truncate.h  How many eigenvectors a token needs (docs/specification.md, 10): the loss when the last
 * layer's MLP speaks to every token through its K eigenpairs of largest |lambda~| only.
 *
 *      logit_t^K = s (u_t . x_mid + u_t . b_p + shift_t |x'|^2 + sum_{n in top K} lambda~_n (v_n . x')^2)
 *      u_t       = W_U[t] - mean over all tokens
 *
 *      bl_truncation curve;
 *      if (!bl_truncate(model, corpus, NULL, &curve, &err)) …
 *      for (size_t i = 0; i < curve.n_ranks; i++) … curve.by_size[i].rank, curve.by_size[i].loss …
 *      bl_truncation_free(&curve);
 *
 * Two other orders are measured in the same run as controls: K eigenpairs at random, and the K of smallest
 * |lambda~|. A steep curve means something only beside them. */
#ifndef BILENS_TRUNCATE_H
#define BILENS_TRUNCATE_H

#include <bilens/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Zero-initialise for the defaults. */
typedef struct bl_truncate_options {
    const size_t *ranks;  /**< [n_ranks], any order; those above n are left out */
    size_t n_ranks;       /**< 0 = 0, 1, 2, 4, 8, 16, 32, 64 */
    bool no_controls;     /**< leave the two control orders out: they need every eigenvector */
    size_t max_stories;   /**< 0 = all */
    uint64_t seed;        /**< of the random order */
    bl_progress progress; /**< phases "reading", "running", "truncating" (tokens) */
} bl_truncate_options;

typedef struct bl_truncated {
    size_t rank;
    double loss; /**< nats per prediction */
    double kept; /**< (without - loss) / (without - full); NaN where without = full */
} bl_truncated;

typedef struct bl_truncation {
    size_t layer, n_ranks, stories;
    uint64_t predictions;
    double full;                   /**< the model's loss */
    double without;                /**< without what the MLP adds */
    bl_truncated *by_size;         /**< [n_ranks] by falling |lambda~|, ties: lower index */
    bl_truncated *random, *lowest; /**< [n_ranks] each; NULL without controls */
} bl_truncation;

/** The curve over all tokens at once. Memory: 4 n bytes per prediction, and 16 bytes per prediction and rank.
 * BL_ERR_UNSUPPORTED for an MLP that is not bilinear, BL_ERR_INPUT for a corpus without predictions. Free
 * with bl_truncation_free. The result does not depend on the number of threads. */
BL_API bool bl_truncate(const bl_model *model, bl_corpus *corpus, const bl_truncate_options *options,
                        bl_truncation *out, bl_error *err);
/** Frees what `truncation` holds, not the struct itself. NULL is allowed. */
BL_API void bl_truncation_free(bl_truncation *truncation);

/** One direction's rank-K form beside u . y. */
typedef struct bl_truncated_token {
    size_t rank;
    double correlation; /**< of u . y and its rank-K form over all positions that feed a prediction */
    double r2;          /**< 1 - sum (u . y - form)^2 / sum (u . y - mean)^2 */
    double
        own_loss; /**< on the predictions whose target is the token, its own logit made of the rank-K form */
    bool cuts_group; /**< it has a part of a degenerate group (bl_eigen_group): arbitrary */
} bl_truncated_token;

typedef struct bl_token_truncation {
    size_t layer, n_ranks, stories;
    uint64_t predictions, own;                     /**< all predictions; those whose target is the token */
    double full;                                   /**< loss of the own ones as they are */
    double shift;                                  /**< of the direction's form (bl_eigen_shift) */
    bl_truncated_token *by_size, *random, *lowest; /**< [n_ranks] */
} bl_token_truncation;

/** The same for one direction u [d] of the last layer alone; `token` is its id, -1: none (own is 0, losses
 * NaN). NaN also where nothing varies. Free with bl_token_truncation_free. */
BL_API bool bl_truncate_token(const bl_model *model, const float *u, int32_t token, bl_corpus *corpus,
                              const bl_truncate_options *options, bl_token_truncation *out, bl_error *err);
/** Frees what `truncation` holds, not the struct itself. NULL is allowed. */
BL_API void bl_token_truncation_free(bl_token_truncation *truncation);

#ifdef __cplusplus
}
#endif
#endif
