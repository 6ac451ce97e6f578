/* The forward pass of whole stories, one at a time or several side by side. Attention is the only part that
 * mixes positions.
 *
 * A position's numbers depend neither on how many threads there are nor on which stories stand beside
 * its own: each number of a product is added up in the same order however many rows there are, and
 * attention is computed for each story and head by itself. This is the general path and the oracle of
 * every faster one. */
#include "model/forward.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/gemm.h"
#include "linear/softmax.h"
#include "model/block.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 1024 }; /* tokens whose logits are in memory at a time while a loss is added up */

/* Running log sum exp of each row. */
typedef struct loss_work {
    size_t rows;   /* room for so many */
    float *logits; /* [rows, VOCABULARY] */
    float *max;    /* [rows] */
    float *wanted; /* [rows] the next token's logit */
    double *sum;   /* [rows] of exp(logit - max) */
} loss_work;

struct bl_workspace {
    bl_rows_state state;
    bl_ropes ropes;
    size_t threads;    /* that share the heads: those there were when the workspace was first used */
    float *pattern;    /* [threads, queries, keys] one head at a time per thread */
    float *second;     /* the same of the second scores of bilinear attention, else NULL */
    size_t cells;      /* per thread */
    size_t *position;  /* [rows] of several stories side by side */
    size_t places;     /* room for so many */
    float *logits;     /* [rows, V], made when first needed */
    size_t logit_rows; /* room for so many */
    loss_work loss;    /* made when first needed */
    size_t n;          /* positions that were run last */
};

const char *bl_point_name(const bl_config *config, bl_point point) {
    static const char *const names[] = {"resid_pre",  "attn_in",  "q",          "k",      NULL,
                                        NULL,         "v",        "scores",     NULL,     "pattern",
                                        NULL,         "attn_out", "resid_mid",  "mlp_in", NULL,
                                        "mlp_hidden", "mlp_out",  "resid_post", "logits"};
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
    free(w->position);
    free(w->logits);
    free(w->loss.logits);
    free(w->loss.sum);
    free(w);
}

static size_t queries_at_once(size_t n, const bl_tap *tap) {
    return tap || n < BL_ATTENTION_QUERIES ? n : BL_ATTENTION_QUERIES;
}

/* Room for n rows, the longest of whose stories has `longest` positions. */
static bool reserve(const bl_model *model, bl_workspace *w, size_t n, size_t longest, const bl_tap *tap,
                    bl_error *err) {
    bool two = model->config.attention2;
    size_t cells, all;
    if (!bl_rows_reserve(&w->state, model, n, err) || !bl_ropes_reserve(&w->ropes, model, longest, true, err))
        return false;
    w->n = n;
    if (!w->threads) w->threads = omp_in_parallel() ? 1 : (size_t)bl_threads();
    if (!bl_mul_size(queries_at_once(longest, tap), longest, &cells) || !bl_mul_size(cells, w->threads, &all))
        cells = all = SIZE_MAX; /* bl_alloc refuses it */
    if (cells <= w->cells) return true;
    free(w->pattern);
    free(w->second);
    w->cells = 0;
    w->pattern = bl_alloc(all, sizeof *w->pattern, err);
    w->second = w->pattern && two ? bl_alloc(all, sizeof *w->second, err) : NULL;
    if (!w->pattern || (two && !w->second)) return false;
    w->cells = cells;
    return true;
}

/* scores [queries, keys] of one head in pattern m of a story, whose first query is position `begin`. */
static void head_scores(const bl_block_pass *pass, const bl_attention *a, size_t layer, size_t head, size_t m,
                        bl_range story, size_t begin, float *scores) {
    const bl_config *c = &pass->model->config;
    size_t n = story.end - story.begin, k = c->head_dim;
    float *rows = pass->state->qkv + story.begin * a->stride, *q = rows + bl_q_begin(c, m) + head * k,
          *key = rows + bl_k_begin(c, m) + bl_kv_head(c, head) * k;
    bl_tap_value(pass->tap, m ? BL_POINT_Q2 : BL_POINT_Q, layer, head, (bl_rows){q, n, k, a->stride});
    bl_tap_value(pass->tap, m ? BL_POINT_K2 : BL_POINT_K, layer, head, (bl_rows){key, n, k, a->stride});
    bl_attention_scores(a, q + begin * a->stride, key, scores);
    if (!pass->tap) return;
    bl_attention_mask(a, -INFINITY, scores);
    bl_tap_value(pass->tap, m ? BL_POINT_SCORES2 : BL_POINT_SCORES, layer, head, (bl_rows){scores, n, n, n});
}

