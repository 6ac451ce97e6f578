/* config.json of the three generations (docs/specification.md, 2): the keys that src/model/architecture/
 * reads. */
#include "train/save.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "linear/rotary.h"
#include "model/architecture.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENIZER_LIMIT ((size_t)256 << 20)

bool bl_config_check(const bl_config *given, bl_error *err) {
    bl_config settled = *given, *c = &settled;
    bl_config_settle(c);
    if (!c->architecture->check)
        return bl_fail(err, BL_ERR_UNSUPPORTED, "bilens does not train models of the kind %s",
                       c->architecture->name);
    if (c->n_layer < 1 || c->n_head < 1 || c->d_model < 1 || c->d_hidden < 1)
        return bl_fail(err, BL_ERR_USAGE, "layers, heads, d-model and d-hidden must be at least 1");
    if (c->n_ctx < 2)
        return bl_fail(err, BL_ERR_USAGE, "a context of %zu tokens leaves nothing to predict: at least 2",
                       c->n_ctx);
    if (c->n_layer > 4096 || c->n_ctx > 1 << 20 || c->d_model > 1 << 20 || c->d_hidden > 1 << 20)
        return bl_fail(err, BL_ERR_USAGE,
                       "layers, ctx, d-model or d-hidden is beyond anything that can be trained here");
    if (c->d_model % c->n_head)
        return bl_fail(err, BL_ERR_USAGE, "%zu heads do not divide d-model %zu", c->n_head, c->d_model);
    if (c->head_dim % 2)
        return bl_fail(err, BL_ERR_USAGE,
                       "d-model / heads = %zu is odd: rotary position embedding needs an even head width",
                       c->head_dim);
    if (!(c->noise >= 0 && c->noise < 1000))
        return bl_fail(err, BL_ERR_USAGE, "noise %g is not between 0 and 1000", (double)c->noise);
    if (c->norm_weights && !c->normalization)
        return bl_fail(err, BL_ERR_USAGE,
                       "norm weights need norms, and a generation before \"later\", whose norms have none");
    return c->architecture->check(c, err);
}

/* Takes `part`'s keys over into `json`; both may be NULL after a failure. */
static bool join(json_t *json, json_t *part) {
    bool ok = json && part && json_object_update(json, part) == 0;
    json_decref(part);
    return ok;
}

static json_t *config_json(const bl_config *c, bl_store store) {
    static const char *const dtypes[] = {"float32", "float16", "bfloat16"};
    json_t *noise = c->noise > 0 ? json_sprintf("%.7g", (double)c->noise) : NULL, *number = NULL;
    if (noise) number = json_real(strtod(json_string_value(noise), NULL)); /* 0.33, not 0.330000013 */
    json_decref(noise);
    if (!number) number = json_null();
    json_t *json = json_pack("{s:[s], s:s}", "architectures", "Transformer", "torch_dtype", dtypes[store]);
    json_t *sizes =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "n_vocab", (json_int_t)c->n_vocab, "n_layer",
                  (json_int_t)c->n_layer, "n_head", (json_int_t)c->n_head, "n_ctx", (json_int_t)c->n_ctx,
                  "d_model", (json_int_t)c->d_model, "d_hidden", (json_int_t)c->d_hidden, "noise", number);
    bool ok = join(json, sizes), rest = join(json, c->architecture->write(c));
    if (ok && rest) return json;
    json_decref(json);
    return NULL;
}

static bool copy_file(const char *from, const char *to, bl_error *err) {
    size_t size;
    char *text = bl_file_read(from, TOKENIZER_LIMIT, &size, err);
    bool ok = text && bl_file_write(to, text, size, err);
    free(text);
    return ok;
}

/* Frequencies [k/2] of the rotary embedding. They are no parameters (bilens computes them), but the authors'
 * modules hold them as a buffer, and want them from the file. */
static void rotary_frequencies(size_t k, float *out) {
    for (size_t j = 0; j < k / 2; j++) out[j] = 1.0F / powf((float)BL_ROTARY_BASE, (float)(2 * j) / (float)k);
}

/* The parameters in their order, then the rotary tables of every layer, which stay in 32 bits. */
static bool save_weights(const bl_net *net, const char *path, bl_store store, bl_error *err) {
    size_t n = net->params.n, layers = net->config.n_layer, k = net->config.head_dim;
    bl_named_array *arrays = bl_alloc_zero(n + layers, sizeof *arrays, err);
    bl_store *stores = bl_alloc_zero(n + layers, sizeof *stores, err);
    char(*names)[64] = bl_alloc_zero(layers, sizeof *names, err);
    float *table = bl_alloc(k / 2, sizeof *table, err);
    bool ok = arrays && stores && names && table;
    for (size_t i = 0; ok && i < n; i++) {
        const bl_param *param = &net->params.list[i];
        stores[i] = store;
        arrays[i] = (bl_named_array){.name = param->name,
                                     .data = net->weights + param->offset,
                                     .n_dims = param->n_dims,
                                     .shape = {param->rows, param->cols}};
    }
    if (ok) rotary_frequencies(k, table);
    for (size_t i = 0; ok && i < layers; i++) {
        snprintf(names[i], sizeof *names, "transformer.h.%zu.attn.rotary.inv_freq", i);
        stores[n + i] = BL_STORE_F32;
        arrays[n + i] = (bl_named_array){.name = names[i], .data = table, .n_dims = 1, .shape = {k / 2}};
    }
    ok = ok && bl_safetensors_write_each(path, arrays, stores, n + layers, err);
    free(arrays);
    free(stores);
    free(names);
    free(table);
    return ok;
}

bool bl_net_save(const bl_net *net, const char *directory, const char *tokenizer, bl_store store,
                 bl_error *err) {
    char *to_tokenizer = bl_path_join(directory, "tokenizer.json", err),
         *to_weights = bl_path_join(directory, "model.safetensors", err);
    char *to_config = bl_path_join(directory, "config.json", err), *text = NULL;
    json_t *json = config_json(&net->config, store);
    bool ok = to_tokenizer && to_weights && to_config &&
              (text = bl_json_text(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9), err)) != NULL;
    ok = ok && copy_file(tokenizer, to_tokenizer, err) && save_weights(net, to_weights, store, err);
    if (ok) {
        bl_writer *writer = bl_writer_open(to_config, err);
        if (writer) bl_writer_print(writer, "%s\n", text);
        ok = writer && bl_writer_commit(writer, err);
    }
    json_decref(json);
    free(text);
    free(to_tokenizer);
    free(to_weights);
    free(to_config);
    return ok;
}
