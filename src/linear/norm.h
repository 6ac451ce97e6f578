/* N of docs/specification.md, 1: RMS norm, its weight, and the training noise after it. */
#ifndef BL_LINEAR_NORM_H
#define BL_LINEAR_NORM_H
#include <bilens/base.h>

/* One place where N stands. */
typedef struct bl_norm {
    bool normalize;
    const float *weight; /* [d] or NULL */
    float noise;         /* 0: none */
    uint64_t key;        /* of the noise: seed, step and place */
} bl_norm;

/* True when N(x) = x. */
static inline bool bl_norm_is_identity(const bl_norm *norm) {
    return !norm->normalize && !norm->weight && norm->noise == 0;
}

/* y [n, d] = N(x [n, d]). row[i] names row i among all rows of the step, so that its noise does not depend on
 * who computes it. */
void bl_norm_forward(const bl_norm *norm, const float *x, const uint64_t *row, size_t n, size_t d, float *y);

/* dx [n, d] += dN/dx applied to dy [n, d]; dweight [d] += (when there is a weight). `y` is what the forward
 * pass made of x. `scratch` [2 d]. */
void bl_norm_backward(const bl_norm *norm, const float *x, const float *y, const float *dy, size_t n,
                      size_t d, float *dx, float *dweight, float *scratch);
#endif
