/* The folded scan's tables: every linear map that the kernel needs, applied to the whole vocabulary once. */
#include "linear/norm.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/tridiagonal.h"
#include "scan/folded_private.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Beyond this a table over the vocabulary would cost more memory than the scan should need; then nothing is
 * looked up. */
#define TABLE_LIMIT ((size_t)1 << 30)

static float *product_alloc(size_t a, size_t b, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a, b, &count)) count = SIZE_MAX;
    return bl_alloc(count, sizeof(float), err);
}

/* w_qk, w_attended, out: maps of the normed activation. */
static bool make_maps(bl_folded *f, bl_error *err) {
    const bl_model *model = f->probes->model;
    const bl_layer *l = bl_model_layer(model, f->probes->layer);
    size_t d = f->d;
    float scale = 1.0F / sqrtf((float)f->k), s = bl_model_attention_scale(model);
    f->w_qk = product_alloc(f->qk, d, err);
    f->w_attended = product_alloc(f->attended, d, err);
    if (!f->w_qk || !f->w_attended) return false;
    const float *const parts[] = {l->w_q.data, l->w_k.data, l->w_q2.data, l->w_k2.data};
    for (size_t m = 0; m < 2 * f->patterns; m++)
        for (size_t i = 0; i < d * d; i++) f->w_qk[m * d * d + i] = (m % 2 ? 1 : scale) * parts[m][i];
    if (!f->by_values) { /* row h J + j: s v_j^T O_h V_h */
        for (size_t h = 0; h < f->H; h++) {
            bl_path path = bl_model_path(model, f->probes->layer, 1 + h);
            for (size_t j = 0; j < f->J; j++)
                if (!bl_path_back(&path, f->probes->v + j * d, f->w_attended + (h * f->J + j) * d, err))
                    return false;
        }
        return true;
    }
    memcpy(f->w_attended, l->w_v.data, d * d * sizeof *f->w_attended);
    f->out = product_alloc(f->J, d, err);
    if (!f->out) return false;
    bl_gemm_nn(f->J, d, d, s, f->probes->v, d, l->w_o.data, d, 0.0F, f->out, d);
    return true;
}

/* b_qk and b_attended: what the maps add to every token's row. After make_maps. */
static bool make_biases(bl_folded *f, bl_error *err) {
    const bl_model *model = f->probes->model;
    const float *bias = model->blocks[f->probes->layer].b_qkv;
    size_t d = f->d, k = f->k;
    if (!bias) return true;
    f->b_qk = bl_alloc(f->qk, sizeof *f->b_qk, err);
    f->b_attended = bl_alloc(f->attended, sizeof *f->b_attended, err);
    float *back = bl_alloc(f->J * d, sizeof *back, err); /* [J, d] s v^T O */
    if (!f->b_qk || !f->b_attended || !back) {
        free(back);
        return false;
    }
    for (size_t i = 0; i < f->qk; i++) f->b_qk[i] = (i / d % 2 ? 1 : 1.0F / sqrtf((float)k)) * bias[i];
    const float *b_v = bias + f->qk;
    if (f->by_values) {
        memcpy(f->b_attended, b_v, d * sizeof *b_v);
    } else {
        const bl_layer *l = bl_model_layer(model, f->probes->layer);
        bl_gemm_nn(f->J, d, d, bl_model_attention_scale(model), f->probes->v, d, l->w_o.data, d, 0.0F, back,
                   d);
        for (size_t h = 0; h < f->H; h++)
            for (size_t j = 0; j < f->J; j++)
                f->b_attended[h * f->J + j] = bl_dot(back + j * d + h * k, b_v + h * k, k);
    }
    free(back);
    return true;
}

/* R of s O = Q R, so that |s O z| = |R z| at half the cost. */
static bool make_r(bl_folded *f, bl_error *err) {
    const bl_layer *l = bl_model_layer(f->probes->model, f->probes->layer);
    float s = bl_model_attention_scale(f->probes->model);
    f->r = product_alloc(f->d, f->d, err);
    for (size_t i = 0; f->r && i < f->d * f->d; i++) f->r[i] = s * l->w_o.data[i];
    return f->r && bl_qr_upper(f->r, f->d, err);
}

