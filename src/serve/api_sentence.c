/* POST /api/sentence, /api/sentence/excited, /api/sentence/contributions: from a text back to the weights. */
#include "base/error.h"
#include "base/memory.h"
#include "model/forward.h"
#include "serve/subject.h"
#include "linear/gemm.h"
#include <bilens/report.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 10
#define MOST_DIRECTIONS 10000

/* The text's tokens, at most n_ctx; to be freed with bl_ids_free. */
static bool read_text(bl_call *call, bl_ids *ids) {
    const bl_config *c = bl_model_config(call->explorer->model);
    const char *text = bl_request_text(call->request, "text");
    if (!text) return bl_fail(&call->err, BL_ERR_USAGE, "text is missing");
    if (!bl_tokenizer_encode(bl_model_tokenizer(call->explorer->model), text, strlen(text), ids, &call->err))
        return false;
    if (ids->n > c->n_ctx)
        return bl_fail(&call->err, BL_ERR_USAGE, "the text has %zu tokens, but the model reads at most %zu",
                       ids->n, c->n_ctx);
    if (ids->n == 0) return bl_fail(&call->err, BL_ERR_USAGE, "the text has no tokens");
    for (size_t i = 0; i < ids->n; i++)
        if (ids->data[i] < 0 || (size_t)ids->data[i] >= c->n_vocab)
            return bl_fail(&call->err, BL_ERR_UNSUPPORTED,
                           "the tokenizer gives id %d, but the model's vocabulary has %zu", (int)ids->data[i],
                           c->n_vocab);
    return true;
}

static bool read_position(bl_call *call, const bl_ids *ids, size_t *position) {
    if (!bl_request_count(call->request, "position", ids->n - 1, SIZE_MAX / 2, position, &call->err))
        return false;
    return *position < ids->n ||
           bl_fail(&call->err, BL_ERR_USAGE, "position %zu is not in the text, which has 0 to %zu", *position,
                   ids->n - 1);
}

/* Probabilities of one position, and the tokens of the SHOWN highest. */
typedef struct prediction {
    double most, sum; /* of exp(logit - most) */
    size_t top[SHOWN], n;
} prediction;

static prediction predict(const float *logits, size_t V) {
    prediction p = {.most = -INFINITY};
    for (size_t t = 0; t < V; t++) {
        size_t at = p.n;
        p.most = fmax(p.most, (double)logits[t]);
        while (at > 0 && logits[t] > logits[p.top[at - 1]]) at--;
        if (at == SHOWN) continue;
        if (p.n < SHOWN) p.n++;
        memmove(p.top + at + 1, p.top + at, (p.n - 1 - at) * sizeof *p.top);
        p.top[at] = t;
    }
    for (size_t t = 0; t < V; t++) p.sum += exp((double)logits[t] - p.most);
    return p;
}

static json_t *write_prediction(const bl_explorer *e, const float *logits, const prediction *p, int32_t next,
                                bool *ok) {
    json_t *out = json_object(), *top = json_array(), *follows = next >= 0 ? json_object() : json_null();
    for (size_t i = 0; i < p->n; i++) {
        json_t *pair = json_array();
        bl_json_append(pair, bl_json_token(e, (int32_t)p->top[i]), ok);
        bl_json_append(pair, bl_json_number(exp((double)logits[p->top[i]] - p->most) / p->sum), ok);
        bl_json_append(top, pair, ok);
    }
    bl_json_set(out, "top", top, ok);
    if (next >= 0) {
        size_t rank = 1;
        for (size_t t = 0; t < bl_model_config(e->model)->n_vocab; t++) rank += logits[t] > logits[next];
        bl_json_set(follows, "token", bl_json_token(e, next), ok);
        bl_json_set(follows, "probability", bl_json_number(exp((double)logits[next] - p->most) / p->sum), ok);
        bl_json_set(follows, "rank", json_integer((json_int_t)rank), ok);
    }
    bl_json_set(out, "next", follows, ok);
    return out;
}

