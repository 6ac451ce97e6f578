/* Virtual tokens (docs/specification.md, 5): an eigenvector read in the tokens as the embedding (direct) and
 * each attention head deliver them.
 *
 *   direct[t] = W_E[t] . v        head_h[t] = s v^T O_h V_h W_E[t]
 *
 * v^T O_h V_h is a vector of d numbers a head, so that all heads together are one product [V, d] x [d, 1 +
 * H]: OV and OV W_E are never formed. With n1 folded into V_h, W_E[t] stands for the normed embedding up to
 * its length. */
#include "base/error.h"
#include "base/memory.h"
#include "decompose/interaction.h"
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

bool bl_heads_back(const bl_model *model, size_t layer, const float *v, float *back, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    const bl_layer *l = bl_model_layer(model, layer);
    int d = (int)c->d_model, k = (int)(c->d_model / c->n_head);
    float *z = bl_alloc(c->d_model, sizeof *z, err); /* O^T v, head-major */
    if (!z) return false;
    cblas_sgemv(CblasRowMajor, CblasTrans, d, d, bl_model_attention_scale(model), l->w_o.data, d, v, 1, 0.0F,
                z, 1);
    for (size_t h = 0; h < c->n_head; h++)
        cblas_sgemv(CblasRowMajor, CblasTrans, k, d, 1.0F, l->w_v.data + h * (size_t)k * c->d_model, d,
                    z + h * (size_t)k, 1, 0.0F, back + h * c->d_model, 1);
    free(z);
    return true;
}

bool bl_virtual_tokens(const bl_model *model, size_t layer, const float *v, float *out, bl_error *err) {
    bl_error_clear(err);
    const bl_config *c = bl_model_config(model);
    if (layer >= c->n_layer)
        return bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 … %zu", layer,
                       c->n_layer - 1);
    size_t d = c->d_model, rows = 1 + c->n_head;
    float *readers = bl_alloc(rows * d, sizeof *readers, err); /* [1 + H, d] */
    bool ok = readers && bl_heads_back(model, layer, v, readers + d, err);
    if (ok) {
        bl_view w_e = bl_model_w_e(model);
        memcpy(readers, v, d * sizeof *readers);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)w_e.rows, (int)d, 1.0F, readers,
                    (int)d, w_e.data, (int)w_e.stride, 0.0F, out, (int)w_e.rows);
    }
    free(readers);
    return ok;
}
