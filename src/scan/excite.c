/* From a place in a text to eigenvectors: activation = lambda (v . x)^2, x being the MLP's input there
 * (docs/specification.md, 4). All activations of one direction sum to u . MLP(x), the MLP's part in the
 * logit. */
#include "base/error.h"
#include "base/memory.h"
#include "linear/best.h"
#include "linear/gemm.h"
#include "model/forward.h"
#include <bilens/excite.h>
#include <bilens/surrogate.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool bl_mlp_input(const bl_model *model, size_t layer, const int32_t *ids, size_t n_ids, size_t position,
                  float *x, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    size_t n = bl_interaction_size(model), d = c->d_model;
    if (layer >= c->n_layer)
        return bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 … %zu", layer,
                       c->n_layer - 1);
    if (position >= n_ids || position >= c->n_ctx)
        return bl_fail(err, BL_ERR_USAGE, "position %zu is not in the text, which has 0 to %zu", position,
                       n_ids ? n_ids - 1 : 0);
    bl_workspace *workspace = bl_workspace_new(model, err);
    if (!workspace) return false;
    bl_view in = bl_forward_mlp_in(model, workspace, ids, position + 1, layer, NULL, err);
    const float *origin = bl_model_origin(model, layer);
    if (in.data) memcpy(x, in.data + position * in.stride, d * sizeof *x);
    for (size_t i = 0; origin && in.data && i < d; i++) x[i] -= origin[i];
    if (n > d) x[d] = 1;
    bl_workspace_free(workspace);
    return in.data != NULL;
}

static const float *at(const float *lambda, size_t stride, size_t i) {
    return (const float *)(const void *)((const char *)lambda + i * stride);
}

size_t bl_excited_rows(const float *v, const float *lambda, size_t stride, size_t m, size_t n, const float *x,
                       size_t limit, bl_excited *out, bl_error *err) {
    if (limit > m) limit = m;
    float *similarities = bl_alloc(m, sizeof *similarities, err);
    bl_scored *list = similarities ? bl_alloc(limit, sizeof *list, err) : NULL;
    bl_best best = bl_best_begin(list, list ? limit : 0);
    if (list && m) {
        bl_gemv_n(m, n, 1.0F, v, n, x, 0.0F, similarities);
        for (size_t i = 0; i < m; i++) {
            float s = similarities[i];
            bl_best_offer(&best, fabsf(*at(lambda, stride, i)) * s * s, i);
        }
        bl_best_sort(&best);
    }
    for (size_t i = 0; i < best.n; i++) {
        size_t row = (size_t)list[i].id;
        float s = similarities[row], l = *at(lambda, stride, row);
        out[i] = (bl_excited){.direction = row, .eigenvalue = l, .similarity = s, .activation = l * s * s};
    }
    free(similarities);
    free(list);
    return best.n;
}

static bool one_direction(const bl_model *model, size_t layer, const float *u, size_t which, const float *x,
                          size_t limit, bl_excited *found, size_t *n_found, bl_error *err) {
    bl_eigen *eigen = bl_eigen_new(model, layer, u, 0, err);
    if (!eigen) return false;
    size_t n = bl_eigen_size(eigen);
    bl_error failure = {0};
    *n_found = bl_excited_rows(bl_eigen_vector(eigen, 0), bl_eigen_values(eigen), sizeof(float), n, n, x,
                               limit, found, &failure);
    for (size_t i = 0; i < *n_found; i++) {
        size_t row = found[i].direction;
        bl_eigen_group(eigen, row, &found[i].group_first, &found[i].group_last);
        found[i].index = row < n / 2 ? (long)row : (long)row - (long)n;
        found[i].direction = which;
    }
    bl_eigen_free(eigen);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

bool bl_excited_directions(const bl_model *model, size_t layer, const float *u, size_t m, const float *x,
                           size_t limit, bl_excited *out, size_t *n_out, bl_error *err) {
    size_t d = bl_model_config(model)->d_model, n_found = 0, count;
    if (!bl_mul_size(limit, 2, &count)) count = SIZE_MAX;
    bl_excited *found = bl_alloc(count, sizeof *found, err), *kept = found ? found + limit : NULL;
    bl_scored *list = bl_alloc(limit, sizeof *list, err);
    bl_best best = bl_best_begin(list, limit);
    bool ok = found && list;
    for (size_t i = 0; ok && i < m;
         i++) { /* an earlier direction goes before a later one of equal strength */
        ok = one_direction(model, layer, u + i * d, i, x, limit, found, &n_found, err);
        for (size_t k = 0; ok && k < n_found; k++) {
            size_t slot = bl_best_offer(&best, fabsf(found[k].activation), i * limit + k);
            if (slot != BL_BEST_NONE) kept[slot] = found[k];
        }
    }
    if (ok) bl_best_sort(&best);
    for (size_t i = 0; ok && i < best.n; i++) out[i] = kept[list[i].slot];
    *n_out = ok ? best.n : 0;
    free(found);
    free(list);
    return ok;
}
