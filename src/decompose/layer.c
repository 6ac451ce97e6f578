/* A transformer's MLP as a bilinear map (docs/specification.md, 1 and 4): norm weights are folded into L and
 * R when the model is loaded, so its input is x after the norm. */
#include "base/error.h"
#include <bilens/decompose.h>

bool bl_model_bilinear(const bl_model *model, size_t layer, bl_bilinear *out, bl_error *err) {
    bl_error_clear(err);
    const bl_config *c = bl_model_config(model);
    if (layer >= c->n_layer)
        return bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 … %zu", layer,
                       c->n_layer - 1);
    if (!bl_config_is_bilinear(c))
        return bl_fail(
            err, BL_ERR_UNSUPPORTED,
            "%s: its MLP is %s%s%s, which is no quadratic form of its input: an interaction matrix "
            "and its eigenvectors would not "
            "describe it. info, describe, trace, export, tokenize and eval work for this model; "
            "eigen, scan and report need a bilinear MLP",
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
    return c->d_model + (c->bias_w ? 1 : 0);
}

bool bl_interaction_matrix(const bl_model *model, size_t layer, const float *u, float *q, bl_error *err) {
    bl_bilinear map;
    return bl_model_bilinear(model, layer, &map, err) && bl_bilinear_matrix(&map, u, q, err);
}

bl_eigen *bl_eigen_new(const bl_model *model, size_t layer, const float *u, size_t k, bl_error *err) {
    bl_bilinear map;
    return bl_model_bilinear(model, layer, &map, err) ? bl_eigen_of(&map, u, k, err) : NULL;
}
