/* GPT-NeoX (Pythia): LayerNorm, biases, a plain MLP beside attention rather than behind it, rotary embedding
 * of a part of each head, q, k, v of a head side by side (docs/specification.md, 18). */
#include "model/architecture/hugging_face.h"
#include <string.h>

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "gpt_neox");
}

static bool read(const bl_arch_reading *r) {
    bl_config *c = r->config;
    bool bias = true, parallel = true;
    if (!bl_hf_read(r, false, "gpt_neox.embed_in.weight") || !bl_hf_activation(r, "hidden_act") ||
        !bl_read_flag(r, "attention_bias", &bias) || !bl_read_flag(r, "use_parallel_residual", &parallel))
        return false;
    if (!json_object_get(r->json, "layer_norm_eps")) r->plan->epsilon = 1e-5F;
    if (!json_object_get(r->json, "rotary_pct") && !json_object_get(r->json, "rope_parameters"))
        r->plan->rope.rotated = c->head_dim / 4;
    c->plain = c->bias_w = c->bias_p = true;
    c->bias_qkv = c->bias_o = bias;
    r->plan->layer_norm = r->plan->norm_bias = true;
    r->plan->parallel = parallel;
    return true;
}

static void list(bl_params *params, const bl_config *c) {
    size_t d = c->d_model, h = c->d_hidden, q = c->n_head * c->head_dim;
#define LAYER "gpt_neox.layers.%zu."
    bl_params_add(params, BL_PARAM_WTE, 0, c->n_vocab, d, "gpt_neox.embed_in.weight", NULL);
    for (size_t i = 0; i < c->n_layer; i++) {
        bl_params_add(params, BL_PARAM_N1, i, d, 0, LAYER "input_layernorm.weight", NULL);
        bl_params_add(params, BL_PARAM_N1_BIAS, i, d, 0, LAYER "input_layernorm.bias", NULL);
        bl_params_add(params, BL_PARAM_N2, i, d, 0, LAYER "post_attention_layernorm.weight", NULL);
        bl_params_add(params, BL_PARAM_N2_BIAS, i, d, 0, LAYER "post_attention_layernorm.bias", NULL);
        bl_params_add(params, BL_PARAM_QKV, i, 3 * q, d, LAYER "attention.query_key_value.weight", NULL)
            ->layout = BL_LAYOUT_HEADS;
        if (c->bias_qkv)
            bl_params_add(params, BL_PARAM_QKV_BIAS, i, 3 * q, 0, LAYER "attention.query_key_value.bias",
                          NULL)
                ->layout = BL_LAYOUT_HEADS;
        bl_params_add(params, BL_PARAM_O, i, d, q, LAYER "attention.dense.weight", NULL);
        if (c->bias_o) bl_params_add(params, BL_PARAM_O_BIAS, i, d, 0, LAYER "attention.dense.bias", NULL);
        bl_params_add(params, BL_PARAM_W, i, h, d, LAYER "mlp.dense_h_to_4h.weight", NULL);
        bl_params_add(params, BL_PARAM_W_BIAS, i, h, 0, LAYER "mlp.dense_h_to_4h.bias", NULL);
        bl_params_add(params, BL_PARAM_P, i, d, h, LAYER "mlp.dense_4h_to_h.weight", NULL);
        bl_params_add(params, BL_PARAM_P_BIAS, i, d, 0, LAYER "mlp.dense_4h_to_h.bias", NULL);
    }
#undef LAYER
    bl_params_add(params, BL_PARAM_NF, 0, d, 0, "gpt_neox.final_layer_norm.weight", NULL);
    bl_params_add(params, BL_PARAM_NF_BIAS, 0, d, 0, "gpt_neox.final_layer_norm.bias", NULL);
    if (!c->tied)
        bl_params_add(params, BL_PARAM_HEAD, 0, c->n_vocab, d, "embed_out.weight", "lm_head.weight");
}

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static bool harmless(const bl_config *c, const char *name) {
    return ends_with(name, ".attention.bias") || ends_with(name, ".attention.masked_bias") ||
           ends_with(name, ".rotary_emb.inv_freq") || (c->tied && strcmp(name, "embed_out.weight") == 0) ||
           (c->tied && strcmp(name, "lm_head.weight") == 0);
}

const bl_architecture bl_gpt_neox = {
    .name = "gpt_neox", .recognise = recognise, .read = read, .list = list, .harmless = harmless};
