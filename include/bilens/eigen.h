/** @file eigen.h  Eigenpairs of a quadratic form (docs/specification.md, 4): of one direction of a bilinear
 * map, of any symmetric matrix, or of many directions at once. */
#ifndef BILENS_EIGEN_H
#define BILENS_EIGEN_H

#include <bilens/bilinear.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A spectrum and eigenvectors, Q = sum_n lambda_n v_n v_nᵀ, ascending. Immutable. */
typedef struct bl_eigen bl_eigen;

/** Decomposes Q_u of `map`, u [d] of any finite magnitude. `k` = 0: all eigenpairs; otherwise the k lowest
 * and the k highest only, from the same single tridiagonalisation (the spectrum is complete either way).
 * Signs: largest-magnitude component positive. Eigenvalues are right to 1e-5 of the largest wherever float32
 * can hold them, 0 below; BL_ERR_NUMERIC when the largest is beyond it. NULL on failure. */
BL_API bl_eigen *bl_eigen_of(const bl_bilinear *map, const float *u, size_t k, bl_error *err);

/** The same of a symmetric q [n, n], of which the lower triangle is read. `shift` is what bl_eigen_shift
 * says: 0 unless q is known up to a multiple of the identity only. */
BL_API bl_eigen *bl_eigen_of_matrix(const float *q, size_t n, size_t k, double shift, bl_error *err);
/** Frees `eigen` and all that it holds. NULL is allowed. */
BL_API void bl_eigen_free(bl_eigen *eigen);

BL_API size_t bl_eigen_size(const bl_eigen *eigen);         /**< n, the number of eigenvalues */
BL_API size_t bl_eigen_layer(const bl_eigen *eigen);        /**< the map's layer; 0 of a matrix */
BL_API const float *bl_eigen_values(const bl_eigen *eigen); /**< [n], ascending */
/** Eigenvector `index` [n] of the ascending spectrum (negative counts from the end); NULL if out of range or
 * not computed. */
BL_API const float *bl_eigen_vector(const bl_eigen *eigen, long index);
/** u . c, the map's constant part of u . y; 0 without one. */
BL_API float bl_eigen_constant(const bl_eigen *eigen);
/** The gauge of a map behind a norm, tr(Q) / n: signs and magnitudes of eigenvalues mean something only after
 * it has been subtracted (docs/specification.md, 8). 0 for every other map. */
BL_API double bl_eigen_shift(const bl_eigen *eigen);
/** (sum |l|)² / sum l² of l = lambda - shift. */
BL_API double bl_eigen_effective_rank(const bl_eigen *eigen);
/** The run of eigenvalues around `index` whose neighbours lie closer than 1e-5 of the largest |lambda|:
 * within it only the span means anything. *first == *last when the eigenvalue stands alone. */
BL_API void bl_eigen_group(const bl_eigen *eigen, size_t index, size_t *first, size_t *last);

/** False with BL_ERR_USAGE when `eigs` [n_eigs] has some, but not all, of a group's vectors: any rotation of
 * them is as good, so that a claim about one of them means nothing. Every index must exist. */
BL_API bool bl_eigen_check_groups(const bl_eigen *eigen, const long *eigs, size_t n_eigs, bl_error *err);

/** A map made ready for many directions. Immutable; keeps the map's views. */
typedef struct bl_decomposer bl_decomposer;

typedef struct bl_decomposer_options {
    bool largest;         /**< the k eigenpairs of largest |lambda - shift| instead of k at each end */
    size_t directions;    /**< how many will be asked for, to choose how: 0 = few */
    size_t memory;        /**< bytes that B may take; 0 = a quarter of the machine's */
    bl_progress progress; /**< phase "preparing" */
    /** Started by mpirun: the ranks, which make the same call, make B together; each holds all of it. */
    bool distributed;
} bl_decomposer_options;

/** Prepares `map`, a null draw too (which must live as long). With enough directions ahead and enough memory
 * the symmetric half of B is held, 4 d n(n+1)/2 bytes; otherwise interaction matrices are made from L and R.
 * NULL options = defaults. */
BL_API bl_decomposer *bl_decomposer_new(const bl_bilinear *map, const bl_decomposer_options *options,
                                        bl_error *err);
/** Frees `decomposer` and all that it holds. NULL is allowed. */
BL_API void bl_decomposer_free(bl_decomposer *decomposer);
/** Bytes of B held, 0 if it is not. */
BL_API size_t bl_decomposer_held(const bl_decomposer *decomposer);
/** Decomposes the m directions u [m, d] into out [m], each as bl_eigen_of with `k`, to be freed by the
 * caller. On failure nothing is left in `out`. Takes 2 m n(n+1) bytes. Threads over directions; the result
 * does not depend on their number. */
BL_API bool bl_decomposer_run(const bl_decomposer *decomposer, const float *u, size_t m, size_t k,
                              bl_eigen **out, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
