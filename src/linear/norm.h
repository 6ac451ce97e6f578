/* N of docs/specification.md, 1: RMS norm, LayerNorm, their weights, and the training noise after them. */
#ifndef BL_LINEAR_NORM_H
#define BL_LINEAR_NORM_H
#include <bilens/base.h>

#define BL_NORM_EPSILON 1e-8F /* of bilens's own models */

/* 1 / sqrt(squares / d + epsilon): the factor of an RMS norm, `squares` being sum(x^2). */
double bl_rms_factor(double squares, size_t d, float epsilon);
/* The same of x [d], whose squares are summed in float64. */
float bl_inverse_rms(const float *x, size_t d, float epsilon);
/* y [n, d] = x / rms(x), or, with `centre`, LayerNorm's (x - mean x) / sqrt(var x + epsilon); no weight, no
 * bias. y may be x. */
void bl_norm_rows(const float *x, size_t n, size_t d, bool centre, float epsilon, float *y);
/* y [n, d] = x * weight + bias, either of which may be NULL. y may be x. */
void bl_weigh(const float *x, size_t n, size_t d, const float *weight, const float *bias, float *y);

/* One place where N stands in training. */
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
