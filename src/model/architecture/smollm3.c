/* SmolLM3: llama without rotary embedding in every fourth layer (docs/specification.md, 18). */
#include "base/error.h"
#include "model/architecture/hugging_face.h"

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "smollm3");
}

/* no_rope_layers[i] is 0 where layer i does NOT turn; without it every no_rope_layer_interval-th. */
static bool read_layers(const bl_arch_reading *r) {
    const json_t *list = json_object_get(r->json, "no_rope_layers");
    size_t every = 4, n = r->config->n_layer;
    if (!bl_read_size(r, "no_rope_layer_interval", false, &every)) return false;
    bool given = list && !json_is_null(list);
    if (given && json_array_size(list) != n)
        return bl_fail(r->err, BL_ERR_INPUT,
                       "%s: \"no_rope_layers\" must be a list of %zu numbers, one per layer", r->path, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = given ? json_array_get(list, i) : NULL;
        if (given && !json_is_integer(entry))
            return bl_fail(r->err, BL_ERR_INPUT, "%s: \"no_rope_layers\": entry %zu is no integer", r->path,
                           i);
        bool turns = given ? json_integer_value(entry) != 0 : (i + 1) % every != 0;
        if (!turns && !bl_hf_flag(r, i, BL_LAYER_NO_ROPE)) return false;
    }
    return true;
}

static bool read(const bl_arch_reading *r) {
    bl_config *c = r->config;
    bool bias = false, mlp_bias = false, windows = false, types;
    if (!bl_hf_read(r, true, "model.embed_tokens.weight") || !bl_hf_activation(r, "hidden_act") ||
        !bl_read_flag(r, "attention_bias", &bias) || !bl_read_flag(r, "mlp_bias", &mlp_bias) ||
        !bl_read_flag(r, "use_sliding_window", &windows) || !read_layers(r) || !bl_hf_layer_types(r, &types))
        return false;
    c->bias_qkv = c->bias_o = bias;
    c->bias_w = c->bias_p = mlp_bias;
    return !windows || bl_hf_window(r);
}

const bl_architecture bl_smollm3 = {
    .name = "smollm3", .recognise = recognise, .read = read, .list = bl_hf_list, .harmless = bl_hf_harmless};
