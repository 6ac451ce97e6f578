/* relu(x) = max(x, 0);  silu(x) = x s(x), s the logistic function;  gelu(x) = x Phi(x), exact (erf). At 0
 * relu's slope is 0. */
#include "linear/gate.h"
#include "linear/exp.h"
#include <math.h>

static inline float logistic(float x) { return 1.0F / (1.0F + bl_expf(-x)); }
static inline float normal_cdf(float x) { return 0.5F * (1.0F + erff(x * 0.70710678F)); }

/* g(x), and g'(x) in *slope. */
static inline float apply(bl_gate gate, float x, float *slope) {
    switch (gate) {
    case BL_GATE_RELU: *slope = x > 0 ? 1.0F : 0.0F; return x > 0 ? x : 0.0F;
    case BL_GATE_SILU: {
        float s = logistic(x);
        *slope = s * (1.0F + x * (1.0F - s));
        return x * s;
    }
    case BL_GATE_GELU: {
        float cdf = normal_cdf(x);
        *slope = cdf + x * 0.39894228F * bl_expf(-0.5F * x * x);
        return x * cdf;
    }
    case BL_GATE_GELU_TANH: { /* 0.5 x (1 + tanh u) = x s(2 u) */
        float s = logistic(1.5957691216F * (x + 0.044715F * x * x * x));
        *slope = s + x * s * (1.0F - s) * 1.5957691216F * (1.0F + 0.134145F * x * x);
        return x * s;
    }
    case BL_GATE_NONE: break;
    }
    *slope = 1.0F;
    return x;
}

/* The loops once for every gate, so that the compiler sees which one it is. */
static inline void forward(bl_gate gate, bool plain, const float *pre, size_t ld, size_t n, size_t h,
                           float *hidden) {
    for (size_t r = 0; r < n; r++) {
        const float *left = pre + r * ld, *right = left + (plain ? 0 : h);
        float *restrict out = hidden + r * h, slope;
        for (size_t i = 0; i < h; i++) out[i] = apply(gate, left[i], &slope) * (plain ? 1.0F : right[i]);
    }
}

static inline void backward(bl_gate gate, bool plain, float *pre, size_t ld, size_t n, size_t h,
                            const float *dhidden, float *hidden) {
    for (size_t r = 0; r < n; r++) {
        float *restrict left = pre + r * ld, *restrict right = left + h, *restrict out = hidden + r * h;
        const float *restrict g = dhidden + r * h;
        if (plain) {
            for (size_t i = 0; i < h; i++) {
                float slope;
                out[i] = apply(gate, left[i], &slope);
                left[i] = g[i] * slope;
            }
            continue;
        }
        for (size_t i = 0; i < h; i++) {
            float slope, value = apply(gate, left[i], &slope), other = right[i];
            out[i] = value * other;
            left[i] = g[i] * slope * other;
            right[i] = g[i] * value;
        }
    }
}

void bl_gate_forward(bl_gate gate, bool plain, const float *pre, size_t ld, size_t n, size_t h,
                     float *hidden) {
    switch (gate) {
    case BL_GATE_NONE: forward(BL_GATE_NONE, plain, pre, ld, n, h, hidden); break;
    case BL_GATE_RELU: forward(BL_GATE_RELU, plain, pre, ld, n, h, hidden); break;
    case BL_GATE_SILU: forward(BL_GATE_SILU, plain, pre, ld, n, h, hidden); break;
    case BL_GATE_GELU: forward(BL_GATE_GELU, plain, pre, ld, n, h, hidden); break;
    case BL_GATE_GELU_TANH: forward(BL_GATE_GELU_TANH, plain, pre, ld, n, h, hidden); break;
    }
}

void bl_gate_backward(bl_gate gate, bool plain, float *pre, size_t ld, size_t n, size_t h,
                      const float *dhidden, float *hidden) {
    switch (gate) {
    case BL_GATE_NONE: backward(BL_GATE_NONE, plain, pre, ld, n, h, dhidden, hidden); break;
    case BL_GATE_RELU: backward(BL_GATE_RELU, plain, pre, ld, n, h, dhidden, hidden); break;
    case BL_GATE_SILU: backward(BL_GATE_SILU, plain, pre, ld, n, h, dhidden, hidden); break;
    case BL_GATE_GELU: backward(BL_GATE_GELU, plain, pre, ld, n, h, dhidden, hidden); break;
    case BL_GATE_GELU_TANH: backward(BL_GATE_GELU_TANH, plain, pre, ld, n, h, dhidden, hidden); break;
    }
}

void bl_cap(float cap, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = cap * tanhf(x[i] / cap);
}
