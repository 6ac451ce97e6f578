/* Rows of a trace point by the forward pass with a tap (docs/specification.md, 1). */
#include "evidence/point_rows.h"
#include "base/error.h"
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

/* NOLINTBEGIN(readability-non-const-parameter): the tap writes into `out`. */
bool bl_site_point_rows(const bl_site_point *site, bl_workspace *workspace, const int32_t *ids, size_t n,
                        float *out, bl_error *err) {
    visit v = {.site = site, .out = out};
    bl_tap tap = {.take = take, .context = &v};
    if (site->point <= BL_POINT_MLP_IN)
        return bl_forward_mlp_in(site->model, workspace, ids, n, site->layer, &tap, err).data != NULL;
    return bl_forward_layers(site->model, workspace, ids, n, &tap, err);
}
/* NOLINTEND(readability-non-const-parameter) */

bool bl_site_point_loss(const bl_site_point *site, bl_workspace *workspace, const int32_t *ids, size_t n,
                        const float *rows, const float *mean, double *loss, bl_error *err) {
    visit v = {.site = site, .rows = rows, .mean = mean};
    bl_tap tap = {.edit = edit, .context = &v};
    return bl_forward_loss(site->model, workspace, ids, n, rows || mean ? &tap : NULL, loss, err);
}

bl_workspace **bl_workspaces_new(const bl_model *model, bl_error *err) {
    size_t threads = (size_t)bl_threads();
    bl_workspace **list = bl_alloc_zero(threads + 1, sizeof(bl_workspace *), err); /* the last: the end */
    for (size_t t = 0; list && t < threads; t++)
        if (!(list[t] = bl_workspace_new(model, err))) {
            bl_workspaces_free(list);
            return NULL;
        }
    return list;
}

void bl_workspaces_free(bl_workspace **list) {
    for (bl_workspace **w = list; w && *w; w++) bl_workspace_free(*w);
    free(list);
}
