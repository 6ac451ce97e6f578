/* A surrogate as a file (docs/specification.md, 19). */
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "decompose/surrogate_private.h"
#include "format/json.h"
#include "format/safetensors.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

bl_surrogate *bl_surrogate_new(const bl_model *model, const size_t *layers, size_t n, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    size_t d = c->d_model, h = c->d_hidden;
    bl_surrogate *s = bl_alloc_zero(1, sizeof *s, err);
    if (!s) return NULL;
    s->d = d;
    s->h = h;
    s->layers = bl_alloc_zero(layers ? n : c->n_layer, sizeof *s->layers, err);
    for (size_t i = 0; s->layers && i < (layers ? n : c->n_layer); i++) {
        bl_surrogate_layer *l = &s->layers[i];
        l->layer = layers ? layers[i] : i;
        if (l->layer >= c->n_layer) {
            bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 … %zu", l->layer,
                    c->n_layer - 1);
            break;
        }
        l->coefficients = bl_alloc_zero(BL_SURROGATE_TERMS * h + d * (d + 3), sizeof(float), err);
        if (!l->coefficients) break;
        l->linear = l->coefficients + BL_SURROGATE_TERMS * h;
        l->origin = l->linear + d * (d + 1);
        l->mean = l->origin + d;
        s->n++;
    }
    if (s->layers && s->n == (layers ? n : c->n_layer)) return s;
    bl_surrogate_free(s);
    return NULL;
}

void bl_surrogate_free(bl_surrogate *s) {
    if (!s) return;
    for (size_t i = 0; s->layers && i < s->n; i++) free(s->layers[i].coefficients);
    bl_surrogate_maps_free(s);
    free(s->layers);
    free(s);
}

/* Of the MLP's weights of a layer as they are stored. */
static void digest(const bl_model *model, size_t layer, char text[20]) {
    static const bl_param_kind kinds[] = {BL_PARAM_N2, BL_PARAM_W, BL_PARAM_L, BL_PARAM_R, BL_PARAM_P};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t at = bl_params_find(&model->params, kinds[i], layer);
        if (at == model->params.n) continue;
        const bl_weight *w = model->stored[at];
        hash = bl_hash(hash, w->data, w->count / w->type->block * w->type->bytes);
    }
    snprintf(text, 20, "%016llx", (unsigned long long)hash);
}

static bool put_text(json_t *metadata, const char *key, size_t layer, const char *text) {
    char name[48];
    snprintf(name, sizeof name, "%s.%zu", key, layer);
    return bl_json_put(metadata, name, json_string(text), NULL);
}

static bool put_number(json_t *metadata, const char *key, size_t layer, double value) {
    char text[32];
    snprintf(text, sizeof text, "%.9g", value);
    return put_text(metadata, key, layer, text);
}

static bool put_layer(json_t *m, const bl_surrogate *s, const bl_surrogate_layer *l, const bl_model *model) {
    char text[20];
    digest(model, l->layer, text);
    return put_text(m, "digest", l->layer, text) && put_number(m, "r2", l->layer, l->r2) &&
           put_number(m, "r2_linear", l->layer, l->r2_linear) &&
           (isnan(l->recovered) || put_number(m, "recovered", l->layer, l->recovered)) &&
           put_number(m, "positions", l->layer, (double)s->fit_positions);
}

static json_t *metadata_of(const bl_surrogate *s, const bl_model *model) {
    json_t *m = json_pack("{s:s, s:s, s:s, s:s}", "format", "pt", "kind", "bilens surrogate 1", "model",
                          bl_model_name(model), "skip", "1");
    for (size_t i = 0; m && i < s->n; i++)
        if (!put_layer(m, s, &s->layers[i], model)) {
            json_decref(m);
            return NULL;
        }
    return m;
}

bool bl_surrogate_write(const bl_surrogate *s, const bl_model *model, const char *path, bl_error *err) {
    size_t n = 4 * s->n, d = s->d;
    bl_named_array *arrays = bl_alloc_zero(n, sizeof *arrays, err);
    bl_store *stores = bl_alloc_zero(n, sizeof *stores, err);
    char(*names)[32] = bl_alloc_zero(n, sizeof *names, err);
    json_t *metadata = arrays && stores && names ? metadata_of(s, model) : NULL;
    static const char *const kinds[] = {"coefficients", "linear", "origin", "mean"};
    for (size_t i = 0; metadata && i < n; i++) {
        const bl_surrogate_layer *l = &s->layers[i / 4];
        const float *data[] = {l->coefficients, l->linear, l->origin, l->mean};
        const size_t rows[] = {BL_SURROGATE_TERMS, d, d, d}, cols[] = {s->h, d + 1, 0, 0};
        snprintf(names[i], sizeof *names, "%s.%zu", kinds[i % 4], l->layer);
        arrays[i] = (bl_named_array){.name = names[i],
                                     .data = data[i % 4],
                                     .n_dims = cols[i % 4] ? 2 : 1,
                                     .shape = {rows[i % 4], cols[i % 4]}};
        stores[i] = BL_STORE_F32;
    }
    bool ok = metadata && bl_safetensors_write_with(path, arrays, stores, n, metadata, err);
    if (arrays && stores && names && !metadata) bl_fail(err, BL_ERR_MEMORY, "%s: out of memory", path);
    json_decref(metadata);
    free(arrays);
    free(stores);
    free(names);
    return ok;
}

