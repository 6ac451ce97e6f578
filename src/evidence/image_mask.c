/* Adversarial masks from eigenvectors (docs/specification.md, 20).
 *
 * V [C K, width]: the K highest eigenvectors of every class, one per row. The dual of row j is column j of
 * V's pseudo-inverse: it has a similarity of 1 with row j and of 0 with all others. V = L Q gives V^+ = Q^T
 * L^-1, so that column j is Q^T times the forward substitution of e_j: float64 throughout.
 *
 * In pixel space the dual is the mask. In the embedding the mask is dual^T E, the paper's heuristic: E^T is
 * not E^+. */
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "linear/lq.h"
#include "subject/image_private.h"
#include <bilens/image_evidence.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLICE ((size_t)256)

typedef struct work {
    const bl_image_model *model;
    const bl_images *images;
    bl_mask_options o;
    size_t n, width, rows; /* pixels; coordinates of a vector; C K */
    double *stacked;       /* [rows, width] */
    double *dual;          /* [width] */
    float *vector;         /* [width] the eigenvector itself */
    double *mean;          /* [n] of the images */
    bool *allowed;         /* [n] */
    float *logits;         /* [count, C] of the images with a mask on */
} work;

static bool stack_class(work *w, size_t c, bl_mask *mask, bl_error *err) {
    size_t K = w->o.per_class;
    bl_image_eigen *e = bl_image_eigen_of_class(w->model, c, false, 0, w->o.space, err);
    bool ok = e != NULL;
    for (size_t k = 0; ok && k < K; k++) /* ascending: row c K + k is the eigenvector of index k - K */
        for (size_t i = 0; i < w->width; i++)
            w->stacked[(c * K + k) * w->width + i] = (double)e->vectors[(e->size - K + k) * w->width + i];
    if (ok && c == w->o.class_index) {
        size_t at = e->size - (size_t)-w->o.index;
        mask->eigenvalue = (double)e->values[at];
        memcpy(w->vector, e->vectors + at * w->width, w->width * sizeof *w->vector);
    }
    bl_image_eigen_free(e);
    return ok;
}

/* Column j of the pseudo-inverse of the stacked rows. */
static bool make_dual(work *w, size_t j, bl_error *err) {
    size_t m = w->rows;
    double *l = bl_alloc(m * m + m, sizeof *l, err), *y = BL_PART(l, m * m), largest = 0;
    bool ok = l && bl_lq(w->stacked, m, w->width, l, err);
    for (size_t i = 0; ok && i < m; i++) largest = fmax(largest, fabs(l[i * m + i]));
    for (size_t i = 0; ok && i < m; i++) {
        if (fabs(l[i * m + i]) <= 1e-9 * largest)
            ok = bl_fail(
                err, BL_ERR_NUMERIC,
                "the %zu eigenvectors are not independent: no picture excites one of them alone. Take fewer "
                "with --per-class",
                m);
        double sum = i == j ? 1 : 0;
        for (size_t k = 0; k < i; k++) sum -= l[i * m + k] * y[k];
        if (ok) y[i] = sum / l[i * m + i];
    }
    for (size_t i = 0; ok && i < w->width; i++) {
        w->dual[i] = 0;
        for (size_t k = 0; k < m; k++) w->dual[i] += w->stacked[k * w->width + i] * y[k];
    }
    free(l);
    return ok;
}

/* sum of v.h over the images of other classes, and the mean image. */
static bool survey(work *w, double *sum, bl_error *err) {
    size_t count = bl_images_count(w->images), n = w->n;
    float *x = bl_alloc(SLICE * (n + w->width), sizeof *x, err), *h = BL_PART(x, SLICE * n);
    bool ok = x != NULL;
    memset(w->mean, 0, n * sizeof *w->mean);
    *sum = 0;
    for (size_t first = 0; ok && first < count; first += SLICE) {
        size_t B = count - first < SLICE ? count - first : SLICE;
        bl_images_rows(w->images, first, B, x);
        const float *in = w->o.space == BL_SPACE_PIXEL ? x : h;
        ok = bl_go_on(err) && (in != h || bl_image_inputs(w->model, x, B, 0, h, err));
        for (size_t b = 0; ok && b < B; b++) {
            for (size_t i = 0; i < n; i++) w->mean[i] += (double)x[b * n + i] / (double)count;
            if (bl_images_label(w->images, first + b) == w->o.class_index) continue;
            for (size_t i = 0; i < w->width; i++) *sum += (double)w->vector[i] * (double)in[b * w->width + i];
        }
    }
    free(x);
    return ok;
}

