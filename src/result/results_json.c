/* Results as JSON: the contract of the command line. Compact, keys in the contract's order, numbers with nine
 * significant digits (a float32 survives), never a NaN or an infinity. Keys beyond the contract: direction;
 * architecture; size, effective_rank, constant, centred, groups, position, group, sources.bias; bias. */
#include "base/error.h"
#include "base/memory.h"
#include "format/json.h"
#include "base/visible.h"
#include <bilens/result.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 10 };

/* Building goes on after a failure, with NULL or a missing value; the first error stays and the end looks at
 * `failed`. */
typedef struct builder {
    bl_error *err;
    bool failed;
} builder;

static void fail(builder *b, bl_code code, const char *message) {
    if (!b->failed) bl_fail(b->err, code, "%s", message);
    b->failed = true;
}

static json_t *made(builder *b, json_t *value) {
    if (!value) fail(b, BL_ERR_MEMORY, "out of memory while a result was written as JSON");
    return value;
}

static json_t *number(builder *b, double value) {
    if (!isfinite(value)) {
        fail(b, BL_ERR_NUMERIC,
             "a result is not a number (NaN or infinity): the weights are too large or damaged");
        return NULL;
    }
    return made(b, json_real(value));
}

static json_t *integer(builder *b, uint64_t value) { return made(b, json_integer((json_int_t)value)); }

/* Text of any bytes: what is no UTF-8 is replaced. */
static json_t *text(builder *b, const char *value) {
    json_t *string = json_string(value);
    if (string) return string;
    char *repaired = bl_utf8_repair(value, b->err);
    string = repaired ? json_string(repaired) : NULL;
    free(repaired);
    return made(b, string);
}

static void set(builder *b, json_t *object, const char *key, json_t *value) {
    if (!value || json_object_set_new(object, key, value) != 0)
        fail(b, BL_ERR_MEMORY, "out of memory while a result was written as JSON");
}

static void append(builder *b, json_t *array, json_t *value) {
    if (!value || json_array_append_new(array, value) != 0)
        fail(b, BL_ERR_MEMORY, "out of memory while a result was written as JSON");
}

/* The text of `root`, whose reference it takes; NULL if anything failed. */
static char *finish(builder *b, json_t *root) {
    char *out = b->failed ? NULL : bl_json_text(root, JSON_COMPACT | JSON_REAL_PRECISION(9), b->err);
    json_decref(root);
    return out;
}

/* The vocabulary's own string, or "#1234" for an id that has none. */
static json_t *token(builder *b, const bl_model *model, size_t id) {
    char unnamed[32];
    const char *name = id <= INT32_MAX ? bl_tokenizer_token(bl_model_tokenizer(model), (int32_t)id) : NULL;
    if (name) return text(b, name);
    snprintf(unnamed, sizeof unnamed, "#%zu", id);
    return text(b, unnamed);
}

static json_t *architecture(builder *b, const bl_config *config) {
    json_t *out = made(b, json_object());
    char mlp[32];
    snprintf(mlp, sizeof mlp, "%s",
             config->plain                   ? "plain"
             : bl_config_is_bilinear(config) ? "bilinear"
                                             : "gated by ");
    if (!config->plain && !bl_config_is_bilinear(config))
        snprintf(mlp + strlen(mlp), sizeof mlp - strlen(mlp), "%s", bl_gate_name(config->gate));
    set(b, out, "kind", text(b, bl_config_architecture(config)));
    set(b, out, "n_vocab", integer(b, config->n_vocab));
    set(b, out, "n_layer", integer(b, config->n_layer));
    set(b, out, "n_head", integer(b, config->n_head));
    set(b, out, "n_kv_head", integer(b, config->n_kv_head));
    set(b, out, "head_dim", integer(b, config->head_dim));
    set(b, out, "n_ctx", integer(b, config->n_ctx));
    set(b, out, "d_model", integer(b, config->d_model));
    set(b, out, "d_hidden", integer(b, config->d_hidden));
    set(b, out, "mlp", text(b, mlp));
    set(b, out, "mlp_bias", json_boolean(config->bias_w || config->bias_p));
    set(b, out, "normalization", text(b, bl_config_norm(config)));
    set(b, out, "tied", json_boolean(config->tied));
    return out;
}

