/* The block of docs/specification.md, 1 and 18:
 *
 *   x_mid  = x + s_i post1(Attn(N1(x)))
 *   x_next = x_mid + post2(MLP(N2(x_mid)))          parallel: MLP(N2(x)) */
#include "model/block.h"
#include "base/memory.h"
#include "linear/gate.h"
#include "linear/norm.h"
#include "model/architecture.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t widest(const bl_config *c) {
    size_t most = c->d_model, heads = c->n_head * c->head_dim;
    if (heads > most) most = heads;
    return c->d_hidden > most ? c->d_hidden : most;
}

bool bl_rows_reserve(bl_rows_state *s, const bl_model *model, size_t rows, bl_error *err) {
    const bl_config *c = &model->config;
    size_t d = c->d_model, h = c->d_hidden;
    if (rows <= s->rows) return true;
    bl_rows_free(s);
    const struct {
        float **data;
        size_t rows, width;
    } parts[] = {{&s->x, rows, d},
                 {&s->mid, rows, d},
                 {&s->y, rows, d},
                 {&s->read, rows, d},
                 {&s->qkv, rows, bl_qkv_width(c)},
                 {&s->z, rows, c->n_head * c->head_dim},
                 {&s->out, rows, d},
                 {&s->pre, rows, c->plain ? h : 2 * h},
                 {&s->hidden, rows, h}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n;
        if (!bl_mul_size(parts[i].rows, parts[i].width, &n)) n = SIZE_MAX; /* bl_alloc refuses it */
        if (!(*parts[i].data = bl_alloc(n, sizeof(float), err))) {
            bl_rows_free(s);
            return false;
        }
    }
    if (!bl_pack_room_make(&s->scratch, widest(c), err)) {
        bl_rows_free(s);
        return false;
    }
    s->rows = rows;
    return true;
}

void bl_rows_free(bl_rows_state *s) {
    float *parts[] = {s->x, s->mid, s->y, s->read, s->qkv, s->z, s->out, s->pre, s->hidden};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    bl_pack_room_free(&s->scratch);
    *s = (bl_rows_state){0};
}

static bool make_rope(const bl_rope_plan *plan, size_t positions, bl_rotary *table, bl_error *err) {
    double frequency[BL_ROPE_MOST], magnitude;
    bl_rope_frequencies(plan, positions, frequency, &magnitude);
    return bl_rotary_make(table, frequency, plan->rotated / 2, magnitude, positions, err);
}

bool bl_ropes_reserve(bl_ropes *ropes, const bl_model *model, size_t positions, bool exact, bl_error *err) {
    const bl_plan *plan = &model->plan;
    bool depends = plan->rope.scaling == BL_ROPE_LONGROPE && exact; /* on the story's length */
    bool other = depends && ((double)positions > plan->rope.original) !=
                                ((double)ropes->positions > plan->rope.original);
    if (ropes->made && positions <= ropes->positions && !other) return true;
    size_t room = depends ? positions : ropes->positions * 2 > positions ? ropes->positions * 2 : positions;
    if (room > model->config.n_ctx && positions <= model->config.n_ctx) room = model->config.n_ctx;
    bl_ropes_free(ropes);
    ropes->made = make_rope(&plan->rope, room, &ropes->global, err) &&
                  (plan->local_rope.rotated == 0 || make_rope(&plan->local_rope, room, &ropes->local, err));
    if (ropes->made) ropes->positions = room;
    return ropes->made;
}

void bl_ropes_free(bl_ropes *ropes) {
    bl_rotary_free(&ropes->global);
    bl_rotary_free(&ropes->local);
    *ropes = (bl_ropes){0};
}

void bl_tap_value(const bl_tap *tap, bl_point point, size_t layer, size_t head, bl_rows value) {
    if (!tap) return;
    if (tap->edit) tap->edit(tap->context, point, layer, head, value);
    if (tap->take)
        tap->take(tap->context, point, layer, head,
                  (bl_view){value.data, value.rows, value.cols, value.stride});
}

static void tap_rows(const bl_block_pass *pass, bl_point point, size_t layer, float *data, size_t cols) {
    bl_tap_value(pass->tap, point, layer, 0, (bl_rows){data, pass->n, cols, cols});
}

