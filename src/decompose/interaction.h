/* What the decompose room shares about interaction matrices. */
#ifndef BL_DECOMPOSE_INTERACTION_H
#define BL_DECOMPOSE_INTERACTION_H
#include <bilens/decompose.h>

/* False with BL_ERR_UNSUPPORTED for an MLP that is not bilinear, BL_ERR_USAGE for a layer that is not there.
 */
bool bl_check_decomposable(const bl_model *model, size_t layer, bl_error *err);

/* back [H, d]: row h is s v^T O_h V_h, what head h's source token is multiplied with. v [d] or longer. */
bool bl_heads_back(const bl_model *model, size_t layer, const float *v, float *back, bl_error *err);

/* bl_interaction_matrix where rows from_l[g] of L and from_r[g] of R meet column g of P; NULL: row g. */
bool bl_interaction_of_units(const bl_model *model, size_t layer, const float *u, const size_t *from_l,
                             const size_t *from_r, float *q, bl_error *err);

/* Eigenpairs of q [n, n], of which only the lower triangle (row-major) is read; otherwise as bl_eigen_new. */
bl_eigen *bl_eigen_of_matrix(const float *q, size_t n, size_t layer, size_t k, float constant, bl_error *err);
/* u . p, 0 without an output bias. */
float bl_direction_constant(const bl_model *model, size_t layer, const float *u);
/* Which rows of L and of R [h] meet column g of P. */
void bl_decomposer_units(const bl_decomposer *decomposer, const size_t **left, const size_t **right);
#endif
