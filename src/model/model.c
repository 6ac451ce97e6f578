/* What a loaded model tells about itself. */
#include "base/memory.h"
#include "model/model_private.h"
#include <string.h>

const bl_config *bl_model_config(const bl_model *model) { return &model->config; }
const bl_tokenizer *bl_model_tokenizer(const bl_model *model) { return model->tokenizer; }
const char *bl_model_name(const bl_model *model) { return model->name; }
const char *bl_model_config_json(const bl_model *model) { return model->config_json; }
bl_view bl_model_w_e(const bl_model *model) { return model->w_e; }
bl_view bl_model_w_u(const bl_model *model) { return model->w_u; }
const bl_layer *bl_model_layer(const bl_model *model, size_t layer) { return &model->layers[layer]; }
float bl_model_score_scale(const bl_model *model) { return model->plan.score_scale; }
size_t bl_model_n_warnings(const bl_model *model) { return model->n_warnings; }
const char *bl_model_warning(const bl_model *model, size_t i) { return model->warnings[i]; }
float bl_model_attention_scale(const bl_model *model) { return model->attention_scale; }

uint64_t bl_model_parameters(const bl_model *model) {
    uint64_t n = 0;
    for (size_t i = 0; i < model->params.n; i++) n += model->params.list[i].count;
    return n;
}

size_t bl_model_n_tensors(const bl_model *model) { return model->weights.n; }

bl_tensor_info bl_model_tensor_info(const bl_model *model, size_t i) {
    const bl_weight *weight = &model->weights.list[i];
    bl_tensor_info info = {.name = weight->name, .dtype = weight->type_name, .n_dims = weight->n_dims};
    memcpy(info.shape, weight->shape, sizeof info.shape);
    return info;
}

const char *bl_gate_name(bl_gate gate) {
    static const char *const names[] = {"none", "relu", "silu", "gelu", "gelu_tanh"};
    return names[gate];
}

bool bl_config_is_bilinear(const bl_config *config) { return !config->plain && config->gate == BL_GATE_NONE; }

bool *bl_model_words(const bl_model *model, bl_error *err) {
    size_t V = model->config.n_vocab;
    bool *words = bl_alloc(V, sizeof *words, err);
    for (size_t t = 0; words && t < V; t++)
        words[t] = !model->tokenizer || bl_tokenizer_token(model->tokenizer, (int32_t)t) != NULL;
    return words;
}
