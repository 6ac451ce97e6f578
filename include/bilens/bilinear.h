/** @file bilinear.h  A bilinear map by itself, whatever it is part of (docs/specification.md, 4):
 *
 *      y = P ((L x') * (R x')) + c          x' = x, or [x; 1] where there are biases
 *
 * The map that stands for a gated MLP (19) is one about an origin m, x' = x - m, with a linear part G x'
 * beside it.
 *
 * In an output direction u it is a quadratic form, uᵀ y = x'ᵀ Q_u x' + uᵀ c with the interaction matrix
 *
 *      Q_u = sym(Lᵀ diag(Pᵀ u) R)           [n, n]
 *
 * The third-order tensor of all Q_u is never formed here. A map is a small struct of views that is passed by
 * address and copied at will; its matrices are somebody else's and stay where they are. L, R and P may have
 * any finite magnitude: they are scaled by powers of two before they are multiplied, so that a form is right
 * wherever a float32 can hold it. */
#ifndef BILENS_BILINEAR_H
#define BILENS_BILINEAR_H

#include <bilens/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The map. Zero-initialise, then set name, l, r and p; all else may stay zero. */
typedef struct bl_bilinear {
    const char *name;      /**< what messages call it: a model's name; NULL = "the map" */
    size_t layer;          /**< which layer of it; 0 where there are none */
    bl_view l, r;          /**< L, R [h, d_in] */
    bl_view p;             /**< P [d, h]; data NULL: the identity, d = h */
    const float *l_bias;   /**< [h] last column of L, or NULL */
    const float *r_bias;   /**< [h] last column of R, or NULL; both or neither */
    const float *constant; /**< c [d], or NULL */
    bool normed;           /**< a norm before it fixes |x|²: Q and Q + aI are the same function (8) */
    const size_t *left;    /**< [h] the row of L that meets column g of P; NULL: row g */
    const size_t *right;   /**< [h] the same for R */
    const float *origin;   /**< m [d_in]: x' is x - m; NULL: 0. Not together with biases */
    bl_view linear;        /**< G [d, d_in]: y has G x', too; data NULL: none */
} bl_bilinear;

BL_API size_t bl_bilinear_in(const bl_bilinear *map);     /**< d_in, the width of x */
BL_API size_t bl_bilinear_hidden(const bl_bilinear *map); /**< h */
BL_API size_t bl_bilinear_out(const bl_bilinear *map);    /**< d, the width of y and of u */
/** n, the rows of Q: d_in, or d_in + 1 with biases, where the last coordinate is the constant 1. */
BL_API size_t bl_bilinear_size(const bl_bilinear *map);

/** Q_u [n, n] of u [d]. BL_ERR_NUMERIC when an entry is NaN or beyond the range of float32. */
BL_API bool bl_bilinear_matrix(const bl_bilinear *map, const float *u, float *q, bl_error *err);

/** u . c, the constant part of u . y; 0 without `constant`. */
BL_API float bl_bilinear_constant(const bl_bilinear *map, const float *u);

/** out [d_in] = Gᵀ u, the linear part of u . y as a vector of inputs; zeros where there is none. */
BL_API void bl_bilinear_linear(const bl_bilinear *map, const float *u, float *out);

/** tau [d]: tau_o = tr(Q_o) = sum_g P[o, g] (l_g . r_g) of each output coordinate o; of u the trace is u .
 * tau. */
BL_API bool bl_bilinear_traces(const bl_bilinear *map, float *tau, bl_error *err);

/** What is subtracted from the eigenvalues before they are compared (docs/specification.md, 8): tr(Q_u) / n
 * where the map is normed, else 0. tau is that of bl_bilinear_traces. */
BL_API double bl_bilinear_shift(const bl_bilinear *map, const float *tau, const float *u);

/** y [m, d] of x [m, d_in]. */
BL_API bool bl_bilinear_apply(const bl_bilinear *map, const float *x, size_t m, float *y, bl_error *err);

/** F Q_u Fᵀ [f.rows, f.rows]: the form between any two rows of F [., n], or of F [., d_in], whose vectors
 * then have no constant coordinate. */
BL_API bool bl_bilinear_in_basis(const bl_bilinear *map, const float *u, bl_view f, float *out,
                                 bl_error *err);

/** What chance makes of the same weights (docs/specification.md, 4): `draw` is the map with the h rows of R
 * and, independently, the h columns of P permuted at random. Every norm is kept, every alignment between L, R
 * and P is lost. A hidden unit is dead when the product of its three norms is below 1e-6 of the largest; dead
 * units stay where they are, or the draw would be too weak. *dead, if not NULL, is their number. Free with
 * bl_bilinear_null_free; the matrices are still those of `map`. The same seed gives the same draw. */
BL_API bool bl_bilinear_null(const bl_bilinear *map, uint64_t seed, bl_bilinear *draw, size_t *dead,
                             bl_error *err);
/** Frees what `draw` holds, not the struct itself. NULL is allowed. */
BL_API void bl_bilinear_null_free(bl_bilinear *draw);

#ifdef __cplusplus
}
#endif
#endif
