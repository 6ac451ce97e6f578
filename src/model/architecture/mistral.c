/* Mistral: llama with a sliding window in every layer (docs/specification.md, 18). */
#include "model/architecture/hugging_face.h"

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "mistral");
}

static bool read(const bl_arch_reading *r) {
    if (!bl_hf_read(r, false, "model.embed_tokens.weight") || !bl_hf_activation(r, "hidden_act") ||
        !bl_hf_window(r))
        return false;
    for (size_t i = 0; r->plan->window && i < r->config->n_layer; i++)
        if (!bl_hf_flag(r, i, BL_LAYER_WINDOW)) return false;
    return true;
}

const bl_architecture bl_mistral = {
    .name = "mistral", .recognise = recognise, .read = read, .list = bl_hf_list, .harmless = bl_hf_harmless};
