/* The forward pass of whole stories, one at a time. Attention is the only part that mixes positions.
 *
 * All products are float32 GEMMs; a story is computed by one thread with a single-threaded BLAS, so that its
 * numbers do not depend on how many threads there are. This is the general path and the oracle of every
 * faster one. */
#include "model/forward.h"
#include "base/memory.h"
#include "linear/gemm.h"
#include "linear/softmax.h"
#include "model/block.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bl_workspace {
    bl_rows_state state;
    bl_ropes ropes;
    float *pattern; /* [queries, keys] one head at a time */
    float *second;  /* [queries, keys] the second scores of bilinear attention, else NULL */
    size_t cells;   /* of both */
    float *logits;  /* [rows, V], made when first needed */
    size_t logit_rows;
    size_t n; /* positions of the story that was run last */
};

const char *bl_point_name(const bl_config *config, bl_point point) {
    static const char *const names[] = {"resid_pre", "attn_in",    "q",      "k",  NULL,
                                        NULL,        "v",          "scores", NULL, "pattern",
                                        "attn_out",  "resid_mid",  "mlp_in", NULL, "mlp_hidden",
                                        "mlp_out",   "resid_post", "logits"};
    if (config->attention2) switch (point) {
        case BL_POINT_Q: return "q1";
        case BL_POINT_K: return "k1";
        case BL_POINT_Q2: return "q2";
        case BL_POINT_K2: return "k2";
        case BL_POINT_SCORES: return "scores1";
        case BL_POINT_SCORES2: return "scores2";
        default: break;
        }
    return names[point];
}

bl_workspace *bl_workspace_new(const bl_model *model, bl_error *err) {
    (void)model;
    return bl_alloc_zero(1, sizeof(bl_workspace), err);
}

void bl_workspace_free(bl_workspace *w) {
    if (!w) return;
    bl_rows_free(&w->state);
    bl_ropes_free(&w->ropes);
    free(w->pattern);
    free(w->second);
    free(w->logits);
    free(w);
}

static size_t queries_at_once(size_t n, const bl_tap *tap) {
    return tap || n < BL_ATTENTION_QUERIES ? n : BL_ATTENTION_QUERIES;
}

/* Room for a story of n positions. */
static bool reserve(const bl_model *model, bl_workspace *w, size_t n, const bl_tap *tap, bl_error *err) {
    bool two = model->config.attention2;
    size_t cells;
    if (!bl_rows_reserve(&w->state, model, n, err) || !bl_ropes_reserve(&w->ropes, model, n, true, err))
        return false;
    w->n = n;
    if (!bl_mul_size(queries_at_once(n, tap), n, &cells)) cells = SIZE_MAX; /* bl_alloc refuses it */
    if (cells <= w->cells) return true;
    free(w->pattern);
    free(w->second);
    w->cells = 0;
    w->pattern = bl_alloc(cells, sizeof *w->pattern, err);
    w->second = w->pattern && two ? bl_alloc(cells, sizeof *w->second, err) : NULL;
    if (!w->pattern || (two && !w->second)) return false;
    w->cells = cells;
    return true;
}

/* scores [queries, keys] of one head in pattern m, whose first query is position `begin`. */
static void head_scores(const bl_block_pass *pass, const bl_attention *a, size_t layer, size_t head, size_t m,
                        size_t begin, float *scores) {
    const bl_config *c = &pass->model->config;
    size_t n = pass->n, k = c->head_dim;
    float *q = pass->state->qkv + bl_q_begin(c, m) + head * k,
          *key = pass->state->qkv + bl_k_begin(c, m) + bl_kv_head(c, head) * k;
    bl_tap_value(pass->tap, m ? BL_POINT_Q2 : BL_POINT_Q, layer, head, (bl_rows){q, n, k, a->stride});
    bl_tap_value(pass->tap, m ? BL_POINT_K2 : BL_POINT_K, layer, head, (bl_rows){key, n, k, a->stride});
    bl_attention_scores(a, q + begin * a->stride, key, scores);
    if (!pass->tap) return;
    bl_attention_mask(a, -INFINITY, scores);
    bl_tap_value(pass->tap, m ? BL_POINT_SCORES2 : BL_POINT_SCORES, layer, head, (bl_rows){scores, n, n, n});
}

/* z [n, H k] = for each head pattern v, side by side. A tap sees whole patterns; without one there is a
 * block of queries at a time. */
static void attend(const bl_block_pass *pass, size_t layer) {
    const bl_config *c = &pass->model->config;
    bl_workspace *w = pass->context;
    size_t n = pass->n, k = c->head_dim, width = bl_qkv_width(c), ld_z = c->n_head * k,
           block = queries_at_once(n, pass->tap);
    for (size_t h = 0; h < c->n_head; h++) {
        float *value = w->state.qkv + bl_v_begin(c) + bl_kv_head(c, h) * k;
        bl_tap_value(pass->tap, BL_POINT_V, layer, h, (bl_rows){value, n, k, width});
        for (size_t begin = 0; begin < n; begin += block) {
            size_t queries = n - begin < block ? n - begin : block;
            bl_attention a = bl_block_attention(pass->model, layer, queries, begin + queries, width);
            head_scores(pass, &a, layer, h, 0, begin, w->pattern);
            if (c->attention2) head_scores(pass, &a, layer, h, 1, begin, w->second);
            float factors[BL_ATTENTION_QUERIES], *inverse = pass->tap ? NULL : factors;
            bl_attention_pattern(&a, w->pattern, w->second, inverse, NULL);
            bl_tap_value(pass->tap, BL_POINT_PATTERN, layer, h,
                         (bl_rows){w->pattern, queries, a.keys, a.keys});
            bl_attention_values(&a, w->pattern, inverse, value, w->state.z + begin * ld_z + h * k, ld_z);
        }
    }
}

