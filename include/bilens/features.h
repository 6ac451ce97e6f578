/** @file features.h  The form of an output feature in the features of an input dictionary
 * (docs/specification.md, 17).
 *
 *      pre_a = x'^T Q_a x' + constant            exactly; x' ~ sum_b z_b f'_b + c' gives
 *      x'^T Q~_a x' = sum z_b z_c I[b,c] + sum z_b linear_b + offset
 */
#ifndef BILENS_FEATURES_H
#define BILENS_FEATURES_H

#include <bilens/dictionary.h>
#include <bilens/decompose.h>
#include <bilens/text.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_feature_options {
    size_t layer;
    const size_t *features; /**< [n_features] of the output dictionary */
    size_t n_features;
    size_t most;         /**< entries at each end of every list; 0 = 10 */
    bl_corpus *corpus;   /**< or NULL: no correlations */
    size_t stories;      /**< at most; 0 = all */
    const size_t *ranks; /**< [n_ranks]; NULL: 1, 2, 4, 8, 16 */
    size_t n_ranks;
    bool table; /**< a row per feature: without eigenvalues, offset and the lists of interactions, whose time
                   grows with F^2 per feature. Batches of features; memory does not grow with their lists */
    bool distributed; /**< with `table`: one rank of several, started by mpirun, that share the features */
    bl_progress progress; /**< phases "reading", "running", "preparing", "features" */
} bl_feature_options;

/** An interaction between input features b and c; of a self-interaction or the linear part b = c. */
typedef struct bl_feature_entry {
    size_t b, c;
    double value;
} bl_feature_entry;

/** One list: the largest first, and the lowest first. */
typedef struct bl_feature_list {
    size_t n;
    bl_feature_entry *top, *bottom;
} bl_feature_list;

/** How well the K eigenvectors of largest |lambda~| know the feature; NaN where it cannot be said. */
typedef struct bl_feature_rank {
    size_t rank;
    double active, act, pre, pre_all, auc;
} bl_feature_rank;

typedef struct bl_feature {
    size_t feature;
    double constant, shift, offset, effective_rank;
    double top_pair_share; /**< share of the two eigenvalues of largest |lambda~| in sum lambda~^2 */
    size_t n;              /**< eigenvalues */
    float *eigenvalues;    /**< [n] ascending, raw */
    bl_feature_list self, pairs, linear; /**< linear.n = 0 and `has_linear` false where c' = 0 */
    bool has_linear;
    size_t active; /**< positions >= 1 where it is active; with a corpus */
    size_t n_ranks;
    bl_feature_rank *ranks;
} bl_feature;

typedef struct bl_features {
    size_t n, positions, stories;
    bool corpus, table;
    bl_feature *list;
} bl_features;

/** Forms of the asked features. BL_ERR_USAGE for a feature that does not exist, BL_ERR_UNSUPPORTED for an
 * MLP that is not
 *  bilinear. Free with bl_features_free. */
BL_API bl_features *bl_features_of(const bl_model *model, const bl_dictionary *in, const bl_dictionary *out,
                                   const bl_feature_options *options, bl_error *err);
/** Frees `features` and all that it holds. NULL is allowed. */
BL_API void bl_features_free(bl_features *features);

#ifdef __cplusplus
}
#endif
#endif
