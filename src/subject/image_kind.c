/* Image models as subjects (docs/specification.md, 20 and 21): blocks as maps, classes and pixels as bases.
 * */
#include "base/error.h"
#include "base/memory.h"
#include "subject/kind.h"
#include <stdlib.h>
#include <string.h>

/* What the bases point into. */
typedef struct own {
    const bl_image_model *model;
    float *pixels; /* [n, d] the columns of E; without E the unit vectors */
    size_t n, d;
} own;

static void *load(const char *directory, bl_error *err) { return bl_image_load(directory, err); }
static void unload(void *model) { bl_image_free(model); }

static void free_own(void *context) {
    own *o = context;
    if (!o) return;
    free(o->pixels);
    free(o);
}

static void *take(const void *model, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    bl_view e = bl_image_w_e(model);
    own *o = bl_alloc_zero(1, sizeof *o, err);
    if (!o) return NULL;
    size_t count;
    *o = (own){.model = model, .n = c->d_input, .d = e.data ? e.rows : c->d_input};
    if (!bl_mul_size(o->n, o->d, &count)) count = SIZE_MAX;
    o->pixels = bl_alloc_zero(count, sizeof *o->pixels, err);
    if (!o->pixels) {
        free_own(o);
        return NULL;
    }
    for (size_t p = 0; p < o->n; p++)
        for (size_t i = 0; i < o->d; i++)
            o->pixels[p * o->d + i] = e.data ? e.data[i * e.stride + p] : (p == i ? 1.0F : 0.0F);
    return o;
}

static const char *title(const void *model) { return bl_image_name(model); }
static size_t n_layers(const void *model) { return bl_image_config_of(model)->n_layer; }

static bool map(const void *model, size_t layer, bl_bilinear *out, bl_error *err) {
    return bl_image_block(model, layer, out, err);
}

static bl_basis basis_out(const void *context) {
    const own *o = context;
    return bl_image_basis_out(o->model);
}

static bl_basis basis_in(const void *context) {
    const own *o = context;
    bl_basis basis = {.name = "pixel", .vectors = {o->pixels, o->n, o->d, o->d}, .n_dims = 3};
    memcpy(basis.shape, bl_image_config_of(o->model)->shape, sizeof basis.shape);
    return basis;
}

static bl_path *paths(const void *context, size_t layer, size_t *n, bl_error *err) {
    const own *o = context;
    *n = layer == 0 || bl_image_config_of(o->model)->residual;
    bl_path *path = bl_alloc(1, sizeof *path, err);
    if (path) *path = (bl_path){.name = "direct", .scale = 1};
    return path;
}

static void *runner_new(const void *model, size_t layer, bl_error *err) {
    return bl_alloc(bl_image_width(model, layer), sizeof(float), err);
}

static bl_view inputs(const void *model, void *runner, size_t layer, const bl_sample *sample, bl_error *err) {
    size_t width = bl_image_width(model, layer);
    if (!sample->row) bl_fail(err, BL_ERR_USAGE, "a sample of this model is a row of numbers");
    if (!sample->row || !bl_image_inputs(model, sample->row, 1, layer, runner, err)) return (bl_view){0};
    return (bl_view){runner, 1, width, width};
}

const bl_subject_kind bl_image_kind = {.name = "image",
                                       .recognises = bl_image_is_model,
                                       .load = load,
                                       .unload = unload,
                                       .take = take,
                                       .free = free_own,
                                       .title = title,
                                       .n_layers = n_layers,
                                       .map = map,
                                       .basis_out = basis_out,
                                       .basis_in = basis_in,
                                       .paths = paths,
                                       .runner_new = runner_new,
                                       .runner_free = free,
                                       .inputs = inputs};
