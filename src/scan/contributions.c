/* Contributions of matches in one story (docs/specification.md, 6):
 *
 *   c_j = sum_h A_h[p, j] (s O^T v)_h . (V_h y_j)  (+ v . x_p at j = p),  all divided by the norm at p
 *
 * Where the norm takes the mean away, v is centred; a norm behind attention is frozen at p; attention's
 * output bias goes with v . x_p; an MLP that stands beside attention hears no head.
 *
 * One forward pass serves all matches; as the pass hands over a head's values and pattern, all of them are
 * one product with the values and a row of the pattern each. The folded scan has the same numbers from its
 * tables (folded_contributions.c); a test holds them equal. */
#include "scan/contributions.h"
#include "base/memory.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include "linear/norm.h"
#include <stdlib.h>
#include <string.h>

typedef struct work {
    const bl_cause *causes;
    size_t count, layer, d, k, width, n; /* width = H k */
    float *z;                            /* [count, H k] s O^T v, head-major */
    float *attended;                     /* [count, n] (s O^T v)_h . (V_h y_j) */
    float *direct;                       /* [count] v . x_p */
    float *scale;                        /* [count] 1 / norm at p */
    float *met;                          /* [count, d] v as attention's output meets it */
    const float *v;                      /* [count, d] as the stream meets it */
    const bl_model *model;
} work;

/* Adds what head `head` carries from each source token: row is the pattern's row of the match's position. */
static void add_head(const bl_cause *cause, const float *row, const float *attended, size_t head) {
    float *own = cause->heads ? cause->heads + (1 + head) * (cause->position + 1) : NULL;
    for (size_t j = 0; j <= cause->position; j++) {
        float share = row[j] * attended[j];
        cause->c[j] += share;
        if (own) own[j] = share;
    }
}

/* Where heads' outputs meet a norm behind attention and its bias: row is attn_out at the match's position. */
static void add_attention(work *w, size_t i, const float *row) {
    const bl_block_weights *b = &w->model->blocks[w->layer];
    const bl_cause *cause = &w->causes[i];
    size_t n = cause->position + 1, cells = cause->heads ? (1 + w->width / w->k) * n : 0;
    float *v = w->met + i * w->d, post = 1; /* v times the weight of the norm behind */
    if (w->model->plan.parallel) return;
    if (w->model->plan.post_norms) post = bl_inverse_rms(row, w->d, w->model->plan.epsilon);
    for (size_t j = 0; post != 1 && j < n; j++) cause->c[j] *= post;
    for (size_t j = 0; post != 1 && j < cells; j++) cause->heads[j] *= post;
    if (b->b_o) w->direct[i] += post * w->model->attention_scale * bl_dot(v, b->b_o, w->d);
}

static void take(void *context, bl_point point, size_t layer, size_t head, bl_view value) {
    work *w = context;
    if (layer != w->layer) return;
    if (point == BL_POINT_V)
        bl_gemm_nt(w->count, w->n, w->k, 1.0F, w->z + head * w->k, w->width, value.data, value.stride, 0.0F,
                   w->attended, w->n);
    for (size_t i = 0; i < w->count; i++) {
        const bl_cause *cause = &w->causes[i];
        const float *row = value.data + cause->position * value.stride;
        if (point == BL_POINT_RESID_PRE) w->direct[i] = bl_dot(row, w->v + i * w->d, w->d);
        if (point == BL_POINT_PATTERN && !w->model->plan.parallel)
            add_head(cause, row, w->attended + i * w->n, head);
        if (point == BL_POINT_ATTN_OUT) add_attention(w, i, row);
        if (point == (w->model->plan.parallel ? BL_POINT_RESID_PRE : BL_POINT_RESID_MID))
            w->scale[i] = (float)bl_forward_norm_scale(w->model, row, NULL);
    }
}

/* v as the stream before the MLP's norm meets it, and as attention's output does. */
static void meet(const bl_model *model, size_t layer, const float *from, float *v, float *met) {
    size_t d = model->config.d_model;
    const float *weight = model->blocks[layer].n1_post.weight;
    double mean = 0;
    for (size_t e = 0; model->plan.layer_norm && e < d; e++) mean += (double)from[e] / (double)d;
    for (size_t e = 0; e < d; e++) {
        v[e] = (float)((double)from[e] - mean);
        met[e] = v[e] * (weight ? weight[e] : 1.0F);
    }
}

bool bl_contributions(const bl_model *model, bl_workspace *workspace, size_t layer, const int32_t *ids,
                      size_t n, const bl_cause *causes, size_t count, bl_error *err) {
    const bl_config *config = bl_model_config(model);
    bl_view w_o = bl_model_layer(model, layer)->w_o;
    size_t d = config->d_model, H = config->n_head, floats;
    if (!bl_mul_size(count, 2 * d + w_o.cols + n + 2, &floats)) floats = SIZE_MAX;
    float *memory = bl_alloc(floats, sizeof *memory, err), *v = memory; /* v [count, d] */
    if (!memory) return false;
    work w = {.causes = causes,
              .count = count,
              .layer = layer,
              .d = d,
              .k = w_o.cols / H,
              .width = w_o.cols,
              .n = n,
              .met = memory + count * d,
              .v = v,
              .model = model,
              .z = memory + 2 * count * d};
    w.attended = w.z + count * w.width;
    w.direct = w.attended + count * n;
    w.scale = w.direct + count;
    for (size_t i = 0; i < count; i++) {
        meet(model, layer, causes[i].v, v + i * d, w.met + i * d);
        memset(causes[i].c, 0, (causes[i].position + 1) * sizeof *causes[i].c);
        if (causes[i].heads) memset(causes[i].heads, 0, (causes[i].position + 1) * sizeof *causes[i].heads);
    }
    bl_gemm_nn(count, w.width, d, bl_model_attention_scale(model), w.met, d, w_o.data, w_o.stride, 0.0F, w.z,
               w.width);
    bl_tap tap = {.take = take, .context = &w};
    bool ok = bl_forward_mlp_in(model, workspace, ids, n, layer, &tap, err).data != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        size_t p = causes[i].position, cells = causes[i].heads ? (1 + H) * (p + 1) : 0;
        causes[i].c[p] += w.direct[i];
        if (cells) causes[i].heads[p] = w.direct[i];
        for (size_t j = 0; config->normalization && j <= p; j++) causes[i].c[j] *= w.scale[i];
        for (size_t j = 0; config->normalization && j < cells; j++) causes[i].heads[j] *= w.scale[i];
    }
    free(memory);
    return ok;
}
