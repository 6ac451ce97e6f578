/* The interaction matrix of an output direction (docs/specification.md, 4; Pearce, Dooms & Rigg 2024, section
 * 3):
 *
 *   Q_u = sum_o u[o] B[o] = sym(L^T diag(P^T u) R)
 *
 * without ever forming B [d, d, d]: one product [n, h] x [h, n]. With biases L and R grow a column, [L l] and
 * [R r], and Q acts on x' = [x; 1]. */
#include "decompose/interaction.h"
#include "base/error.h"
#include "base/memory.h"
#include "linear/gemm.h"
#include <math.h>
#include <stdlib.h>

#define CHUNK ((size_t)512) /* hidden units at a time: scaled copies of L stay in cache */

size_t bl_interaction_size(const bl_model *model) {
    const bl_config *c = bl_model_config(model);
    return c->d_model + (c->bias_w ? 1 : 0);
}

bool bl_check_decomposable(const bl_model *model, size_t layer, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    if (layer >= c->n_layer)
        return bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 … %zu", layer,
                       c->n_layer - 1);
    if (bl_config_is_bilinear(c)) return true;
    return bl_fail(err, BL_ERR_UNSUPPORTED,
                   "%s: its MLP is %s%s%s, which is no quadratic form of its input: an interaction matrix "
                   "and its eigenvectors would not "
                   "describe it. info, describe, trace, export, tokenize and eval work for this model; "
                   "eigen, scan and report need a bilinear MLP",
                   bl_model_name(model), c->plain ? "plain, P g(W x)" : "gated, P (g(L x) * (R x))",
                   c->gate != BL_GATE_NONE ? " with g = " : "",
                   c->gate != BL_GATE_NONE ? bl_gate_name(c->gate) : "");
}

/* out [rows, n] = rows from[begin] … (NULL: begin …) of [weight bias], the one of unit g scaled by
 * scale[g]
 * (NULL: 1) */
static void extended(float *out, bl_view weight, const float *bias, const size_t *from, const float *scale,
                     size_t begin, size_t rows) {
    size_t n = weight.cols + (bias ? 1 : 0);
#pragma omp parallel for schedule(static)
    for (size_t g = begin; g < begin + rows; g++) {
        size_t r = from ? from[g] : g;
        float s = scale ? scale[g] : 1.0F, *row = out + (g - begin) * n;
        for (size_t c = 0; c < weight.cols; c++) row[c] = s * weight.data[r * weight.stride + c];
        if (bias) row[weight.cols] = s * bias[r];
    }
}

/* q = (q + q^T) / 2, in tiles so that both sides stay in cache. */
static void symmetrise(float *q, size_t n) {
    enum { TILE = 64 };
    size_t tiles = (n + TILE - 1) / TILE;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t a = 0; a < tiles; a++)
        for (size_t b = 0; b <= a; b++)
            for (size_t i = a * TILE; i < n && i < (a + 1) * TILE; i++)
                for (size_t j = b * TILE; j < i && j < (b + 1) * TILE; j++)
                    q[i * n + j] = q[j * n + i] = 0.5F * (q[i * n + j] + q[j * n + i]);
}

/* The sum is NaN or infinite if any entry is; float64 sums of float32 numbers do not overflow. */
static bool all_finite(const float *q, size_t count) {
    double sum = 0;
#pragma omp parallel for simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++) sum += (double)q[i];
    return isfinite(sum);
}

bool bl_interaction_of_units(const bl_model *model, size_t layer, const float *u, const size_t *from_l,
                             const size_t *from_r, float *q, bl_error *err) {
    bl_error_clear(err);
    if (!bl_check_decomposable(model, layer, err)) return false;
    const bl_layer *l = bl_model_layer(model, layer);
    size_t n = bl_interaction_size(model), h = l->w_l.rows, d = l->w_l.cols;
    float *weight = bl_alloc(h, sizeof *weight, err), *left = NULL, *right = NULL;
    bool ok = false;
    if (!weight) return false;
    left = bl_alloc(CHUNK * n, sizeof *left, err);
    if (left && (l->b_r || from_r)) right = bl_alloc(CHUNK * n, sizeof *right, err);
    if (!left || ((l->b_r || from_r) && !right)) goto done;
    bl_gemv_t(d, h, 1.0F, l->w_p.data, l->w_p.stride, u, 0.0F, weight); /* P^T u */
    for (size_t begin = 0; begin < h; begin += CHUNK) {
        size_t rows = h - begin < CHUNK ? h - begin : CHUNK;
        extended(left, l->w_l, l->b_l, from_l, weight, begin, rows);
        if (right) extended(right, l->w_r, l->b_r, from_r, NULL, begin, rows);
        bl_gemm_tn(n, n, rows, 1.0F, left, n, right ? right : l->w_r.data + begin * l->w_r.stride,
                   right ? n : l->w_r.stride, begin ? 1.0F : 0.0F, q, n);
    }
    symmetrise(q, n);
    ok = all_finite(q, n * n) ||
         bl_fail(err, BL_ERR_NUMERIC,
                 "%s: the interaction matrix holds NaN or infinity: so do the weights of layer %zu",
                 bl_model_name(model), layer);
done:
    free(weight);
    free(left);
    free(right);
    return ok;
}

bool bl_interaction_matrix(const bl_model *model, size_t layer, const float *u, float *q, bl_error *err) {
    return bl_interaction_of_units(model, layer, u, NULL, NULL, q, err);
}
