/* Gemma 2: Gemma with norms behind attention and MLP, caps, and a window in every other layer
 * (docs/specification.md, 18). */
#include "base/error.h"
#include "model/architecture/hugging_face.h"
#include <math.h>

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "gemma2");
}

bool bl_gemma2_read(const bl_arch_reading *r, double score_cap, double logit_cap) {
    double scalar = 256;
    if (!bl_gemma_read(r)) return false;
    if (!bl_read_number(r, "query_pre_attn_scalar", &scalar) ||
        !bl_read_number(r, "attn_logit_softcapping", &score_cap) ||
        !bl_read_number(r, "final_logit_softcapping", &logit_cap) ||
        !bl_hf_activation(r, "hidden_activation") || !bl_hf_window(r))
        return false;
    if (!(scalar > 0) || !(score_cap >= 0) || !(logit_cap >= 0))
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"%s\" must be positive, found %g", r->path,
                       !(scalar > 0)       ? "query_pre_attn_scalar"
                       : !(score_cap >= 0) ? "attn_logit_softcapping"
                                           : "final_logit_softcapping",
                       !(scalar > 0) ? scalar : fmin(score_cap, logit_cap));
    r->plan->post_norms = true;
    r->plan->score_scale = (float)(1 / sqrt(scalar));
    r->plan->score_cap = (float)score_cap;
    r->plan->logit_cap = (float)logit_cap;
    return true;
}

static bool has(const bl_arch_reading *r, const char *key) {
    const json_t *value = json_object_get(r->json, key);
    return value != NULL;
}

static bool read(const bl_arch_reading *r) {
    bool types;
    /* The library's defaults, where a key is absent; null means none. */
    if (!bl_gemma2_read(r, has(r, "attn_logit_softcapping") ? 0 : 50,
                        has(r, "final_logit_softcapping") ? 0 : 30) ||
        !bl_hf_layer_types(r, &types))
        return false;
    if (!has(r, "sliding_window")) r->plan->window = 4096;
    for (size_t i = 0; !types && r->plan->window && i < r->config->n_layer; i += 2)
        if (!bl_hf_flag(r, i, BL_LAYER_WINDOW)) return false;
    return true;
}

const bl_architecture bl_gemma2 = {
    .name = "gemma2", .recognise = recognise, .read = read, .list = bl_hf_list, .harmless = bl_hf_harmless};
