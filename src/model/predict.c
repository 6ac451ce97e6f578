/* Next-token predictions: p(t) = exp(logit_t) / sum exp(logit) (docs/specification.md, 1). The sum is over
 * all rows of W_U, as the loss has it; rows that no token names are never among the best, nor do they count
 * in a rank. */
#include "base/error.h"
#include "base/memory.h"
#include "linear/best.h"
#include "linear/softmax.h"
#include "model/forward.h"
#include "model/model_private.h"
#include <bilens/predict.h>
#include <math.h>
#include <stdlib.h>

static bool check_ids(const bl_model *model, const int32_t *ids, size_t n, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    if (n == 0) return bl_fail(err, BL_ERR_USAGE, "the text has no tokens");
    if (n > c->n_ctx)
        return bl_fail(err, BL_ERR_USAGE, "the text has %zu tokens, but the model reads at most %zu", n,
                       c->n_ctx);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= c->n_vocab)
            return bl_fail(err, BL_ERR_UNSUPPORTED,
                           "the tokenizer gives id %d, but the model's vocabulary has %zu", (int)ids[i],
                           c->n_vocab);
    return true;
}

/* One position: logits [V] into best [top] and next, whose id is set; words [V] and `list` [top], which is
 * scratch. False when a logit is not finite. */
static bool one_position(const float *logits, size_t V, const bool *words, size_t top, bl_scored *list,
                         bl_predicted *best, bl_predicted *next) {
    bl_best found = bl_best_begin(list, top);
    bl_best_offer_some(&found, 1.0F, logits, V, 0, words);
    bl_best_sort(&found);
    if (found.n < top) return false;
    double whole = bl_log_sum_exp_exact(logits, V);
    for (size_t i = 0; i < top; i++)
        best[i] = (bl_predicted){.id = (int32_t)list[i].id,
                                 .probability = exp((double)list[i].value - whole),
                                 .rank = i + 1};
    if (next->id >= 0) {
        next->rank = 1;
        for (size_t t = 0; t < V; t++) next->rank += words[t] && logits[t] > logits[next->id];
        next->probability = exp((double)logits[next->id] - whole);
    }
    return isfinite(whole);
}

/* Of the positions first … first + count - 1. */
static bl_predictions *predict(const bl_model *model, const int32_t *ids, size_t n, size_t first,
                               size_t count, size_t top, bl_error *err) {
    size_t V = bl_model_config(model)->n_vocab, cells;
    bool finite = true;
    if (!check_ids(model, ids, n, err)) return NULL;
    bool *words = bl_model_words(model, err);
    if (!words) return NULL;
    size_t n_words = 0;
    for (size_t t = 0; t < V; t++) n_words += words[t];
    if (top < 1) top = 1;
    if (top > n_words) top = n_words;
    if (!bl_mul_size(count, top, &cells)) cells = SIZE_MAX;
    bl_workspace *workspace = bl_workspace_new(model, err);
    bl_view logits = {0};
    /* No position hears a later one. */
    if (workspace && bl_forward_layers(model, workspace, ids, first + count, NULL, err))
        logits = bl_forward_head(model, workspace, first, count, err);
    bl_predictions *out = logits.data ? bl_alloc_zero(1, sizeof *out, err) : NULL;
    bl_scored *list = out ? bl_alloc(cells, sizeof *list, err) : NULL;
    if (list) {
        *out = (bl_predictions){.n = count,
                                .top = top,
                                .best = bl_alloc(cells, sizeof *out->best, err),
                                .next = bl_alloc_zero(count, sizeof *out->next, err)};
        if (out->best && out->next) {
#pragma omp parallel for schedule(static) reduction(&& : finite) if (count > 1)
            for (size_t i = 0; i < count; i++) {
                out->next[i].id = first + i + 1 < n ? ids[first + i + 1] : -1;
                finite = one_position(logits.data + i * logits.stride, V, words, top, list + i * top,
                                      out->best + i * top, &out->next[i]) &&
                         finite;
            }
            if (!finite)
                bl_fail(err, BL_ERR_NUMERIC, "a logit is not finite: the weights hold NaN or infinity");
        }
    }
    bool ok = list && out->best && out->next && finite;
    free(list);
    free(words);
    bl_workspace_free(workspace);
    if (ok) return out;
    bl_predictions_free(out);
    return NULL;
}

bl_predictions *bl_predict(const bl_model *model, const int32_t *ids, size_t n, size_t top, bl_error *err) {
    return predict(model, ids, n, 0, n, top, err);
}

bl_predictions *bl_predict_at(const bl_model *model, const int32_t *ids, size_t n, size_t position,
                              size_t top, bl_error *err) {
    if (position >= n)
        return bl_fail_null(err, BL_ERR_USAGE, "position %zu is not in the text, whose tokens are %zu",
                            position, n);
    return predict(model, ids, n, position, 1, top, err);
}

void bl_predictions_free(bl_predictions *predictions) {
    if (!predictions) return;
    free(predictions->best);
    free(predictions->next);
    free(predictions);
}
