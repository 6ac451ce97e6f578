/* What the three generations of bilens's own checkpoints share (docs/specification.md, 1 and 2). */
#ifndef BL_MODEL_BILINEAR_H
#define BL_MODEL_BILINEAR_H
#include "model/architecture.h"

/* True for a directory that is one of the three at all. */
bool bl_bilinear_recognise(const json_t *json, const bl_weights *weights);
/* Sizes and noise, and that every key is known: honoured (`keys`, NULL at the end), or harmless. */
bool bl_bilinear_read(const bl_arch_reading *r, const char *const *keys);
/* Whether a key of config.json says nothing about what any model computes: names, training, the transformers
 * library's defaults. */
bool bl_key_is_harmless(const char *key);
/* What config.json says about biases must be what the tensors say. `claim`: 1 yes, 0 no, -1 nothing. */
bool bl_bilinear_claim(const bl_arch_reading *r, int claim, const char *key, bool present,
                       const char *tensor);
/* -1 where the key is absent or null. */
bool bl_bilinear_flag(const bl_arch_reading *r, const char *key, int *out);
/* The table; `output` is the MLP's output, "mlp.o" or "mlp.p"; `short_norms`: norms may also be named
 * "n1.weight". */
void bl_bilinear_list(bl_params *params, const bl_config *config, const char *output, bool short_norms);
/* Rotary tables that the authors' modules keep: recomputed, never trusted. */
bool bl_bilinear_harmless(const bl_config *config, const char *name);
#endif
