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
    float *pattern; /* [T, T] one head at a time */
    float *second;  /* [T, T] the second scores of bilinear attention */
    size_t T;       /* of both */
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

/* Room for a story of n positions. */
static bool reserve(const bl_model *model, bl_workspace *w, size_t n, bl_error *err) {
    size_t square;
    if (!bl_rows_reserve(&w->state, model, n, err) || !bl_ropes_reserve(&w->ropes, model, n, true, err))
        return false;
    w->n = n;
    if (n <= w->T) return true;
    free(w->pattern);
    free(w->second);
    w->second = NULL;
    w->T = 0;
    if (!bl_mul_size(n, n, &square)) square = SIZE_MAX;
    w->pattern = bl_alloc(square, sizeof *w->pattern, err);
    if (w->pattern && model->config.attention2) w->second = bl_alloc(square, sizeof *w->second, err);
    if (!w->pattern || (model->config.attention2 && !w->second)) return false;
    w->T = n;
    return true;
}

/* Entries of row p that the position does not see become `value`. */
static void mask(const bl_model *model, size_t layer, float *scores, size_t n, float value) {
    for (size_t p = 0; p < n; p++) {
        float *row = scores + p * n;
        for (size_t j = 0; j < bl_first_key(model, layer, p); j++) row[j] = value;
        for (size_t j = p + 1; j < n; j++) row[j] = value;
    }
}

/* scores [n, n] of one head in pattern m. */
static void head_scores(const bl_block_pass *pass, size_t layer, size_t head, size_t m, float *scores) {
    const bl_config *c = &pass->model->config;
    const bl_plan *plan = &pass->model->plan;
    size_t n = pass->n, k = c->head_dim, width = bl_qkv_width(c), kv = head / (c->n_head / c->n_kv_head);
    float *q = pass->state->qkv + bl_q_begin(c, m) + head * k,
          *key = pass->state->qkv + bl_k_begin(c, m) + kv * k;
    bl_tap_value(pass->tap, m ? BL_POINT_Q2 : BL_POINT_Q, layer, head, (bl_rows){q, n, k, width});
    bl_tap_value(pass->tap, m ? BL_POINT_K2 : BL_POINT_K, layer, head, (bl_rows){key, n, k, width});
    bl_gemm_nt(n, n, k, plan->score_scale, q, width, key, width, 0.0F, scores, n);
    bl_cap(plan->score_cap, scores, n * n);
    if (!pass->tap) return;
    mask(pass->model, layer, scores, n, -INFINITY);
    bl_tap_value(pass->tap, m ? BL_POINT_SCORES2 : BL_POINT_SCORES, layer, head, (bl_rows){scores, n, n, n});
}

/* Row p becomes the softmax over what it sees, zero elsewhere. */
static void causal_softmax(const bl_model *model, size_t layer, float *scores, size_t n) {
    for (size_t p = 0; p < n; p++) {
        size_t first = bl_first_key(model, layer, p);
        bl_softmax(scores + p * n + first, p + 1 - first);
    }
    mask(model, layer, scores, n, 0);
}

/* z [n, H k] = for each head pattern v, side by side; the pattern is a softmax of the scores, or the
 * product of two. */
static void attend(const bl_block_pass *pass, size_t layer) {
    const bl_config *c = &pass->model->config;
    bl_workspace *w = pass->context;
    size_t n = pass->n, k = c->head_dim, width = bl_qkv_width(c);
    for (size_t h = 0; h < c->n_head; h++) {
        float *value = w->state.qkv + bl_v_begin(c) + h / (c->n_head / c->n_kv_head) * k;
        bl_tap_value(pass->tap, BL_POINT_V, layer, h, (bl_rows){value, n, k, width});
        head_scores(pass, layer, h, 0, w->pattern);
        if (c->attention2) {
            head_scores(pass, layer, h, 1, w->second);
            for (size_t i = 0; i < n * n; i++) w->pattern[i] *= w->second[i];
            mask(pass->model, layer, w->pattern, n, 0);
        } else {
            causal_softmax(pass->model, layer, w->pattern, n);
        }
        bl_tap_value(pass->tap, BL_POINT_PATTERN, layer, h, (bl_rows){w->pattern, n, n, n});
        bl_gemm_nn(n, k, n, 1.0F, w->pattern, n, value, width, 0.0F, w->state.z + h * k, c->n_head * k);
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
    if (!reserve(model, w, n, err)) return (bl_view){0};
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
    if (!reserve(model, w, n, err)) return (bl_view){0};
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
    if (!reserve(model, w, n, err)) return false;
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

bool bl_forward_loss(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n, const bl_tap *tap,
                     double *loss, bl_error *err) {
    *loss = 0;
    if (!bl_forward_layers(model, w, ids, n, tap, err)) return false;
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