static bl_block_pass begin(const bl_model *model, bl_workspace *w, size_t n, const bl_tap *tap) {
    return (bl_block_pass){.model = model,
                           .state = &w->state,
                           .ropes = &w->ropes,
                           .n = n,
                           .tap = tap,
                           .attend = attend,
                           .context = w};
}

bl_view bl_forward_resid_pre(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n,
                             size_t layer, bl_error *err) {
    if (!reserve(model, w, n, NULL, err)) return (bl_view){0};
    bl_block_pass pass = begin(model, w, n, NULL);
    bl_pass_embed(&pass, ids);
    for (size_t i = 0; i < layer; i++) {
        bl_pass_attention(&pass, i);
        bl_pass_mlp(&pass, i);
    }
    return (bl_view){w->state.x, n, model->config.d_model, model->config.d_model};
}

bl_view bl_forward_mlp_in(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n, size_t layer,
                          const bl_tap *tap, bl_error *err) {
    if (!reserve(model, w, n, tap, err)) return (bl_view){0};
    bl_block_pass pass = begin(model, w, n, tap);
    bl_pass_embed(&pass, ids);
    for (size_t i = 0; i < layer; i++) {
        bl_pass_attention(&pass, i);
        bl_pass_mlp(&pass, i);
    }
    bl_pass_attention(&pass, layer);
    return (bl_view){w->state.y, n, model->config.d_model, model->config.d_model};
}

bool bl_forward_layers(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n,
                       const bl_tap *tap, bl_error *err) {
    if (!reserve(model, w, n, tap, err)) return false;
    bl_block_pass pass = begin(model, w, n, tap);
    bl_pass_embed(&pass, ids);
    for (size_t i = 0; i < model->config.n_layer; i++) {
        bl_pass_attention(&pass, i);
        bl_pass_mlp(&pass, i);
    }
    return true;
}

bl_view bl_forward_head(const bl_model *model, bl_workspace *w, size_t first, size_t n, bl_error *err) {
    size_t V = model->config.n_vocab, count;
    if (n > w->logit_rows) {
        free(w->logits);
        w->logit_rows = 0;
        if (!bl_mul_size(n, V, &count)) count = SIZE_MAX;
        w->logits = bl_alloc(count, sizeof *w->logits, err);
        if (!w->logits) return (bl_view){0};
        w->logit_rows = n;
    }
    bl_block_pass pass = begin(model, w, w->n, NULL);
    bl_pass_final(&pass, first, n);
    bl_pass_logits(&pass, n, w->logits);
    return (bl_view){w->logits, n, V, V};
}

bl_view bl_forward_logits(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n,
                          const bl_tap *tap, bl_error *err) {
    if (!bl_forward_layers(model, w, ids, n, tap, err)) return (bl_view){0};
    bl_view logits = bl_forward_head(model, w, 0, n, err);
    if (logits.data)
        bl_tap_value(tap, BL_POINT_LOGITS, 0, 0, (bl_rows){w->logits, n, logits.cols, logits.cols});
    return logits;
}

#define POSITIONS ((size_t)128) /* whose logits are in memory at a time */

/* The loss of what the last layer left in the workspace. */
static bool add_up(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n, double *loss,
                   bl_error *err) {
    for (size_t begin = 0; begin + 1 < n; begin += POSITIONS) {
        size_t count = n - 1 - begin < POSITIONS ? n - 1 - begin : POSITIONS;
        bl_view logits = bl_forward_head(model, w, begin, count, err);
        if (!logits.data) return false;
        for (size_t p = 0; p < count; p++) {
            const float *row = logits.data + p * logits.stride;
            *loss += bl_log_sum_exp(row, logits.cols) - (double)row[ids[begin + p + 1]];
        }
    }
    return true;
}

bool bl_forward_loss(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n, const bl_tap *tap,
                     double *loss, bl_error *err) {
    *loss = 0;
    return bl_forward_layers(model, w, ids, n, tap, err) && add_up(model, w, ids, n, loss, err);
}

bool bl_forward_loss_from(const bl_model *model, bl_workspace *w, size_t layer, const float *x,
                          const int32_t *ids, size_t n, const bl_tap *tap, double *loss, bl_error *err) {
    *loss = 0;
    if (!reserve(model, w, n, tap, err)) return false;
    bl_block_pass pass = begin(model, w, n, tap);
    memcpy(w->state.x, x, n * model->config.d_model * sizeof *x);
    for (size_t i = layer; i < model->config.n_layer; i++) {
        bl_pass_attention(&pass, i);
        bl_pass_mlp(&pass, i);
    }
    return add_up(model, w, ids, n, loss, err);
}
