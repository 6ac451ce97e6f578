/* Output directions (docs/specification.md, 4): u = W_U[token] - mean(W_U[minus]), rows optionally centred;
 * or a vector from elsewhere. */
#include "base/error.h"
#include "base/memory.h"
#include <bilens/decompose.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* u += weight * (row - its mean if centred) */
static void add_row(float *u, const float *row, size_t d, bool centre, float weight) {
    double mean = 0;
    for (size_t i = 0; centre && i < d; i++) mean += (double)row[i];
    float shift = (float)(mean / (double)d);
    for (size_t i = 0; i < d; i++) u[i] += weight * (row[i] - shift);
}

/* "[3, 256]" */
static const char *shape_text(const bl_named_array *array, char out[200]) {
    size_t n = 1;
    out[0] = '[';
    for (size_t i = 0; i < array->n_dims; i++)
        n += (size_t)snprintf(out + n, 200 - n, "%s%zu", i ? ", " : "", array->shape[i]);
    snprintf(out + n, 200 - n, "]");
    return out;
}

static bool check_direction(const bl_named_array *array, size_t d, const char *source, bl_error *err) {
    char shape[200];
    size_t count = 1, longest = 0;
    for (size_t i = 0; i < array->n_dims; i++) {
        if (!bl_mul_size(count, array->shape[i], &count)) count = SIZE_MAX;
        if (array->shape[i] > longest) longest = array->shape[i];
    }
    if (array->n_dims == 0 || count != d || longest != d)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: its shape is %s, but a direction of this model is [%zu], d_model numbers", source,
                       shape_text(array, shape), d);
    for (size_t i = 0; i < d; i++)
        if (!isfinite(array->data[i]))
            return bl_fail(err, BL_ERR_INPUT, "%s: element %zu is %s, which is no direction", source, i,
                           isnan(array->data[i]) ? "NaN" : "infinite");
    return true;
}

bool bl_direction_read(const char *source, size_t d, float *u, bl_error *err) {
    bl_named_array array;
    float *data = NULL;
    bl_error_clear(err);
    bool ok = bl_array_read(source, &array, &data, err) && check_direction(&array, d, source, err);
    if (ok) memcpy(u, data, d * sizeof *u);
    free(data);
    return ok;
}

static bool copy_vector(const bl_direction *direction, size_t d, float *u, bl_error *err) {
    const char *name = direction->name ? direction->name : "direction";
    if (direction->token || direction->n_minus || direction->centre_unembedding)
        return bl_fail(err, BL_ERR_USAGE,
                       "%s: a direction that is a vector has no token, no contrast and no centring", name);
    for (size_t i = 0; i < d; i++)
        if (!isfinite(direction->vector[i]))
            return bl_fail(err, BL_ERR_USAGE, "%s: element %zu is NaN or infinite", name, i);
    memmove(u, direction->vector, d * sizeof *u);
    return true;
}

bool bl_direction_vector(const bl_model *model, const bl_direction *direction, float *u, bl_error *err) {
    bl_error_clear(err);
    const bl_tokenizer *tokenizer = bl_model_tokenizer(model);
    bl_view w_u = bl_model_w_u(model);
    size_t d = w_u.cols;
    if (direction->vector) return copy_vector(direction, d, u, err);
    if (!direction->token || !*direction->token)
        return bl_fail(err, BL_ERR_USAGE, "a direction needs a token");
    memset(u, 0, d * sizeof *u);
    for (size_t i = 0; i <= direction->n_minus; i++) {
        const char *token = i ? direction->minus[i - 1] : direction->token;
        int32_t id = bl_tokenizer_find(tokenizer, token, err);
        if (id < 0) return false;
        if ((size_t)id >= w_u.rows)
            return bl_fail(err, BL_ERR_USAGE, "token '%s' has id %d, but the model's vocabulary has %zu",
                           token, (int)id, w_u.rows);
        add_row(u, w_u.data + (size_t)id * w_u.stride, d, direction->centre_unembedding,
                i ? -1.0F / (float)direction->n_minus : 1.0F);
    }
    for (size_t i = 0; i < d; i++)
        if (!isfinite(u[i]))
            return bl_fail(err, BL_ERR_NUMERIC, "the unembedding of '%s' holds NaN or infinity",
                           direction->token);
    return true;
}