static char *write_sentence(bl_call *call, const bl_ids *ids, bl_view logits) {
    const bl_explorer *e = call->explorer;
    bool ok = true;
    prediction *found = bl_alloc(ids->n, sizeof *found, &call->err);
    if (!found) return NULL;
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < ids->n; p++) found[p] = predict(logits.data + p * logits.stride, logits.cols);
    for (size_t p = 0; p < ids->n; p++)
        if (!isfinite(found[p].sum)) {
            free(found);
            return bl_fail_null(&call->err, BL_ERR_NUMERIC,
                                "a logit is not finite: the weights hold NaN or infinity");
        }
    json_t *root = json_object(), *list = json_array(), *tokens = json_array(), *predictions = json_array();
    for (size_t p = 0; p < ids->n; p++) {
        bl_json_append(list, json_integer(ids->data[p]), &ok);
        bl_json_append(tokens, bl_json_token(e, ids->data[p]), &ok);
        bl_json_append(predictions,
                       write_prediction(e, logits.data + p * logits.stride, &found[p],
                                        p + 1 < ids->n ? ids->data[p + 1] : -1, &ok),
                       &ok);
    }
    bl_json_set(root, "ids", list, &ok);
    bl_json_set(root, "tokens", tokens, &ok);
    bl_json_set(root, "predictions", predictions, &ok);
    free(found);
    return bl_json_take(root, ok, &call->err);
}

char *bl_api_sentence(bl_call *call) {
    bl_ids ids = {0};
    char *json = NULL;
    bl_workspace *workspace =
        read_text(call, &ids) ? bl_workspace_new(call->explorer->model, &call->err) : NULL;
    if (workspace) {
        bl_view logits =
            bl_forward_logits(call->explorer->model, workspace, ids.data, ids.n, NULL, &call->err);
        if (logits.data) json = write_sentence(call, &ids, logits);
    }
    bl_workspace_free(workspace);
    bl_ids_free(&ids);
    return json;
}

/* sims [n_pairs] of all the atlas's eigenvectors with the MLP's input at a position. */
static bool excite(bl_call *call, const bl_ids *ids, size_t position, const float *v, size_t n_pairs,
                   float *sims) {
    const bl_model *model = call->explorer->model;
    size_t n = bl_interaction_size(model), d = bl_model_config(model)->d_model;
    float *x = bl_alloc(n, sizeof *x, &call->err);
    bl_workspace *workspace = x ? bl_workspace_new(model, &call->err) : NULL;
    bl_view in = {0};
    bool ok = workspace != NULL;
    if (ok) {
        in = bl_forward_mlp_in(model, workspace, ids->data, position + 1,
                               (size_t)bl_look_get_facts(call->explorer->atlas)->layer, NULL, &call->err);
        ok = in.data != NULL;
    }
    if (ok) {
        memcpy(x, in.data + position * in.stride, d * sizeof *x);
        if (n > d) x[d] = 1;
        bl_gemv_n(n_pairs, n, 1.0F, v, n, x, 0.0F, sims);
    }
    bl_workspace_free(workspace);
    free(x);
    return ok;
}

/* The `limit` pairs of largest |lambda sim^2|, into order [n_pairs]; ties: the earlier pair. Returns how
 * many. */
static size_t strongest(const bl_look_pair *pairs, const float *sims, size_t n_pairs, size_t limit,
                        size_t *order) {
    size_t n = 0;
    for (size_t i = 0; i < n_pairs; i++) {
        float strength = fabsf(pairs[i].eigenvalue) * sims[i] * sims[i];
        size_t low = 0, high = n; /* the place behind all that are not weaker */
        while (low < high) {
            size_t middle = (low + high) / 2, m = order[middle];
            if (fabsf(pairs[m].eigenvalue) * sims[m] * sims[m] >= strength) low = middle + 1;
            else high = middle;
        }
        if (low == limit) continue;
        if (n < limit) n++;
        memmove(order + low + 1, order + low, (n - 1 - low) * sizeof *order);
        order[low] = i;
    }
    return n;
}

