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
#include "decompose/layer.h"
#include "linear/gemm.h"
#include <stdlib.h>
#include <string.h>

bool bl_heads_back(const bl_model *model, size_t layer, const float *v, float *back, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    const bl_layer *l = bl_model_layer(model, layer);
    size_t d = c->d_model, k = d / c->n_head;
    float *z = bl_alloc(d, sizeof *z, err); /* O^T v, head-major */
    if (!z) return false;
    bl_gemv_t(d, d, bl_model_attention_scale(model), l->w_o.data, d, v, 0.0F, z);
    for (size_t h = 0; h < c->n_head; h++)
        bl_gemv_t(k, d, 1.0F, l->w_v.data + h * k * d, d, z + h * k, 0.0F, back + h * d);
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
        bl_gemm_nt(rows, w_e.rows, d, 1.0F, readers, d, w_e.data, w_e.stride, 0.0F, out, w_e.rows);
    }
    free(readers);
    return ok;
}
