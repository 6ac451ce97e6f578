/* What a loaded model holds. */
#ifndef BL_MODEL_MODEL_PRIVATE_H
#define BL_MODEL_MODEL_PRIVATE_H
#include "format/safetensors.h"
#include "model/params.h"

struct bl_model {
    bl_config config;
    char *name, *config_json;
    bl_tokenizer *tokenizer;
    bl_safetensors **files; /* the shards */
    size_t n_files;
    bl_params params;
    const float **raw; /* [params.n] as stored, in float32; into a map or into `owned` */
    float **owned;     /* allocations to free */
    size_t n_owned, owned_capacity;
    bl_layer *layers; /* [n_layer], folded */
    bl_view w_e, w_u;
    float *rope_cos, *rope_sin; /* [n_ctx, k/2], element j's angle at a position: position * 10000^(-2j/k) */
    float attention_scale;
};

/* Loads only what config.json and the tensors say; the tokenizer stays NULL (for tests of the numeric part).
 */
bl_model *bl_model_load_weights(const char *directory, bl_error *err);
#endif
