/* The exact forward pass of one story (docs/specification.md, 1), with taps at every named point. */
#ifndef BL_MODEL_FORWARD_H
#define BL_MODEL_FORWARD_H
#include "model/model_private.h"

typedef enum bl_point {
    BL_POINT_RESID_PRE,
    BL_POINT_ATTN_IN,
    BL_POINT_Q,
    BL_POINT_K,
    BL_POINT_V,
    BL_POINT_SCORES,
    BL_POINT_PATTERN,
    BL_POINT_ATTN_OUT,
    BL_POINT_RESID_MID,
    BL_POINT_MLP_IN,
    BL_POINT_MLP_HIDDEN,
    BL_POINT_MLP_OUT,
    BL_POINT_RESID_POST,
    BL_POINT_LOGITS,
    BL_N_POINTS
} bl_point;

/* A value that may be changed in place: element (r, c) is data[r * stride + c]. */
typedef struct bl_rows {
    float *data;
    size_t rows, cols, stride;
} bl_rows;

/* Called as values come into being: q, k, v, scores, pattern once per head, the others with head 0. `take`
 * reads a value; the view is valid during the call. `edit` may replace it in place, and everything behind
 * it runs on with what it left: later layers see the change, norms are taken again. At one point edit
 * comes before take. Either may be NULL. */
typedef struct bl_tap {
    void (*take)(void *context, bl_point point, size_t layer, size_t head, bl_view value);
    void *context;
    void (*edit)(void *context, bl_point point, size_t layer, size_t head, bl_rows value);
} bl_tap;

/* Scratch for stories of up to T tokens; one for each thread. */
typedef struct bl_workspace bl_workspace;
bl_workspace *bl_workspace_new(const bl_model *model, size_t T, bl_error *err);
void bl_workspace_free(bl_workspace *workspace);

/* Runs up to mlp_in [n, d] of `layer`; the view belongs to the workspace. ids are in 0 … V-1, 1 <= n <= T.
 * `tap` may be NULL. */
bl_view bl_forward_mlp_in(const bl_model *model, bl_workspace *workspace, const int32_t *ids, size_t n,
                          size_t layer, const bl_tap *tap);

/* Runs up to resid_pre [n, d] of `layer` only. */
bl_view bl_forward_resid_pre(const bl_model *model, bl_workspace *workspace, const int32_t *ids, size_t n,
                             size_t layer);

/* N(x) of n rows [n, d] (the identity where the model has no norms); out may not be in. */
void bl_forward_norm(const bl_model *model, float *out, const float *in, size_t n);

/* x becomes g(x), n numbers. */
void bl_forward_gate(bl_gate gate, float *x, size_t n);

/* Runs everything: logits [n, V]; data NULL with BL_ERR_MEMORY when there is no room for them. */
bl_view bl_forward_logits(const bl_model *model, bl_workspace *workspace, const int32_t *ids, size_t n,
                          const bl_tap *tap, bl_error *err);

/* A point's name, "resid_pre". */
const char *bl_point_name(bl_point point);
#endif
