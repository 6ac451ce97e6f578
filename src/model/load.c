/* Loading a checkpoint (docs/specification.md, 2): which tensors are the model's, which architecture they
 * are, and its tokenizer. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "model/architecture.h"
#include "model/model_private.h"
#include <stdlib.h>
#include <string.h>

#define CONFIG_LIMIT ((size_t)1 << 20)

static bool read_config(bl_model *model, const char *directory, bl_error *err) {
    char *path = bl_path_join(directory, "config.json", err);
    json_t *json = NULL;
    bool ok = false;
    if (!path) return false;
    size_t size;
    bl_config *config = &model->config;
    model->config_json = bl_file_read(path, CONFIG_LIMIT, &size, err);
    if (!model->config_json) goto done;
    json = bl_json_parse(model->config_json, size, path, err);
    if (!json || !(config->architecture = bl_architecture_of(json, path, &model->weights, err))) goto done;
    bl_arch_reading reading = {json, path, &model->weights, config, &model->plan, err};
    if (!config->architecture->read(&reading)) goto done;
    if (config->n_layer > model->weights.n) { /* before a table of that size is made */
        bl_fail(err, BL_ERR_INPUT, "%s: \"%s\" is %zu, but only %zu tensors are stored", path,
                config->architecture->generation ? "n_layer" : "num_hidden_layers", config->n_layer,
                model->weights.n);
        goto done;
    }
    bl_config_settle(config);
    if (config->architecture->generation) bl_plan_defaults(&model->plan, config);
    config->plan = &model->plan;
    ok = true;
done:
    json_decref(json);
    free(path);
    return ok;
}

bl_model *bl_model_load_weights(const char *directory, bl_error *err) {
    bl_error_clear(err);
    bl_model *model = bl_alloc_zero(1, sizeof *model, err);
    if (!model) return NULL;
    model->name = bl_strdup(directory, err);
    if (!model->name) goto fail;
    if (!bl_is_directory(directory)) {
        bl_fail(
            err, BL_ERR_INPUT,
            "%s: no such model directory (it must hold config.json, model.safetensors and tokenizer.json)",
            directory);
        goto fail;
    }
    if (bl_weights_open(&model->weights, directory, model->name, err) && read_config(model, directory, err) &&
        bl_model_build(model, err))
        return model;
fail:
    bl_model_free(model);
    return NULL;
}

bl_model *bl_model_load(const char *directory, bl_error *err) {
    bl_model *model = bl_model_load_weights(directory, err);
    if (!model) return NULL;
    char *path = bl_path_join(directory, "tokenizer.json", err);
    bool none = path && !bl_file_exists(path); /* then no text can be read, and tokens are called "#12" */
    if (path && !none) model->tokenizer = bl_tokenizer_load(path, err);
    if (model->tokenizer && bl_tokenizer_size(model->tokenizer) > model->config.n_vocab) {
        bl_fail(err, BL_ERR_INPUT, "%s: has ids up to %zu, but the model's vocabulary has only %zu rows",
                path, bl_tokenizer_size(model->tokenizer) - 1, model->config.n_vocab);
        bl_tokenizer_free(model->tokenizer);
        model->tokenizer = NULL;
    }
    free(path);
    if (model->tokenizer || none) return model;
    bl_model_free(model);
    return NULL;
}

bl_model *bl_model_load_as(const char *directory, const char *name, bl_error *err) {
    bl_model *model = bl_model_load(directory, err);
    char *copy = model ? bl_strdup(name, err) : NULL;
    if (copy) {
        free(model->name);
        model->name = copy;
        return model;
    }
    bl_model_free(model);
    return NULL;
}

void bl_model_free(bl_model *model) {
    if (!model) return;
    for (size_t i = 0; i < model->n_owned; i++) free(model->owned[i]);
    for (size_t i = 0; i < model->n_warnings; i++) free(model->warnings[i]);
    bl_weights_free(&model->weights);
    bl_tokenizer_free(model->tokenizer);
    bl_params_free(&model->params);
    free(model->owned);
    free(model->stored);
    free(model->raw);
    free(model->warnings);
    free(model->rope_cos);
    free(model->rope_sin);
    free(model->blocks);
    free(model->layers);
    free(model->name);
    free(model->config_json);
    free(model);
}
