/* What the ordinary architectures of the Hugging Face layout share (docs/specification.md, 18). */
#ifndef BL_MODEL_HUGGING_FACE_H
#define BL_MODEL_HUGGING_FACE_H
#include "model/architecture.h"

/* True if config.json's "model_type" is `type`. */
bool bl_hf_is(const json_t *json, const char *type);
/* Sizes, key/value heads, head width, RMS epsilon, rope, whether the output is tied (`tied`: where
 * config.json does not say), vocabulary by the rows of `embedding`. */
bool bl_hf_read(const bl_arch_reading *r, bool tied, const char *embedding);
/* The activation that `key` names into config->gate. */
bool bl_hf_activation(const bl_arch_reading *r, const char *key);
/* "rope_parameters", or "rope_theta", "rope_scaling" and the share of a head that turns, into plan->rope. */
bool bl_hf_rope(const bl_arch_reading *r);
/* One set of rope parameters: `json` holds rope_theta, rope_type, factor ...; either key may be missing. */
bool bl_hf_rope_of(const bl_arch_reading *r, const json_t *json, bl_rope_plan *rope);
/* "sliding_window" into plan->window; 0 where it is null. */
bool bl_hf_window(const bl_arch_reading *r);
/* "layer_types" into plan->layers: BL_LAYER_WINDOW for "sliding_attention". Without the key false in
 * *found. */
bool bl_hf_layer_types(const bl_arch_reading *r, bool *found);
/* Sets flags of a layer; layers beyond those that may differ are an error. */
bool bl_hf_flag(const bl_arch_reading *r, size_t layer, unsigned flags);
/* qwen2.c: the windows of Qwen 2 and 3. */
bool bl_qwen_windows(const bl_arch_reading *r);
/* gemma.c, gemma2.c: what the younger Gemmas share with them; the caps are those where config.json names
 * none. */
bool bl_gemma_read(const bl_arch_reading *r);
bool bl_gemma2_read(const bl_arch_reading *r, double score_cap, double logit_cap);
/* `key`, a flag, into *out, refusing the value `refused` by its name. */
bool bl_hf_refuse(const bl_arch_reading *r, const char *key, bool refused);

/* The table of llama and its descendants: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj,
 * with what the config and its plan have of biases, head norms and post norms. */
void bl_hf_list(bl_params *params, const bl_config *config);
/* lm_head.weight of a tied model, rotary tables and attention masks that are no parameters. */
bool bl_hf_harmless(const bl_config *config, const char *name);
#endif
