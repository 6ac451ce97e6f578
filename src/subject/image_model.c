/* Image models: loading, and the exact forward pass (docs/specification.md, 20).
 *
 *   h_0 = E x,   h_{i+1} = [h_i +] g(L h_i + l) * (R h_i + r),   logits = U h_L
 *
 * There is no norm and no output bias. Weights are copied into memory as float32: such models are small. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "model/weights.h"
#include "linear/gate.h"
#include "linear/gemm.h"
#include <bilens/blas.h>
#include "subject/image_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_LIMIT ((size_t)16 << 20)

bool bl_image_is_model(const char *directory) {
    bl_error ignored;
    char *path = directory ? bl_path_join(directory, "config.json", &ignored) : NULL;
    json_t *json = path && bl_file_exists(path) ? bl_json_read(path, CONFIG_LIMIT, &ignored) : NULL;
    bool is = json_is_object(json) && json_object_get(json, "d_input") && json_object_get(json, "d_output");
    json_decref(json);
    free(path);
    return is;
}

/* Width of block `layer`'s input. */
static size_t width_of(const bl_image_config *c, size_t layer) {
    return layer == 0 && c->p ? c->d_input : c->d_hidden;
}

size_t bl_image_width(const bl_image_model *model, size_t layer) { return width_of(&model->config, layer); }

static bl_image_tensor tensor(const char *name, float *data, size_t n_dims, size_t rows, size_t cols) {
    bl_image_tensor t = {.n_dims = n_dims, .rows = rows, .cols = cols};
    t.data = data;
    snprintf(t.name, sizeof t.name, "%s", name);
    return t;
}

size_t bl_image_tensors(const bl_image_model *model, bl_image_tensor *list) {
    const bl_image_config *c = &model->config;
    size_t n = 0, per_block = c->bias ? 2 : 1;
    if (!list) return (c->p ? 1 : 2) + c->n_layer * per_block;
    if (!c->p) list[n++] = tensor("embed.weight", model->w_e, 2, c->d_hidden, c->d_input);
    for (size_t i = 0; i < c->n_layer; i++) {
        char name[40];
        snprintf(name, sizeof name, "blocks.%zu.weight", i);
        list[n++] = tensor(name, model->layers[i].w, 2, 2 * c->d_hidden, width_of(c, i));
        snprintf(name, sizeof name, "blocks.%zu.bias", i);
        if (c->bias) list[n++] = tensor(name, model->layers[i].bias, 1, 2 * c->d_hidden, 1);
    }
    list[n++] = tensor("head.weight", model->w_u, 2, c->d_output, c->d_hidden);
    for (size_t i = 0; i < n; i++) list[i].dtype = model->dtypes ? model->dtypes[i] : "F32";
    return n;
}

static float *weights(size_t rows, size_t cols, bl_error *err) {
    size_t count;
    if (!bl_mul_size(rows, cols, &count)) count = SIZE_MAX; /* bl_alloc refuses it */
    return bl_alloc(count, sizeof(float), err);
}

static bool name_classes(bl_image_model *model, bl_error *err) {
    size_t C = model->config.d_output;
    model->labels = bl_alloc_zero(C, sizeof *model->labels, err);
    for (size_t i = 0; model->labels && i < C; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        model->labels[i] = bl_strdup(number, err);
        if (!model->labels[i]) return false;
    }
    return model->labels != NULL;
}

bl_image_model *bl_image_new(const bl_image_config *config, const char *name, bl_error *err) {
    bl_image_model *model = bl_alloc_zero(1, sizeof *model, err);
    if (!model) return NULL;
    const bl_image_config *c = &model->config;
    model->config = *config;
    model->name = bl_strdup(name, err);
    if (!model->name || !name_classes(model, err)) goto fail;
    if (!c->p && !(model->w_e = weights(c->d_hidden, c->d_input, err))) goto fail;
    if (!(model->w_u = weights(c->d_output, c->d_hidden, err))) goto fail;
    if (!(model->layers = bl_alloc_zero(c->n_layer, sizeof *model->layers, err))) goto fail;
    for (size_t i = 0; i < c->n_layer; i++) {
        model->layers[i].w = weights(2 * c->d_hidden, width_of(c, i), err);
        if (!model->layers[i].w) goto fail;
        if (c->bias && !(model->layers[i].bias = weights(2 * c->d_hidden, 1, err))) goto fail;
    }
    return model;
fail:
    bl_image_free(model);
    return NULL;
}