/* The mask of the dual: in pixels, of the right sign, only where it is allowed, of the wanted strength. */
static bool paint(work *w, bl_mask *mask, double sum, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(w->model);
    size_t n = w->n;
    double mean = 0, square = 0, sign = sum < 0 ? -1 : 1, *picture = bl_alloc(n, sizeof *picture, err);
    if (!picture) return false;
    for (size_t i = 0; i < n; i++) {
        picture[i] = w->o.space == BL_SPACE_PIXEL || c->p ? w->dual[i] : 0;
        for (size_t k = 0; w->o.space == BL_SPACE_EMBED && !c->p && k < w->width; k++)
            picture[i] += w->dual[k] * (double)w->model->w_e[k * n + i];
        w->allowed[i] = w->o.rare <= 0 || w->mean[i] < w->o.rare;
        mask->pixels += w->allowed[i];
    }
    for (size_t i = 0; i < n; i++)
        if (w->allowed[i]) mean += sign * picture[i] / (double)mask->pixels;
    for (size_t i = 0; i < n; i++)
        if (w->allowed[i]) square += (sign * picture[i] - mean) * (sign * picture[i] - mean);
    double sd = mask->pixels > 1 ? sqrt(square / (double)(mask->pixels - 1)) : 0;
    bool ok =
        sd > 0 || bl_fail(err, BL_ERR_USAGE, "--rare %g leaves %zu pixels, on which the mask does not vary",
                          w->o.rare, mask->pixels);
    for (size_t i = 0; ok && i < n; i++)
        mask->mask[i] = w->allowed[i] ? (float)(sign * picture[i] * w->o.strength / sd) : 0.0F;
    free(picture);
    return ok;
}

/* out[0] accuracy, out[1] share of other classes' images called this class, with `added` [n] on every image.
 * */
static bool score(work *w, const float *added, double out[2], bl_error *err) {
    size_t count = bl_images_count(w->images), n = w->n, C = bl_image_config_of(w->model)->d_output;
    size_t hits = 0, called = 0, others = 0;
    float *x = bl_alloc(SLICE * n, sizeof *x, err);
    bool ok = x != NULL;
    for (size_t first = 0; ok && first < count; first += SLICE) {
        size_t B = count - first < SLICE ? count - first : SLICE;
        bl_images_rows(w->images, first, B, x);
        for (size_t i = 0; i < B * n; i++) x[i] += added[i % n];
        ok = bl_go_on(err) && bl_image_logits(w->model, x, B, w->logits, err);
        for (size_t b = 0; ok && b < B; b++) {
            size_t best = 0, label = bl_images_label(w->images, first + b);
            for (size_t c = 1; c < C; c++)
                if (w->logits[b * C + c] > w->logits[b * C + best]) best = c;
            hits += best == label;
            if (label == w->o.class_index) continue;
            others++;
            called += best == w->o.class_index;
        }
    }
    out[0] = (double)hits / (double)count;
    out[1] = others ? (double)called / (double)others : 0;
    free(x);
    return ok;
}

/* The mask's values permuted among the allowed pixels: what its strength alone does. */
static bool permuted(work *w, bl_mask *mask, bl_error *err) {
    size_t R = w->o.permutations, n = w->n, *places = bl_alloc(n, sizeof *places, err), m = 0;
    float *other = bl_alloc_zero(n, sizeof *other, err);
    double *found = bl_alloc(2 * R, sizeof *found, err);
    bool ok = places && other && found;
    bl_random random;
    bl_random_seed(&random, w->o.seed);
    for (size_t i = 0; ok && i < n; i++)
        if (w->allowed[i]) places[m++] = i;
    for (size_t r = 0; ok && r < R; r++) {
        for (size_t i = 0; i < m; i++) other[places[i]] = mask->mask[places[i]];
        for (size_t i = m; i > 1; i--) {
            size_t j = (size_t)bl_random_below(&random, i);
            float swap = other[places[i - 1]];
            other[places[i - 1]] = other[places[j]];
            other[places[j]] = swap;
        }
        ok = score(w, other, found + 2 * r, err);
    }
    for (size_t k = 0; ok && k < 2; k++) {
        double square = 0;
        for (size_t r = 0; r < R; r++) mask->mean[k] += found[2 * r + k] / (double)R;
        for (size_t r = 0; r < R; r++) square += pow(found[2 * r + k] - mask->mean[k], 2);
        mask->sd[k] = R > 1 ? sqrt(square / (double)(R - 1)) : NAN;
        if (R == 0) mask->mean[k] = NAN;
    }
    free(places);
    free(other);
    free(found);
    return ok;
}

