/* Pieces of results that several answers have. */
#ifndef BL_RESULT_RESULTS_H
#define BL_RESULT_RESULTS_H
#include <bilens/chance.h>
#include <bilens/layers.h>
#include <bilens/pairs.h>
#include <bilens/result.h>

/* "surrogate": what stands for the layer's MLP is worth that much; nothing where none was adopted. */
void bl_put_quality(bl_builder *builder, bl_tree *at, const bl_model *model, size_t layer);
/* "token" (null of a vector), "minus", "direction". */
void bl_put_asked(bl_builder *builder, bl_tree *at, const bl_question *question);
/* "layers": one object per layer that a surrogate or `shares` (either may be absent) say something of. */
void bl_put_layers(bl_builder *builder, bl_tree *at, const bl_model *model, const bl_layer_shares *shares);
/* "model", "layer", the direction as of bl_put_asked, and "surrogate". */
void bl_put_subject(bl_builder *builder, bl_tree *at, const bl_question *subject);
/* "top" and "bottom" of values, one per vector of the basis: the k highest [[label, value], …], best
 * first, and the k lowest, lowest first. Returns how many each; NaN is left out. */
size_t bl_put_extremes(bl_builder *builder, bl_tree *at, const bl_basis *basis, const float *values,
                       size_t k);
/* "top" and "bottom" of pairs: [[token, token, value], …]. */
void bl_put_pairs(bl_builder *builder, bl_tree *at, const bl_model *model, const bl_token_pairs *pairs);
/* "draws", "dead", "shift", "norm", "places", "calibration" (if not NULL) of a chance.h result. */
void bl_put_chance(bl_builder *builder, bl_tree *at, const bl_chance *chance, const long *indices,
                   size_t n_indices, const double *calibration);
/* One match, added to a list; `list` NULL: by itself. */
bl_tree *bl_put_match(bl_builder *builder, bl_tree *list, const bl_model *model, const bl_match *match);
/* {"index", "eigenvalue", "group", "matches": []}, added to a list; returns the list of its matches. */
bl_tree *bl_put_hits(bl_builder *builder, bl_tree *list, const bl_eigen *eigen, long index);
/* "orientation" of the last of `vectors`, whose matches are complete: 1 when the end of positive similarity
 * has the larger sum of |activation|, -1 otherwise. */
void bl_put_orientation(bl_builder *builder, bl_tree *vectors);
/* What made a report: the program's version, and the BLAS with its kernel and threads. */
void bl_put_made_by(bl_builder *b, bl_tree *root);
#endif