void bl_image_free(bl_image_model *model) {
    if (!model) return;
    for (size_t i = 0; model->labels && i < model->config.d_output; i++) free(model->labels[i]);
    for (size_t i = 0; model->layers && i < model->config.n_layer; i++) {
        free(model->layers[i].w);
        free(model->layers[i].bias);
    }
    free(model->labels);
    free(model->layers);
    free(model->w_e);
    free(model->w_u);
    free(model->name);
    free(model->config_json);
    free(model->dtypes);
    free(model);
}

static bool read_labels(bl_image_model *model, const json_t *json, const char *path, bl_error *err) {
    const json_t *list = json_object_get(json, "labels");
    size_t C = model->config.d_output;
    if (!list || json_is_null(list)) return true;
    if (!json_is_array(list) || json_array_size(list) != C)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: \"labels\" must be a list of %zu strings, as \"d_output\" says", path, C);
    for (size_t i = 0; i < C; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text) return bl_fail(err, BL_ERR_INPUT, "%s: \"labels\": entry %zu is not a string", path, i);
        char *copy = bl_strdup(text, err);
        if (!copy) return false;
        free(model->labels[i]);
        model->labels[i] = copy;
    }
    return true;
}

/* What is read: the tensors, and the file or folder that messages name. */
typedef struct source {
    bl_weights weights;
    const char *path;
} source;

/* Copies one tensor of the table, after checking its shape and type. */
static bool read_tensor(const bl_image_tensor *want, const source *from, char dtype[16], bl_error *err) {
    const bl_weight *t = bl_weights_find(&from->weights, want->name);
    if (!t) return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s' is missing", from->path, want->name);
    bool same = t->n_dims == want->n_dims && t->shape[0] == want->rows &&
                (t->n_dims < 2 || t->shape[1] == want->cols);
    if (!same)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: tensor '%s' has %zu axes, [%zu, %zu]; expected %zu, [%zu, %zu], from config.json",
                       from->path, t->name, t->n_dims, t->n_dims ? t->shape[0] : 0,
                       t->n_dims > 1 ? t->shape[1] : 1, want->n_dims, want->rows, want->cols);
    if (!t->type)
        return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s' has dtype %s, expected F32, F16, BF16 or F64",
                       from->path, t->name, t->type_name);
    bl_weight_read(t, want->data);
    snprintf(dtype, 16, "%s", t->type_name);
    return true;
}

static bool read_tensors(bl_image_model *model, const source *from, bl_error *err) {
    size_t n = bl_image_tensors(model, NULL);
    bl_image_tensor *list = bl_alloc(n, sizeof *list, err);
    if (!list) return false;
    bl_image_tensors(model, list);
    model->dtypes = bl_alloc_zero(n, sizeof *model->dtypes, err);
    bool ok = model->dtypes != NULL;
    for (size_t i = 0; ok && i < n; i++) ok = read_tensor(&list[i], from, model->dtypes[i], err);
    for (size_t i = 0; ok && i < from->weights.n; i++) {
        const char *name = from->weights.list[i].name;
        size_t known = 0;
        while (known < n && strcmp(list[known].name, name) != 0) known++;
        if (known == n)
            ok = bl_fail(err, BL_ERR_INPUT,
                         "%s: tensor '%s' is not part of the model that config.json describes", from->path,
                         name);
    }
    free(list);
    return ok;
}

