/* The explorer's life: what is made once for a model. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "serve/explorer_private.h"
#include <bilens/image_result.h>
#include "serve/requested.h"
#include <bilens/report.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define EIGEN_BYTES ((size_t)256 << 20)
#define ANSWER_BYTES ((size_t)64 << 20)
#define DEFAULT_STORIES 20000

/* `text` without case; what cannot be folded stays. */
static char *fold(const char *text, bl_error *err) {
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, 0, &out,
                                      UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_CASEFOLD);
    if (n < 0) return bl_strdup(text, err);
    return (char *)out;
}

static bool make_names(bl_names *names, const bl_basis *basis, bl_error *err) {
    char space[BL_LABEL_SPACE];
    names->n = bl_basis_size(basis);
    names->text = bl_alloc_zero(names->n, sizeof *names->text, err);
    names->folded = bl_alloc_zero(names->n, sizeof *names->folded, err);
    if (!names->text || !names->folded) return false;
    for (size_t id = 0; id < names->n; id++) {
        names->text[id] = bl_utf8_repair(bl_basis_label(basis, id, space), err);
        names->folded[id] = names->text[id] ? fold(names->text[id], err) : NULL;
        if (!names->folded[id]) return false;
    }
    return true;
}

static void names_free(bl_names *names) {
    for (size_t i = 0; names->text && i < names->n; i++) free(names->text[i]);
    for (size_t i = 0; names->folded && i < names->n; i++) free(names->folded[i]);
    free(names->text);
    free(names->folded);
}

/* Every layer of the atlas, and its own directions if it has such. */
static bool open_atlas(bl_explorer *e, const char *path, bl_error *err) {
    e->atlas = bl_atlas_reader_open(path, e->model, 0, err);
    if (!e->atlas) return false;
    const bl_atlas_reader_facts *facts = bl_atlas_reader_get_facts(e->atlas);
    e->layers = bl_alloc_zero(facts->n_layers, sizeof(bl_atlas_reader *), err);
    if (!e->layers) return false;
    e->n_layers = facts->n_layers;
    e->layers[0] = e->atlas;
    for (size_t i = 1; i < e->n_layers; i++)
        if (!(e->layers[i] = bl_atlas_reader_open(path, e->model, i, err))) return false;
    if (!facts->source) return true;
    e->own = bl_atlas_reader_basis(e->atlas);
    return make_names(&e->own_names, &e->own, err);
}

bl_atlas_reader *bl_explorer_layer(const bl_explorer *e, size_t layer) {
    for (size_t i = 0; i < e->n_layers; i++)
        if (bl_atlas_reader_get_facts(e->layers[i])->layer == layer) return e->layers[i];
    return NULL;
}

bl_atlas_reader *bl_call_layer(bl_call *call) {
    bl_explorer *e = call->explorer;
    size_t layer = e->atlas ? (size_t)bl_atlas_reader_get_facts(e->atlas)->layer : 0;
    if (!e->atlas || !bl_request_count(call->request, "layer", layer, 1000000, &layer, &call->err))
        return NULL;
    bl_atlas_reader *found = bl_explorer_layer(e, layer);
    if (!found) bl_fail(&call->err, BL_ERR_USAGE, "layer: the atlas does not have layer %zu", layer);
    return found;
}

long bl_explorer_find_own(const bl_explorer *e, const char *source) {
    const char *own = e->atlas ? bl_atlas_reader_get_facts(e->atlas)->source : NULL;
    size_t n = own ? strlen(own) : 0;
    if (!own || strncmp(source, own, n) != 0 || source[n] != ':') return -1;
    const char *digits = source + n + 1;
    size_t length = strspn(digits, "0123456789");
    if (length == 0 || length > 9 || digits[length]) return -1;
    long row = strtol(digits, NULL, 10);
    return (size_t)row < bl_basis_size(&e->own) ? row : -1;
}

void bl_explorer_put_own(const bl_explorer *e, bl_builder *b, bl_tree *at, size_t id) {
    bl_buffer source = {0};
    bl_buffer_print(&source, "%s:%zu", bl_atlas_reader_get_facts(e->atlas)->source, id);
    char *name = b->failed ? NULL : bl_buffer_take(&source, b->err);
    char *text = name ? bl_direction_text(&(bl_direction){.source = name}, &e->own, b->err) : NULL;
    if (!text) b->failed = true;
    else bl_put_text(b, at, "direction", text);
    bl_buffer_free(&source);
    free(name);
    bl_free(text);
}

