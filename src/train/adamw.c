/*   m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,
 *   w = w (1 - lr decay) - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 *
 * as PyTorch's AdamW orders it; decay is for matrices, not for norm weights and biases. One pass over memory,
 * in pieces of fixed size: an element's result depends on nothing but itself, a norm's partial sums are added
 * in the pieces' order. */
#include "train/adamw.h"
#include <math.h>

#define PIECE ((size_t)16384)

static double sum_of_squares(const float *g, size_t n) {
    double total = 0;
    for (size_t i = 0; i < n; i += 1024) { /* float32 within 1024 elements, double beyond */
        size_t end = i + 1024 < n ? i + 1024 : n;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t j = i; j < end; j++) sum += g[j] * g[j];
        total += (double)sum;
    }
    return total;
}

double bl_gradient_norm(const bl_params *params, const float *gradient) {
    double total = 0;
    for (size_t p = 0; p < params->n; p++) {
        const bl_param *param = &params->list[p];
        const float *g = gradient + param->offset;
        size_t pieces = (param->count + PIECE - 1) / PIECE;
#pragma omp parallel for ordered schedule(static, 1)
        for (size_t i = 0; i < pieces; i++) {
            size_t begin = i * PIECE, n = param->count - begin < PIECE ? param->count - begin : PIECE;
            double part = sum_of_squares(g + begin, n);
#pragma omp ordered
            total += part;
        }
    }
    return sqrt(total);
}

static void update(const bl_adamw *a, float decay, float *restrict w, const float *restrict g,
                   float *restrict m, float *restrict v, size_t n) {
    float b1 = a->beta1, b2 = a->beta2, scale = a->gradient_scale, epsilon = a->epsilon,
          keep = 1.0F - a->lr * decay;
    float rate = (float)((double)a->lr / (1.0 - pow((double)b1, (double)a->step)));
    float root = (float)(1.0 / sqrt(1.0 - pow((double)b2, (double)a->step)));
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float x = g[i] * scale;
        float mean = b1 * m[i] + (1.0F - b1) * x, square = b2 * v[i] + (1.0F - b2) * x * x;
        m[i] = mean;
        v[i] = square;
        w[i] = w[i] * keep - rate * mean / (sqrtf(square) * root + epsilon);
    }
}

void bl_adamw_step(const bl_adamw *a, const bl_params *params, float *weights, const float *gradient,
                   float *m, float *v) {
#pragma omp parallel
    for (size_t p = 0; p < params->n; p++) {
        const bl_param *param = &params->list[p];
        float decay = param->n_dims > 1 || a->decay_all ? a->decay : 0;
#pragma omp for schedule(static) nowait
        for (size_t i = 0; i < (param->count + PIECE - 1) / PIECE; i++) {
            size_t begin = param->offset + i * PIECE, left = param->count - i * PIECE;
            update(a, decay, weights + begin, gradient + begin, m + begin, v + begin,
                   left < PIECE ? left : PIECE);
        }
    }
}
