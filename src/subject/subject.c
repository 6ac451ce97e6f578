/* The kinds of subjects, and what is asked of any of them. */
#include "base/error.h"
#include "base/memory.h"
#include "subject/kind.h"
#include <stdlib.h>

/* The first that recognises a directory; the last takes what is left. */
static const bl_subject_kind *const kinds[] = {&bl_image_kind, &bl_transformer_kind};

struct bl_subject {
    const bl_subject_kind *kind;
    const void *model;
    void *loaded; /* the model, if it is the subject's own */
    void *own;
};

static bl_subject *make(const bl_subject_kind *kind, const void *model, void *loaded, bl_error *err) {
    bl_subject *s = model ? bl_alloc_zero(1, sizeof *s, err) : NULL;
    if (s) *s = (bl_subject){.kind = kind, .model = model, .loaded = loaded, .own = kind->take(model, err)};
    if (s && s->own) return s;
    if (loaded) kind->unload(loaded);
    bl_free(s);
    return NULL;
}

bl_subject *bl_subject_load(const char *directory, bl_error *err) {
    size_t i = 0, last = sizeof kinds / sizeof *kinds - 1;
    bl_error_clear(err);
    while (i < last && !kinds[i]->recognises(directory)) i++;
    void *model = kinds[i]->load(directory, err);
    return make(kinds[i], model, model, err);
}

bl_subject *bl_subject_of_model(const bl_model *model, bl_error *err) {
    bl_error_clear(err);
    return make(&bl_transformer_kind, model, NULL, err);
}

bl_subject *bl_subject_of_images(const bl_image_model *model, bl_error *err) {
    bl_error_clear(err);
    return make(&bl_image_kind, model, NULL, err);
}

void bl_subject_free(bl_subject *s) {
    if (!s) return;
    s->kind->free(s->own);
    if (s->loaded) s->kind->unload(s->loaded);
    free(s);
}

const char *bl_subject_kind_of(const bl_subject *s) { return s->kind->name; }
const char *bl_subject_name(const bl_subject *s) { return s->kind->title(s->model); }
size_t bl_subject_n_layers(const bl_subject *s) { return s->kind->n_layers(s->model); }

const bl_model *bl_subject_model(const bl_subject *s) {
    return s->kind == &bl_transformer_kind ? s->model : NULL;
}

const bl_image_model *bl_subject_image_model(const bl_subject *s) {
    return s->kind == &bl_image_kind ? s->model : NULL;
}

bool bl_subject_map(const bl_subject *s, size_t layer, bl_bilinear *out, bl_error *err) {
    return s->kind->map(s->model, layer, out, err);
}

bl_basis bl_subject_basis_out(const bl_subject *s) { return s->kind->basis_out(s->own); }
bl_basis bl_subject_basis_in(const bl_subject *s) { return s->kind->basis_in(s->own); }

bl_path *bl_subject_paths(const bl_subject *s, size_t layer, size_t *n, bl_error *err) {
    bl_error_clear(err);
    *n = 0;
    if (layer < bl_subject_n_layers(s)) return s->kind->paths(s->own, layer, n, err);
    return bl_fail_null(err, BL_ERR_USAGE, "layer %zu does not exist: there are layers 0 to %zu", layer,
                        bl_subject_n_layers(s) - 1);
}

struct bl_runner {
    const bl_subject *subject;
    size_t layer;
    void *own;
};

bl_runner *bl_runner_new(const bl_subject *s, size_t layer, bl_error *err) {
    bl_bilinear map;
    bl_error_clear(err);
    if (!bl_subject_map(s, layer, &map, err)) return NULL;
    bl_runner *runner = bl_alloc_zero(1, sizeof *runner, err);
    if (!runner) return NULL;
    *runner = (bl_runner){s, layer, s->kind->runner_new(s->model, layer, err)};
    if (runner->own) return runner;
    free(runner);
    return NULL;
}

void bl_runner_free(bl_runner *runner) {
    if (!runner) return;
    runner->subject->kind->runner_free(runner->own);
    free(runner);
}

bl_view bl_runner_inputs(bl_runner *runner, const bl_sample *sample, bl_error *err) {
    bl_error_clear(err);
    const bl_subject *s = runner->subject;
    return s->kind->inputs(s->model, runner->own, runner->layer, sample, err);
}