static bool make_basis(bl_explorer *e, bl_error *err) {
    e->basis = bl_model_basis_out(e->model);
    e->mean = bl_alloc(bl_basis_width(&e->basis), sizeof *e->mean, err);
    if (!e->mean || !bl_basis_mean(&e->basis, e->mean, err)) return false;
    e->basis.mean = e->mean;
    return true;
}

static bool make_stories(bl_explorer *e, bl_corpus *corpus, const bl_serve_options *options, bl_error *err) {
    size_t most = options->max_stories ? options->max_stories : DEFAULT_STORIES;
    if (corpus) e->stories = bl_stories_read(e->model, corpus, most, err);
    else if (e->atlas) e->stories = bl_stories_of_atlas(e->model, e->atlas, most, err);
    else
        return bl_fail(err, BL_ERR_USAGE,
                       "the explorer needs a corpus, or an atlas, whose stories it then takes");
    e->corpus_name = e->stories ? bl_strdup(options->corpus_name ? options->corpus_name
                                            : options->atlas     ? options->atlas
                                                                 : "",
                                            err)
                                : NULL;
    return e->corpus_name != NULL;
}

bl_explorer *bl_explorer_new(const bl_model *model, bl_corpus *corpus, const bl_serve_options *options,
                             bl_error *err) {
    static const bl_serve_options defaults = {0};
    bl_error_clear(err);
    if (!options) options = &defaults;
    bl_explorer *e = bl_alloc_zero(1, sizeof *e, err);
    if (!e) return NULL;
    e->model = model;
    e->features = options->basis;
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->decomposing, NULL);
    e->null_models = bl_alloc_zero(bl_model_config(model)->n_layer, sizeof *e->null_models, err);
    e->info = e->null_models ? bl_info_tree(model, err) : NULL;
    e->eigens = e->info ? bl_cache_new(EIGEN_BYTES, bl_decomposition_free, err) : NULL;
    e->answers = e->eigens ? bl_cache_new(ANSWER_BYTES, bl_free, err) : NULL;
    bool fits = !e->features || e->features->d == bl_model_config(model)->d_model ||
                bl_fail(err, BL_ERR_INPUT, "%s: its features have %zu numbers, this model's have %zu",
                        e->features->name, e->features->d, bl_model_config(model)->d_model);
    bool ok = fits && e->answers && make_basis(e, err) && make_names(&e->names, &e->basis, err);
    if (ok && options->atlas) ok = open_atlas(e, options->atlas, err);
    if (ok && make_stories(e, corpus, options, err)) return e;
    bl_explorer_free(e);
    return NULL;
}

bl_explorer *bl_explorer_new_images(const bl_image_model *model, const bl_images *images,
                                    const bl_serve_options *options, bl_error *err) {
    bl_error_clear(err);
    bl_explorer *e = bl_alloc_zero(1, sizeof *e, err);
    if (!e) return NULL;
    e->image = model;
    e->images = images;
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->decomposing, NULL);
    e->corpus_name = bl_strdup(options && options->corpus_name ? options->corpus_name : "", err);
    e->info = e->corpus_name ? bl_image_info_tree(model, err) : NULL;
    e->answers = e->info ? bl_cache_new(ANSWER_BYTES, bl_free, err) : NULL;
    if (e->answers) return e;
    bl_explorer_free(e);
    return NULL;
}

void bl_explorer_stop(bl_explorer *e) {
    if (e->stories) bl_stories_stop(e->stories);
}

void bl_explorer_free(bl_explorer *e) {
    if (!e) return;
    bl_stories_free(e->stories);
    if (!e->n_layers) bl_atlas_reader_free(e->atlas);
    for (size_t i = 0; i < e->n_layers; i++) bl_atlas_reader_free(e->layers[i]);
    free(e->layers);
    bl_cache_free(e->answers);
    bl_cache_free(e->eigens);
    names_free(&e->names);
    names_free(&e->own_names);
    for (size_t i = 0; e->null_models && i < bl_model_config(e->model)->n_layer; i++)
        bl_bilinear_null_free(&e->null_models[i]);
    free(e->null_models);
    free(e->mean);
    free(e->corpus_name);
    bl_tree_free(e->info);
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->decomposing);
    free(e);
}
