/* The extreme entries of T = M_left Q~_u M_rightᵀ [V, V] (docs/specification.md, 14), without T.
 *
 * A head's tokens are m_t = s O_i V_i W_E[t] = A[t] Oᵀ with A = W_E V_iᵀ [V, k]: the small factor A
 * takes the place of m, and s Oᵀ goes into the middle. So T = A C Bᵀ with A [V, r], B [V, r'] and C [r,
 * r'], which costs V^2 times the smaller of r and r'. */
#include <bilens/decompose.h>
#include <bilens/pairs.h>
#include "base/error.h"
#include "base/memory.h"
#include "decompose/pair_search.h"
#include "linear/gemm.h"
#include "model/model_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One side's tokens: factor [V, r], and out [d, r] with m_t = out factor[t]; NULL: the identity. */
typedef struct side {
    bl_view factor, out;
    float *owned;
} side;

static bool side_init(side *s, const bl_model *model, size_t layer, int path, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    size_t k = c->d_model / c->n_head, count;
    *s = (side){.factor = bl_model_w_e(model)};
    if (path == BL_PATH_DIRECT) return true;
    if (path < 0 || (size_t)path >= c->n_head)
        return bl_fail(err, BL_ERR_USAGE, "head %d does not exist: the heads of layer %zu are 0 to %zu", path,
                       layer, c->n_head - 1);
    const bl_layer *l = bl_model_layer(model, layer);
    if (!bl_mul_size(s->factor.rows, k, &count)) count = SIZE_MAX;
    s->owned = bl_alloc(count, sizeof *s->owned, err);
    if (!s->owned) return false;
    bl_gemm_nt(s->factor.rows, k, c->d_model, bl_model_attention_scale(model), s->factor.data,
               s->factor.stride, l->w_v.data + (size_t)path * k * l->w_v.stride, l->w_v.stride, 0.0F,
               s->owned, k);
    s->factor = (bl_view){s->owned, s->factor.rows, k, k};
    s->out = (bl_view){l->w_o.data + (size_t)path * k, c->d_model, k, l->w_o.stride};
    return true;
}

/* C [r, r'] = out_leftᵀ Q~[0 … d-1, 0 … d-1] out_right; q is [n, n], n >= d: no token has a constant
 * coordinate. */
static float *middle(const side *left, const side *right, const float *q, size_t n, size_t d, bl_error *err) {
    size_t r = left->factor.cols, s = right->factor.cols;
    float *half = bl_alloc(d * s, sizeof *half, err), *c = bl_alloc(r * s, sizeof *c, err);
    if (half && c) {
        if (right->out.data)
            bl_gemm_nn(d, s, d, 1.0F, q, n, right->out.data, right->out.stride, 0.0F, half, s);
        else
            for (size_t i = 0; i < d; i++) memcpy(half + i * s, q + i * n, s * sizeof *half);
        if (left->out.data) bl_gemm_tn(r, s, d, 1.0F, left->out.data, left->out.stride, half, s, 0.0F, c, s);
        else memcpy(c, half, r * s * sizeof *c);
        free(half);
        return c;
    }
    free(half);
    free(c);
    return NULL;
}

/* Q~_u [n, n], and what was taken from its diagonal. */
static float *traceless_form(const bl_bilinear *map, const float *u, double *shift, bl_error *err) {
    size_t n = bl_bilinear_size(map);
    float *q = bl_alloc(n * n, sizeof *q, err);
    double trace = 0;
    if (!q || !bl_bilinear_matrix(map, u, q, err)) {
        free(q);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) trace += (double)q[i * n + i];
    *shift = map->normed ? trace / (double)n : 0;
    for (size_t i = 0; i < n; i++) q[i * n + i] -= (float)*shift;
    return q;
}

/* The product with C goes into the side that leaves the shorter sums. */
static bool search_factors(const side *left, const side *right, const float *c, bl_pair_search *s,
                           bl_token_pairs *out, bl_error *err) {
    size_t r = left->factor.cols, q = right->factor.cols, V = left->factor.rows;
    size_t width = q <= r ? q : r;
    float *moved = bl_alloc(V * width, sizeof *moved, err);
    if (!moved) return false;
    bl_view product = {moved, V, width, width};
    if (q <= r) {
        bl_gemm_nn(V, q, r, 1.0F, left->factor.data, left->factor.stride, c, q, 0.0F, moved, q);
        s->left = product;
        s->right = right->factor;
    } else {
        bl_gemm_nt(V, r, q, 1.0F, right->factor.data, right->factor.stride, c, q, 0.0F, moved, r);
        s->left = left->factor;
        s->right = product;
    }
    bool ok = bl_pair_search_run(s, out, err);
    free(moved);
    return ok;
}

bool bl_token_pairs_of(const bl_model *model, size_t layer, const float *u,
                       const bl_token_pairs_options *options, bl_token_pairs *out, bl_error *err) {
    bl_error_clear(err);
    *out = (bl_token_pairs){0};
    bl_bilinear map;
    if (!bl_model_bilinear(model, layer, &map, err)) return false;
    size_t k = options->k ? options->k : 20, V = bl_model_config(model)->n_vocab;
    if (k > V * V) k = V * V;
    side left = {0}, right = {0};
    float *q = NULL, *c = NULL;
    double shift = 0;
    bool ok = side_init(&left, model, layer, options->left, err) &&
              side_init(&right, model, layer, options->right, err);
    if (ok) q = traceless_form(&map, u, &shift, err);
    if (q) c = middle(&left, &right, q, bl_bilinear_size(&map), bl_bilinear_in(&map), err);
    bool *words = c ? bl_model_words(model, err) : NULL;
    bl_pair_search s = {.symmetric = options->left == options->right,
                        .k = k,
                        .words = words,
                        .progress = &options->progress};
    ok = words && search_factors(&left, &right, c, &s, out, err);
    out->shift = shift;
    free(left.owned);
    free(right.owned);
    free(q);
    free(c);
    free(words);
    if (!ok) bl_token_pairs_free(out);
    return ok;
}

void bl_token_pairs_free(bl_token_pairs *pairs) {
    if (!pairs) return;
    free(pairs->top);
    free(pairs->bottom);
    *pairs = (bl_token_pairs){0};
}
