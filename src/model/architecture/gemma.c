/* Gemma: llama with norms 1 + w, an embedding times sqrt(d), and the tanh form of gelu
 * (docs/specification.md, 18). */
#include "model/architecture/hugging_face.h"
#include <math.h>

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "gemma");
}

bool bl_gemma_read(const bl_arch_reading *r) {
    bool bias = false;
    if (!r->config->head_dim) r->config->head_dim = 256; /* the library's default */
    if (!bl_hf_read(r, true, "model.embed_tokens.weight") || !bl_read_flag(r, "attention_bias", &bias))
        return false;
    r->config->bias_qkv = r->config->bias_o = bias;
    r->config->gate = BL_GATE_GELU_TANH; /* whatever hidden_act says: "gelu" is a legacy name of it */
    r->plan->norm_offset = 1.0F;
    r->plan->embedding_scale = sqrtf((float)r->config->d_model);
    return true;
}

const bl_architecture bl_gemma = {.name = "gemma",
                                  .recognise = recognise,
                                  .read = bl_gemma_read,
                                  .list = bl_hf_list,
                                  .harmless = bl_hf_harmless};
