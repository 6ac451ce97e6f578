/* Loading a checkpoint (docs/specification.md, 2): which tensors are the model's, which architecture they
 * are, and its tokenizer. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <bilens/blas.h>
#include "format/json.h"
#include "format/kind.h"
#include "model/architecture.h"
#include "model/architecture/gguf.h"
#include "model/model_private.h"
#include "text/tokenizer/gguf_tokenizer.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_LIMIT ((size_t)1 << 20)

/* The settings that `json` names, a config.json that was read from `path` or made of a GGUF file's keys. */
static bool read_settings(bl_model *model, const json_t *json, const char *path, bl_error *err) {
    bl_config *config = &model->config;
    config->architecture = bl_architecture_of(json, path, &model->weights, err);
    if (!config->architecture) return false;
    bl_arch_reading reading = {json, path, &model->weights, config, &model->plan, err};
    if (!config->architecture->read(&reading)) return false;
    if (config->n_layer > model->weights.n) /* before a table of that size is made */
        return bl_fail(err, BL_ERR_INPUT, "%s: \"%s\" is %zu, but only %zu tensors are stored", path,
                       config->architecture->generation ? "n_layer" : "num_hidden_layers", config->n_layer,
                       model->weights.n);
    bl_config_settle(config);
    if (config->architecture->generation) bl_plan_defaults(&model->plan, config);
    config->plan = &model->plan;
    return true;
}

static bool read_config(bl_model *model, const char *directory, bl_error *err) {
    char *path = bl_path_join(directory, "config.json", err);
    size_t size;
    if (!path) return false;
    model->config_json = bl_file_read(path, CONFIG_LIMIT, &size, err);
    json_t *json = model->config_json ? bl_json_parse(model->config_json, size, path, err) : NULL;
    bool ok = json && read_settings(model, json, path, err);
    json_decref(json);
    free(path);
    return ok;
}

static bool read_gguf(bl_model *model, const char *path, bl_error *err) {
    if (!bl_weights_open_gguf(&model->weights, path, err)) return false;
    const bl_gguf *file = model->weights.gguf;
    json_t *json = bl_gguf_config(file, err);
    model->config_json = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    if (json && !model->config_json) bl_fail(err, BL_ERR_MEMORY, "%s: out of memory", path);
    bool ok =
        model->config_json && read_settings(model, json, path, err) && bl_gguf_plan(file, &model->plan, err);
    json_decref(json);
    return ok;
}

/* Whether `path` is one of the files of a model's directory. */
static bool is_part(const char *path) {
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    bool part = strstr(name, ".safetensors") || strcmp(name, "config.json") == 0 ||
                strcmp(name, "tokenizer.json") == 0;
    return part && bl_file_exists(path) && !bl_is_directory(path);
}

/* `path` is no directory and no GGUF file. */
static bool fail_no_directory(const char *path, bl_error *err) {
    if (access(path, R_OK) != 0 && errno != ENOENT && errno != ENOTDIR)
        return bl_fail(err, BL_ERR_INPUT, "%s: cannot open: %s", path, strerror(errno));
    if (is_part(path))
        return bl_fail(err, BL_ERR_INPUT, "%s: is a part of a model: name the directory that holds it", path);
    return bl_fail(err, BL_ERR_INPUT,
                   "%s: no such model directory (it must hold config.json, model.safetensors and "
                   "tokenizer.json), and not a GGUF file",
                   path);
}

bl_model *bl_model_load_weights(const char *directory, bl_error *err) {
    if (!bl_blas_check(err)) return NULL;
    bl_error_clear(err);
    bl_model *model = bl_alloc_zero(1, sizeof *model, err);
    if (!model) return NULL;
    model->name = bl_strdup(directory, err);
    if (!model->name) goto fail;
    if (bl_gguf_is(directory)) {
        if (read_gguf(model, directory, err) && bl_model_build(model, err)) return model;
        goto fail;
    }
    if (!bl_is_directory(directory)) {
        if (is_part(directory) || bl_kind_unknown_file(directory, "a GGUF file", err))
            fail_no_directory(directory, err);
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
    const bl_gguf *file = model->weights.gguf;
    char *path = file ? bl_strdup(directory, err) : bl_path_join(directory, "tokenizer.json", err);
    bool none = path && (file ? !bl_gguf_has(file, "tokenizer.ggml.model") : !bl_file_exists(path));
    if (path && !none) /* without one no text can be read, and tokens are called "#12" */
        model->tokenizer = file ? bl_gguf_tokenizer(file, path, err) : bl_tokenizer_load(path, err);
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
    bl_rotary_free(&model->rotary);
    free(model->blocks);
    free(model->layers);
    free(model->name);
    free(model->config_json);
    free(model);
}
