/* Vectors of a transformer's trace point over stories, by the forward pass with a tap
 * (docs/specification.md, 1). */
#include "evidence/point_source.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/threads.h"
#include <stdlib.h>
#include <string.h>

bool bl_site_point_find(const bl_model *model, const char *name, size_t layer, bl_site_point *out,
                        bl_error *err) {
    const bl_config *c = bl_model_config(model);
    *out = (bl_site_point){.model = model, .layer = layer, .d = c->d_model};
    if (!bl_point_find(c, name, strlen(name), &out->point, err)) return false;
    switch (out->point) {
    case BL_POINT_RESID_PRE:
    case BL_POINT_ATTN_IN:
    case BL_POINT_ATTN_OUT:
    case BL_POINT_RESID_MID:
    case BL_POINT_MLP_IN:
    case BL_POINT_MLP_OUT:
    case BL_POINT_RESID_POST: break;
    default:
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "trace point '%s' has no row of d_model = %zu numbers per position; resid_pre, "
                       "attn_in, attn_out, resid_mid, mlp_in, mlp_out and resid_post have",
                       name, c->d_model);
    }
    return layer < c->n_layer || bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: %s has 0 to %zu",
                                         layer, bl_model_name(model), c->n_layer - 1);
}

typedef struct visit {
    const bl_site_point *site;
    float *out;               /* or NULL */
    const float *rows, *mean; /* or NULL */
} visit;

static bool is_here(const visit *v, bl_point point, size_t layer) {
    return point == v->site->point && layer == v->site->layer;
}

static void take(void *context, bl_point point, size_t layer, size_t head, bl_view value) {
    const visit *v = context;
    (void)head;
    if (!is_here(v, point, layer)) return;
    for (size_t p = 1; p < value.rows; p++)
        memcpy(v->out + (p - 1) * value.cols, value.data + p * value.stride, value.cols * sizeof *v->out);
}

static void edit(void *context, bl_point point, size_t layer, size_t head, bl_rows value) {
    const visit *v = context;
    (void)head;
    if (!is_here(v, point, layer)) return;
    for (size_t p = 1; p < value.rows; p++)
        memcpy(value.data + p * value.stride, v->rows ? v->rows + (p - 1) * value.cols : v->mean,
               value.cols * sizeof(float));
}

/* The rows of positions 1 … n - 1 of one story, [n - 1, d], one behind the other. The first position holds
 * the same in every story. */
/* NOLINTBEGIN(readability-non-const-parameter): the tap writes into `out`. */
static bool site_rows(const bl_site_point *site, bl_workspace *workspace, const int32_t *ids, size_t n,
                      float *out, bl_error *err) {
    visit v = {.site = site, .out = out};
    bl_tap tap = {.take = take, .context = &v};
    if (site->point <= BL_POINT_MLP_IN)
        return bl_forward_mlp_in(site->model, workspace, ids, n, site->layer, &tap, err).data != NULL;
    return bl_forward_layers(site->model, workspace, ids, n, &tap, err);
}
/* NOLINTEND(readability-non-const-parameter) */

/* Loss summed over a story whose rows 1 … n - 1 are replaced by `rows`, or all by `mean`, or by nothing. */
static bool site_loss(const bl_site_point *site, bl_workspace *workspace, const int32_t *ids, size_t n,
                      const float *rows, const float *mean, double *loss, bl_error *err) {
    visit v = {.site = site, .rows = rows, .mean = mean};
    bl_tap tap = {.edit = edit, .context = &v};
    return bl_forward_loss(site->model, workspace, ids, n, rows || mean ? &tap : NULL, loss, err);
}

static void workspaces_free(bl_workspace **list) {
    for (bl_workspace **w = list; w && *w; w++) bl_workspace_free(*w);
    free(list);
}

/* One workspace for each of bl_threads() threads. */
static bl_workspace **workspaces_new(const bl_model *model, bl_error *err) {
    size_t threads = (size_t)bl_threads();
    bl_workspace **list = bl_alloc_zero(threads + 1, sizeof(bl_workspace *), err); /* the last: the end */
    for (size_t t = 0; list && t < threads; t++)
        if (!(list[t] = bl_workspace_new(model, err))) {
            workspaces_free(list);
            return NULL;
        }
    return list;
}

/* ---- as a source ---- */

typedef struct told {
    bl_site_point site;
    bl_samples stories;
    bl_workspace **workspaces;
} told;

static size_t rows_of(const void *own, size_t i) {
    const told *t = own;
    size_t n;
    bl_samples_get(&t->stories, i, &n);
    return n ? n - 1 : 0;
}

static bool fill(void *own, size_t i, size_t thread, float *out, bl_error *err) {
    const told *t = own;
    size_t n;
    const int32_t *ids = bl_samples_get(&t->stories, i, &n);
    return n < 2 || site_rows(&t->site, t->workspaces[thread], ids, n, out, err);
}

static bool outcome(void *own, size_t i, size_t thread, const float *rows, const float *mean,
                    bl_point_outcome *out, bl_error *err) {
    const told *t = own;
    size_t n;
    const int32_t *ids = bl_samples_get(&t->stories, i, &n);
    *out = (bl_point_outcome){0};
    return n < 2 || site_loss(&t->site, t->workspaces[thread], ids, n, rows, mean, &out->loss, err);
}

static uint64_t hash(const void *own) {
    const bl_samples *s = &((const told *)own)->stories;
    if (s->n == 0) return 0;
    return bl_hash(bl_hash(0, s->begin, (s->n + 1) * sizeof *s->begin), s->ids,
                   s->begin[s->n] * sizeof *s->ids);
}

static void told_free(void *own) {
    told *t = own;
    bl_samples_free(&t->stories);
    workspaces_free(t->workspaces);
    free(t);
}

static const bl_point_kind stories_kind = {false, rows_of, fill, outcome, hash, told_free};

bool bl_point_source_stories(bl_point_source *s, const bl_site_point *site, bl_samples *stories,
                             bl_error *err) {
    told *t = bl_alloc_zero(1, sizeof *t, err);
    if (!t) return false;
    t->site = *site;
    t->stories = *stories;
    *stories = (bl_samples){0};
    *s = (bl_point_source){.kind = &stories_kind,
                           .own = t,
                           .d = site->d,
                           .n = t->stories.n,
                           .longest = t->stories.longest ? t->stories.longest - 1 : 0,
                           .units = t->stories.n};
    t->workspaces = workspaces_new(site->model, err);
    return t->workspaces != NULL;
}

void bl_point_source_free(bl_point_source *s) {
    if (s->own) s->kind->free(s->own);
    *s = (bl_point_source){0};
}