static bool check(const bl_image_model *model, const bl_mask_options *o, size_t width, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    if (c->n_layer != 1)
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: masks are made for models of one block, this one has %zu", bl_image_name(model),
                       c->n_layer);
    if (c->bias)
        return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: masks are not made for models with biases",
                       bl_image_name(model));
    if (o->index >= 0 || -o->index > (long)o->per_class)
        return bl_fail(err, BL_ERR_USAGE,
                       "--eigs %ld: a mask is made from one of the %zu highest eigenvectors, -1 to -%zu",
                       o->index, o->per_class, o->per_class);
    if (o->per_class > width / c->d_output)
        return bl_fail(
            err, BL_ERR_USAGE,
            "--per-class %zu: %zu classes have %zu eigenvectors then, more than their %zu dimensions",
            o->per_class, c->d_output, o->per_class * c->d_output, width);
    return true;
}

bl_mask *bl_mask_make(const bl_image_model *model, const bl_images *images, const bl_mask_options *options,
                      bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    work w = {.model = model, .images = images, .o = *options, .n = c->d_input};
    float *none = NULL;
    double sum;
    bool ok = false;
    bl_error_clear(err);
    if (w.o.per_class == 0) w.o.per_class = 10;
    if (!(w.o.strength >= 0 && w.o.strength <= 1e6))
        return bl_fail_null(
            err, BL_ERR_USAGE,
            "the mask's strength is a standard deviation above 0, of pixels from 0 to 1, not %g",
            w.o.strength);
    if (w.o.strength == 0) w.o.strength = 0.15;
    w.width = w.o.space == BL_SPACE_PIXEL ? c->d_input : bl_image_width(model, 0);
    if (!check(model, &w.o, w.width, err)) return NULL;
    w.rows = w.o.per_class * c->d_output;
    bl_mask *mask = bl_alloc_zero(1, sizeof *mask, err);
    if (!mask) return NULL;
    mask->n = w.n;
    mask->images = bl_images_count(images);
    mask->mask = bl_alloc(w.n, sizeof *mask->mask, err);
    w.stacked = bl_alloc(w.rows * w.width, sizeof *w.stacked, err);
    w.dual = bl_alloc(w.width, sizeof *w.dual, err);
    w.vector = bl_alloc(w.width, sizeof *w.vector, err);
    w.mean = bl_alloc(w.n, sizeof *w.mean, err);
    w.allowed = bl_alloc(w.n, sizeof *w.allowed, err);
    w.logits = bl_alloc(SLICE * c->d_output, sizeof *w.logits, err);
    none = bl_alloc_zero(w.n, sizeof *none, err);
    if (!mask->mask || !w.stacked || !w.dual || !w.vector || !w.mean || !w.allowed || !w.logits || !none)
        goto done;
    for (size_t k = 0; k < c->d_output; k++)
        if (!stack_class(&w, k, mask, err)) goto done;
    if (!make_dual(&w, w.o.class_index * w.o.per_class + w.o.per_class - (size_t)-w.o.index, err)) goto done;
    ok = survey(&w, &sum, err) && paint(&w, mask, sum, err) && score(&w, none, mask->before, err) &&
         score(&w, mask->mask, mask->after, err) && permuted(&w, mask, err);
done:
    free(none);
    free(w.stacked);
    free(w.dual);
    free(w.vector);
    free(w.mean);
    free(w.allowed);
    free(w.logits);
    if (ok) return mask;
    bl_mask_free(mask);
    return NULL;
}

void bl_mask_free(bl_mask *mask) {
    if (!mask) return;
    free(mask->mask);
    free(mask);
}
