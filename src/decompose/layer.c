/* A transformer's MLP as a bilinear map (docs/specification.md, 1 and 4): norm weights are folded into L and
 * R when the model is loaded, so its input is x after the norm. */
#include "base/error.h"
#include "base/memory.h"
#include "model/model_private.h"
#include <bilens/decompose.h>
#include <bilens/surrogate.h>
#include <stdio.h>
#include <stdlib.h>

bool bl_model_bilinear(const bl_model *model, size_t layer, bl_bilinear *out, bl_error *err) {
    bl_error_clear(err);
    const bl_config *c = bl_model_config(model);
    if (layer >= c->n_layer)
        return bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 … %zu", layer,
                       c->n_layer - 1);
    if (model->surrogate) return bl_surrogate_map(model->surrogate, model, layer, out, err);
    if (!bl_config_is_bilinear(c))
        return bl_fail(
            err, BL_ERR_UNSUPPORTED,
            "%s: its MLP is %s%s%s, which is no quadratic form of its input: an interaction matrix "
            "and its eigenvectors would not describe it. info, describe, trace, export, tokenize, eval and "
            "generate work for this model; 'bilens surrogate MODEL --corpus FILE -o S.safetensors' fits the "
            "best quadratic form to its MLPs and says how much that explains; this verb then takes it as "
            "--surrogate S.safetensors",
            bl_model_name(model), c->plain ? "plain, P g(W x)" : "gated, P (g(L x) * (R x))",
            c->gate != BL_GATE_NONE ? " with g = " : "",
            c->gate != BL_GATE_NONE ? bl_gate_name(c->gate) : "");
    const bl_layer *l = bl_model_layer(model, layer);
    *out = (bl_bilinear){.name = bl_model_name(model),
                         .layer = layer,
                         .l = l->w_l,
                         .r = l->w_r,
                         .p = l->w_p,
                         .l_bias = l->b_l,
                         .r_bias = l->b_r,
                         .constant = l->b_p,
                         .normed = c->normalization};
    return true;
}

size_t bl_interaction_size(const bl_model *model) {
    const bl_config *c = bl_model_config(model);
    return c->d_model + (c->bias_w && !model->surrogate ? 1 : 0);
}

bool bl_interaction_matrix(const bl_model *model, size_t layer, const float *u, float *q, bl_error *err) {
    bl_bilinear map;
    return bl_model_bilinear(model, layer, &map, err) && bl_bilinear_matrix(&map, u, q, err);
}

bl_eigen *bl_eigen_new(const bl_model *model, size_t layer, const float *u, size_t k, bl_error *err) {
    bl_bilinear map;
    return bl_model_bilinear(model, layer, &map, err) ? bl_eigen_of(&map, u, k, err) : NULL;
}

bl_basis bl_model_basis_in(const bl_model *model) {
    bl_model_unfold(model, SIZE_MAX, NULL); /* without memory for it the basis is empty */
    return (
        bl_basis){.name = "token", .vectors = bl_model_w_e(model), .tokenizer = bl_model_tokenizer(model)};
}

bl_basis bl_model_basis_out(const bl_model *model) {
    bl_model_unfold(model, SIZE_MAX, NULL);
    return (
        bl_basis){.name = "token", .vectors = bl_model_w_u(model), .tokenizer = bl_model_tokenizer(model)};
}

size_t bl_model_n_paths(const bl_model *model) { return 1 + bl_model_config(model)->n_head; }

bl_path bl_model_path(const bl_model *model, size_t layer, size_t i) {
    const bl_config *c = bl_model_config(model);
    const bl_layer *l = bl_model_layer(model, layer);
    size_t d = c->d_model, k = l->w_v.rows / c->n_head, h = i - 1; /* k: the width of a head */
    if (i == 0) return (bl_path){.name = "direct", .scale = 1};
    bl_path path = {.scale = bl_model_attention_scale(model),
                    .out = {l->w_o.data + h * k, d, k, l->w_o.stride},
                    .in = {l->w_v.data + h * k * l->w_v.stride, k, d, l->w_v.stride}};
    snprintf(path.name, sizeof path.name, "head %zu", h);
    return path;
}

bl_path *bl_model_paths(const bl_model *model, size_t layer, bl_error *err) {
    size_t n = bl_model_n_paths(model);
    if (layer >= bl_model_config(model)->n_layer)
        return bl_fail_null(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 … %zu",
                            layer, bl_model_config(model)->n_layer - 1);
    bl_path *paths = bl_alloc(n, sizeof *paths, err);
    for (size_t i = 0; paths && i < n; i++) paths[i] = bl_model_path(model, layer, i);
    return paths;
}

bool bl_virtual_tokens(const bl_model *model, size_t layer, const float *v, float *out, bl_error *err) {
    bl_error_clear(err);
    bl_basis basis = bl_model_basis_in(model);
    bl_path *paths = bl_model_paths(model, layer, err);
    bool ok = paths && bl_readout(&basis, paths, bl_model_n_paths(model), v, out, err);
    free(paths);
    return ok;
}
