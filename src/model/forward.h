/* The exact forward pass of one story (docs/specification.md, 1), with taps at every named point. */
#ifndef BL_MODEL_FORWARD_H
#define BL_MODEL_FORWARD_H
#include "model/model_private.h"

typedef enum bl_point {
    BL_POINT_RESID_PRE,
    BL_POINT_ATTN_IN,
    BL_POINT_Q,
    BL_POINT_K,
    BL_POINT_Q2, /* bilinear attention's second pattern */
    BL_POINT_K2,
    BL_POINT_V,
    BL_POINT_SCORES,
    BL_POINT_SCORES2,
    BL_POINT_PATTERN,
    BL_POINT_Z, /* [n, H k] the heads' outputs side by side; has no name, is not traced */
    BL_POINT_ATTN_OUT,
    BL_POINT_RESID_MID,
    BL_POINT_MLP_IN,
    BL_POINT_MLP_PRE, /* [n, 2h] L y beside R y (plain: [n, h]); has no name, is not traced */
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

/* Activations of one story at a time; one for each thread. It grows with the stories that are run. */
typedef struct bl_workspace bl_workspace;
bl_workspace *bl_workspace_new(const bl_model *model, bl_error *err);
void bl_workspace_free(bl_workspace *workspace);

/* Runs up to mlp_in [n, d] of `layer`; the view belongs to the workspace. ids are in 0 … V-1, n >= 1.
 * `tap` may be NULL. data NULL when there is no room. */
bl_view bl_forward_mlp_in(const bl_model *model, bl_workspace *workspace, const int32_t *ids, size_t n,
                          size_t layer, const bl_tap *tap, bl_error *err);

/* Runs up to resid_pre [n, d] of `layer` only. */
bl_view bl_forward_resid_pre(const bl_model *model, bl_workspace *workspace, const int32_t *ids, size_t n,
                             size_t layer, bl_error *err);

/* N(x) of n rows [n, d] without its weight (the identity where the model has no norms); out may not be in. */
void bl_forward_norm(const bl_model *model, float *out, const float *in, size_t n);

/* What N(x) divides by, as a factor: 1 / sqrt(mean(x²) + epsilon), of a LayerNorm 1 / sqrt(var(x) +
 * epsilon); 1 where the model has no norms. row [d], or the sum of two rows (`other` not NULL). */
double bl_forward_norm_scale(const bl_model *model, const float *row, const float *other);

/* Runs everything: logits [n, V]; data NULL when there is no room for them. */
bl_view bl_forward_logits(const bl_model *model, bl_workspace *workspace, const int32_t *ids, size_t n,
                          const bl_tap *tap, bl_error *err);

/* Runs all layers; bl_forward_head then gives logits [n, V] of the positions begin … begin + n - 1, so
 * that nobody needs all of them at once. The second may follow the first as often as one likes. */
bool bl_forward_layers(const bl_model *model, bl_workspace *workspace, const int32_t *ids, size_t n,
                       const bl_tap *tap, bl_error *err);
bl_view bl_forward_head(const bl_model *model, bl_workspace *workspace, size_t begin, size_t n,
                        bl_error *err);

/* Sum of -log softmax(logits)[next token] over the predictions of one story of n >= 2 tokens; logits of
 * some tokens at a time. `tap` sees no logits. */
bool bl_forward_loss(const bl_model *model, bl_workspace *workspace, const int32_t *ids, size_t n,
                     const bl_tap *tap, double *loss, bl_error *err);

/* The same of several stories at once: story s has the ids begin[s] - begin[0] … begin[s + 1] -
 * begin[0] - 1; losses [stories]. A matrix that is not stored as float32 is converted once for all of
 * them. */
bool bl_forward_losses(const bl_model *model, bl_workspace *workspace, const int32_t *ids,
                       const size_t *begin, size_t stories, double *losses, bl_error *err);

/* A point's name, "resid_pre"; of a model with bilinear attention "q1", "q2" ... NULL where the model has
 * no such point. */
const char *bl_point_name(const bl_config *config, bl_point point);
/* The point whose name is the first `length` bytes of `name`; BL_ERR_USAGE, listing all, when there is none.
 */
bool bl_point_find(const bl_config *config, const char *name, size_t length, bl_point *out, bl_error *err);
#endif
