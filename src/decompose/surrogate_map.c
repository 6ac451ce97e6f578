/* A surrogate as a bilinear map (docs/specification.md, 19). With w = Pᵀu, g = l·x + l0, r likewise,
 *
 *   u·(ŷ - p) = Σ_h w_h c(g_h, r_h) + uᵀ B [x; 1]
 *
 * is about x = m + z a quadratic form with the matrix Σ_h w_h (c3 sym(l rᵀ) + c4 l lᵀ + c5 r rᵀ),
 * which two units have for each h: l beside c3 r + c4 l, and r beside c5 r. Its gradient and its value at
 * m are linear in u, too:
 *
 *   ℓ = Σ_h w_h (∂c/∂g l + ∂c/∂r r) + Bᵀu,   k = Σ_h w_h c(g, r) + uᵀ B [m; 1],   all at
 *   m. */
#include "base/error.h"
#include "base/memory.h"
#include "decompose/surrogate_private.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include <stdlib.h>
#include <string.h>

typedef struct one {
    bl_bilinear map;
    float *bias;   /* [d] of the output, as u meets it; or NULL */
    float *memory; /* NULL until it is made */
} one;

struct bl_surrogate_maps {
    size_t n;
    one list[]; /* in the order of the surrogate's layers */
};

void bl_surrogate_maps_free(bl_surrogate *s) {
    for (size_t i = 0; s->maps && i < s->maps->n; i++) free(s->maps->list[i].memory);
    free(s->maps);
}

/* rows [d, cols]: row o of what the MLP writes becomes what u_o meets: times the weight of a norm behind it,
 * and centred over d where the final norm takes the mean away. */
static void as_met(const bl_model *model, size_t layer, float *rows, size_t cols) {
    size_t d = model->config.d_model;
    const float *weight = model->blocks[layer].n2_post.weight;
    for (size_t o = 0; weight && o < d; o++)
        for (size_t c = 0; c < cols; c++) rows[o * cols + c] *= weight[o];
    for (size_t c = 0; model->plan.layer_norm && c < cols; c++) {
        double mean = 0;
        for (size_t o = 0; o < d; o++) mean += (double)rows[o * cols + c] / (double)d;
        for (size_t o = 0; o < d; o++) rows[o * cols + c] = (float)((double)rows[o * cols + c] - mean);
    }
}

/* The units at m: value c(g, r) and its two slopes, each [h]. */
static void at_origin(const bl_layer *w, const bl_surrogate_layer *l, float *value, float *by_g,
                      float *by_r) {
    size_t h = w->w_l.rows, d = w->w_l.cols;
    const float *c = l->coefficients;
    for (size_t k = 0; k < h; k++) {
        float g = bl_dot(w->w_l.data + k * w->w_l.stride, l->origin, d) + (w->b_l ? w->b_l[k] : 0);
        float r = w->w_r.data
                    ? bl_dot(w->w_r.data + k * w->w_r.stride, l->origin, d) + (w->b_r ? w->b_r[k] : 0)
                    : 0;
        value[k] = c[k] + g * (c[h + k] + c[3 * h + k] * r + c[4 * h + k] * g) +
                   r * (c[2 * h + k] + c[5 * h + k] * r);
        by_g[k] = c[h + k] + c[3 * h + k] * r + 2 * c[4 * h + k] * g;
        by_r[k] = c[2 * h + k] + c[3 * h + k] * g + 2 * c[5 * h + k] * r;
    }
}

/* left, right [units, d]: the two rows of each unit; p [d, units] its column of P. */
static void fill_units(const bl_layer *w, const bl_surrogate_layer *l, float *left, float *right, float *p) {
    size_t h = w->w_l.rows, d = w->w_l.cols, units = w->w_r.data ? 2 * h : h;
    const float *c = l->coefficients;
    for (size_t k = 0; k < h; k++) {
        const float *a = w->w_l.data + k * w->w_l.stride,
                    *b = w->w_r.data ? w->w_r.data + k * w->w_r.stride : NULL;
        for (size_t i = 0; i < d; i++) {
            left[k * d + i] = a[i];
            right[k * d + i] = c[4 * h + k] * a[i] + (b ? c[3 * h + k] * b[i] : 0);
            if (!b) continue;
            left[(h + k) * d + i] = b[i];
            right[(h + k) * d + i] = c[5 * h + k] * b[i];
        }
    }
    for (size_t o = 0; o < d; o++)
        for (size_t k = 0; k < units; k++) p[o * units + k] = w->w_p.data[o * w->w_p.stride + k % h];
}

/* g [d, d] = P (diag(by_g) L + diag(by_r) R) + B without its last column, through slopes [h, d]; constant
 * [d] = P value + B [m; 1]. */
