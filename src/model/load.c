/* Loading a checkpoint (docs/specification.md, 2): find the tensors, check every name and shape against the
 * parameter table, fold the norms.
 *
 * Folding (docs/specification.md, 4): N(x) = x / rms(x) * weight feeds only matrices, so that M N(x) =
 * (M diag(weight)) (x / rms(x)): n1 goes into qkv, n2 into L and R, n_f into W_U, and every norm that is left
 * has no weight. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "model/config.h"
#include "model/model_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_LIMIT ((size_t)1 << 20)
#define INDEX_LIMIT ((size_t)64 << 20)

static float *own(bl_model *model, size_t count, bl_error *err) {
    if (!bl_grow(&model->owned, &model->owned_capacity, model->n_owned + 1, sizeof *model->owned, err))
        return NULL;
    float *data = bl_alloc(count, sizeof *data, err);
    if (data) model->owned[model->n_owned++] = data;
    return data;
}

static bool add_file(bl_model *model, const char *directory, const char *name, bl_error *err) {
    char *path = bl_path_join(directory, name, err);
    if (!path) return false;
    bl_safetensors *file = bl_safetensors_open(path, err);
    free(path);
    if (!file) return false;
    model->files[model->n_files++] = file;
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The shards that model.safetensors.index.json names. */
static bool open_shards(bl_model *model, const char *directory, const char *index_path, bl_error *err) {
    json_t *index = bl_json_read(index_path, INDEX_LIMIT, err);
    if (!index) return false;
    json_t *map = json_object_get(index, "weight_map"), *value;
    const char *key, **names = NULL;
    size_t n = 0;
    bool ok = false;
    if (!json_is_object(map) || json_object_size(map) == 0) {
        bl_fail(err, BL_ERR_INPUT, "%s: \"weight_map\" is missing, empty or no object", index_path);
        goto done;
    }
    names = bl_alloc(json_object_size(map), sizeof *names, err);
    if (!names) goto done;
    json_object_foreach(map, key, value) {
        const char *name = json_string_value(value);
        if (!name || !*name || strchr(name, '/')) {
            bl_fail(err, BL_ERR_INPUT, "%s: \"weight_map\": '%s' must name a file of the same folder",
                    index_path, key);
            goto done;
        }
        names[n++] = name;
    }
    qsort(names, n, sizeof *names, by_name);
    model->files = bl_alloc_zero(n, sizeof *model->files, err);
    if (!model->files) goto done;
    for (size_t i = 0; i < n; i++)
        if ((i == 0 || strcmp(names[i], names[i - 1]) != 0) && !add_file(model, directory, names[i], err))
            goto done;
    ok = true;
done:
    free(names);
    json_decref(index);
    return ok;
}

static bool open_files(bl_model *model, const char *directory, bl_error *err) {
    char *index = bl_path_join(directory, "model.safetensors.index.json", err);
    if (!index) return false;
    bool ok;
    if (bl_file_exists(index)) {
        ok = open_shards(model, directory, index, err);
    } else {
        model->files = bl_alloc_zero(1, sizeof *model->files, err);
        ok = model->files && add_file(model, directory, "model.safetensors", err);
    }
    free(index);
    return ok;
}

static const bl_stored_tensor *find(const bl_model *model, const char *name) {
    for (size_t i = 0; i < model->n_files && *name; i++) {
        const bl_stored_tensor *tensor = bl_safetensors_find(model->files[i], name);
        if (tensor) return tensor;
    }
    return NULL;
}

/* True if any stored tensor's name contains `part`. */
static bool any_named(const bl_model *model, const char *part) {
    for (size_t i = 0; i < bl_model_n_tensors(model); i++)
        if (strstr(bl_model_tensor_info(model, i).name, part)) return true;
    return false;
}

static bool check_claim(const bl_model *model, bl_claim claim, bool present, const char *key,
                        const char *tensor, bl_error *err) {
    if (claim == BL_CLAIM_NOTHING || (claim == BL_CLAIM_YES) == present) return true;
    return bl_fail(err, BL_ERR_INPUT,
                   "%s/config.json: \"%s\" says that there %s biases, but the tensors %s are %s", model->name,
                   key, claim == BL_CLAIM_YES ? "are" : "are no", tensor, present ? "present" : "missing");
}