bl_attention bl_block_attention(const bl_model *model, size_t layer, size_t queries, size_t keys,
                                size_t stride) {
    return (bl_attention){.queries = queries,
                          .keys = keys,
                          .k = model->config.head_dim,
                          .stride = stride,
                          .scale = model->plan.score_scale,
                          .cap = model->plan.score_cap,
                          .window = model->blocks[layer].flags & BL_LAYER_WINDOW ? model->plan.window : 0};
}

/* N(x) without weights, which are folded or applied by `weighted`. */
void bl_forward_norm(const bl_model *model, float *out, const float *in, size_t n) {
    size_t d = model->config.d_model;
    if (model->config.normalization) bl_norm_rows(in, n, d, model->plan.layer_norm, model->plan.epsilon, out);
    else memcpy(out, in, n * d * sizeof *out);
}

/* What the matrices read: y itself, or y with the norm's weight and bias. */
static const float *weighted(const bl_block_pass *pass, const bl_norm_weights *norm, size_t n) {
    bl_rows_state *s = pass->state;
    if (!norm->weight && !norm->bias) return s->y;
    bl_weigh(s->y, n, pass->model->config.d_model, norm->weight, norm->bias, s->read);
    return s->read;
}

/* out [n, width] = in of the matrices one above the other, plus bias. */
static void product(const bl_block_pass *pass, const bl_matrix *matrices, size_t count, const float *bias,
                    const float *in, size_t n, float *out) {
    size_t width = 0, at = 0;
    for (size_t i = 0; i < count; i++) width += matrices[i].rows;
    for (size_t i = 0; i < count; at += matrices[i++].rows)
        bl_matrix_times(&matrices[i], in, n, pass->steady, out + at, width, &pass->state->scratch);
    if (bias) bl_weigh(out, n, width, NULL, bias, out);
}

/* A norm behind attention or the MLP, in place. */
static void post_norm(const bl_block_pass *pass, const bl_norm_weights *norm) {
    const bl_model *model = pass->model;
    size_t d = model->config.d_model;
    float *out = pass->state->out;
    if (!model->plan.post_norms) return;
    bl_norm_rows(out, pass->n, d, model->plan.layer_norm, model->plan.epsilon, out);
    bl_weigh(out, pass->n, d, norm->weight, norm->bias, out);
}

/* Norms of heads and rotary embedding of a row's q or k of pattern m. */
static void turn(const bl_block_pass *pass, size_t layer, size_t p, const float *norm, size_t heads,
                 float *x) {
    const bl_model *model = pass->model;
    const bl_block_weights *b = &model->blocks[layer];
    size_t k = model->config.head_dim;
    if (norm) {
        bl_norm_rows(x, heads, k, false, model->plan.epsilon, x);
        bl_weigh(x, heads, k, norm, NULL, x);
    }
    if (b->flags & BL_LAYER_NO_ROPE) return;
    bl_rotate(b->flags & BL_LAYER_LOCAL_ROPE ? &pass->ropes->local : &pass->ropes->global, p, false, heads, k,
              x);
}

void bl_pass_embed(const bl_block_pass *pass, const int32_t *ids) {
    const bl_model *model = pass->model;
    bl_rows_state *s = pass->state;
    size_t d = model->config.d_model;
    float scale = model->plan.embedding_scale;
    for (size_t i = 0; i < pass->n; i++) {
        float *x = s->x + i * d;
        bl_matrix_read(&model->embedding, (size_t)ids[i], 1, x);
        for (size_t j = 0; scale != 1.0F && j < d; j++) x[j] *= scale;
        if (!bl_matrix_is(&model->positions)) continue;
        bl_matrix_read(&model->positions, pass->position ? pass->position[i] : i, 1, s->read);
        for (size_t j = 0; j < d; j++) x[j] += s->read[j];
    }
}

