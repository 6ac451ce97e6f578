/* Llama (docs/specification.md, 18). */
#include "model/architecture/hugging_face.h"

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "llama");
}

static bool read(const bl_arch_reading *r) {
    bl_config *c = r->config;
    bool bias = false, mlp_bias = false;
    if (!bl_hf_read(r, false, "model.embed_tokens.weight") || !bl_hf_activation(r, "hidden_act") ||
        !bl_read_flag(r, "attention_bias", &bias) || !bl_read_flag(r, "mlp_bias", &mlp_bias))
        return false;
    c->bias_qkv = c->bias_o = bias;
    c->bias_w = c->bias_p = mlp_bias;
    return true;
}

const bl_architecture bl_llama = {
    .name = "llama", .recognise = recognise, .read = read, .list = bl_hf_list, .harmless = bl_hf_harmless};