static json_t *tensor(builder *b, const bl_tensor_info *info) {
    json_t *out = made(b, json_object()), *shape = made(b, json_array());
    for (size_t k = 0; k < info->n_dims; k++) append(b, shape, integer(b, info->shape[k]));
    set(b, out, "name", text(b, info->name));
    set(b, out, "shape", shape);
    set(b, out, "dtype", text(b, info->dtype));
    return out;
}

char *bl_info_json(const bl_model *model, bl_error *err) {
    builder b = {err, false};
    json_t *root = made(&b, json_object()), *tensors = made(&b, json_array());
    const char *settings = bl_model_config_json(model);
    json_t *config = bl_json_parse(settings, strlen(settings), "config.json", err);
    b.failed = !config;
    set(&b, root, "model", text(&b, bl_model_name(model)));
    const char *generation = bl_config_generation(bl_model_config(model));
    if (generation) set(&b, root, "generation", text(&b, generation));
    set(&b, root, "config", config);
    set(&b, root, "architecture", architecture(&b, bl_model_config(model)));
    set(&b, root, "parameters", integer(&b, bl_model_parameters(model)));
    for (size_t i = 0; i < bl_model_n_tensors(model); i++) {
        bl_tensor_info info = bl_model_tensor_info(model, i);
        append(&b, tensors, tensor(&b, &info));
    }
    set(&b, root, "tensors", tensors);
    return finish(&b, root);
}

/* "model", "layer", "token", "minus", "direction"; of a vector token null. */
static void set_subject(builder *b, json_t *root, const bl_subject *subject) {
    const bl_direction *direction = subject->direction;
    bl_basis basis = bl_model_basis_out(subject->model);
    json_t *minus = made(b, json_array());
    for (size_t i = 0; i < direction->n_minus; i++) append(b, minus, text(b, direction->minus[i]));
    if (direction->minus_all) append(b, minus, text(b, "*"));
    char *canonical = bl_direction_text(direction, &basis, b->failed ? NULL : b->err);
    b->failed = b->failed || !canonical;
    set(b, root, "model", text(b, bl_model_name(subject->model)));
    set(b, root, "layer", integer(b, subject->layer));
    set(b, root, "token", direction->token ? text(b, direction->token) : json_null());
    set(b, root, "minus", minus);
    set(b, root, "direction", text(b, canonical ? canonical : ""));
    bl_free(canonical);
}

static json_t *run(builder *b, size_t first, size_t last) {
    json_t *pair = made(b, json_array());
    append(b, pair, integer(b, first));
    append(b, pair, integer(b, last));
    return pair;
}

/* [[token, value], …] */
static json_t *entries(builder *b, const bl_model *model, const bl_entry *from, size_t n) {
    json_t *out = made(b, json_array());
    for (size_t i = 0; i < n; i++) {
        json_t *pair = made(b, json_array());
        append(b, pair, token(b, model, from[i].index[0]));
        append(b, pair, number(b, from[i].value));
        append(b, out, pair);
    }
    return out;
}

/* The ten highest and lowest of values [V]. */
static json_t *source(builder *b, const bl_model *model, const float *values, size_t n_vocab) {
    bl_entry top[SHOWN], bottom[SHOWN];
    bl_named_array array = {.data = values, .n_dims = 1, .shape = {n_vocab}};
    size_t n = bl_describe(&array, SHOWN, top, bottom);
    json_t *out = made(b, json_object());
    if (n < SHOWN && n < n_vocab)
        fail(b, BL_ERR_NUMERIC, "virtual tokens are not numbers (NaN): the weights are too large or damaged");
    set(b, out, "top", entries(b, model, top, n));
    set(b, out, "bottom", entries(b, model, bottom, n));
    return out;
}