static bool read_config(bl_model *model, const char *directory, bl_error *err) {
    char *path = bl_path_join(directory, "config.json", err);
    json_t *json = NULL;
    bool ok = false;
    if (!path) return false;
    size_t size;
    model->config_json = bl_file_read(path, CONFIG_LIMIT, &size, err);
    if (!model->config_json) goto done;
    json = bl_json_parse(model->config_json, size, path, err);
    if (!json) goto done;
    bl_config *config = &model->config;
    bl_config_claims claims;
    bool later = any_named(model, ".mlp.p.");
    if (!bl_config_read(json, path, later, config, &claims, err)) goto done;
    if (config->n_layer > bl_model_n_tensors(model)) { /* before a table of that size is made */
        bl_fail(err, BL_ERR_INPUT, "%s: \"n_layer\" is %zu, but only %zu tensors are stored", path,
                config->n_layer, bl_model_n_tensors(model));
        goto done;
    }
    config->bias_w = any_named(model, ".mlp.w.bias");
    config->bias_p = any_named(model, later ? ".mlp.p.bias" : ".mlp.o.bias");
    config->norm_weights = config->normalization && config->generation != BL_GENERATION_LATER &&
                           any_named(model, "transformer.n_f.");
    config->tied = find(model, "lm_head.weight") == NULL;
    if (!check_claim(model, claims.bias_w, config->bias_w, claims.bias_key, "mlp.w.bias", err) ||
        !check_claim(model, claims.bias_p, config->bias_p, claims.bias_key,
                     later ? "mlp.p.bias" : "mlp.o.bias", err))
        goto done;
    const bl_stored_tensor *wte = find(model, "transformer.wte.weight");
    size_t rows = wte && wte->n_dims == 2 ? wte->shape[0] : 0;
    if (rows && config->n_vocab && rows != config->n_vocab) {
        bl_fail(err, BL_ERR_INPUT, "%s: \"n_vocab\" is %zu, but transformer.wte.weight has %zu rows", path,
                config->n_vocab, rows);
        goto done;
    }
    if (rows) config->n_vocab = rows; /* a missing wte is found by the parameter table */
    ok = true;
done:
    json_decref(json);
    free(path);
    return ok;
}

static const char *shape_text(const bl_stored_tensor *tensor, char text[64]) {
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < tensor->n_dims && n < 48; i++)
        n += (size_t)snprintf(text + n, 64 - n, "%s%zu", i ? ", " : "", tensor->shape[i]);
    return text;
}

static bool read_param(bl_model *model, size_t i, bl_error *err) {
    const bl_param *param = &model->params.list[i];
    const bl_stored_tensor *tensor = find(model, param->name);
    char text[64];
    if (!tensor) tensor = find(model, param->other_name);
    if (!tensor) return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s' is missing", model->name, param->name);
    bool same = tensor->n_dims == param->n_dims && tensor->shape[0] == param->rows &&
                (param->n_dims == 1 || tensor->shape[1] == param->cols);
    if (!same && param->n_dims == 1)
        return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s' has shape [%s], expected [%zu] from config.json",
                       model->name, tensor->name, shape_text(tensor, text), param->rows);
    if (!same)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: tensor '%s' has shape [%s], expected [%zu, %zu] from config.json", model->name,
                       tensor->name, shape_text(tensor, text), param->rows, param->cols);
    if (!tensor->type || tensor->type == &bl_type_u8)
        return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s' has dtype %s, expected F32, F16, BF16 or F64",
                       model->name, tensor->name, tensor->dtype_name);
    model->raw[i] = bl_stored_tensor_view(tensor);
    if (model->raw[i]) return true;
    float *data = own(model, param->count, err);
    if (!data) return false;
    bl_stored_tensor_read(tensor, data);
    model->raw[i] = data;
    return true;
}

/* transformer.h.{i}.attn.rotary.inv_freq of a layer that exists. */
static bool is_rotary_table(const bl_model *model, const char *name) {
    static const char prefix[] = "transformer.h.";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return false;
    char *end;
    const char *digits = name + sizeof prefix - 1;
    unsigned long layer = strtoul(digits, &end, 10);
    return *digits >= '0' && *digits <= '9' && layer < model->config.n_layer &&
           strcmp(end, ".attn.rotary.inv_freq") == 0;
}

/* Every stored tensor is in the table, or a rotary table (recomputed, never trusted). */
static bool check_no_strangers(const bl_model *model, bl_error *err) {
    for (size_t i = 0; i < bl_model_n_tensors(model); i++) {
        const char *name = bl_model_tensor_info(model, i).name;
        bool known = is_rotary_table(model, name);
        for (size_t j = 0; j < model->params.n && !known; j++)
            known = strcmp(name, model->params.list[j].name) == 0 ||
                    strcmp(name, model->params.list[j].other_name) == 0;
        if (!known)
            return bl_fail(err, BL_ERR_INPUT,
                           "%s: tensor '%s' is not part of the model that config.json describes", model->name,
                           name);
    }
    for (size_t f = 1; f < model->n_files; f++)
        for (size_t i = 0; i < model->files[f]->n; i++)
            for (size_t g = 0; g < f; g++)
                if (bl_safetensors_find(model->files[g], model->files[f]->tensors[i].name))
                    return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s' is in two shards", model->name,
                                   model->files[f]->tensors[i].name);
    return true;
}