/* Sizes that the file cannot hold are refused before they are allocated. */
static bool check_size(const bl_image_config *c, const source *from, const char *path, bl_error *err) {
    size_t stored = 0, block, all;
    for (size_t i = 0; i < from->weights.n; i++) stored += from->weights.list[i].count;
    bool fits = bl_mul_size(2 * c->d_hidden, width_of(c, 0), &block) && bl_mul_size(block, c->n_layer, &all);
    if (fits && all <= stored) return true;
    return bl_fail(err, BL_ERR_INPUT,
                   "%s: \"n_layer\" %zu and \"d_hidden\" %zu need more weights than %s has (%zu)", path,
                   c->n_layer, c->d_hidden, from->path, stored);
}

bl_image_model *bl_image_load(const char *directory, bl_error *err) {
    bl_image_model *model = NULL;
    source from = {.path = directory};
    json_t *json = NULL;
    bl_image_config config;
    size_t size;
    bool ok = false;
    bl_error_clear(err);
    if (!bl_blas_check(err)) return NULL;
    char *path = bl_path_join(directory, "config.json", err);
    char *text = path ? bl_file_read(path, CONFIG_LIMIT, &size, err) : NULL;
    if (!text || !(json = bl_json_parse(text, size, path, err))) goto done;
    if (!bl_image_config_read(json, path, &config, err)) goto done;
    if (!bl_weights_open(&from.weights, directory, directory, err)) goto done;
    if (from.weights.n_files == 1) from.path = from.weights.files[0]->path;
    if (!check_size(&config, &from, path, err)) goto done;
    if (!(model = bl_image_new(&config, directory, err))) goto done;
    ok = read_labels(model, json, path, err) && read_tensors(model, &from, err);
    model->config_json = text;
    text = NULL;
done:
    if (!ok) bl_image_free(model);
    bl_weights_free(&from.weights);
    json_decref(json);
    free(text);
    free(path);
    return ok ? model : NULL;
}

char *bl_image_warnings(const bl_image_model *model, bl_error *err) {
    bl_buffer out = {0};
    size_t n = bl_image_tensors(model, NULL);
    bl_image_tensor *list = bl_alloc(n, sizeof *list, err);
    if (!list) return NULL;
    bl_image_tensors(model, list);
    for (size_t i = 0; i < n; i++) {
        size_t count = list[i].rows * list[i].cols, bad = 0;
        for (size_t k = 0; k < count; k++) bad += isfinite(list[i].data[k]) ? 0 : 1;
        if (bad)
            bl_buffer_print(&out, "%.100s: %zu of the %zu numbers of tensor '%s' are NaN or infinite\n",
                            model->name, bad, count, list[i].name);
    }
    free(list);
    return bl_buffer_take(&out, err);
}

const bl_image_config *bl_image_config_of(const bl_image_model *model) { return &model->config; }
const char *bl_image_name(const bl_image_model *model) { return model->name; }
const char *bl_image_config_json(const bl_image_model *model) { return model->config_json; }
const char *bl_image_label(const bl_image_model *model, size_t i) { return model->labels[i]; }

bl_view bl_image_w_u(const bl_image_model *model) {
    const bl_image_config *c = &model->config;
    return (bl_view){model->w_u, c->d_output, c->d_hidden, c->d_hidden};
}

bl_view bl_image_w_e(const bl_image_model *model) {
    const bl_image_config *c = &model->config;
    return model->w_e ? (bl_view){model->w_e, c->d_hidden, c->d_input, c->d_input} : (bl_view){0};
}

bl_basis bl_image_basis_out(const bl_image_model *model) {
    return (bl_basis){.name = "class",
                      .vectors = bl_image_w_u(model),
                      .labels = (const char *const *)model->labels};
}

long bl_image_class(const bl_image_model *model, const char *text, bl_error *err) {
    bl_basis basis = bl_image_basis_out(model);
    return bl_basis_find(&basis, text, err);
}

