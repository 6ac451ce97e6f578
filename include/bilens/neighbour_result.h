/** @file neighbour_result.h  Contextual neighbours as trees and tables (docs/specification.md, 6). */
#ifndef BILENS_NEIGHBOUR_RESULT_H
#define BILENS_NEIGHBOUR_RESULT_H

#include <bilens/dictionary.h>
#include <bilens/neighbours.h>
#include <bilens/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Of the eigenvectors `indices` [found->n] of `eigen`, as they were asked for: {"model", "layer", "token",
 * "minus", "direction", "stories", "positions", "vectors": [{"index", "eigenvalue", "neighbours": {"top":
 * [{"story", "position", "token", "word", "cosine", "similarity", "before", "after"}], "bottom"}}]}. */
BL_API bl_tree *bl_neighbours_tree(const bl_question *question, const bl_eigen *eigen, const long *indices,
                                   const bl_neighbours *found, bl_error *err);
/** The same of a dictionary's features [found->n]: "dictionary" and, per vector, "feature". */
BL_API bl_tree *bl_feature_neighbours_tree(const bl_model *model, size_t layer,
                                           const bl_dictionary *dictionary, const size_t *features,
                                           const bl_neighbours *found, bl_error *err);
/** Adds "neighbours" of vector j to an object. */
BL_API void bl_put_neighbours(bl_builder *builder, bl_tree *at, const bl_model *model,
                              const bl_neighbours *found, size_t j);
/** A row per place of either tree. Free with bl_table_free. */
BL_API bl_table *bl_neighbours_rows(const bl_tree *tree, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