static double get_number(const json_t *metadata, const char *key, size_t layer) {
    char name[48];
    snprintf(name, sizeof name, "%s.%zu", key, layer);
    const char *text = json_string_value(json_object_get(metadata, name));
    return text ? strtod(text, NULL) : NAN;
}

/* One tensor [count] into its place. */
static bool read_part(const bl_safetensors *file, const char *kind, size_t layer, size_t count, float *out,
                      bl_error *err) {
    char name[48];
    snprintf(name, sizeof name, "%s.%zu", kind, layer);
    const bl_stored_tensor *t = bl_safetensors_find(file, name);
    if (!t || t->type != &bl_type_f32 || t->count != count)
        return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s' is missing or not of this model's sizes",
                       file->path, name);
    bl_stored_tensor_read(t, out);
    return true;
}

static bool read_layer(const bl_safetensors *file, const bl_model *model, bl_surrogate *s,
                       bl_surrogate_layer *l, bl_error *err) {
    char text[20], name[32];
    digest(model, l->layer, text);
    snprintf(name, sizeof name, "digest.%zu", l->layer);
    const char *found = json_string_value(json_object_get(file->metadata, name));
    if (!found || strcmp(found, text) != 0)
        return bl_fail(
            err, BL_ERR_INPUT,
            "%s: was fitted to other weights than those of layer %zu of %s: make it again with 'bilens "
            "surrogate'",
            file->path, l->layer, bl_model_name(model));
    l->r2 = get_number(file->metadata, "r2", l->layer);
    l->r2_linear = get_number(file->metadata, "r2_linear", l->layer);
    l->recovered = get_number(file->metadata, "recovered", l->layer);
    l->r2_fit = l->loss_mean = l->loss_surrogate = NAN;
    double positions = get_number(file->metadata, "positions", l->layer);
    s->fit_positions = positions >= 0 && positions < 1e15 ? (uint64_t)positions : 0;
    return read_part(file, "coefficients", l->layer, BL_SURROGATE_TERMS * s->h, l->coefficients, err) &&
           read_part(file, "linear", l->layer, s->d * (s->d + 1), l->linear, err) &&
           read_part(file, "origin", l->layer, s->d, l->origin, err) &&
           read_part(file, "mean", l->layer, s->d, l->mean, err);
}

bl_surrogate *bl_surrogate_read(const char *path, const bl_model *model, bl_error *err) {
    bl_error_clear(err);
    bl_safetensors *file = bl_safetensors_open(path, err);
    bl_surrogate *s = NULL;
    size_t n = 0, *layers = file ? bl_alloc(file->n ? file->n : 1, sizeof *layers, err) : NULL;
    bool ok = false;
    const char *kind = file ? json_string_value(json_object_get(file->metadata, "kind")) : NULL;
    if (!layers) goto done;
    if (!kind || strcmp(kind, "bilens surrogate 1") != 0) {
        bl_fail(err, BL_ERR_INPUT,
                "%s: is no surrogate; 'bilens surrogate MODEL --corpus FILE -o %s' makes one", path, path);
        goto done;
    }
    for (size_t i = 0; i < file->n; i++)
        if (strncmp(file->tensors[i].name, "origin.", 7) == 0)
            layers[n++] = strtoul(file->tensors[i].name + 7, NULL, 10);
    for (size_t i = 0; i < n; i++)
        if (layers[i] >= bl_model_config(model)->n_layer) {
            bl_fail(err, BL_ERR_INPUT, "%s: was fitted to other weights: %s has no layer %zu", path,
                    bl_model_name(model), layers[i]);
            goto done;
        }
    s = n ? bl_surrogate_new(model, layers, n, err) : NULL;
    if (!n) bl_fail(err, BL_ERR_INPUT, "%s: holds no layer", path);
    ok = s != NULL;
    if (s) s->loss = s->all_mean = s->all_linear = s->all_surrogate = NAN;
    for (size_t i = 0; ok && i < s->n; i++) ok = read_layer(file, model, s, &s->layers[i], err);
done:
    free(layers);
    bl_safetensors_free(file);
    if (ok) return s;
    bl_surrogate_free(s);
    return NULL;
}

const bl_surrogate_layer *bl_surrogate_of(const bl_surrogate *s, size_t layer, bl_error *err) {
    for (size_t i = 0; i < s->n; i++)
        if (s->layers[i].layer == layer) return &s->layers[i];
    return bl_fail_null(
        err, BL_ERR_INPUT,
        "the surrogate has no layer %zu: make it with 'bilens surrogate --layers %zu' or without "
        "--layers",
        layer, layer);
}