bool bl_image_block(const bl_image_model *model, size_t layer, bl_bilinear *block, bl_error *err) {
    const bl_image_config *c = &model->config;
    if (layer >= c->n_layer)
        return bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 to %zu", layer,
                       c->n_layer - 1);
    if (c->gate != BL_GATE_NONE)
        return bl_fail(
            err, BL_ERR_UNSUPPORTED,
            "%s: its blocks are gated, so they are not quadratic forms; only eval works for this model",
            model->name);
    size_t h = c->d_hidden, width = width_of(c, layer);
    const bl_image_layer *l = &model->layers[layer];
    *block = (bl_bilinear){.name = model->name,
                           .layer = layer,
                           .l = {l->w, h, width, width},
                           .r = {l->w + h * width, h, width, width},
                           .l_bias = l->bias,
                           .r_bias = l->bias ? l->bias + h : NULL};
    return true;
}

/* out [B, h] = [x +] g(L x + l) * (R x + r), x [B, width]; pre [B, 2h] is scratch. */
static void block_forward(const bl_image_model *model, size_t layer, const float *x, size_t B, float *pre,
                          float *out) {
    const bl_image_config *c = &model->config;
    const bl_image_layer *l = &model->layers[layer];
    size_t h = c->d_hidden, width = width_of(c, layer);
    bl_gemm_nt_pieces(B, 2 * h, width, x, width, l->w, width, pre, 2 * h);
    for (size_t b = 0; l->bias && b < B; b++)
        for (size_t i = 0; i < 2 * h; i++) pre[b * 2 * h + i] += l->bias[i];
    bl_gate_forward(c->gate, false, pre, 2 * h, B, h, out);
    for (size_t i = 0; c->residual && i < B * h; i++) out[i] += x[i];
}

/* out [B, width of `to`] = the state before block `to` from x [B, n], or from the state [B, width] before
 * block `from` where `pixels` is false. */
static bool run_blocks(const bl_image_model *model, const float *x, bool pixels, size_t B, size_t from,
                       size_t to, float *out, bl_error *err) {
    const bl_image_config *c = &model->config;
    size_t n = c->d_input, d = c->d_hidden, widest = c->p && n > d ? n : d, count;
    if (to > c->n_layer)
        return bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model has %zu", to, c->n_layer);
    if (!bl_mul_size(B, 2 * d + 2 * widest, &count)) count = SIZE_MAX;
    float *work = bl_alloc(count, sizeof *work, err);
    if (!work) return false;
    float *pre = work, *state = pre + B * 2 * d, *next = state + B * widest;
    if (c->p || !pixels) memcpy(state, x, B * (pixels ? n : width_of(c, from)) * sizeof *state);
    else bl_gemm_nt_pieces(B, d, n, x, n, model->w_e, n, state, d);
    for (size_t i = from; i < to; i++) {
        block_forward(model, i, state, B, pre, next);
        float *swap = state;
        state = next;
        next = swap;
    }
    memcpy(out, state, B * (to == 0 ? width_of(c, 0) : d) * sizeof *out);
    free(work);
    return true;
}

bool bl_image_inputs(const bl_image_model *model, const float *x, size_t B, size_t layer, float *out,
                     bl_error *err) {
    return run_blocks(model, x, true, B, 0, layer, out, err);
}

/* logits [B, C] = U h; h from the pixels or from the state before block `from`. */
static bool logits_from(const bl_image_model *model, const float *x, bool pixels, size_t B, size_t from,
                        float *logits, bl_error *err) {
    const bl_image_config *c = &model->config;
    size_t h = c->d_hidden, count;
    if (!bl_mul_size(B, h, &count)) count = SIZE_MAX;
    float *hidden = bl_alloc(count, sizeof *hidden, err);
    if (!hidden) return false;
    bool ok = run_blocks(model, x, pixels, B, from, c->n_layer, hidden, err);
    if (ok) bl_gemm_nt_pieces(B, c->d_output, h, hidden, h, model->w_u, h, logits, c->d_output);
    free(hidden);
    return ok;
}

bool bl_image_logits(const bl_image_model *model, const float *x, size_t B, float *logits, bl_error *err) {
    return logits_from(model, x, true, B, 0, logits, err);
}

bool bl_image_logits_of(const bl_image_model *model, const float *state, size_t B, size_t layer,
                        float *logits, bl_error *err) {
    return logits_from(model, state, false, B, layer, logits, err);
}
