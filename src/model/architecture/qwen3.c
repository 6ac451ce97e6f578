/* Qwen 3: llama with a norm of every head of q and k (docs/specification.md, 18). */
#include "model/architecture/hugging_face.h"

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "qwen3");
}

static bool read(const bl_arch_reading *r) {
    bool bias = false;
    if (!bl_hf_read(r, false, "model.embed_tokens.weight") || !bl_hf_activation(r, "hidden_act") ||
        !bl_read_flag(r, "attention_bias", &bias))
        return false;
    r->config->bias_qkv = r->config->bias_o = bias;
    r->plan->head_norms = true;
    return bl_qwen_windows(r);
}

const bl_architecture bl_qwen3 = {
    .name = "qwen3", .recognise = recognise, .read = read, .list = bl_hf_list, .harmless = bl_hf_harmless};
