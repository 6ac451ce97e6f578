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

#ifdef __cplusplus
}
#endif
#endif
