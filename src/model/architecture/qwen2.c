/* Qwen 2: llama with biases on q, k, v (docs/specification.md, 18). */
#include "model/architecture/hugging_face.h"

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "qwen2");
}

/* Windows only with use_sliding_window: layer_types, or the layers from max_window_layers on. */
bool bl_qwen_windows(const bl_arch_reading *r) {
    bool windows = false, types;
    double first = 28;
    if (!bl_read_flag(r, "use_sliding_window", &windows) || !bl_hf_layer_types(r, &types)) return false;
    if (!windows) return true;
    if (!bl_hf_window(r) || !bl_read_number(r, "max_window_layers", &first)) return false;
    for (size_t i = 0; !types && r->plan->window && i < r->config->n_layer; i++)
        if ((double)i >= first && !bl_hf_flag(r, i, BL_LAYER_WINDOW)) return false;
    return true;
}

static bool read(const bl_arch_reading *r) {
    if (!bl_hf_read(r, false, "model.embed_tokens.weight") || !bl_hf_activation(r, "hidden_act"))
        return false;
    r->config->bias_qkv = true;
    return bl_qwen_windows(r);
}

const bl_architecture bl_qwen2 = {
    .name = "qwen2", .recognise = recognise, .read = read, .list = bl_hf_list, .harmless = bl_hf_harmless};
