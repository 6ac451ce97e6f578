/* A dot product is 16 running sums, entry i going to sum i mod 16, and these added pairwise in the end: 16
 * lanes of whatever vectors the processor has, in one fixed order. */
#include "linear/dots.h"
#include <omp.h>
#include <string.h>

enum { LANES = 16, AT_ONCE = 4 };
#define WORTH_SHARING \
    ((size_t)1 << 20) /* entries of a weight; below that waking threads costs more than it saves */

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

/* out[b] = w . x_b for `count` vectors x_b, `stride` apart; inlined with `count` known. */
__attribute__((always_inline)) static inline void dots(float *out, size_t out_stride, const float *w,
                                                       const float *x, size_t stride, size_t n,
                                                       size_t count) {
    lanes sum[AT_ONCE] = {0};
    float tail[AT_ONCE] = {0};
    size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        lanes a, b;
        memcpy(&a, w + i, sizeof a);
        for (size_t c = 0; c < count; c++) {
            memcpy(&b, x + c * stride + i, sizeof b);
            sum[c] += a * b;
        }
    }
    for (size_t c = 0; c < count; c++) {
        for (size_t i = whole; i < n; i++) tail[c] += w[i] * x[c * stride + i];
        float part[LANES];
        memcpy(part, &sum[c], sizeof part);
        for (size_t half = LANES / 2; half > 0; half /= 2)
            for (size_t j = 0; j < half; j++) part[j] += part[j + half];
        out[c * out_stride] = part[0] + tail[c];
    }
}

float bl_dot(const float *a, const float *b, size_t n) {
    float out;
    dots(&out, 1, a, b, n, n, 1);
    return out;
}

void bl_dots(float *out, const float *in, size_t n, bl_view weight, const float *bias) {
    size_t rows = weight.rows, cols = weight.cols;
    bool share = rows * cols >= WORTH_SHARING && !omp_in_parallel() && omp_get_max_threads() > 1;
#pragma omp parallel for schedule(static) if (share)
    for (size_t r = 0; r < rows; r++) {
        const float *w = weight.data + r * weight.stride;
        size_t c = 0;
        for (; c + AT_ONCE <= n; c += AT_ONCE)
            dots(out + c * rows + r, rows, w, in + c * cols, cols, cols, AT_ONCE);
        for (; c < n; c++) dots(out + c * rows + r, rows, w, in + c * cols, cols, cols, 1);
        for (c = 0; bias && c < n; c++) out[c * rows + r] += bias[r];
    }
}
