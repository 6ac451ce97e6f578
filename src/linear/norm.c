/* N(x) = u + noise * std(u) * z,  u = weight * x / sqrt(mean(x^2) + 1e-8),  z ~ N(0, 1),  std with Bessel's
 * correction.
 *
 * The gradient flows through std, as it does in the authors' code (autograd of `u + noise * u.std(-1) *
 * randn_like(u)`):
 *
 *   du   = dy + noise (dy . z) (u - mean u) / ((d - 1) std u)        (0 where std is 0)
 *   dx_i = r (dn_i - n_i mean(dn n)),  n = r x,  dn = weight du,  r = 1 / sqrt(mean(x^2) + 1e-8)
 *
 * z is not kept: noise * z = (y - u) / std u, so that the factor before (u - mean u) is dy . (y - u) / ((d -
 * 1) var u). What is lost by cancellation where noise is tiny is as tiny a part of du. */
#include "linear/norm.h"
#include "linear/noise.h"
#include <math.h>
#include <string.h>

static float dot(const float *a, const float *b, size_t d) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < d; i++) sum += a[i] * b[i];
    return sum;
}

double bl_rms_factor(double squares, size_t d, float epsilon) {
    return 1.0 / sqrt(squares / (double)d + (double)epsilon);
}

float bl_inverse_rms(const float *x, size_t d, float epsilon) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < d; i++) sum += (double)x[i] * (double)x[i];
    return (float)bl_rms_factor(sum, d, epsilon);
}

void bl_norm_rows(const float *x, size_t n, size_t d, bool centre, float epsilon, float *y) {
    for (size_t r = 0; r < n; r++) {
        const float *in = x + r * d;
        float *out = y + r * d, mean = 0, scale;
        if (centre) {
            double sum = 0, squares = 0;
            for (size_t i = 0; i < d; i++) sum += (double)in[i];
            sum /= (double)d;
            for (size_t i = 0; i < d; i++) squares += ((double)in[i] - sum) * ((double)in[i] - sum);
            mean = (float)sum;
            scale = (float)bl_rms_factor(squares, d, epsilon);
        } else {
            scale = bl_inverse_rms(in, d, epsilon);
        }
        for (size_t i = 0; i < d; i++) out[i] = (in[i] - mean) * scale;
    }
}

void bl_weigh(const float *x, size_t n, size_t d, const float *weight, const float *bias, float *y) {
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < d; i++) {
            float value = x[r * d + i] * (weight ? weight[i] : 1.0F);
            y[r * d + i] = bias ? value + bias[i] : value;
        }
}

static float inverse_rms(const float *x, size_t d) { return bl_inverse_rms(x, d, BL_NORM_EPSILON); }

/* u = weight * x * r. */
static void scale(const bl_norm *norm, const float *x, size_t d, float *u) {
    float r = norm->normalize ? inverse_rms(x, d) : 1.0F;
    const float *weight = norm->weight;
    for (size_t i = 0; i < d; i++) u[i] = x[i] * r;
    for (size_t i = 0; weight && i < d; i++) u[i] *= weight[i];
}

/* Standard deviation and mean, in two passes. */
static float deviation(const float *u, size_t d, float *mean) {
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < d; i++) sum += u[i];
    float m = sum / (float)d;
#pragma omp simd reduction(+ : squares)
    for (size_t i = 0; i < d; i++) squares += (u[i] - m) * (u[i] - m);
    *mean = m;
    return d > 1 ? sqrtf(squares / (float)(d - 1)) : 0;
}

void bl_norm_forward(const bl_norm *norm, const float *x, const uint64_t *row, size_t n, size_t d, float *y) {
    for (size_t r = 0; r < n; r++) {
        const float *in = x + r * d;
        float *out = y + r * d, mean;
        if (norm->noise == 0) {
            scale(norm, in, d, out);
            continue;
        }
        bl_noise_row(norm->key, row[r], d, out);
        if (!norm->normalize && !norm->weight) {
            float width = norm->noise * deviation(in, d, &mean);
            for (size_t i = 0; i < d; i++) out[i] = in[i] + width * out[i];
            continue;
        }
        float rms = norm->normalize ? inverse_rms(in, d) : 1.0F, sum = 0, squares = 0;
        const float *weight = norm->weight;
        for (size_t i = 0; i < d; i++) sum += in[i] * rms * (weight ? weight[i] : 1.0F);
        mean = sum / (float)d;
        for (size_t i = 0; i < d; i++) {
            float u = in[i] * rms * (weight ? weight[i] : 1.0F) - mean;
            squares += u * u;
        }
        float width = d > 1 ? norm->noise * sqrtf(squares / (float)(d - 1)) : 0;
        for (size_t i = 0; i < d; i++) out[i] = in[i] * rms * (weight ? weight[i] : 1.0F) + width * out[i];
    }
}

void bl_norm_backward(const bl_norm *norm, const float *x, const float *y, const float *dy, size_t n,
                      size_t d, float *dx, float *dweight, float *scratch) {
    float *u = scratch, *du = scratch + d;
    for (size_t r = 0; r < n; r++) {
        const float *in = x + r * d, *out = y + r * d, *g = dy + r * d;
        float *to = dx + r * d;
        memcpy(du, g, d * sizeof *du);
        if (norm->noise != 0) {
            float mean, along = 0;
            scale(norm, in, d, u);
            float std = deviation(u, d, &mean);
#pragma omp simd reduction(+ : along)
            for (size_t i = 0; i < d; i++) along += g[i] * (out[i] - u[i]);
            float slope = std > 0 ? along / ((float)(d - 1) * std * std) : 0;
            for (size_t i = 0; i < d; i++) du[i] += slope * (u[i] - mean);
        }
        float rms = norm->normalize ? inverse_rms(in, d) : 1.0F;
        if (norm->weight) {
            for (size_t i = 0; i < d; i++) {
                dweight[i] += du[i] * in[i] * rms;
                du[i] *= norm->weight[i];
            }
        }
        float along = norm->normalize ? dot(du, in, d) * rms * rms / (float)d : 0;
        for (size_t i = 0; i < d; i++) to[i] += rms * (du[i] - in[i] * along);
    }
}
