/* How interaction matrices are scaled, for the files that form them. */
#ifndef BL_DECOMPOSE_FORM_H
#define BL_DECOMPOSE_FORM_H
#include <bilens/eigen.h>
#include <math.h>

/* The largest magnitude of x [n]; NaN and infinity are passed over. */
static inline float bl_largest(size_t n, const float *x) {
    float most = 0;
#pragma omp simd reduction(max : most)
    for (size_t i = 0; i < n; i++) {
        float magnitude = fabsf(x[i]);
        magnitude = magnitude <= 3.4028235e38F ? magnitude : 0;
        most = magnitude > most ? magnitude : most;
    }
    return most;
}

/* The exponent e with 2^(e-1) <= most < 2^e; 0 of 0. */
static inline int bl_exponent(float most) {
    int e = 0;
    if (most > 0) frexpf(most, &e);
    return e;
}
/* Powers of two that L, R and P are divided by before they are multiplied. */
typedef struct bl_scales {
    int l, r, p;
} bl_scales;

/* Of the magnitudes of the map's matrices: each is about 1 once it is divided. */
bl_scales bl_scales_of(const bl_bilinear *map);

/* Q_u = q 2^exponent, q [n, n] symmetric and finite. */
bool bl_form(const bl_bilinear *map, const float *u, float *q, int *exponent, bl_error *err);

/* out [d] = u 2^-exponent with its largest component about 1. False when a component is NaN or infinite. */
bool bl_scale_direction(const bl_bilinear *map, const float *u, float *out, int *exponent, bl_error *err);

/* values [n], finite, become values 2^exponent: 0 where float32 cannot hold them; false with BL_ERR_NUMERIC
 * where they are beyond it. `what` stands in the message. */
bool bl_unscale(float *values, size_t n, int exponent, const char *what, bl_error *err);

/* Eigenpairs of q 2^exponent, q [n, n] symmetric and finite; overwrites q. Layer, constant and shift are 0
 * … */
bl_eigen *bl_eigen_of_scaled(float *q, size_t n, int exponent, size_t k, bl_error *err);
/* The same with the k eigenvectors of largest |lambda - shift 2^exponent|, k >= 1, instead of k at each
 * end. */
bl_eigen *bl_eigen_of_largest(float *q, size_t n, int exponent, size_t k, double shift, bl_error *err);
/* … until this says which direction u of which map they are of. */
void bl_eigen_describe(bl_eigen *eigen, const bl_bilinear *map, const float *u, double trace);

/* False with BL_ERR_USAGE when some, but not all, of the degenerate eigenvectors first … last of n are
 * among `eigs` [n_eigs]: any rotation of them is as good, so that a claim about one of them means nothing.
 * */
bool bl_check_group(size_t first, size_t last, size_t n, const long *eigs, size_t n_eigs, bl_error *err);

/* "the map" where it has no name. */
const char *bl_map_name(const bl_bilinear *map);
#endif