/* Virtual tokens of v [n]; `space` [1 + H, V]. */
static json_t *sources(builder *b, const bl_subject *subject, const bl_eigen *eigen, const float *v,
                       float *space) {
    const bl_config *config = bl_model_config(subject->model);
    json_t *out = made(b, json_object());
    char name[40] = "direct";
    if (b->failed) return out;
    if (!bl_virtual_tokens(subject->model, subject->layer, v, space, b->err)) {
        b->failed = true;
        return out;
    }
    for (size_t row = 0; row < 1 + config->n_head; row++) {
        if (row > 0) snprintf(name, sizeof name, "head %zu", row - 1);
        set(b, out, name, source(b, subject->model, space + row * config->n_vocab, config->n_vocab));
    }
    if (bl_eigen_size(eigen) > config->d_model) {
        json_t *bias = made(b, json_object());
        set(b, bias, "value", number(b, v[bl_eigen_size(eigen) - 1]));
        set(b, out, "bias", bias);
    }
    return out;
}

/* False with an error when `index` is not of this spectrum. */
static bool locate(builder *b, const bl_eigen *eigen, long index, size_t *position) {
    long n = (long)bl_eigen_size(eigen);
    if (index < -n || index >= n) {
        if (!b->failed)
            bl_fail(b->err, BL_ERR_USAGE, "eigenvector %ld: indices from %ld to %ld exist", index, -n, n - 1);
        b->failed = true;
        return false;
    }
    *position = (size_t)(index < 0 ? n + index : index);
    return true;
}

static json_t *vector(builder *b, const bl_subject *subject, const bl_eigen *eigen, long index,
                      float *space) {
    json_t *out = made(b, json_object());
    size_t position, first, last;
    if (!locate(b, eigen, index, &position)) return out;
    const float *v = bl_eigen_vector(eigen, index);
    if (!v) {
        fail(b, BL_ERR_USAGE,
             "an eigenvector is asked for that was not computed: ask bl_eigen_new for more pairs, or for all "
             "with k = 0");
        return out;
    }
    bl_eigen_group(eigen, position, &first, &last);
    set(b, out, "index", made(b, json_integer(index)));
    set(b, out, "eigenvalue", number(b, bl_eigen_values(eigen)[position]));
    set(b, out, "position", integer(b, position));
    if (last > first) set(b, out, "group", run(b, first, last));
    set(b, out, "sources", sources(b, subject, eigen, v, space));
    return out;
}

static void set_spectrum(builder *b, json_t *root, const bl_eigen *eigen) {
    json_t *values = made(b, json_array()), *groups = made(b, json_array());
    size_t n = bl_eigen_size(eigen), first, last;
    for (size_t i = 0; i < n; i++) append(b, values, number(b, bl_eigen_values(eigen)[i]));
    for (size_t i = 0; i < n; i = last + 1) {
        bl_eigen_group(eigen, i, &first, &last);
        if (last > first) append(b, groups, run(b, first, last));
    }
    set(b, root, "size", integer(b, n));
    set(b, root, "shift", number(b, bl_eigen_shift(eigen)));
    set(b, root, "effective_rank", number(b, bl_eigen_effective_rank(eigen)));
    set(b, root, "constant", number(b, bl_eigen_constant(eigen)));
    set(b, root, "eigenvalues", values);
    set(b, root, "groups", groups);
}

char *bl_eigen_json(const bl_subject *subject, const bl_eigen *eigen, const long *indices, size_t n_indices,
                    bl_error *err) {
    builder b = {err, false};
    const bl_config *config = bl_model_config(subject->model);
    size_t cells;
    if (!bl_mul_size(1 + config->n_head, config->n_vocab, &cells))
        return bl_fail_null(err, BL_ERR_MEMORY,
                            "virtual tokens of %zu heads and %zu tokens do not fit this machine's memory",
                            config->n_head, config->n_vocab);
    float *space = bl_alloc(cells, sizeof *space, err);
    if (!space) return NULL;
    json_t *root = made(&b, json_object()), *vectors = made(&b, json_array());
    set_subject(&b, root, subject);
    set(&b, root, "d_model", integer(&b, config->d_model));
    set(&b, root, "centred", json_boolean(subject->direction->centre_unembedding));
    set_spectrum(&b, root, eigen);
    for (size_t i = 0; i < n_indices && !b.failed; i++)
        append(&b, vectors, vector(&b, subject, eigen, indices[i], space));
    set(&b, root, "vectors", vectors);
    free(space);
    return finish(&b, root);
}

