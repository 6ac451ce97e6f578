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

/* Rows of out [n, rows] that `rows` rows of a weight make; `ld` between out's rows. */
static void some_rows(float *out, size_t ld, const float *in, size_t n, const float *w, size_t stride,
                      size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        size_t c = 0;
        for (; c + AT_ONCE <= n; c += AT_ONCE)
            dots(out + c * ld + r, ld, w + r * stride, in + c * cols, cols, cols, AT_ONCE);
        for (; c < n; c++) dots(out + c * ld + r, ld, w + r * stride, in + c * cols, cols, cols, 1);
    }
}

static bool worth_sharing(size_t rows, size_t cols) {
    return rows * cols >= WORTH_SHARING && !omp_in_parallel() && omp_get_max_threads() > 1;
}

void bl_dots(float *out, size_t ld, const float *in, size_t n, bl_view weight, const float *bias) {
    bool share = worth_sharing(weight.rows, weight.cols);
#pragma omp parallel for schedule(static) if (share)
    for (size_t r = 0; r < weight.rows; r++) {
        some_rows(out + r, ld, in, n, weight.data + r * weight.stride, weight.stride, 1, weight.cols);
        for (size_t c = 0; bias && c < n; c++) out[c * ld + r] += bias[r];
    }
}

void bl_dots_of(float *out, size_t ld, const float *in, size_t n, size_t rows, size_t cols,
                void (*read)(void *context, size_t begin, size_t n, float *out), void *context,
                size_t threads, float *scratch) {
    bool share = threads > 1 && worth_sharing(rows, cols);
    size_t blocks = (rows + BL_DOTS_ROWS - 1) / BL_DOTS_ROWS;
#pragma omp parallel for schedule(static) num_threads(share ? (int)threads : 1)
    for (size_t b = 0; b < blocks; b++) {
        size_t begin = b * BL_DOTS_ROWS, count = rows - begin < BL_DOTS_ROWS ? rows - begin : BL_DOTS_ROWS;
        size_t thread = share ? (size_t)omp_get_thread_num() : 0;
        float *w = scratch + thread * BL_DOTS_ROWS * cols;
        read(context, begin, count, w);
        some_rows(out + begin, ld, in, n, w, cols, count, cols);
    }
}
