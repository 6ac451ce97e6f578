/* The explorer's life: what is made once for a model. */
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

static bool make_names(bl_explorer *e, bl_error *err) {
    size_t V = bl_model_config(e->model)->n_vocab;
    char space[BL_LABEL_SPACE];
    e->names = bl_alloc_zero(V, sizeof *e->names, err);
    e->folded = bl_alloc_zero(V, sizeof *e->folded, err);
    if (!e->names || !e->folded) return false;
    for (size_t id = 0; id < V; id++) {
        e->names[id] = bl_utf8_repair(bl_basis_label(&e->basis, id, space), err);
        e->folded[id] = e->names[id] ? fold(e->names[id], err) : NULL;
        if (!e->folded[id]) return false;
    }
    return true;
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
    bool ok = fits && e->answers && make_basis(e, err) && make_names(e, err);
    if (ok && options->atlas) ok = (e->atlas = bl_atlas_reader_open(options->atlas, model, err)) != NULL;
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
    size_t V = e->model ? bl_model_config(e->model)->n_vocab : 0;
    bl_stories_free(e->stories);
    bl_atlas_reader_free(e->atlas);
    bl_cache_free(e->answers);
    bl_cache_free(e->eigens);
    for (size_t id = 0; e->names && id < V; id++) free(e->names[id]);
    for (size_t id = 0; e->folded && id < V; id++) free(e->folded[id]);
    for (size_t i = 0; e->null_models && i < bl_model_config(e->model)->n_layer; i++)
        bl_bilinear_null_free(&e->null_models[i]);
    free(e->names);
    free(e->folded);
    free(e->null_models);
    free(e->mean);
    free(e->corpus_name);
    bl_tree_free(e->info);
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->decomposing);
    free(e);
}
