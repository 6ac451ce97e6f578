/* Weights and what is made of them, as named arrays with named axes. Big ones are computed on request only.
 */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/gemm.h"
#include <bilens/decompose.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct kind {
    const char *name;
    const char *axes[3];
    bool computed;
} kind;

static const kind kinds[] = {
    {"w_e", {"token", "d_model"}, false},
    {"w_u", {"token", "d_model"}, false},
    {"w_q", {"head", "d_head", "d_model"}, false},
    {"w_k", {"head", "d_head", "d_model"}, false},
    {"w_v", {"head", "d_head", "d_model"}, false},
    {"w_o", {"d_model", "head", "d_head"}, false},
    {"w_l", {"d_hidden", "d_model"}, false},
    {"w_r", {"d_hidden", "d_model"}, false},
    {"w_p", {"d_model", "d_hidden"}, false},
    {"ov", {"head", "out", "in"}, true},
    {"qk", {"head", "query", "key"}, true},
    {"ove", {"head", "token", "d_model"}, true},
    {"b", {"out", "in", "in"}, true},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

const char *const *bl_weight_array_names(void) {
    static const char *const names[N_KINDS + 1] = {"w_e", "w_u", "w_q", "w_k", "w_v", "w_o", "w_l",
                                                   "w_r", "w_p", "ov",  "qk",  "ove", "b",   NULL};
    return names;
}

static const kind *find_kind(const char *name) {
    for (size_t i = 0; i < N_KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    return NULL;
}

/* The size of an axis; "in" is d, but for b it is n, which may count the constant 1. */
static size_t axis_size(const bl_model *model, const kind *k, size_t axis) {
    const bl_config *c = bl_model_config(model);
    const char *name = k->axes[axis];
    if (strcmp(name, "token") == 0) return c->n_vocab;
    if (strcmp(name, "head") == 0) return c->n_head;
    if (strcmp(name, "d_head") == 0) return c->head_dim;
    if (strcmp(name, "d_hidden") == 0) return c->d_hidden;
    return strcmp(k->name, "b") == 0 && axis > 0 ? bl_interaction_size(model) : c->d_model;
}

static bool shape_of(const bl_model *model, const kind *k, bl_named_array *array, size_t *count) {
    *count = 1;
    for (size_t i = 0; i < 3 && k->axes[i]; i++) {
        array->shape[array->n_dims++] = axis_size(model, k, i);
        if (!bl_mul_size(*count, array->shape[i], count)) return false;
    }
    return true;
}

uint64_t bl_weight_array_bytes(const bl_model *model, const char *name) {
    const kind *k = find_kind(name);
    bl_named_array array = {0};
    size_t count;
    if (!k) return 0;
    return shape_of(model, k, &array, &count) && count <= SIZE_MAX / 4 ? (uint64_t)count * 4 : UINT64_MAX;
}

static const float *stored(const bl_model *model, const char *name, const bl_layer *l) {
    if (strcmp(name, "w_e") == 0) return bl_model_w_e(model).data;
    if (strcmp(name, "w_u") == 0) return bl_model_w_u(model).data;
    const char *const names[] = {"w_q", "w_k", "w_v", "w_o", "w_l", "w_r", "w_p"};
    const bl_view views[] = {l->w_q, l->w_k, l->w_v, l->w_o, l->w_l, l->w_r, l->w_p};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        if (strcmp(name, names[i]) == 0) return views[i].data;
    return NULL;
}

/* OV_h = s O_h V_h [d, d] for every head */
static bool compute_ov(const bl_model *model, const bl_layer *l, float *out, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    size_t d = c->d_model, k = c->head_dim;
    for (size_t h = 0; h < c->n_head; h++) {
        if (!bl_go_on(err)) return false;
        bl_gemm_nn(d, d, k, bl_model_attention_scale(model), l->w_o.data + h * k, l->w_o.stride,
                   l->w_v.data + h * k * d, d, 0.0F, out + h * d * d, d);
    }
    return true;
}

/* Q_h^T K_h / sqrt(k) [d, d] for every head: the score of a query and a key at the same position */
static bool compute_qk(const bl_model *model, const bl_layer *l, float *out, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    size_t d = c->d_model, k = c->head_dim;
    for (size_t h = 0; h < c->n_head; h++) {
        if (!bl_go_on(err)) return false;
        bl_gemm_tn(d, d, k, bl_model_score_scale(model), l->w_q.data + h * k * d, d, l->w_k.data + h * k * d,
                   d, 0.0F, out + h * d * d, d);
    }
    return true;
}

/* OV_h W_E^T, a row a token [V, d], for every head */
static bool compute_ove(const bl_model *model, const bl_layer *l, float *out, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    size_t d = c->d_model;
    float *ov = bl_alloc(c->n_head * d * d, sizeof *ov, err);
    bool ok = ov && compute_ov(model, l, ov, err);
    for (size_t h = 0; ok && h < c->n_head; h++) {
        ok = bl_go_on(err);
        if (ok)
            bl_gemm_nt(c->n_vocab, d, d, 1.0F, bl_model_w_e(model).data, d, ov + h * d * d, d, 0.0F,
                       out + h * c->n_vocab * d, d);
    }
    free(ov);
    return ok;
}

/* B[o] = Q of the direction that is 1 at o */
static bool compute_b(const bl_model *model, size_t layer, float *out, bl_error *err) {
    size_t d = bl_model_config(model)->d_model, n = bl_interaction_size(model);
    float *u = bl_alloc_zero(d, sizeof *u, err);
    bool ok = u != NULL;
    for (size_t o = 0; ok && o < d; o++) {
        u[o] = 1;
        ok = bl_go_on(err) && bl_interaction_matrix(model, layer, u, out + o * n * n, err);
        u[o] = 0;
    }
    free(u);
    return ok;
}

bool bl_weight_array_get(const bl_model *model, const char *name, size_t layer, bl_weight_array *out,
                         bl_error *err) {
    bl_error_clear(err);
    *out = (bl_weight_array){0};
    const bl_config *c = bl_model_config(model);
    const kind *k = find_kind(name);
    size_t count;
    if (!k)
        return bl_fail(
            err, BL_ERR_USAGE,
            "unknown tensor '%.60s'; there are w_e, w_u, w_q, w_k, w_v, w_o, w_l, w_r, w_p, ov, qk, ove, b",
            name);
    if (layer >= c->n_layer)
        return bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 … %zu", layer,
                       c->n_layer - 1);
    if (strcmp(name, "w_r") == 0 && c->plain)
        return bl_fail(err, BL_ERR_UNSUPPORTED, "a plain MLP, P g(W x), has no w_r; its W is w_l");
    bl_bilinear map;
    if (strcmp(name, "b") == 0 && !bl_model_bilinear(model, layer, &map, err)) return false;
    if (!shape_of(model, k, &out->array, &count))
        return bl_fail(err, BL_ERR_MEMORY, "tensor '%s' is too large for memory", name);
    memcpy(out->axes, k->axes, sizeof k->axes);
    out->array.name = k->name;
    if (!bl_model_unfold(model, layer, err)) return false;
    const bl_layer *l = bl_model_layer(model, layer);
    if (!k->computed) {
        out->array.data = stored(model, name, l);
        return true;
    }
    out->owned = bl_alloc(count, sizeof *out->owned, err);
    out->array.data = out->owned;
    bool ok = out->owned != NULL;
    if (ok && strcmp(name, "ov") == 0) ok = compute_ov(model, l, out->owned, err);
    if (ok && strcmp(name, "qk") == 0) ok = compute_qk(model, l, out->owned, err);
    if (ok && strcmp(name, "ove") == 0) ok = compute_ove(model, l, out->owned, err);
    if (ok && strcmp(name, "b") == 0) ok = compute_b(model, layer, out->owned, err);
    if (!ok) bl_weight_array_free(out);
    return ok;
}

void bl_weight_array_free(bl_weight_array *array) {
    if (!array) return;
    free(array->owned);
    array->owned = NULL;
    array->array.data = NULL;
}
