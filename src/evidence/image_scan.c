/* Top images of eigenvectors, and the account of an image's logits (docs/specification.md, 20). */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/best.h"
#include "subject/image_private.h"
#include <bilens/image_evidence.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLICE ((size_t)512) /* images at a time */

/* What a match says beyond its place. x [n] and logits [C] are scratch. */
static bool finish(const bl_image_model *model, const bl_image_eigen *eigen, size_t at,
                   const bl_images *images, bl_image_match *m, float *x, float *logits, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    size_t n = c->d_input;
    bl_images_rows(images, m->image, 1, x);
    if (!bl_image_logits(model, x, 1, logits, err)) return false;
    m->label = bl_images_label(images, m->image);
    for (size_t k = 1; k < c->d_output; k++)
        if (logits[k] > logits[m->predicted]) m->predicted = k;
    m->activation = (double)eigen->values[at] * m->similarity * m->similarity;
    if (eigen->layer > 0) return true;
    float sign = m->similarity < 0 ? -1.0F : 1.0F;
    m->contributions = bl_alloc(n, sizeof *m->contributions, err);
    if (!m->contributions) return false;
    for (size_t i = 0; i < n; i++) m->contributions[i] = sign * eigen->pictures[at * n + i] * x[i] + 0.0F;
    if (eigen->constant) m->constant = (double)(sign * eigen->vectors[at * eigen->width + eigen->width - 1]);
    return true;
}

/* The images of largest |s| of each eigenvector: lists [n_vectors] of entries, and s itself, `signs`, by
 * their slots. */
static bool search(const bl_image_model *model, const bl_image_eigen *eigen, const size_t *at,
                   size_t n_vectors, bl_best *lists, float *signs, const bl_images *images, float *sims,
                   bl_error *err) {
    size_t count = bl_images_count(images);
    for (size_t first = 0; first < count; first += SLICE) {
        size_t B = count - first < SLICE ? count - first : SLICE;
        if (!bl_go_on(err) || !bl_image_similarities(model, eigen, images, first, B, sims, err)) return false;
        for (size_t b = 0; b < B; b++)
            for (size_t j = 0; j < n_vectors; j++) {
                float s = sims[b * eigen->size + at[j]];
                size_t slot = bl_best_offer(&lists[j], fabsf(s), first + b);
                if (slot != BL_BEST_NONE) signs[j * lists[j].most + slot] = s;
            }
    }
    return true;
}

/* What the lists found, best first. */
static void take(bl_image_scan *scan, bl_best *lists, const float *signs) {
    for (size_t j = 0; j < scan->n_vectors; j++) {
        bl_best_sort(&lists[j]);
        scan->counts[j] = lists[j].n;
        for (size_t i = 0; i < lists[j].n; i++)
            scan->matches[j * scan->top + i] =
                (bl_image_match){.image = lists[j].list[i].id,
                                 .similarity = (double)signs[j * scan->top + lists[j].list[i].slot]};
    }
}

bl_image_scan *bl_image_scan_run(const bl_image_model *model, const bl_image_eigen *eigen,
                                 const long *indices, size_t n_indices, const bl_images *images, size_t top,
                                 bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    size_t count;
    bl_error_clear(err);
    if (top == 0) top = 8;
    if (top > bl_images_count(images)) top = bl_images_count(images);
    bl_image_scan *scan = bl_alloc_zero(1, sizeof *scan, err);
    if (!scan) return NULL;
    *scan = (bl_image_scan){.n_vectors = n_indices, .top = top, .n = c->d_input};
    if (!bl_mul_size(n_indices, top, &count)) count = SIZE_MAX;
    scan->counts = bl_alloc_zero(n_indices, sizeof *scan->counts, err);
    scan->matches = bl_alloc_zero(count, sizeof *scan->matches, err);
    size_t *at = bl_alloc(n_indices, sizeof *at, err);
    bl_best *lists = bl_alloc(n_indices, sizeof *lists, err);
    bl_scored *entries = bl_alloc(count, sizeof *entries, err);
    float *signs = bl_alloc(count, sizeof *signs, err);
    float *sims = bl_alloc(SLICE * eigen->size, sizeof *sims, err);
    float *x = bl_alloc(c->d_input + c->d_output, sizeof *x, err);
    bool ok = scan->counts && scan->matches && at && lists && entries && signs && sims && x;
    for (size_t j = 0; ok && j < n_indices; j++) {
        long place = bl_image_eigen_at(eigen, indices[j], err);
        ok = place >= 0;
        at[j] = (size_t)place;
        lists[j] = bl_best_begin(entries + j * top, top);
    }
    ok = ok && search(model, eigen, at, n_indices, lists, signs, images, sims, err);
    if (ok) take(scan, lists, signs);
    for (size_t j = 0; ok && j < n_indices; j++)
        for (size_t i = 0; ok && i < scan->counts[j]; i++)
            ok = finish(model, eigen, at[j], images, &scan->matches[j * top + i], x, x + c->d_input, err);
    free(at);
    free(lists);
    free(entries);
    free(signs);
    free(sims);
    free(x);
    if (ok) return scan;
    bl_image_scan_free(scan);
    return NULL;
}

