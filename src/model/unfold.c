/* The folded float32 views of ordinary models, made when they are asked for. */
#include "base/memory.h"
#include "linear/dots.h"
#include "model/model_private.h"
#include <string.h>

/* out [rows, cols] = the rows of `m` times diag(weight). */
static const float *folded(bl_model *model, const bl_matrix *m, const float *weight, bl_error *err) {
    float *out = bl_model_own(model, m->rows * m->cols, err);
    if (!out) return NULL;
    bl_matrix_read(m, 0, m->rows, out);
    for (size_t r = 0; weight && r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++) out[r * m->cols + c] *= weight[c];
    return out;
}

/* Rows of a layer's matrices that stand one above the other: from `begin` on, `n` of them. */
static void read_rows(const bl_matrix *list, size_t count, size_t begin, size_t n, float *out) {
    for (size_t i = 0; i < count && n > 0; begin -= begin < list[i].rows ? begin : list[i].rows, i++) {
        if (begin >= list[i].rows) continue;
        size_t rows = list[i].rows - begin < n ? list[i].rows - begin : n;
        bl_matrix_read(&list[i], begin, rows, out);
        out += rows * list[i].cols;
        n -= rows;
        begin += rows;
    }
}

/* [H k, d] of q, k or v, which have `heads` heads in the file; each once for every query head that reads
 * it. */
static bool unfold_heads(bl_model *model, const bl_block_weights *b, size_t begin, size_t heads,
                         bl_view *view, bl_error *err) {
    const bl_config *c = &model->config;
    size_t k = c->head_dim, d = c->d_model, H = c->n_head;
    float *out = bl_model_own(model, H * k * d, err);
    if (!out) return false;
    for (size_t h = 0; h < H; h++)
        read_rows(b->qkv, b->n_qkv, begin + h / (H / heads) * k, k, out + h * k * d);
    for (size_t r = 0; b->n1.weight && r < H * k; r++)
        for (size_t i = 0; i < d; i++) out[r * d + i] *= b->n1.weight[i];
    *view = (bl_view){out, H * k, d, d};
    return true;
}

/* bias + M n2's bias, for the MLP's two halves [rows]. */
static bool unfold_bias(bl_model *model, const bl_block_weights *b, float **out, bl_error *err) {
    const bl_config *c = &model->config;
    size_t rows = c->plain ? c->d_hidden : 2 * c->d_hidden, d = c->d_model;
    *out = NULL;
    if (!b->b_w && !b->n2.bias) return true;
    float *bias = bl_model_own(model, rows, err), *row = bl_alloc(d, sizeof *row, err);
    for (size_t r = 0; bias && row && r < rows; r++) {
        bias[r] = b->b_w ? b->b_w[r] : 0;
        if (!b->n2.bias) continue;
        read_rows(b->w, b->n_w, r, 1, row);
        bias[r] += bl_dot(row, b->n2.bias, d);
    }
    bool ok = bias && row;
    bl_free(row);
    *out = bias;
    return ok;
}

static bool unfold_layer(bl_model *model, size_t i, bl_error *err) {
    const bl_config *c = &model->config;
    const bl_block_weights *b = &model->blocks[i];
    size_t d = c->d_model, h = c->d_hidden, rows = c->plain ? h : 2 * h;
    bl_layer l = {0};
    float *bias, *w = bl_model_own(model, rows * d, err);
    if (!w || !unfold_heads(model, b, bl_q_begin(c, 0), c->n_head, &l.w_q, err) ||
        !unfold_heads(model, b, bl_k_begin(c, 0), c->n_kv_head, &l.w_k, err) ||
        !unfold_heads(model, b, bl_v_begin(c), c->n_kv_head, &l.w_v, err) ||
        !unfold_bias(model, b, &bias, err))
        return false;
    read_rows(b->w, b->n_w, 0, rows, w);
    for (size_t r = 0; b->n2.weight && r < rows; r++)
        for (size_t j = 0; j < d; j++) w[r * d + j] *= b->n2.weight[j];
    l.w_l = (bl_view){w, h, d, d};
    if (!c->plain) l.w_r = (bl_view){w + h * d, h, d, d};
    l.w_o = (bl_view){folded(model, &b->o, NULL, err), d, c->n_head * c->head_dim, c->n_head * c->head_dim};
    l.w_p = (bl_view){l.w_o.data ? folded(model, &b->p, NULL, err) : NULL, d, h, h};
    l.b_l = bias;
    l.b_r = bias && !c->plain ? bias + h : NULL;
    l.b_p = b->b_p;
    if (l.w_p.data) model->layers[i] = l;
    return l.w_p.data != NULL;
}

static bool unfold_ends(bl_model *model, bl_error *err) {
    const bl_config *c = &model->config;
    bl_view w_e = {folded(model, &model->embedding, NULL, err), c->n_vocab, c->d_model, c->d_model},
            w_u = w_e;
    if (!c->tied || model->final.weight)
        w_u.data = w_e.data ? folded(model, &model->head, model->final.weight, err) : NULL;
    if (w_u.data) model->w_e = w_e, model->w_u = w_u;
    return w_u.data != NULL;
}

bool bl_model_unfold(const bl_model *shared, size_t layer, bl_error *err) {
    bl_model *model =
        (bl_model *)(uintptr_t)shared; /* what is made is seen by others only through this lock */
    bool ok;
#pragma omp critical(bl_model_unfold)
    {
        ok = model->w_u.data || unfold_ends(model, err);
        if (ok && layer < model->config.n_layer && !model->layers[layer].w_p.data)
            ok = unfold_layer(model, layer, err);
    }
    return ok;
}