void bl_pass_attention(const bl_block_pass *pass, size_t layer) {
    const bl_model *model = pass->model;
    const bl_config *c = &model->config;
    const bl_block_weights *b = &model->blocks[layer];
    bl_rows_state *s = pass->state;
    size_t d = c->d_model, n = pass->n, width = bl_qkv_width(c);
    tap_rows(pass, BL_POINT_RESID_PRE, layer, s->x, d);
    bl_forward_norm(model, s->y, s->x, n);
    tap_rows(pass, BL_POINT_ATTN_IN, layer, s->y, d);
    product(pass, b->qkv, b->n_qkv, b->b_qkv, weighted(pass, &b->n1, n), n, s->qkv);
    for (size_t i = 0; i < n; i++) {
        size_t p = pass->position ? pass->position[i] : i;
        for (size_t m = 0; m < bl_model_patterns(c); m++) {
            turn(pass, layer, p, b->q_norm, c->n_head, s->qkv + i * width + bl_q_begin(c, m));
            turn(pass, layer, p, b->k_norm, c->n_kv_head, s->qkv + i * width + bl_k_begin(c, m));
        }
    }
    pass->attend(pass, layer);
    tap_rows(pass, BL_POINT_Z, layer, s->z, c->n_head * c->head_dim);
    product(pass, &b->o, 1, b->b_o, s->z, n, s->out);
    tap_rows(pass, BL_POINT_ATTN_OUT, layer, s->out, d);
    post_norm(pass, &b->n1_post);
    for (size_t i = 0; i < n * d; i++) s->mid[i] = s->x[i] + model->attention_scale * s->out[i];
    tap_rows(pass, BL_POINT_RESID_MID, layer, s->mid, d);
    bl_forward_norm(model, s->y, model->plan.parallel ? s->x : s->mid, n);
    tap_rows(pass, BL_POINT_MLP_IN, layer, s->y, d);
}

void bl_pass_hidden(const bl_block_pass *pass, size_t layer) {
    const bl_config *c = &pass->model->config;
    const bl_block_weights *b = &pass->model->blocks[layer];
    bl_rows_state *s = pass->state;
    size_t h = c->d_hidden, n = pass->n;
    product(pass, b->w, b->n_w, b->b_w, weighted(pass, &b->n2, n), n, s->pre);
    tap_rows(pass, BL_POINT_MLP_PRE, layer, s->pre, c->plain ? h : 2 * h);
    bl_gate_forward(c->gate, c->plain, s->pre, c->plain ? h : 2 * h, n, h, s->hidden);
    tap_rows(pass, BL_POINT_MLP_HIDDEN, layer, s->hidden, h);
}

void bl_pass_out(const bl_block_pass *pass, size_t layer) {
    const bl_block_weights *b = &pass->model->blocks[layer];
    bl_rows_state *s = pass->state;
    product(pass, &b->p, 1, b->b_p, s->hidden, pass->n, s->out);
    tap_rows(pass, BL_POINT_MLP_OUT, layer, s->out, pass->model->config.d_model);
}

void bl_pass_add(const bl_block_pass *pass, size_t layer) {
    bl_rows_state *s = pass->state;
    size_t d = pass->model->config.d_model, n = pass->n;
    post_norm(pass, &pass->model->blocks[layer].n2_post);
    for (size_t i = 0; i < n * d; i++) s->x[i] = s->mid[i] + s->out[i];
    tap_rows(pass, BL_POINT_RESID_POST, layer, s->x, d);
}

void bl_pass_mlp(const bl_block_pass *pass, size_t layer) {
    bl_pass_hidden(pass, layer);
    bl_pass_out(pass, layer);
    bl_pass_add(pass, layer);
}

double bl_forward_norm_scale(const bl_model *model, const float *row, const float *other) {
    size_t d = model->config.d_model;
    double sum = 0, square = 0;
    if (!model->config.normalization) return 1;
    for (size_t i = 0; i < d; i++) {
        double value = (double)row[i] + (other ? (double)other[i] : 0);
        sum += value;
        square += value * value;
    }
    if (model->plan.layer_norm) square -= sum * sum / (double)d;
    return bl_rms_factor(square, d, model->plan.epsilon);
}

void bl_pass_final(const bl_block_pass *pass, size_t begin, size_t n) {
    const bl_model *model = pass->model;
    size_t d = model->config.d_model;
    float *y = pass->state->y;
    bl_forward_norm(model, y, pass->state->x + begin * d, n);
    if (model->final.weight || model->final.bias)
        bl_weigh(y, n, d, model->final.weight, model->final.bias, y);
}

void bl_pass_some_logits(const bl_block_pass *pass, size_t n, size_t first, size_t count, float *logits) {
    const bl_model *model = pass->model;
    bl_matrix head = bl_matrix_rows(&model->head, first, count);
    product(pass, &head, 1, NULL, pass->state->y, n, logits);
    if (model->plan.logit_cap > 0) bl_cap(model->plan.logit_cap, logits, n * count);
}

void bl_pass_logits(const bl_block_pass *pass, size_t n, float *logits) {
    bl_pass_some_logits(pass, n, 0, pass->model->config.n_vocab, logits);
}