void bl_image_scan_free(bl_image_scan *scan) {
    if (!scan) return;
    for (size_t i = 0; scan->matches && i < scan->n_vectors * scan->top; i++)
        free(scan->matches[i].contributions);
    free(scan->counts);
    free(scan->matches);
    free(scan);
}

/* Largest contribution first; equal ones by index. */
static int by_contribution(const void *a, const void *b) {
    const bl_image_term *x = a, *y = b;
    if (x->contribution != y->contribution) return x->contribution > y->contribution ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The account of one class; sims [m] and terms [m] are scratch of the largest spectrum. */
static bool account_of(const bl_image_model *model, const bl_images *images, size_t image, bl_space space,
                       size_t top, const float *hidden, bl_image_account *account, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    const float *u = bl_image_w_u(model).data + account->class_index * c->d_hidden;
    bl_image_term *terms = NULL;
    float *sims = NULL;
    bl_image_eigen *eigen =
        bl_image_eigen_of_class(model, account->class_index, false, c->n_layer - 1, space, err);
    if (eigen) sims = bl_alloc(eigen->size, sizeof *sims, err);
    if (sims) terms = bl_alloc(eigen->size, sizeof *terms, err);
    bool ok = terms && bl_image_similarities(model, eigen, images, image, 1, sims, err);
    if (!ok) goto done;
    size_t m = eigen->size;
    for (size_t i = 0; i < m; i++) {
        double s = (double)sims[i], l = (double)eigen->values[i];
        terms[i] = (bl_image_term){i, l, s, l * s * s};
        account->total += terms[i].contribution;
    }
    for (size_t i = 0; c->residual && i < c->d_hidden; i++)
        account->direct += (double)u[i] * (double)hidden[i];
    qsort(terms, m, sizeof *terms, by_contribution);
    account->n_terms = top < m ? top : m;
    account->highest = bl_alloc(account->n_terms, sizeof *terms, err);
    account->lowest = bl_alloc(account->n_terms, sizeof *terms, err);
    ok = account->highest && account->lowest;
    for (size_t i = 0; ok && i < account->n_terms; i++) {
        account->highest[i] = terms[i];
        account->lowest[i] = terms[m - 1 - i];
    }
done:
    bl_image_eigen_free(eigen);
    free(sims);
    free(terms);
    return ok;
}

/* The `n` classes of highest logits, equal ones by lower class. */
static void choose(const float *logits, size_t C, bl_image_account *accounts, size_t n) {
    for (size_t k = 0; k < n; k++) {
        size_t best = C;
        for (size_t c = 0; c < C; c++) {
            bool taken = false;
            for (size_t j = 0; j < k; j++) taken = taken || accounts[j].class_index == c;
            if (!taken && (best == C || logits[c] > logits[best])) best = c;
        }
        accounts[k].class_index = best;
        accounts[k].logit = (double)logits[best];
    }
}

bl_image_explanation *bl_image_explain(const bl_image_model *model, const bl_images *images, size_t image,
                                       bl_space space, size_t classes, size_t top, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    size_t C = c->d_output, last = c->n_layer - 1;
    bl_error_clear(err);
    if (image >= bl_images_count(images))
        return bl_fail_null(err, BL_ERR_USAGE, "--image: there is no image %zu; there are %zu, from 0", image,
                            bl_images_count(images));
    if (classes > C) classes = C;
    bl_image_explanation *e = bl_alloc_zero(1, sizeof *e, err);
    if (!e) return NULL;
    *e = (bl_image_explanation){.image = image,
                                .label = bl_images_label(images, image),
                                .C = C,
                                .n_accounts = classes};
    e->logits = bl_alloc(C, sizeof *e->logits, err);
    e->accounts = bl_alloc_zero(classes, sizeof *e->accounts, err);
    size_t width = bl_image_width(model, last);
    float *x = bl_alloc(c->d_input + width, sizeof *x, err), *hidden = BL_PART(x, c->d_input);
    bool ok = e->logits && e->accounts && x;
    if (ok) bl_images_rows(images, image, 1, x);
    ok =
        ok && bl_image_logits(model, x, 1, e->logits, err) && bl_image_inputs(model, x, 1, last, hidden, err);
    for (size_t k = 1; ok && k < C; k++)
        if (e->logits[k] > e->logits[e->predicted]) e->predicted = k;
    if (ok) choose(e->logits, C, e->accounts, classes);
    for (size_t k = 0; ok && k < classes; k++)
        ok = account_of(model, images, image, space, top, hidden, &e->accounts[k], err);
    free(x);
    if (ok) return e;
    bl_image_explanation_free(e);
    return NULL;
}

void bl_image_explanation_free(bl_image_explanation *e) {
    if (!e) return;
    for (size_t k = 0; e->accounts && k < e->n_accounts; k++) {
        free(e->accounts[k].highest);
        free(e->accounts[k].lowest);
    }
    free(e->accounts);
    free(e->logits);
    free(e);
}
