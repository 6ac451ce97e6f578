/** @file feature_result.h  Forms of features as trees and tables (docs/specification.md, 17). */
#ifndef BILENS_FEATURE_RESULT_H
#define BILENS_FEATURE_RESULT_H

#include <bilens/features.h>
#include <bilens/tree.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The keys of the specification, and "effective_rank", "top_pair_share". Free with bl_tree_free. */
BL_API bl_tree *bl_features_tree(const bl_model *model, size_t layer, const bl_dictionary *in,
                                 const bl_dictionary *out, const bl_features *features, bl_error *err);
/** A row per feature and rank. Free with bl_table_free. */
BL_API bl_table *bl_features_rows(const bl_tree *features, bl_error *err);

/** Writes the lists of self-interactions and pairs for other programs, by the suffix of `path`: .safetensors,
 * a sparse tensor ("index" [E, 3] = a, b, c, of 32-bit integers, "value" [E] = I_a[b, c]; the linear part
 * likewise); .graphml; .json, a graph file of circuit-tracer whose middle layer is pairs. A pair's weight
 * there is 2 I[b, c], what it counts in the form. BL_ERR_USAGE for another suffix, or for a table, which has
 * no lists. Atomic. */
BL_API bool bl_features_write_weights(const bl_model *model, const bl_dictionary *in,
                                      const bl_dictionary *out, const bl_features *features, const char *path,
                                      bl_error *err);

/** Whether bl_features_write_weights knows the suffix of `path`: to be asked before the work; else
 * BL_ERR_USAGE. */
BL_API bool bl_features_check_weights(const char *path, bl_error *err);

/** Reads the eigenvectors of an eigen result (bl_eigen_tree; `eigen` is what it was made of) in a dictionary
 * of what the MLP reads, too: to each vector's "sources" comes "features", with the features b of largest and
 * lowest v . f_b, called "#b"; to the root "basis" {"dictionary", "features"}. BL_ERR_INPUT when the
 * dictionary has another width. */
BL_API bool bl_eigen_tree_read_in(bl_tree *tree, const bl_eigen *eigen, const bl_dictionary *dictionary,
                                  bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
