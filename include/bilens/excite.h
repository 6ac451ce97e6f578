/** @file excite.h  Which eigenvectors a place in a text excites. */
#ifndef BILENS_EXCITE_H
#define BILENS_EXCITE_H

#include <bilens/decompose.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One eigenvector v at one input x of the MLP. */
typedef struct bl_excited {
    size_t direction; /**< which of the directions that were asked for */
    long index;       /**< into its ascending spectrum; of the upper half negative, from the end */
    float eigenvalue; /**< lambda */
    float similarity; /**< v . x */
    float activation; /**< lambda (v . x)^2 */
    size_t group_first,
        group_last; /**< the degenerate group that it is one of (bl_eigen_group), from 0: only the
                                       sum of its activations means something; equal: alone, or not known */
} bl_excited;

/** The MLP's input x [n] (with a surrogate x - m), n = bl_interaction_size, at `position` of ids [n_ids] in
 * `layer`; with biases its last coordinate is 1. BL_ERR_USAGE, BL_ERR_MEMORY. */
BL_API bool bl_mlp_input(const bl_model *model, size_t layer, const int32_t *ids, size_t n_ids,
                         size_t position, float *x, bl_error *err);

/** The `limit` rows of v [m, n] of largest |lambda (v . x)^2|, strongest first; of equal ones the earlier
 * row. `direction` is the row; `index` stays 0. `lambda` is read every `stride` bytes. Returns how many (0
 * without memory, and `err` says so). */
BL_API size_t bl_excited_rows(const float *v, const float *lambda, size_t stride, size_t m, size_t n,
                              const float *x, size_t limit, bl_excited *out, bl_error *err);

/** Decomposes the directions u [m, d] in `layer` and gives the `limit` eigenvectors, of all of them together,
 * that x [n] excites most. out [limit]; *n_out is at most m n. */
BL_API bool bl_excited_directions(const bl_model *model, size_t layer, const float *u, size_t m,
                                  const float *x, size_t limit, bl_excited *out, size_t *n_out,
                                  bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
