/* Transformers as subjects: MLPs as maps, the vocabulary as bases, heads as paths, stories as samples. */
#include "base/error.h"
#include "model/forward.h"
#include "subject/kind.h"

static void *load(const char *directory, bl_error *err) { return bl_model_load(directory, err); }
static void unload(void *model) { bl_model_free(model); }
/* Nothing is kept beside the model. */
static void *take(const void *model, bl_error *err) {
    (void)err;
    return (void *)(uintptr_t)model;
}
static void nothing(void *own) { (void)own; }
static const char *title(const void *model) { return bl_model_name(model); }
static size_t n_layers(const void *model) { return bl_model_config(model)->n_layer; }

static bool map(const void *model, size_t layer, bl_bilinear *out, bl_error *err) {
    return bl_model_bilinear(model, layer, out, err);
}

static bl_basis basis_out(const void *own) { return bl_model_basis_out(own); }
static bl_basis basis_in(const void *own) { return bl_model_basis_in(own); }

static bl_path *paths(const void *own, size_t layer, size_t *n, bl_error *err) {
    *n = bl_model_n_paths(own);
    return bl_model_paths(own, layer, err);
}

static void *runner_new(const void *model, size_t layer, bl_error *err) {
    (void)layer;
    return bl_workspace_new(model, err);
}
static void runner_free(void *runner) { bl_workspace_free(runner); }

static bl_view inputs(const void *model, void *runner, size_t layer, const bl_sample *sample, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    bool ok = sample->ids && sample->n > 0 && sample->n <= c->n_ctx;
    for (size_t i = 0; ok && i < sample->n; i++)
        ok = sample->ids[i] >= 0 && (size_t)sample->ids[i] < c->n_vocab;
    if (ok) return bl_forward_mlp_in(model, runner, sample->ids, sample->n, layer, NULL, err);
    bl_fail(err, BL_ERR_USAGE, "a sample of this model is 1 to %zu ids below %zu", c->n_ctx, c->n_vocab);
    return (bl_view){0};
}

const bl_subject_kind bl_transformer_kind = {.name = "transformer",
                                             .load = load,
                                             .unload = unload,
                                             .take = take,
                                             .free = nothing,
                                             .title = title,
                                             .n_layers = n_layers,
                                             .map = map,
                                             .basis_out = basis_out,
                                             .basis_in = basis_in,
                                             .paths = paths,
                                             .runner_new = runner_new,
                                             .runner_free = runner_free,
                                             .inputs = inputs};
