/* The forward pass of docs/specification.md, 1, one story at a time. Attention is the only part that mixes
 * positions.
 *
 * All products are float32 GEMMs; a story is computed by one thread with a single-threaded BLAS, so that its
 * numbers do not depend on how many threads there are. This is the general path and the oracle of every
 * faster one. */
#include "model/forward.h"
#include "base/memory.h"
#include "linear/exp.h"
#include "linear/gemm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bl_workspace {
    size_t T;
    float *x;       /* [T, d] the residual stream */
    float *mid;     /* [T, d] x_mid */
    float *y;       /* [T, d] N1(x), then N2(x_mid), then N_f(x_L) */
    float *qkv;     /* [T, 3d] */
    float *pattern; /* [T, T] one head at a time */
    float *z;       /* [T, d] heads' outputs side by side */
    float *out;     /* [T, d] what attention or the MLP adds */
    float *left;    /* [T, h] L y, then the hidden product */
    float *right;   /* [T, h] R y */
    float *logits;  /* [T, V], made when first needed */
};

const char *bl_point_name(bl_point point) {
    static const char *const names[] = {"resid_pre",  "attn_in", "q",          "k",         "v",
                                        "scores",     "pattern", "attn_out",   "resid_mid", "mlp_in",
                                        "mlp_hidden", "mlp_out", "resid_post", "logits"};
    return names[point];
}

bl_workspace *bl_workspace_new(const bl_model *model, size_t T, bl_error *err) {
    const bl_config *c = &model->config;
    size_t d = c->d_model, h = c->d_hidden, square;
    bl_workspace *w = bl_alloc_zero(1, sizeof *w, err);
    if (!w) return NULL;
    w->T = T;
    float **parts[] = {&w->x, &w->mid, &w->y, &w->z, &w->out, &w->qkv, &w->left, &w->right, &w->pattern};
    const size_t widths[] = {d, d, d, d, d, 3 * d, h, h, T};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!bl_mul_size(T, widths[i], &square)) square = SIZE_MAX; /* bl_alloc refuses it */
        *parts[i] = bl_alloc(square, sizeof(float), err);
        if (!*parts[i]) {
            bl_workspace_free(w);
            return NULL;
        }
    }
    return w;
}

void bl_workspace_free(bl_workspace *w) {
    if (!w) return;
    float *parts[] = {w->x, w->mid, w->y, w->z, w->out, w->qkv, w->left, w->right, w->pattern, w->logits};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    free(w);
}

/* out [n, rows] = in [n, cols] . weight^T, weight [rows, cols] */
static void linear(float *out, const float *in, size_t n, bl_view weight) {
    bl_gemm_nt(n, weight.rows, weight.cols, 1.0F, in, weight.cols, weight.data, weight.stride, 0.0F, out,
               weight.rows);
}

static void add_bias(float *out, size_t n, size_t width, const float *bias) {
    for (size_t p = 0; bias && p < n; p++)
        for (size_t i = 0; i < width; i++) out[p * width + i] += bias[i];
}

static void tap_head(const bl_tap *tap, bl_point point, size_t layer, size_t head, bl_rows value) {
    if (!tap) return;
    if (tap->edit) tap->edit(tap->context, point, layer, head, value);
    if (tap->take)
        tap->take(tap->context, point, layer, head,
                  (bl_view){value.data, value.rows, value.cols, value.stride});
}

static void tap_rows(const bl_tap *tap, bl_point point, size_t layer, float *data, size_t rows, size_t cols) {
    tap_head(tap, point, layer, 0, (bl_rows){data, rows, cols, cols});
}

/* N(x) = x / sqrt(mean(x^2) + 1e-8); weights are folded away. */
void bl_forward_norm(const bl_model *model, float *out, const float *in, size_t n) {
    size_t d = model->config.d_model;
    if (!model->config.normalization) {
        memcpy(out, in, n * d * sizeof *out);
        return;
    }
    for (size_t p = 0; p < n; p++) {
        double sum = 0;
        for (size_t i = 0; i < d; i++) sum += (double)in[p * d + i] * (double)in[p * d + i];
        float scale = (float)(1.0 / sqrt(sum / (double)d + 1e-8));
        for (size_t i = 0; i < d; i++) out[p * d + i] = in[p * d + i] * scale;
    }
}

