/* Rises of the loss in float32, many positions at a time (docs/specification.md, 12):
 *
 *   delta = s lambda~ ((v . x')^2 - m),   rise = log(1 + p (e^-delta - 1))
 *
 * A pair's delta is small at most positions, and so is nearly every p. So BL_RISE_ROWS positions take the
 * shortest series that holds for all of them; each is good to 1e-6. */
#include "evidence/rises.h"
#include "linear/exp.h"
#include <math.h>

#define SMALL 0.2F /* |delta| up to which a series gives e^-delta - 1 */
#define TINY 0.02F /* |p (e^-delta - 1)| up to which a short series gives the logarithm */

void bl_rise_probabilities(const float *restrict log_p, size_t rows, float *restrict p, float *largest) {
    for (size_t begin = 0; begin < rows; begin += BL_RISE_ROWS) {
        size_t end = rows - begin < BL_RISE_ROWS ? rows : begin + BL_RISE_ROWS;
        float most = 0;
#pragma omp simd reduction(max : most)
        for (size_t r = begin; r < end; r++) {
            p[r] = bl_expf(log_p[r]);
            most = p[r] > most ? p[r] : most;
        }
        largest[begin / BL_RISE_ROWS] = most;
    }
}

/* delta of the rows begin … end - 1; the largest |delta|. */
static float deltas(const float *restrict scale, const float *restrict a, float lambda, float m, size_t begin,
                    size_t end, float *restrict delta) {
    float most = 0;
#pragma omp simd reduction(max : most)
    for (size_t r = begin; r < end; r++) {
        float d = scale[r] * lambda * (a[r] * a[r] - m), size = fabsf(d);
        delta[r] = d;
        most = size > most ? size : most;
    }
    return most;
}

/* e^z - 1 for |z| < SMALL */
static inline float series_of(float z) {
    return z * (1 + z * (0.5F + z * (1.0F / 6 + z * (1.0F / 24 + z * (1.0F / 120)))));
}

/* Where both |delta| and p (e^-delta - 1) are small: nearly everywhere. */
static void small_rises(const float *restrict p, const float *restrict delta, size_t begin, size_t end,
                        float *restrict rise) {
#pragma omp simd
    for (size_t r = begin; r < end; r++) {
        float c = p[r] * series_of(-delta[r]);
        rise[r] = c * (1 - c * (0.5F - c * (1.0F / 3 - c * 0.25F)));
    }
}

/* Where only p (e^-delta - 1) is. */
static void middle_rises(const float *restrict p, const float *restrict log_p, const float *restrict delta,
                         size_t begin, size_t end, float *restrict rise) {
#pragma omp simd
    for (size_t r = begin; r < end; r++) {
        float z = -delta[r], near = p[r] * series_of(z), far = bl_expf(log_p[r] + z) - p[r];
        float c = fabsf(z) < SMALL ? near : far; /* both, so that the loop has no branch */
        rise[r] = c * (1 - c * (0.5F - c * (1.0F / 3 - c * 0.25F)));
    }
}

/* Anywhere; the largest p |e^-delta - 1|. */
static float any_rises(const float *restrict p, const float *restrict log_p, const float *restrict delta,
                       size_t begin, size_t end, float *restrict rise) {
    float most = 0;
#pragma omp simd reduction(max : most)
    for (size_t r = begin; r < end; r++) {
        float z = -delta[r], near = p[r] * series_of(z), far = bl_expf(log_p[r] + z) - p[r];
        float c = fabsf(z) < SMALL ? near : far, size = fabsf(c), q = c / (2 + c), q2 = q * q;
        rise[r] = 2 * q *
                  (1 + q2 * (1.0F / 3 + q2 * (0.2F + q2 * (1.0F / 7 + q2 * (1.0F / 9 + q2 * (1.0F / 11))))));
        most = size > most ? size : most;
    }
    return most;
}

/* Not below e^x - 1 by more than rounding. */
static float above_expm1(float x) { return x < SMALL ? 1.11F * x : bl_expf(x); }

float bl_rises(const bl_rise_rows *of, const float *a, float lambda, float m, size_t first, size_t last,
               float *delta, float *rise) {
    float most = 0;
    for (size_t begin = first; begin < last; begin += BL_RISE_ROWS) {
        size_t end = last - begin < BL_RISE_ROWS ? last : begin + BL_RISE_ROWS;
        float largest = deltas(of->scale, a, lambda, m, begin, end, delta),
              bound = of->most[begin / BL_RISE_ROWS] * above_expm1(largest);
        if (!(bound < TINY)) most = fmaxf(most, any_rises(of->p, of->log_p, delta, begin, end, rise));
        else if (largest < SMALL) small_rises(of->p, delta, begin, end, rise);
        else middle_rises(of->p, of->log_p, delta, begin, end, rise);
    }
    return most;
}
