/* Contributions of many matches of one story (docs/specification.md, 6):
 *
 *   c_j = sum_h A_h[p, j] (s O^T v)_h . (V_h y_j)  (+ v . x_p at j = p),  all divided by the norm at p
 *
 * One forward pass serves all matches; as the pass hands over a head's values and pattern, all of them are
 * one product with the values and a row of the pattern each. bl_contributions (scan/similarity.h) does the
 * same for one match and is the oracle. */
#include "linear/norm.h"
#include "atlas/explain.h"
#include "base/memory.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include <bilens/decompose.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct work {
    const bl_cause *causes;
    size_t count, layer, d, k, T;
    float *z;      /* [count, d] s O^T v, head-major */
    float *moved;  /* [count, T] (s O^T v)_h . (V_h y_j) */
    float *direct; /* [count] v . x_p */
    float *scale;  /* [count] 1 / norm at p */
} work;

static void take(void *context, bl_point point, size_t layer, size_t head, bl_view value) {
    work *w = context;
    if (layer != w->layer) return;
    if (point == BL_POINT_V)
        bl_gemm_nt(w->count, w->T, w->k, 1.0F, w->z + head * w->k, w->d, value.data, value.stride, 0.0F,
                   w->moved, w->T);
    for (size_t i = 0; i < w->count; i++) {
        const bl_cause *cause = &w->causes[i];
        const float *row = value.data + cause->position * value.stride, *moved = w->moved + i * w->T;
        if (point == BL_POINT_RESID_PRE) w->direct[i] = bl_dot(row, cause->v, w->d);
        if (point == BL_POINT_PATTERN)
            for (size_t j = 0; j <= cause->position; j++) cause->c[j] += row[j] * moved[j];
        if (point == BL_POINT_RESID_MID) {
            double square = 0;
            for (size_t e = 0; e < w->d; e++) square += (double)row[e] * (double)row[e];
            w->scale[i] = (float)(1.0 / sqrt(square / (double)w->d + (double)BL_NORM_EPSILON));
        }
    }
}

bool bl_explain(const bl_model *model, bl_workspace *workspace, size_t layer, const int32_t *ids, size_t T,
                const bl_cause *causes, size_t count, bl_error *err) {
    const bl_config *config = bl_model_config(model);
    bl_view w_o = bl_model_layer(model, layer)->w_o;
    size_t d = config->d_model, floats;
    if (!bl_mul_size(count, 2 * d + T + 2, &floats)) floats = SIZE_MAX;
    float *memory = bl_alloc(floats, sizeof *memory, err), *v = memory; /* v [count, d] */
    if (!memory) return false;
    work w = {.causes = causes,
              .count = count,
              .layer = layer,
              .d = d,
              .k = d / config->n_head,
              .T = T,
              .z = memory + count * d};
    w.moved = w.z + count * d;
    w.direct = w.moved + count * T;
    w.scale = w.direct + count;
    for (size_t i = 0; i < count; i++) {
        memcpy(v + i * d, causes[i].v, d * sizeof *v);
        memset(causes[i].c, 0, (causes[i].position + 1) * sizeof *causes[i].c);
    }
    bl_gemm_nn(count, d, d, bl_model_attention_scale(model), v, d, w_o.data, w_o.stride, 0.0F, w.z, d);
    bl_tap tap = {.take = take, .context = &w};
    bool ok = bl_forward_mlp_in(model, workspace, ids, T, layer, &tap, err).data != NULL;
    for (size_t i = 0; i < count; i++) {
        causes[i].c[causes[i].position] += w.direct[i];
        for (size_t j = 0; config->normalization && j <= causes[i].position; j++)
            causes[i].c[j] *= w.scale[i];
    }
    free(memory);
    return ok;
}