/* Rotary position embedding of every head of q or k [n, d] (row stride 3d): element j pairs with j + k/2. */
static void rotate(const bl_model *model, float *x, size_t n) {
    size_t d = model->config.d_model, k = d / model->config.n_head, half = k / 2;
    for (size_t p = 0; p < n; p++) {
        const float *cosine = model->rope_cos + p * half, *sine = model->rope_sin + p * half;
        for (size_t h = 0; h < model->config.n_head; h++) {
            float *a = x + p * 3 * d + h * k, *b = a + half;
            for (size_t j = 0; j < half; j++) {
                float u = a[j], v = b[j];
                a[j] = u * cosine[j] - v * sine[j];
                b[j] = v * cosine[j] + u * sine[j];
            }
        }
    }
}

/* Row p of the scores becomes softmax over 0 … p, zero behind it. */
static void causal_softmax(float *scores, size_t n) {
    for (size_t p = 0; p < n; p++) {
        float *row = scores + p * n, most = row[0], sum = 0;
        for (size_t j = 1; j <= p; j++) most = row[j] > most ? row[j] : most;
        for (size_t j = 0; j <= p; j++) row[j] = bl_expf(row[j] - most);
        for (size_t j = 0; j <= p; j++) sum += row[j];
        for (size_t j = 0; j <= p; j++) row[j] /= sum;
        memset(row + p + 1, 0, (n - p - 1) * sizeof *row);
    }
}

/* z [n, d] = for each head softmax(q k^T / sqrt(k)) v, side by side */
static void attend(const bl_model *model, bl_workspace *w, size_t n, size_t layer, const bl_tap *tap) {
    size_t d = model->config.d_model, H = model->config.n_head, k = d / H;
    size_t stride = 3 * d;
    for (size_t h = 0; h < H; h++) {
        float *q = w->qkv + h * k, *key = q + d, *value = q + 2 * d;
        tap_head(tap, BL_POINT_Q, layer, h, (bl_rows){q, n, k, stride});
        tap_head(tap, BL_POINT_K, layer, h, (bl_rows){key, n, k, stride});
        tap_head(tap, BL_POINT_V, layer, h, (bl_rows){value, n, k, stride});
        bl_gemm_nt(n, n, k, 1.0F / sqrtf((float)k), q, stride, key, stride, 0.0F, w->pattern, n);
        if (tap) {
            for (size_t p = 0; p < n; p++)
                for (size_t j = p + 1; j < n; j++) w->pattern[p * n + j] = -INFINITY;
            tap_head(tap, BL_POINT_SCORES, layer, h, (bl_rows){w->pattern, n, n, n});
        }
        causal_softmax(w->pattern, n);
        tap_head(tap, BL_POINT_PATTERN, layer, h, (bl_rows){w->pattern, n, n, n});
        bl_gemm_nn(n, k, n, 1.0F, w->pattern, n, value, stride, 0.0F, w->z + h * k, d);
    }
}

static void embed(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n) {
    size_t d = model->config.d_model;
    for (size_t p = 0; p < n; p++)
        memcpy(w->x + p * d, model->w_e.data + (size_t)ids[p] * model->w_e.stride, d * sizeof *w->x);
}