static json_t *match(builder *b, const bl_model *model, const bl_match *from) {
    json_t *out = made(b, json_object()), *shares = made(b, json_array()), *tokens = made(b, json_array()),
           *next = made(b, json_array());
    for (size_t i = 0; i <= from->position; i++) append(b, shares, number(b, from->contributions[i]));
    for (size_t i = 0; i < from->n_ids; i++)
        append(b, i <= from->position ? tokens : next, token(b, model, (size_t)from->ids[i]));
    set(b, out, "story", integer(b, from->story));
    set(b, out, "position", integer(b, from->position));
    set(b, out, "token", token(b, model, (size_t)from->ids[from->position]));
    set(b, out, "activation", number(b, from->activation));
    set(b, out, "similarity", number(b, from->similarity));
    set(b, out, "bias", number(b, from->bias));
    set(b, out, "contributions", shares);
    if (from->heads) {
        json_t *rows = made(b, json_array());
        for (size_t h = 0; h <= from->n_heads; h++) {
            json_t *row = made(b, json_array());
            for (size_t i = 0; i <= from->position; i++)
                append(b, row, number(b, from->heads[h * (from->position + 1) + i]));
            append(b, rows, row);
        }
        set(b, out, "heads", rows);
    }
    set(b, out, "tokens", tokens);
    set(b, out, "next", next);
    return out;
}

char *bl_match_json(const bl_model *model, const bl_match *found, bl_error *err) {
    builder b = {err, false};
    return finish(&b, match(&b, model, found));
}

char *bl_scan_json(const bl_subject *subject, const bl_eigen *eigen, const bl_scan *scan, const long *indices,
                   size_t n_indices, bl_error *err) {
    builder b = {err, false};
    json_t *root = made(&b, json_object()), *vectors = made(&b, json_array());
    set_subject(&b, root, subject);
    set(&b, root, "stories", integer(&b, bl_scan_stories(scan)));
    set(&b, root, "positions", integer(&b, bl_scan_positions(scan)));
    for (size_t j = 0; j < n_indices && !b.failed; j++) {
        json_t *hits = made(&b, json_object()), *matches = made(&b, json_array());
        size_t position = 0, first, last;
        locate(&b, eigen, indices[j], &position);
        bl_eigen_group(eigen, position, &first, &last);
        for (size_t i = 0; i < bl_scan_n_matches(scan, j) && !b.failed; i++) {
            bl_match found = bl_scan_match(scan, j, i);
            append(&b, matches, match(&b, subject->model, &found));
        }
        set(&b, hits, "index", made(&b, json_integer(indices[j])));
        set(&b, hits, "eigenvalue", number(&b, bl_eigen_values(eigen)[position]));
        if (last > first) set(&b, hits, "group", run(&b, first, last));
        set(&b, hits, "matches", matches);
        append(&b, vectors, hits);
    }
    set(&b, root, "vectors", vectors);
    return finish(&b, root);
}

static json_t *part(builder *b, const char *json, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "the report's part %s", name);
    json_t *value = bl_json_parse(json, strlen(json), path, b->failed ? NULL : b->err);
    b->failed = b->failed || !value;
    return value;
}

char *bl_report_json(const char *info, const char *eigen, const char *scan, const char *const *corpus,
                     size_t n_corpus, bl_error *err) {
    builder b = {err, false};
    json_t *root = made(&b, json_object()), *files = made(&b, json_array());
    set(&b, root, "format", text(&b, "bilens report 1"));
    set(&b, root, "version", text(&b, bl_version()));
    set(&b, root, "info", part(&b, info, "info"));
    set(&b, root, "eigen", part(&b, eigen, "eigen"));
    set(&b, root, "scan", part(&b, scan, "scan"));
    for (size_t i = 0; i < n_corpus; i++) append(&b, files, text(&b, corpus[i]));
    set(&b, root, "corpus", files);
    return finish(&b, root);
}
