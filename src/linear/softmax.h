/* Softmax of a row and its two reductions, written so that gcc and clang vectorise them. */
#ifndef BL_LINEAR_SOFTMAX_H
#define BL_LINEAR_SOFTMAX_H
#include "linear/exp.h"
#include <math.h>
#include <stddef.h>

/* The largest of x [n], n > 0. Sixteen running maxima: a plain maximum is a reduction that NaN forbids to
 * reorder. */
static inline float bl_row_max(const float *x, size_t n) {
    float lane[16], max = x[0];
    for (size_t l = 0; l < 16; l++) lane[l] = x[0];
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t l = 0; l < 16; l++) lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    for (; i < n; i++) max = x[i] > max ? x[i] : max;
    for (size_t l = 0; l < 16; l++) max = lane[l] > max ? lane[l] : max;
    return max;
}

/* Replaces x [n] by exp(x - max); returns the sum. */
static inline float bl_row_exp(float *x, size_t n, float max) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) {
        float e = bl_expf(x[i] - max);
        x[i] = e;
        sum += e;
    }
    return sum;
}

static inline void bl_scale_row(float *x, size_t n, float factor) {
    for (size_t i = 0; i < n; i++) x[i] *= factor;
}

/* Replaces x [n], n > 0, by its softmax without the factor 1 / sum, which goes to *inverse; returns log sum
 * exp(x). */
static inline float bl_softmax_begin(float *x, size_t n, float *inverse) {
    float max = bl_row_max(x, n), sum = bl_row_exp(x, n, max);
    *inverse = 1.0F / sum;
    return max + logf(sum);
}

/* Replaces x [n] by its softmax, n > 0. */
static inline void bl_softmax(float *x, size_t n) {
    float inverse;
    bl_softmax_begin(x, n, &inverse);
    bl_scale_row(x, n, inverse);
}

/* sum exp(x - max) of x [n], in float32 over 256 values, beyond in float64: a loop of both kinds does not
 * vectorise. */
static inline double bl_sum_exp(const float *x, size_t n, float max) {
    double sum = 0;
    for (size_t begin = 0; begin < n; begin += 256) {
        size_t end = n - begin < 256 ? n : begin + 256;
        float part = 0;
#pragma omp simd reduction(+ : part)
        for (size_t i = begin; i < end; i++) part += bl_expf(x[i] - max);
        sum += (double)part;
    }
    return sum;
}

/* log sum exp of x [n], n > 0, the sum in float64. */
static inline double bl_log_sum_exp(const float *x, size_t n) {
    float max = bl_row_max(x, n);
    return (double)max + log(bl_sum_exp(x, n, max));
}

/* The same with the exponentials in float64: slow, for single rows. */
static inline double bl_log_sum_exp_exact(const float *x, size_t n) {
    double max = (double)bl_row_max(x, n), sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - max);
    return max + log(sum);
}
#endif
