/* The block for the newest position of each text. Differs from whole stories (forward.c) only in how it
 * attends and in the order of additions. */
#include "model/cached.h"
#include "base/memory.h"
#include "model/block.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bl_cached {
    const bl_model *model;
    size_t slots, T;
    size_t length[BL_CACHED_SLOTS];
    float *kept; /* [slots, n_layer, T, kept_width] keys (after rotary) and values of earlier positions */
    bl_rows_state state;
    bl_ropes ropes;
    float *scores; /* [2, T] */
    float *logits; /* [slots, V] */
    const bl_cached_input *inputs;
};

/* Keys of every pattern, then values, of one position. */
static size_t kept_width(const bl_config *c) {
    return (bl_model_patterns(c) + 1) * c->n_kv_head * c->head_dim;
}

size_t bl_cached_bytes(const bl_model *model, size_t T) {
    size_t n;
    bool fits = bl_mul_size(kept_width(&model->config), T, &n) && bl_mul_size(n, model->config.n_layer, &n) &&
                bl_mul_size(n, sizeof(float), &n);
    return fits ? n : SIZE_MAX;
}

bl_cached *bl_cached_new(const bl_model *model, size_t slots, size_t T, bl_error *err) {
    bl_cached *self = bl_alloc_zero(1, sizeof *self, err);
    if (!self) return NULL;
    self->model = model;
    self->slots = slots;
    self->T = T;
    size_t bytes = bl_cached_bytes(model, T), kept = bytes == SIZE_MAX ? SIZE_MAX : bytes / sizeof(float), n;
    if (!bl_mul_size(slots, kept, &n)) n = SIZE_MAX; /* bl_alloc refuses it */
    self->kept = bl_alloc(n, sizeof(float), err);
    self->scores = self->kept ? bl_alloc(2 * T, sizeof(float), err) : NULL;
    self->logits = self->scores ? bl_alloc(slots * model->config.n_vocab, sizeof(float), err) : NULL;
    if (self->logits && bl_rows_reserve(&self->state, model, slots, err) &&
        bl_ropes_reserve(&self->ropes, model, T, true, err))
        return self;
    bl_cached_free(self);
    return NULL;
}

void bl_cached_free(bl_cached *self) {
    if (!self) return;
    free(self->kept);
    free(self->scores);
    free(self->logits);
    bl_rows_free(&self->state);
    bl_ropes_free(&self->ropes);
    free(self);
}

void bl_cached_begin(bl_cached *self, size_t slot) { self->length[slot] = 0; }

size_t bl_cached_length(const bl_cached *self, size_t slot) { return self->length[slot]; }

/* z [H k] of one row, over the text so far, this position included. */
static void attend_row(bl_cached *self, size_t layer, size_t slot, const float *qkv, float *z) {
    const bl_model *model = self->model;
    const bl_config *c = &model->config;
    size_t k = c->head_dim, p = self->length[slot], width = kept_width(c), keys = c->n_kv_head * k,
           patterns = bl_model_patterns(c);
    float *kept = self->kept + (slot * c->n_layer + layer) * self->T * width, *now = kept + p * width,
          *scores = self->scores, *second = c->attention2 ? scores + self->T : NULL;
    for (size_t m = 0; m < patterns; m++) memcpy(now + m * keys, qkv + bl_k_begin(c, m), keys * sizeof *now);
    memcpy(now + patterns * keys, qkv + bl_v_begin(c), keys * sizeof *now);
    bl_attention a = bl_block_attention(model, layer, 1, p + 1, width);
    a.steady = true;
    for (size_t h = 0; h < c->n_head; h++) {
        const float *q = qkv + h * k, *key = kept + bl_kv_head(c, h) * k;
        bl_attention_scores(&a, q + bl_q_begin(c, 0), key, scores);
        if (second) bl_attention_scores(&a, q + bl_q_begin(c, 1), key + keys, second);
        bl_attention_pattern(&a, scores, second, NULL, NULL);
        bl_attention_values(&a, scores, NULL, key + patterns * keys, z + h * k, 0);
    }
}

static void attend(const bl_block_pass *pass, size_t layer) {
    bl_cached *self = pass->context;
    const bl_config *c = &pass->model->config;
    for (size_t i = 0; i < pass->n; i++)
        attend_row(self, layer, self->inputs[i].slot, self->state.qkv + i * bl_qkv_width(c),
                   self->state.z + i * c->n_head * c->head_dim);
}

void bl_cached_step(bl_cached *self, bl_cached_input *inputs, size_t n) {
    const bl_model *model = self->model;
    size_t d = model->config.d_model, wanted = 0, position[BL_CACHED_SLOTS];
    int32_t ids[BL_CACHED_SLOTS];
    for (size_t i = 0; i < n; i++) {
        ids[i] = inputs[i].id;
        position[i] = self->length[inputs[i].slot];
    }
    self->inputs = inputs;
    bl_block_pass pass = {.model = model,
                          .state = &self->state,
                          .ropes = &self->ropes,
                          .n = n,
                          .position = position,
                          .steady = true,
                          .attend = attend,
                          .context = self};
    bl_pass_embed(&pass, ids);
    for (size_t layer = 0; layer < model->config.n_layer; layer++) {
        bl_pass_attention(&pass, layer);
        bl_pass_mlp(&pass, layer);
    }
    for (size_t i = 0; i < n; i++) {
        self->length[inputs[i].slot]++;
        inputs[i].logits = NULL;
        if (!inputs[i].wanted) continue;
        inputs[i].logits = self->logits + wanted * model->config.n_vocab;
        memmove(self->state.x + wanted++ * d, self->state.x + i * d, d * sizeof *self->state.x);
    }
    if (!wanted) return;
    bl_pass_final(&pass, 0, wanted);
    bl_pass_logits(&pass, wanted, self->logits);
}