static char *write_excited(bl_call *call, const bl_ids *ids, size_t position, size_t limit) {
    const bl_explorer *e = call->explorer;
    const float *v;
    const bl_look_pair *pairs;
    size_t n_pairs;
    if (!bl_look_vectors(e->atlas, &v, &pairs, &n_pairs, &call->err)) return NULL;
    float *sims = bl_alloc(n_pairs, sizeof *sims, &call->err);
    size_t *order = bl_alloc(limit, sizeof *order, &call->err);
    char *json = NULL;
    if (sims && order && excite(call, ids, position, v, n_pairs, sims)) {
        bool ok = true;
        json_t *root = json_object(), *list = json_array();
        size_t n = strongest(pairs, sims, n_pairs, limit, order);
        for (size_t i = 0; i < n; i++) {
            const bl_look_pair *pair = &pairs[order[i]];
            double similarity = (double)sims[order[i]];
            json_t *item = json_object();
            bl_json_set(item, "token", bl_json_token(e, pair->token), &ok);
            bl_json_set(item, "id", json_integer(pair->token), &ok);
            bl_json_set(item, "index", json_integer(pair->index), &ok);
            bl_json_set(item, "eigenvalue", bl_json_number((double)pair->eigenvalue), &ok);
            bl_json_set(item, "similarity", bl_json_number(similarity), &ok);
            bl_json_set(item, "activation",
                        bl_json_number((double)pair->eigenvalue * similarity * similarity), &ok);
            bl_json_append(list, item, &ok);
        }
        bl_json_set(root, "position", json_integer((json_int_t)position), &ok);
        bl_json_set(root, "token", bl_json_token(e, ids->data[position]), &ok);
        bl_json_set(root, "directions", list, &ok);
        json = bl_json_take(root, ok, &call->err);
    }
    free(sims);
    free(order);
    return json;
}

char *bl_api_excited(bl_call *call) {
    bl_ids ids = {0};
    size_t position, limit;
    char *json = NULL;
    if (!call->explorer->atlas)
        return bl_call_refuse(call, 409, "no_atlas",
                              "which directions a text excites is known with an atlas only: make one with "
                              "bilens atlas, and give it with --atlas");
    if (read_text(call, &ids) && read_position(call, &ids, &position) &&
        bl_request_count(call->request, "limit", 20, MOST_DIRECTIONS, &limit, &call->err))
        json = limit ? write_excited(call, &ids, position, limit)
                     : bl_fail_null(&call->err, BL_ERR_USAGE, "limit must be at least 1");
    bl_ids_free(&ids);
    return json;
}

char *bl_api_contributions(bl_call *call) {
    bl_topic t;
    bl_ids ids = {0};
    long indices[BL_MOST_INDICES];
    size_t n, position;
    char *json = NULL;
    bl_cached *held = NULL;
    bl_scan *scan = NULL;
    if (!bl_topic_read(call, &t) || !bl_indices_read(call, "index", indices, &n)) return NULL;
    if (!bl_request_text(call->request, "index")) indices[0] = -1;
    if (read_text(call, &ids) && read_position(call, &ids, &position))
        held = bl_topic_eigen(call, &t, indices, 1);
    if (held) {
        bl_place place = {.position = position, .ids = ids.data, .n_ids = ids.n};
        bl_scan_options options = {.exact_path = true, .heads = true};
        scan = bl_scan_places(call->explorer->model, bl_cached_eigen(held), indices, 1, &place, 1, &options,
                              &call->err);
    }
    if (scan) {
        bl_match found = bl_scan_match(scan, 0, 0);
        json = bl_match_json(call->explorer->model, &found, &call->err);
    }
    bl_scan_free(scan);
    bl_cache_release(held);
    bl_ids_free(&ids);
    return json;
}
