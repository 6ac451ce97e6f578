/* Vectors of an image model's trace point over images, in slices (docs/specification.md, 20): "embed" = E x,
 * "hidden" of a block, the head's "logits". */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/point_source.h"
#include "subject/image_private.h"
#include <stdlib.h>
#include <string.h>

#define SLICE ((size_t)256) /* images of one sample */
#define LOGITS ((size_t)-1) /* the point "logits" */
#define TENTH ((size_t)10)

typedef struct seen {
    const bl_image_model *model;
    const bl_images *images;
    bl_image_part part;
    size_t state;  /* the point is the input of block `state`, of the head (n_layer), or LOGITS */
    size_t count;  /* images of the part */
    float *x;      /* [threads, SLICE, n] */
    float *logits; /* [threads, SLICE, C] */
} seen;

/* Image of the set that is the part's image `i`. */
static size_t image_at(const seen *s, size_t i) {
    if (s->part == BL_IMAGES_EVERY_TENTH) return TENTH * i + TENTH - 1;
    return s->part == BL_IMAGES_LEARNT ? i + i / (TENTH - 1) : i;
}

static size_t rows_of(const void *own, size_t i) {
    const seen *s = own;
    size_t left = s->count - i * SLICE;
    return left < SLICE ? left : SLICE;
}

/* The pixels of slice i, [rows, n]. */
static float *pixels(const seen *s, size_t i, size_t thread) {
    size_t n = bl_image_config_of(s->model)->d_input, rows = rows_of(s, i);
    float *x = s->x + thread * SLICE * n;
    for (size_t b = 0; b < rows; b++) bl_images_rows(s->images, image_at(s, i * SLICE + b), 1, x + b * n);
    return x;
}

static bool fill(void *own, size_t i, size_t thread, float *out, bl_error *err) {
    const seen *s = own;
    const float *x = pixels(s, i, thread);
    if (s->state == LOGITS) return bl_image_logits(s->model, x, rows_of(s, i), out, err);
    return bl_image_inputs(s->model, x, rows_of(s, i), s->state, out, err);
}

/* The slice's logits with other vectors in the point's place. */
static bool spliced(const seen *s, size_t rows, const float *point, float *logits, bl_error *err) {
    size_t C = bl_image_config_of(s->model)->d_output;
    if (s->state != LOGITS) return bl_image_logits_of(s->model, point, rows, s->state, logits, err);
    memcpy(logits, point, rows * C * sizeof *logits);
    return true;
}

static bool outcome(void *own, size_t i, size_t thread, const float *rows, const float *mean,
                    bl_point_outcome *out, bl_error *err) {
    const seen *s = own;
    size_t C = bl_image_config_of(s->model)->d_output, m = rows_of(s, i);
    float *logits = s->logits + thread * SLICE * C;
    bool ok;
    *out = (bl_point_outcome){0};
    if (rows) ok = spliced(s, m, rows, logits, err);
    else if (mean) ok = spliced(s, 1, mean, logits, err);
    else ok = bl_image_logits(s->model, pixels(s, i, thread), m, logits, err);
    for (size_t b = 0; ok && b < m; b++) {
        double loss;
        bool right;
        const float *row = mean && !rows ? logits : logits + b * C;
        bl_image_judge_one(row, C, bl_images_label(s->images, image_at(s, i * SLICE + b)), &loss, &right);
        out->loss += loss;
        out->right += right;
    }
    return ok;
}

static uint64_t hash(const void *own) {
    const seen *s = own;
    return bl_images_hash(s->images) ^ (uint64_t)s->part;
}

static void seen_free(void *own) {
    seen *s = own;
    free(s->x);
    free(s->logits);
    free(s);
}

static const bl_point_kind images_kind = {true, rows_of, fill, outcome, hash, seen_free};

/* *state and *d of a point's name; see bl_point_source_images. */
static bool find(const bl_image_model *model, const char *name, size_t layer, size_t *state, size_t *d,
                 bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    char *end = NULL;
    *d = c->d_hidden;
    if (strncmp(name, "hidden.", 7) == 0 && name[7] >= '0' && name[7] <= '9') {
        layer = strtoul(name + 7, &end, 10);
        if (*end) end = NULL;
    }
    if (strcmp(name, "logits") == 0) {
        *state = LOGITS;
        *d = c->d_output;
        return true;
    }
    *state = 0;
    if (strcmp(name, "embed") == 0 && !c->p) return true;
    if (strcmp(name, "hidden") != 0 && !end)
        return bl_fail(err, BL_ERR_USAGE,
                       "unknown trace point '%.60s'; there are %shidden (also with a layer, "
                       "as in hidden.0) and logits",
                       name, c->p ? "" : "embed, ");
    if (layer >= c->n_layer)
        return bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: %s has 0 to %zu", layer,
                       bl_image_name(model), c->n_layer - 1);
    *state = layer + 1;
    return true;
}

bool bl_point_source_images(bl_point_source *s, const bl_image_model *model, const char *point, size_t layer,
                            const bl_images *images, bl_image_part part, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    size_t state, d, all = bl_images_count(images), threads = (size_t)bl_threads(), held = all / TENTH;
    if (!find(model, point, layer, &state, &d, err)) return false;
    size_t count = part == BL_IMAGES_EVERY_TENTH ? held : part == BL_IMAGES_LEARNT ? all - held : all;
    if (count == 0)
        return bl_fail(err, BL_ERR_INPUT,
                       "every tenth image is held out, and there are fewer: give more, or "
                       "images to hold out");
    seen *own = bl_alloc_zero(1, sizeof *own, err);
    if (!own) return false;
    *own = (seen){.model = model, .images = images, .part = part, .state = state, .count = count};
    *s = (bl_point_source){.kind = &images_kind,
                           .own = own,
                           .d = d,
                           .n = (count + SLICE - 1) / SLICE,
                           .longest = count < SLICE ? count : SLICE,
                           .units = count};
    own->x = bl_alloc(threads * SLICE, c->d_input * sizeof *own->x, err);
    own->logits = bl_alloc(threads * SLICE, c->d_output * sizeof *own->logits, err);
    return own->x && own->logits;
}