/* One head of one story. */
static void attend_head(const bl_block_pass *pass, size_t layer, size_t h, bl_range story, size_t thread) {
    const bl_config *c = &pass->model->config;
    bl_workspace *w = pass->context;
    size_t n = story.end - story.begin, k = c->head_dim, width = bl_qkv_width(c), ld_z = c->n_head * k,
           block = queries_at_once(n, pass->tap);
    float *value = w->state.qkv + story.begin * width + bl_v_begin(c) + bl_kv_head(c, h) * k,
          *pattern = w->pattern + thread * w->cells,
          *second = c->attention2 ? w->second + thread * w->cells : NULL;
    bl_tap_value(pass->tap, BL_POINT_V, layer, h, (bl_rows){value, n, k, width});
    for (size_t begin = 0; begin < n; begin += block) {
        size_t queries = n - begin < block ? n - begin : block;
        bl_attention a = bl_block_attention(pass->model, layer, queries, begin + queries, width);
        head_scores(pass, &a, layer, h, 0, story, begin, pattern);
        if (second) head_scores(pass, &a, layer, h, 1, story, begin, second);
        float factors[BL_ATTENTION_QUERIES], *inverse = pass->tap ? NULL : factors;
        bl_attention_pattern(&a, pattern, second, inverse, NULL);
        bl_tap_value(pass->tap, BL_POINT_PATTERN, layer, h, (bl_rows){pattern, queries, a.keys, a.keys});
        bl_attention_values(&a, pattern, inverse, value, w->state.z + (story.begin + begin) * ld_z + h * k,
                            ld_z);
    }
}

/* z [n, H k] = for each head pattern v, side by side. A tap sees whole patterns, one after the other; without
 * one there is a block of queries at a time, and threads share the heads of all stories. */