static void fill_linear(const bl_layer *w, const bl_surrogate_layer *l, const float *at, float *slopes,
                        float *g, float *constant) {
    size_t h = w->w_l.rows, d = w->w_l.cols;
    const float *value = at, *by_g = at + h, *by_r = at + 2 * h;
    for (size_t k = 0; k < h; k++)
        for (size_t i = 0; i < d; i++)
            slopes[k * d + i] = by_g[k] * w->w_l.data[k * w->w_l.stride + i] +
                                (w->w_r.data ? by_r[k] * w->w_r.data[k * w->w_r.stride + i] : 0);
    for (size_t o = 0; o < d; o++) memcpy(g + o * d, l->linear + o * (d + 1), d * sizeof *g);
    bl_gemm_nn(d, d, h, 1.0F, w->w_p.data, w->w_p.stride, slopes, d, 1.0F, g, d);
    bl_gemv_n(d, h, 1.0F, w->w_p.data, w->w_p.stride, value, 0.0F, constant);
    for (size_t o = 0; o < d; o++)
        constant[o] += bl_dot(l->linear + o * (d + 1), l->origin, d) + l->linear[o * (d + 1) + d];
}

static bool make(const bl_surrogate_layer *l, const bl_model *model, one *out, bl_error *err) {
    const bl_layer *w = bl_model_layer(model, l->layer);
    size_t h = w->w_l.rows, d = w->w_l.cols, units = w->w_r.data ? 2 * h : h, count;
    if (!bl_mul_size(units + h, 3 * d, &count) || !bl_add_size(count, d * (d + 2) + 3 * h, &count))
        count = SIZE_MAX;
    float *left = bl_alloc(count, sizeof *left, err), *slopes = bl_alloc(h * (d + 3), sizeof *slopes, err);
    if (!left || !slopes) {
        free(left);
        free(slopes);
        return false;
    }
    float *right = left + units * d, *p = right + units * d, *g = p + units * d, *constant = g + d * d,
          *bias = constant + d, *at = slopes + h * d;
    at_origin(w, l, at, at + h, at + 2 * h);
    fill_units(w, l, left, right, p);
    fill_linear(w, l, at, slopes, g, constant);
    memset(bias, 0, d * sizeof *bias);
    if (w->b_p) memcpy(bias, w->b_p, d * sizeof *bias);
    as_met(model, l->layer, p, units);
    as_met(model, l->layer, g, d);
    as_met(model, l->layer, constant, 1);
    as_met(model, l->layer, bias, 1);
    for (size_t o = 0; o < d; o++) constant[o] += bias[o];
    free(slopes);
    out->map = (bl_bilinear){.name = bl_model_name(model),
                             .layer = l->layer,
                             .l = {left, units, d, d},
                             .r = {right, units, d, d},
                             .p = {p, d, units, units},
                             .constant = constant,
                             .origin = l->origin,
                             .linear = {g, d, d, d}};
    out->bias = bias;
    out->memory = left;
    return true;
}

/* The layer's place in the list; n where there is none. */
static size_t place_of(const bl_surrogate *s, size_t layer) {
    size_t i = 0;
    while (i < s->n && s->layers[i].layer != layer) i++;
    return i;
}

bool bl_surrogate_map(const bl_surrogate *shared, const bl_model *model, size_t layer, bl_bilinear *out,
                      bl_error *err) {
    bl_surrogate *s =
        (bl_surrogate *)(uintptr_t)shared; /* what is made is seen by others through this lock only */
    const bl_surrogate_layer *l = bl_surrogate_of(s, layer, err);
    size_t i = place_of(s, layer);
    bool ok;
    if (!l || !bl_model_unfold(model, layer, err)) return false;
#pragma omp critical(bl_surrogate_map)
    {
        if (!s->maps) {
            s->maps = bl_alloc_zero(1, sizeof *s->maps + s->n * sizeof *s->maps->list, err);
            if (s->maps) s->maps->n = s->n;
        }
        ok = s->maps && (s->maps->list[i].memory || make(l, model, &s->maps->list[i], err));
        if (ok) *out = s->maps->list[i].map;
    }
    return ok;
}

double bl_surrogate_bias(const bl_surrogate *s, size_t layer, const float *u) {
    size_t i = place_of(s, layer);
    const float *bias = s->maps && i < s->n ? s->maps->list[i].bias : NULL;
    return bias ? (double)bl_dot(u, bias, s->d) : 0;
}

void bl_model_adopt(bl_model *model, const bl_surrogate *surrogate) { model->surrogate = surrogate; }

size_t bl_model_left_out(const bl_model *model) { return model->surrogate ? 1 : 0; }

const bl_surrogate *bl_model_surrogate(const bl_model *model) { return model->surrogate; }

const float *bl_model_origin(const bl_model *model, size_t layer) {
    const bl_surrogate *s = model->surrogate;
    size_t i = s ? place_of(s, layer) : 0;
    return s && i < s->n ? s->layers[i].origin : NULL;
}

float bl_constant_of(const bl_model *model, size_t layer, const float *v) {
    const float *origin = bl_model_origin(model, layer);
    size_t d = model->config.d_model;
    if (origin) return -bl_dot(v, origin, d);
    return model->config.bias_w && !model->surrogate ? v[d] : 0;
}
