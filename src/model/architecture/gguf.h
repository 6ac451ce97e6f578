/* GGUF files as the Hugging Face layout (docs/specification.md, 18): their keys as a config.json, their
 * tensors by the names that the same model has in safetensors. So an architecture is read in one way only. */
#ifndef BL_MODEL_ARCHITECTURE_GGUF_H
#define BL_MODEL_ARCHITECTURE_GGUF_H
#include "format/gguf.h"
#include "model/params.h"
#include "model/plan.h"
#include <jansson.h>

/* The config.json that says what the keys say; the caller drops the reference. NULL with an error that names
 * the key: BL_ERR_UNSUPPORTED for an architecture, a rope scaling or experts that bilens does not run. */
json_t *bl_gguf_config(const bl_gguf *file, bl_error *err);
/* The name of a tensor in the Hugging Face layout, into out [room]. A name that is not in the table stays as
 * it is. */
void bl_gguf_rename(const bl_gguf *file, const char *name, char *out, size_t room);
/* What config.json cannot say: rotary pairs, norm weights with their offset in them, rope_freqs.weight.
 * `plan` and `config` have been read from bl_gguf_config. */
bool bl_gguf_plan(const bl_gguf *file, bl_plan *plan, bl_error *err);
/* How the matrices lie in a GGUF file: always [out, in]; q and k as the plan says. */
void bl_gguf_layouts(bl_params *params, const bl_plan *plan);
#endif
