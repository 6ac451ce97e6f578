/* Phi-3: llama with q, k, v in one matrix and gate, up in another, a part of each head turned, and longrope
 * (docs/specification.md, 18). */
#include "model/architecture/hugging_face.h"

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "phi3");
}

static bool read(const bl_arch_reading *r) {
    if (!bl_hf_read(r, false, "model.embed_tokens.weight") || !bl_hf_activation(r, "hidden_act") ||
        !bl_hf_window(r) || !bl_hf_refuse(r, "attention_bias", true))
        return false;
    for (size_t i = 0; r->plan->window && i < r->config->n_layer; i++)
        if (!bl_hf_flag(r, i, BL_LAYER_WINDOW)) return false;
    return true;
}

static void list(bl_params *params, const bl_config *c) {
    size_t d = c->d_model, q = c->n_head * c->head_dim, kv = c->n_kv_head * c->head_dim;
#define LAYER "model.layers.%zu."
    bl_params_add(params, BL_PARAM_WTE, 0, c->n_vocab, d, "model.embed_tokens.weight", NULL);
    for (size_t i = 0; i < c->n_layer; i++) {
        bl_params_add(params, BL_PARAM_N1, i, d, 0, LAYER "input_layernorm.weight", NULL);
        bl_params_add(params, BL_PARAM_QKV, i, q + 2 * kv, d, LAYER "self_attn.qkv_proj.weight", NULL);
        bl_params_add(params, BL_PARAM_O, i, d, q, LAYER "self_attn.o_proj.weight", NULL);
        bl_params_add(params, BL_PARAM_N2, i, d, 0, LAYER "post_attention_layernorm.weight", NULL);
        bl_params_add(params, BL_PARAM_W, i, 2 * c->d_hidden, d, LAYER "mlp.gate_up_proj.weight", NULL);
        bl_params_add(params, BL_PARAM_P, i, d, c->d_hidden, LAYER "mlp.down_proj.weight", NULL);
    }
#undef LAYER
    bl_params_add(params, BL_PARAM_NF, 0, d, 0, "model.norm.weight", NULL);
    if (!c->tied) bl_params_add(params, BL_PARAM_HEAD, 0, c->n_vocab, d, "lm_head.weight", NULL);
}

const bl_architecture bl_phi3 = {
    .name = "phi3", .recognise = recognise, .read = read, .list = list, .harmless = bl_hf_harmless};