static void attend(const bl_block_pass *pass, size_t layer) {
    const bl_workspace *w = pass->context;
    size_t H = pass->model->config.n_head, tasks = (pass->begin ? pass->stories : 1) * H;
    bool share = !pass->tap && w->threads > 1 && !omp_in_parallel() && pass->n > BL_ATTENTION_QUERIES;
#pragma omp parallel for schedule(dynamic) num_threads(share ? (int)w->threads : 1)
    for (size_t i = 0; i < tasks; i++) {
        bl_range story = {0, pass->n};
        if (pass->begin)
            story = (bl_range){pass->begin[i / H] - pass->begin[0], pass->begin[i / H + 1] - pass->begin[0]};
        attend_head(pass, layer, i % H, story, share ? (size_t)omp_get_thread_num() : 0);
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

/* The stream after the first `layers` layers in pass->state->x. */
static bool run_layers(const bl_block_pass *pass, const int32_t *ids, size_t layers, bl_error *err) {
    bl_pass_embed(pass, ids);
    for (size_t i = 0; i < layers; i++) {
        if (!bl_go_on(err)) return false;
        bl_pass_attention(pass, i);
        bl_pass_mlp(pass, i);
    }
    return true;
}

bl_view bl_forward_resid_pre(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n,
                             size_t layer, bl_error *err) {
    if (!reserve(model, w, n, n, NULL, err)) return (bl_view){0};
    bl_block_pass pass = begin(model, w, n, NULL);
    if (!run_layers(&pass, ids, layer, err)) return (bl_view){0};
    return (bl_view){w->state.x, n, model->config.d_model, model->config.d_model};
}

bl_view bl_forward_mlp_in(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n, size_t layer,
                          const bl_tap *tap, bl_error *err) {
    if (!reserve(model, w, n, n, tap, err)) return (bl_view){0};
    bl_block_pass pass = begin(model, w, n, tap);
    if (!run_layers(&pass, ids, layer, err)) return (bl_view){0};
    bl_pass_attention(&pass, layer);
    return (bl_view){w->state.y, n, model->config.d_model, model->config.d_model};
}

bool bl_forward_layers(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n,
                       const bl_tap *tap, bl_error *err) {
    if (!reserve(model, w, n, n, tap, err)) return false;
    bl_block_pass pass = begin(model, w, n, tap);
    return run_layers(&pass, ids, model->config.n_layer, err);
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

size_t bl_forward_together(const bl_model *model, const size_t *begin, size_t stories, size_t rows) {
    const bl_rope_plan *rope = &model->plan.rope;
    bool kinds = rope->scaling == BL_ROPE_LONGROPE, is_long = (double)(begin[1] - begin[0]) > rope->original;
    size_t n = 1;
    for (; n < stories && begin[n + 1] - begin[0] <= rows; n++)
        if (kinds && ((double)(begin[n + 1] - begin[n]) > rope->original) != is_long) break;
    return n;
}

bool bl_forward_stories(const bl_model *model, bl_workspace *w, const size_t *begin_at, size_t stories,
                        bl_block_pass *out, bl_error *err) {
    size_t rows = begin_at[stories] - begin_at[0], longest = 0;
    for (size_t s = 0; s < stories; s++)
        if (begin_at[s + 1] - begin_at[s] > longest) longest = begin_at[s + 1] - begin_at[s];
    if (!reserve(model, w, rows, longest, NULL, err)) return false;
    if (rows > w->places) {
        free(w->position);
        w->places = 0;
        if (!(w->position = bl_alloc(rows, sizeof *w->position, err))) return false;
        w->places = rows;
    }
    for (size_t s = 0; s < stories; s++)
        for (size_t p = begin_at[s]; p < begin_at[s + 1]; p++) w->position[p - begin_at[0]] = p - begin_at[s];
    *out = begin(model, w, rows, NULL);
    out->position = w->position;
    out->begin = begin_at;
    out->stories = stories;
    return true;
}

static bool loss_reserve(loss_work *l, size_t rows, bl_error *err) {
    size_t n;
    if (rows <= l->rows) return true;
    free(l->logits);
    free(l->sum);
    *l = (loss_work){0};
    if (!bl_mul_size(rows, VOCABULARY + 2, &n)) n = SIZE_MAX; /* bl_alloc refuses it */
    l->logits = bl_alloc(n, sizeof *l->logits, err);
    l->sum = l->logits ? bl_alloc(rows, sizeof *l->sum, err) : NULL;
    if (!l->sum) return false;
    l->max = l->logits + rows * VOCABULARY;
    l->wanted = l->max + rows;
    l->rows = rows;
    return true;
}

/* Logits of `count` tokens from `first` on join a row's maximum and sum. */
static void join(loss_work *l, size_t row, size_t first, size_t count, size_t next) {
    const float *logits = l->logits + row * count;
    float max = bl_row_max(logits, count);
    if (first == 0) l->max[row] = max, l->sum[row] = 0;
    if (max > l->max[row]) {
        l->sum[row] *= exp((double)l->max[row] - (double)max);
        l->max[row] = max;
    }
    l->sum[row] += bl_sum_exp(logits, count, l->max[row]);
    if (next >= first && next < first + count) l->wanted[row] = logits[next - first];
}

bool bl_pass_losses(const bl_block_pass *pass, const int32_t *ids, double *losses, bl_error *err) {
    const bl_model *model = pass->model;
    bl_workspace *w = pass->context;
    loss_work *l = &w->loss;
    size_t V = model->config.n_vocab, n = pass->n;
    if (!loss_reserve(l, n, err)) return false;
    bl_pass_final(pass, 0, n);
    for (size_t first = 0; first < V; first += VOCABULARY) {
        size_t count = V - first < VOCABULARY ? V - first : VOCABULARY;
        bl_pass_some_logits(pass, n, first, count, l->logits);
#pragma omp parallel for schedule(static) num_threads(omp_in_parallel() ? 1 : (int)w->threads)
        for (size_t p = 0; p < n; p++) join(l, p, first, count, p + 1 < n ? (size_t)ids[p + 1] : V);
    }
    for (size_t s = 0; s < (pass->begin ? pass->stories : 1); s++) {
        size_t first = pass->begin ? pass->begin[s] - pass->begin[0] : 0,
               end = pass->begin ? pass->begin[s + 1] - pass->begin[0] : n;
        losses[s] = 0;
        for (size_t p = first; p + 1 < end; p++)
            losses[s] += (double)l->max[p] + log(l->sum[p]) - (double)l->wanted[p];
    }
    return true;
}

bool bl_forward_loss(const bl_model *model, bl_workspace *w, const int32_t *ids, size_t n, const bl_tap *tap,
                     double *loss, bl_error *err) {
    *loss = 0;
    if (!bl_forward_layers(model, w, ids, n, tap, err)) return false;
    bl_block_pass pass = begin(model, w, n, NULL);
    return bl_pass_losses(&pass, ids, loss, err);
}

bool bl_forward_losses(const bl_model *model, bl_workspace *w, const int32_t *ids, const size_t *begin_at,
                       size_t stories, double *losses, bl_error *err) {
    bl_block_pass pass;
    for (size_t s = 0; s < stories; s++) losses[s] = 0;
    if (begin_at[stories] == begin_at[0]) return true;
    if (!bl_forward_stories(model, w, begin_at, stories, &pass, err)) return false;
    return run_layers(&pass, ids, model->config.n_layer, err) && bl_pass_losses(&pass, ids, losses, err);
}
