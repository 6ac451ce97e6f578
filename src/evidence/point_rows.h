/* What one trace point of a transformer holds while stories run through it, and what the loss becomes when
 * other values stand there. */
#ifndef BL_EVIDENCE_POINT_ROWS_H
#define BL_EVIDENCE_POINT_ROWS_H
#include "model/forward.h"
#include "text/corpus/batch.h"

/* A point of width d: resid_pre, attn_in, attn_out, resid_mid, mlp_in, mlp_out, resid_post. */
typedef struct bl_site_point {
    const bl_model *model;
    bl_point point;
    size_t layer, d;
} bl_site_point;

/* BL_ERR_USAGE for a point or layer that does not exist, BL_ERR_UNSUPPORTED for one of another width. */
bool bl_site_point_find(const bl_model *model, const char *name, size_t layer, bl_site_point *out,
                        bl_error *err);

/* The rows of positions 1 … n - 1 of one story, [n - 1, d], one behind the other into `out`. The first
 * position holds the same in every story. */
bool bl_site_point_rows(const bl_site_point *site, bl_workspace *workspace, const int32_t *ids, size_t n,
                        float *out, bl_error *err);

/* Loss summed over a story of n >= 2 tokens whose rows 1 … n - 1 are replaced: by `rows` [n - 1, d], or all
 * by `mean` [d] where `rows` is NULL, or, both NULL, by nothing. */
bool bl_site_point_loss(const bl_site_point *site, bl_workspace *workspace, const int32_t *ids, size_t n,
                        const float *rows, const float *mean, double *loss, bl_error *err);

/* One workspace for each of bl_threads() threads. */
bl_workspace **bl_workspaces_new(const bl_model *model, bl_error *err);
void bl_workspaces_free(bl_workspace **workspaces);
#endif