static const float *raw(const bl_model *model, bl_param_kind kind, size_t layer) {
    size_t i = bl_params_find(&model->params, kind, layer);
    return i < model->params.n ? model->raw[i] : NULL;
}

/* matrix [rows, d] times diag(weight); the matrix itself when there is no weight. */
static const float *fold(bl_model *model, const float *matrix, size_t rows, const float *weight,
                         bl_error *err) {
    size_t d = model->config.d_model;
    if (!weight) return matrix;
    float *out = own(model, rows * d, err);
    for (size_t r = 0; out && r < rows; r++)
        for (size_t c = 0; c < d; c++) out[r * d + c] = matrix[r * d + c] * weight[c];
    return out;
}

static bool fold_layer(bl_model *model, size_t i, bl_error *err) {
    const bl_config *c = &model->config;
    size_t d = c->d_model, h = c->d_hidden;
    bl_layer *layer = &model->layers[i];
    const float *qkv = fold(model, raw(model, BL_PARAM_QKV, i), 3 * d, raw(model, BL_PARAM_N1, i), err);
    const float *w =
        qkv ? fold(model, raw(model, BL_PARAM_W, i), c->plain ? h : 2 * h, raw(model, BL_PARAM_N2, i), err)
            : NULL;
    if (!w) return false;
    layer->w_q = (bl_view){qkv, d, d, d};
    layer->w_k = (bl_view){qkv + d * d, d, d, d};
    layer->w_v = (bl_view){qkv + 2 * d * d, d, d, d};
    layer->w_o = (bl_view){raw(model, BL_PARAM_O, i), d, d, d};
    layer->w_l = (bl_view){w, h, d, d};
    if (!c->plain) layer->w_r = (bl_view){w + h * d, h, d, d};
    layer->w_p = (bl_view){raw(model, BL_PARAM_P, i), d, h, h};
    layer->b_l = raw(model, BL_PARAM_W_BIAS, i);
    layer->b_r = layer->b_l && !c->plain ? layer->b_l + h : NULL;
    layer->b_p = raw(model, BL_PARAM_P_BIAS, i);
    return true;
}

static bool make_rope(bl_model *model, bl_error *err) {
    size_t half = model->config.d_model / model->config.n_head / 2, T = model->config.n_ctx, count;
    if (!bl_mul_size(T, half, &count))
        return bl_fail(err, BL_ERR_INPUT, "%s: n_ctx %zu is too large", model->name, T);
    model->rope_cos = own(model, count, err);
    model->rope_sin = model->rope_cos ? own(model, count, err) : NULL;
    if (!model->rope_sin) return false;
    for (size_t p = 0; p < T; p++)
        for (size_t j = 0; j < half; j++) {
            double angle = (double)p * pow(10000.0, -(double)j / (double)half);
            model->rope_cos[p * half + j] = (float)cos(angle);
            model->rope_sin[p * half + j] = (float)sin(angle);
        }
    return true;
}

static bool build(bl_model *model, bl_error *err) {
    const bl_config *c = &model->config;
    if (!bl_params_init(&model->params, c, err)) return false;
    model->raw = bl_alloc_zero(model->params.n, sizeof *model->raw, err);
    model->layers = bl_alloc_zero(c->n_layer, sizeof *model->layers, err);
    if (!model->raw || !model->layers) return false;
    for (size_t i = 0; i < model->params.n; i++)
        if (!read_param(model, i, err)) return false;
    if (!check_no_strangers(model, err)) return false;
    for (size_t i = 0; i < c->n_layer; i++)
        if (!fold_layer(model, i, err)) return false;
    size_t V = c->n_vocab, d = c->d_model;
    const float *head = raw(model, c->tied ? BL_PARAM_WTE : BL_PARAM_HEAD, 0);
    model->w_e = (bl_view){raw(model, BL_PARAM_WTE, 0), V, d, d};
    model->w_u = (bl_view){fold(model, head, V, raw(model, BL_PARAM_NF, 0), err), V, d, d};
    model->attention_scale =
        c->generation == BL_GENERATION_LATER ? 1.0F / sqrtf(2.0F * (float)c->n_layer) : 1.0F;
    return model->w_u.data && make_rope(model, err);
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
    if (open_files(model, directory, err) && read_config(model, directory, err) && build(model, err))
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
        bl_fail(
            err, BL_ERR_INPUT,
            "%s: has ids up to %zu, but the model's vocabulary (transformer.wte.weight) has only %zu rows",
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
    for (size_t i = 0; i < model->n_files; i++) bl_safetensors_free(model->files[i]);
    bl_tokenizer_free(model->tokenizer);
    bl_params_free(&model->params);
    free(model->owned);
    free(model->files);
    free(model->raw);
    free(model->layers);
    free(model->name);
    free(model->config_json);
    free(model);
}
