/* The model (docs/specification.md, 1) for the newest position of each text. Differs from the full pass
 * (forward.c) only in the order of additions. */
#include "model/cached.h"
#include "base/memory.h"
#include "linear/exp.h"
#include "linear/dots.h"
#include "model/forward.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bl_cached {
    const bl_model *model;
    size_t slots, T;
    size_t length[BL_CACHED_SLOTS];
    float *keys, *values;   /* [slots, n_layer, T, d]; keys after rotary */
    float *x, *y, *z, *out; /* [slots, d] residual stream, normalised, heads' outputs, what is added */
    float *qkv;             /* [slots, 3d] */
    float *left, *right;    /* [slots, h] */
    float *scores;          /* [T] */
    float *logits;          /* [slots, V] */
};

size_t bl_cached_bytes(const bl_model *model, size_t T) {
    size_t n;
    bool fits = bl_mul_size(model->config.d_model, T, &n) && bl_mul_size(n, model->config.n_layer, &n) &&
                bl_mul_size(n, 2 * sizeof(float), &n);
    return fits ? n : SIZE_MAX;
}

bl_cached *bl_cached_new(const bl_model *model, size_t slots, size_t T, bl_error *err) {
    const bl_config *c = &model->config;
    size_t d = c->d_model, h = c->d_hidden;
    bl_cached *self = bl_alloc_zero(1, sizeof *self, err);
    if (!self) return NULL;
    self->model = model;
    self->slots = slots;
    self->T = T;
    size_t bytes = bl_cached_bytes(model, T), kept = bytes / (2 * sizeof(float));
    const struct {
        float **data;
        size_t n, width;
    } parts[] = {{&self->keys, slots, bytes == SIZE_MAX ? SIZE_MAX : kept},
                 {&self->values, slots, bytes == SIZE_MAX ? SIZE_MAX : kept},
                 {&self->x, slots, d},
                 {&self->y, slots, d},
                 {&self->z, slots, d},
                 {&self->out, slots, d},
                 {&self->qkv, slots, 3 * d},
                 {&self->left, slots, h},
                 {&self->right, slots, h},
                 {&self->scores, 1, T},
                 {&self->logits, slots, c->n_vocab}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n;
        if (!bl_mul_size(parts[i].n, parts[i].width, &n)) n = SIZE_MAX; /* bl_alloc refuses it */
        *parts[i].data = bl_alloc(n, sizeof(float), err);
        if (*parts[i].data) continue;
        bl_cached_free(self);
        return NULL;
    }
    return self;
}

void bl_cached_free(bl_cached *self) {
    if (!self) return;
    float *parts[] = {self->keys, self->values, self->x,     self->y,      self->z,     self->out,
                      self->qkv,  self->left,   self->right, self->scores, self->logits};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    free(self);
}

void bl_cached_begin(bl_cached *self, size_t slot) { self->length[slot] = 0; }

size_t bl_cached_length(const bl_cached *self, size_t slot) { return self->length[slot]; }

/* Every head of one row of q or k: element j pairs with j + k/2. */
static void rotate(const bl_model *model, float *out, const float *in, size_t position) {
    size_t d = model->config.d_model, k = d / model->config.n_head, half = k / 2;
    const float *cosine = model->rope_cos + position * half, *sine = model->rope_sin + position * half;
    for (size_t at = 0; at < d; at += k) {
        for (size_t j = 0; j < half; j++) {
            float u = in[at + j], v = in[at + half + j];
            out[at + j] = u * cosine[j] - v * sine[j];
            out[at + half + j] = v * cosine[j] + u * sine[j];
        }
    }
}

/* softmax in place */
static void softmax(float *row, size_t n) {
    float most = row[0], sum = 0;
    for (size_t j = 1; j < n; j++) most = row[j] > most ? row[j] : most;
    for (size_t j = 0; j < n; j++) row[j] = bl_expf(row[j] - most);
    for (size_t j = 0; j < n; j++) sum += row[j];
    for (size_t j = 0; j < n; j++) row[j] /= sum;
}

/* z [d] = for each head softmax(q . k_j / sqrt(k)) v_j over the text so far, this position included. */
static void attend(bl_cached *self, size_t layer, size_t slot, const float *qkv, float *z) {
    const bl_model *model = self->model;
    size_t d = model->config.d_model, k = d / model->config.n_head, p = self->length[slot];
    float *keys = self->keys + (slot * model->config.n_layer + layer) * self->T * d;
    float *values = self->values + (slot * model->config.n_layer + layer) * self->T * d;
    float scale = 1.0F / sqrtf((float)k), *q = self->out; /* not yet in use */
    rotate(model, q, qkv, p);
    rotate(model, keys + p * d, qkv + d, p);
    memcpy(values + p * d, qkv + 2 * d, d * sizeof *values);
    memset(z, 0, d * sizeof *z);
    for (size_t head = 0; head < d; head += k) {
        for (size_t j = 0; j <= p; j++) self->scores[j] = scale * bl_dot(q + head, keys + j * d + head, k);
        softmax(self->scores, p + 1);
        for (size_t j = 0; j <= p; j++) {
            const float *value = values + j * d + head, weight = self->scores[j];
            for (size_t i = 0; i < k; i++) z[head + i] += weight * value[i];
        }
    }
}

static void layer_step(bl_cached *self, size_t layer, const bl_cached_input *inputs, size_t n) {
    const bl_model *model = self->model;
    const bl_layer *l = &model->layers[layer];
    size_t d = model->config.d_model, h = model->config.d_hidden;
    bl_forward_norm(model, self->y, self->x, n);
    bl_dots(self->qkv, self->y, n, (bl_view){l->w_q.data, 3 * d, d, d},
            NULL); /* q, k, v lie one behind the other */
    for (size_t i = 0; i < n; i++)
        attend(self, layer, inputs[i].slot, self->qkv + i * 3 * d, self->z + i * d);
    bl_dots(self->out, self->z, n, l->w_o, NULL);
    for (size_t i = 0; i < n * d; i++) self->x[i] += model->attention_scale * self->out[i];
    bl_forward_norm(model, self->y, self->x, n);
    bl_dots(self->left, self->y, n, l->w_l, l->b_l);
    bl_forward_gate(model->config.gate, self->left, n * h);
    if (l->w_r.data) {
        bl_dots(self->right, self->y, n, l->w_r, l->b_r);
        for (size_t i = 0; i < n * h; i++) self->left[i] *= self->right[i];
    }
    bl_dots(self->out, self->left, n, l->w_p, l->b_p);
    for (size_t i = 0; i < n * d; i++) self->x[i] += self->out[i];
}

void bl_cached_step(bl_cached *self, bl_cached_input *inputs, size_t n) {
    const bl_model *model = self->model;
    size_t d = model->config.d_model, wanted = 0;
    for (size_t i = 0; i < n; i++)
        memcpy(self->x + i * d, model->w_e.data + (size_t)inputs[i].id * model->w_e.stride,
               d * sizeof *self->x);
    for (size_t layer = 0; layer < model->config.n_layer; layer++) layer_step(self, layer, inputs, n);
    for (size_t i = 0; i < n; i++) {
        self->length[inputs[i].slot]++;
        inputs[i].logits = NULL;
        if (!inputs[i].wanted) continue;
        inputs[i].logits = self->logits + wanted * model->config.n_vocab;
        bl_forward_norm(model, self->y + wanted++ * d, self->x + i * d, 1);
    }
    if (wanted) bl_dots(self->logits, self->y, wanted, model->w_u, NULL);
}