/* out [V, rows] = in [V, d] . map^T */
static float *over_vocabulary(const bl_folded *f, const float *in, const float *map, size_t rows,
                              bl_error *err) {
    float *out = bl_go_on(err) ? product_alloc(f->V, rows, err) : NULL;
    if (out) bl_gemm_nt(f->V, rows, f->d, 1.0F, in, f->d, map, f->d, 0.0F, out, rows);
    return out;
}

static bool make_norm_tables(bl_folded *f, bl_error *err) {
    const bl_layer *l = bl_model_layer(f->probes->model, f->probes->layer);
    const float *w_e = bl_model_w_e(f->probes->model).data;
    f->t_cross = product_alloc(f->V, f->d, err);
    f->t_square = bl_alloc(f->V, sizeof *f->t_square, err);
    if (!f->t_cross || !f->t_square) return false;
    bl_gemm_nn(f->V, f->d, f->d, bl_model_attention_scale(f->probes->model), w_e, f->d, l->w_o.data, f->d,
               0.0F, f->t_cross, f->d);
    for (size_t t = 0; t < f->V; t++) {
        double sum = 0;
        for (size_t i = 0; i < f->d; i++) sum += (double)w_e[t * f->d + i] * (double)w_e[t * f->d + i];
        f->t_square[t] = (float)sum;
    }
    return true;
}

static bool make_tables(bl_folded *f, bl_error *err) {
    const float *w_e = bl_model_w_e(f->probes->model).data, *in = w_e;
    float *normed = NULL;
    if (f->normed) { /* N1 of an embedding depends on the token alone */
        normed = product_alloc(f->V, f->d, err);
        if (!normed) return false;
        bl_forward_norm(f->probes->model, normed, w_e, f->V);
        in = normed;
    }
    f->t_qk = over_vocabulary(f, in, f->w_qk, f->qk, err);
    f->t_attended = f->t_qk ? over_vocabulary(f, in, f->w_attended, f->attended, err) : NULL;
    f->t_direct = f->t_attended ? over_vocabulary(f, w_e, f->probes->v, f->J, err) : NULL;
    free(normed);
    if (f->t_direct) bl_folded_add_bias(f->t_qk, f->V, f->qk, f->b_qk);
    if (f->t_direct) bl_folded_add_bias(f->t_attended, f->V, f->attended, f->b_attended);
    return f->t_direct && (!f->normed || make_norm_tables(f, err));
}

bl_folded *bl_folded_new(const bl_probes *probes, bl_error *err) {
    const bl_config *c = bl_model_config(probes->model);
    bl_folded *f = bl_alloc_zero(1, sizeof *f, err);
    if (!f) return NULL;
    *f = (bl_folded){.probes = probes,
                     .V = c->n_vocab,
                     .d = c->d_model,
                     .H = c->n_head,
                     .k = c->d_model / c->n_head,
                     .J = probes->J};
    f->kernel = bl_attend_best();
    f->normed = c->normalization;
    f->patterns = bl_model_patterns(c);
    f->qk = 2 * f->d * f->patterns;
    f->by_values = f->normed || f->J > f->k;
    f->attended = f->by_values ? f->d : f->H * f->J;
    f->from_tables =
        probes->layer == 0 && f->V <= TABLE_LIMIT / sizeof(float) / (f->qk + f->d + f->attended + f->J);
    if (make_maps(f, err) && make_biases(f, err) && (!f->normed || make_r(f, err)) &&
        (!f->from_tables || make_tables(f, err))) {
        if (f->from_tables) { /* the tables have taken their place */
            free(f->w_qk);
            free(f->w_attended);
            f->w_qk = f->w_attended = NULL;
        }
        return f;
    }
    bl_folded_free(f);
    return NULL;
}

void bl_folded_free(bl_folded *f) {
    if (!f) return;
    float *parts[] = {f->b_qk,       f->b_attended, f->w_qk, f->w_attended, f->out,     f->t_qk,
                      f->t_attended, f->t_direct,   f->r,    f->t_cross,    f->t_square};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    free(f);
}