/* From x to y = mlp_in, by way of x_mid. */
static void attention_block(const bl_model *model, bl_workspace *w, size_t n, size_t layer,
                            const bl_tap *tap) {
    size_t d = model->config.d_model;
    const bl_layer *l = &model->layers[layer];
    tap_rows(tap, BL_POINT_RESID_PRE, layer, w->x, n, d);
    bl_forward_norm(model, w->y, w->x, n);
    tap_rows(tap, BL_POINT_ATTN_IN, layer, w->y, n, d);
    linear(w->qkv, w->y, n, (bl_view){l->w_q.data, 3 * d, d, d}); /* q, k, v lie one behind the other */
    rotate(model, w->qkv, n);
    rotate(model, w->qkv + d, n);
    attend(model, w, n, layer, tap);
    linear(w->out, w->z, n, l->w_o);
    tap_rows(tap, BL_POINT_ATTN_OUT, layer, w->out, n, d);
    for (size_t i = 0; i < n * d; i++) w->mid[i] = w->x[i] + model->attention_scale * w->out[i];
    tap_rows(tap, BL_POINT_RESID_MID, layer, w->mid, n, d);
    bl_forward_norm(model, w->y, w->mid, n);
    tap_rows(tap, BL_POINT_MLP_IN, layer, w->y, n, d);
}

void bl_forward_gate(bl_gate gate, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (gate == BL_GATE_RELU) x[i] = x[i] > 0 ? x[i] : 0;
        if (gate == BL_GATE_SILU) x[i] = x[i] / (1.0F + expf(-x[i]));
        if (gate == BL_GATE_GELU) x[i] = 0.5F * x[i] * (1.0F + erff(x[i] * 0.70710678F));
    }
}

/* x = x_mid + P (g(L y) * (R y)) */
static void mlp_block(const bl_model *model, bl_workspace *w, size_t n, size_t layer, const bl_tap *tap) {
    size_t d = model->config.d_model, h = model->config.d_hidden;
    const bl_layer *l = &model->layers[layer];
    linear(w->left, w->y, n, l->w_l);
    add_bias(w->left, n, h, l->b_l);
    if (model->config.gate != BL_GATE_NONE) bl_forward_gate(model->config.gate, w->left, n * h);
    if (l->w_r.data) {
        linear(w->right, w->y, n, l->w_r);
        add_bias(w->right, n, h, l->b_r);
        for (size_t i = 0; i < n * h; i++) w->left[i] *= w->right[i];
    }
    tap_rows(tap, BL_POINT_MLP_HIDDEN, layer, w->left, n, h);
    linear(w->out, w->left, n, l->w_p);
    add_bias(w->out, n, d, l->b_p);
    tap_rows(tap, BL_POINT_MLP_OUT, layer, w->out, n, d);
    for (size_t i = 0; i < n * d; i++) w->x[i] = w->mid[i] + w->out[i];
    tap_rows(tap, BL_POINT_RESID_POST, layer, w->x, n, d);
}

bl_view bl_forward_resid_pre(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n,
                             size_t layer) {
    embed(model, w, ids, n);
    for (size_t i = 0; i < layer; i++) {
        attention_block(model, w, n, i, NULL);
        mlp_block(model, w, n, i, NULL);
    }
    return (bl_view){w->x, n, model->config.d_model, model->config.d_model};
}

bl_view bl_forward_mlp_in(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n, size_t layer,
                          const bl_tap *tap) {
    embed(model, w, ids, n);
    for (size_t i = 0; i < layer; i++) {
        attention_block(model, w, n, i, tap);
        mlp_block(model, w, n, i, tap);
    }
    attention_block(model, w, n, layer, tap);
    return (bl_view){w->y, n, model->config.d_model, model->config.d_model};
}

bl_view bl_forward_logits(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n,
                          const bl_tap *tap, bl_error *err) {
    size_t V = model->config.n_vocab, count;
    if (!w->logits) {
        if (!bl_mul_size(w->T, V, &count)) count = SIZE_MAX;
        w->logits = bl_alloc(count, sizeof *w->logits, err);
        if (!w->logits) return (bl_view){0};
    }
    embed(model, w, ids, n);
    for (size_t i = 0; i < model->config.n_layer; i++) {
        attention_block(model, w, n, i, tap);
        mlp_block(model, w, n, i, tap);
    }
    bl_forward_norm(model, w->y, w->x, n);
    linear(w->logits, w->y, n, model->w_u);
    tap_rows(tap, BL_POINT_LOGITS, 0, w->logits, n, V);
    return (bl_view){w->logits, n, V, V};
}
