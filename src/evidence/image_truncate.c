/* Loss and accuracy of an image model against rank (docs/specification.md, 20): every class's form cut to
 * its K terms of largest |l|; the direct path of a model with residual stays.
 *
 *   z_c^K(x) = direct_c(x) + sum over the K largest |l| of l (v.x')^2 */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "subject/image_private.h"
#include <bilens/image_evidence.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLICE ((size_t)512)

typedef struct work {
    const bl_image_model *model;
    const bl_images *images;
    size_t count, C, n_ranks;
    const size_t *ranks; /* ascending or not */
    float *direct;       /* [count, C] */
    float *logits;       /* [n_ranks, count, C] */
    double *losses;      /* [count] */
    bool *right;         /* [count] */
} work;

static bl_image_score score_of(work *w, const float *logits) {
    bl_image_score score = {.predictions = w->count};
    size_t hits = 0;
    bl_image_judge(logits, w->count, w->C, w->images, 0, w->losses, w->right);
    for (size_t i = 0; i < w->count; i++) {
        score.loss += w->losses[i] / (double)w->count;
        hits += w->right[i];
    }
    score.accuracy = (double)hits / (double)w->count;
    return score;
}

/* Adds up l s^2 in the given order and leaves the sum at every rank that is asked for. */
static void fill_ranks(work *w, const bl_image_eigen *e, const size_t *order, const float *sims, size_t image,
                       size_t c) {
    double sum = (double)w->direct[image * w->C + c];
    for (size_t k = 0; k <= e->size; k++) {
        for (size_t r = 0; r < w->n_ranks; r++)
            if (w->ranks[r] == k) w->logits[(r * w->count + image) * w->C + c] = (float)sum;
        if (k == e->size) break;
        double s = (double)sims[order[k]];
        sum += (double)e->values[order[k]] * s * s;
    }
}

static bool cut_class(work *w, size_t c, bl_space space, bool raw, bl_error *err) {
    const bl_image_config *config = bl_image_config_of(w->model);
    float *sims = NULL;
    size_t *order = NULL;
    bl_image_eigen *e = bl_image_eigen_of_class(w->model, c, !raw, config->n_layer - 1, space, err);
    if (e) sims = bl_alloc(SLICE * e->size, sizeof *sims, err);
    if (sims) order = bl_alloc(e->size, sizeof *order, err);
    bool ok = order != NULL;
    if (ok) bl_image_eigen_order(e, order);
    for (size_t first = 0; ok && first < w->count; first += SLICE) {
        size_t B = w->count - first < SLICE ? w->count - first : SLICE;
        ok = bl_go_on(err) && bl_image_similarities(w->model, e, w->images, first, B, sims, err);
        for (size_t b = 0; ok && b < B; b++) fill_ranks(w, e, order, sims + b * e->size, first + b, c);
    }
    bl_image_eigen_free(e);
    free(sims);
    free(order);
    return ok;
}

/* direct [count, C] = U h of the last block's input in a model with residual, centred unless raw; else
 * zeros. */
static bool fill_direct(work *w, bool raw, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(w->model);
    size_t n = c->d_input, h = c->d_hidden;
    memset(w->direct, 0, w->count * w->C * sizeof *w->direct);
    if (!c->residual) return true;
    float *x = bl_alloc(n + h, sizeof *x, err);
    bool ok = x != NULL;
    for (size_t i = 0; ok && i < w->count; i++) {
        bl_images_rows(w->images, i, 1, x);
        ok = bl_image_inputs(w->model, x, 1, c->n_layer - 1, x + n, err);
        double mean = 0;
        for (size_t k = 0; ok && k < w->C; k++) {
            double sum = 0;
            for (size_t j = 0; j < h; j++) sum += (double)w->model->w_u[k * h + j] * (double)x[n + j];
            w->direct[i * w->C + k] = (float)sum;
            mean += sum / (double)w->C;
        }
        for (size_t k = 0; ok && !raw && k < w->C; k++) w->direct[i * w->C + k] -= (float)mean;
    }
    free(x);
    return ok;
}

/* The ranks that the spectrum has, in the order asked for. */
static bool keep_ranks(bl_image_truncation *t, const size_t *ranks, size_t n_ranks, size_t m, size_t *kept,
                       bl_error *err) {
    t->ranks = bl_alloc_zero(n_ranks, sizeof *t->ranks, err);
    for (size_t r = 0; t->ranks && r < n_ranks; r++)
        if (ranks[r] <= m) kept[t->n_ranks++] = ranks[r];
    return t->ranks != NULL;
}

static size_t spectrum_size(const bl_image_model *model, bl_space space) {
    const bl_image_config *c = bl_image_config_of(model);
    size_t d = bl_image_width(model, c->n_layer - 1) + c->bias, n = c->d_input + c->bias;
    return space == BL_SPACE_PIXEL && n < d ? n : d;
}

bl_image_truncation *bl_image_truncate(const bl_image_model *model, const bl_images *images,
                                       const size_t *ranks, size_t n_ranks, bl_space space, bool raw,
                                       bl_error *err) {
    size_t count = bl_images_count(images), C = bl_image_config_of(model)->d_output, cells, all;
    bl_error_clear(err);
    bl_image_truncation *t = bl_alloc_zero(1, sizeof *t, err);
    size_t *kept = bl_alloc(n_ranks, sizeof *kept, err);
    work w = {.model = model, .images = images, .count = count, .C = C, .ranks = kept};
    bool ok = t && kept && keep_ranks(t, ranks, n_ranks, spectrum_size(model, space), kept, err);
    if (!ok) goto done;
    w.n_ranks = t->n_ranks;
    if (!bl_mul_size(count, C, &cells)) cells = SIZE_MAX;
    if (!bl_mul_size(cells, t->n_ranks + 1, &all)) all = SIZE_MAX;
    w.direct = bl_alloc(cells, sizeof *w.direct, err);
    w.logits = bl_alloc(all, sizeof *w.logits, err);
    w.losses = bl_alloc(count, sizeof *w.losses, err);
    w.right = bl_alloc(count, sizeof *w.right, err);
    ok = w.direct && w.logits && w.losses && w.right && fill_direct(&w, raw, err) &&
         bl_image_eval(model, images, &t->full, NULL, err);
    for (size_t c = 0; ok && c < C; c++) ok = cut_class(&w, c, space, raw, err);
    if (!ok) goto done;
    t->without_mlp = score_of(&w, w.direct);
    for (size_t r = 0; r < t->n_ranks; r++) {
        bl_image_score score = score_of(&w, w.logits + r * cells);
        double gain = t->without_mlp.loss - t->full.loss;
        t->ranks[r] =
            (bl_image_rank){kept[r], score, gain != 0 ? (t->without_mlp.loss - score.loss) / gain : NAN};
    }
done:
    free(kept);
    free(w.direct);
    free(w.logits);
    free(w.losses);
    free(w.right);
    if (ok) return t;
    bl_image_truncation_free(t);
    return NULL;
}

void bl_image_truncation_free(bl_image_truncation *t) {
    if (!t) return;
    free(t->ranks);
    free(t);
}
