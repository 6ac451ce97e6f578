/* What a loaded model tells about itself. */
#include "model/model_private.h"

const bl_config *bl_model_config(const bl_model *model) { return &model->config; }
const bl_tokenizer *bl_model_tokenizer(const bl_model *model) { return model->tokenizer; }
const char *bl_model_name(const bl_model *model) { return model->name; }
const char *bl_model_config_json(const bl_model *model) { return model->config_json; }
bl_view bl_model_w_e(const bl_model *model) { return model->w_e; }
bl_view bl_model_w_u(const bl_model *model) { return model->w_u; }
const bl_layer *bl_model_layer(const bl_model *model, size_t layer) { return &model->layers[layer]; }
float bl_model_attention_scale(const bl_model *model) { return model->attention_scale; }

uint64_t bl_model_parameters(const bl_model *model) {
    uint64_t n = 0;
    for (size_t i = 0; i < model->params.n; i++) n += model->params.list[i].count;
    return n;
}

size_t bl_model_n_tensors(const bl_model *model) {
    size_t n = 0;
    for (size_t i = 0; i < model->n_files; i++) n += model->files[i]->n;
    return n;
}

bl_tensor_info bl_model_tensor_info(const bl_model *model, size_t i) {
    size_t f = 0;
    while (i >= model->files[f]->n) i -= model->files[f++]->n;
    const bl_stored_tensor *tensor = &model->files[f]->tensors[i];
    return (bl_tensor_info){tensor->name,
                            tensor->dtype_name,
                            tensor->n_dims,
                            {tensor->shape[0], tensor->shape[1]}};
}
