/** @file hosvd.h  A layer's output directions by energy, and which directions have forms alike
 * (docs/specification.md, 15, 16).
 *
 *      G[o, o'] = <Q_o, Q_o'>      [d, d] from the factors; behind a norm of the traceless forms
 *      G = U S^2 Uᵀ                S_1 >= S_2 >= …; sum S^2 = ||B||^2
 *
 * The third-order tensor B [d, n, n] is never formed. One call gives the values and the first k directions:
 *
 *      bl_bilinear map;
 *      bl_hosvd hosvd;
 *      if (!bl_model_bilinear(model, layer, &map, &err) || !bl_hosvd_of(&map, 8, &hosvd, &err)) …
 *      bl_eigen *eigen = bl_eigen_of(&map, hosvd.patterns, 8, &err);     the form of the first direction
 *      bl_hosvd_free(&hosvd);
 *
 * S comes from the square root of a Gram matrix in float32: only S^2 is known to 1e-6 of the largest, small S
 * are not. Compare and draw S^2. */
#ifndef BILENS_HOSVD_H
#define BILENS_HOSVD_H

#include <bilens/bilinear.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_hosvd {
    size_t d, k;     /**< output width; how many directions were kept (at most d) */
    float *values;   /**< S [d], descending */
    double energy;   /**< sum of S^2: ||B||^2, of the traceless B behind a norm */
    float *patterns; /**< [k, d], orthonormal output directions, largest-magnitude component positive */
} bl_hosvd;

/** Decomposes `map`; keeps the `k` directions of most energy. BL_ERR_NUMERIC for weights that are not finite.
 * On failure `out` is empty. Free with bl_hosvd_free. Threads inside; the map is only read. */
BL_API bool bl_hosvd_of(const bl_bilinear *map, size_t k, bl_hosvd *out, bl_error *err);
/** Frees what `out` holds; an empty (zeroed) one is allowed. */
BL_API void bl_hosvd_free(bl_hosvd *hosvd);

/** Frobenius cosines of one direction's form with those of m others, out [m]: of u [d] with each row of
 * others [m, d], <Q_u, Q_w> / (|Q_u| |Q_w|) = uᵀ G w / sqrt(uᵀ G u  wᵀ G w). 0 where a form is 0. The
 * directions' forms are never made. */
BL_API bool bl_bilinear_similar(const bl_bilinear *map, const float *u, const float *others, size_t m,
                                float *out, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
