/* Output directions (SPEC 4): u = W_U[token] - mean(W_U[minus]), rows optionally centred. */
#include "base/error.h"
#include <bilens/decompose.h>
#include <math.h>
#include <string.h>

/* u += weight * (row - its mean if centred) */
static void add_row(float *u, const float *row, size_t d, bool centre, float weight) {
    double mean = 0;
    for (size_t i = 0; centre && i < d; i++) mean += (double)row[i];
    float shift = (float)(mean / (double)d);
    for (size_t i = 0; i < d; i++) u[i] += weight * (row[i] - shift);
}

bool bl_direction_vector(const bl_model *model, const bl_direction *direction, float *u, bl_error *err) {
    bl_error_clear(err);
    const bl_tokenizer *tokenizer = bl_model_tokenizer(model);
    bl_view w_u = bl_model_w_u(model);
    size_t d = w_u.cols;
    if (!direction->token || !*direction->token) return bl_fail(err, BL_ERR_USAGE, "a direction needs a token");
    memset(u, 0, d * sizeof *u);
    for (size_t i = 0; i <= direction->n_minus; i++) {
        const char *token = i ? direction->minus[i - 1] : direction->token;
        int32_t id = bl_tokenizer_find(tokenizer, token, err);
        if (id < 0) return false;
        if ((size_t)id >= w_u.rows)
            return bl_fail(err, BL_ERR_USAGE, "token '%s' has id %d, but the model's vocabulary has %zu", token, (int)id, w_u.rows);
        add_row(u, w_u.data + (size_t)id * w_u.stride, d, direction->centre_unembedding, i ? -1.0F / (float)direction->n_minus : 1.0F);
    }
    for (size_t i = 0; i < d; i++)
        if (!isfinite(u[i])) return bl_fail(err, BL_ERR_NUMERIC, "the unembedding of '%s' holds NaN or infinity", direction->token);
    return true;
}
