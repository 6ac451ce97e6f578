/* What the model says at the places that excite an eigenvector: whether the direction's token comes there at
 * all (docs/specification.md, 9). An activation of one eigenvector is no prediction. The places' texts run
 * side by side, and of each only the last position is asked for logits. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/exp.h"
#include "linear/softmax.h"
#include "model/block.h"
#include <bilens/explain.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 1024, /* positions that run side by side, unless one text alone has more */
    TEXTS = 64
};

typedef struct telling {
    const bl_model *model;
    const float *u;
    size_t layer, n;
    int32_t token;
    const bl_match *matches; /* [n] */
    size_t *begin;           /* [n + 1] their texts in ids */
    int32_t *ids;
    bl_workspace *workspace;
    float *logits; /* [TEXTS, V] */
    bl_told *out;
} telling;

/* All texts, one behind the other, each up to its match. */
static bool join(telling *t, bl_error *err) {
    size_t all = 0;
    t->begin = bl_alloc(t->n + 1, sizeof *t->begin, err);
    for (size_t i = 0; t->begin && i < t->n; i++) {
        t->begin[i] = all;
        all += t->matches[i].position + 1;
    }
    if (t->begin) t->begin[t->n] = all;
    t->ids = t->begin ? bl_alloc(all, sizeof *t->ids, err) : NULL;
    for (size_t i = 0; t->ids && i < t->n; i++)
        memcpy(t->ids + t->begin[i], t->matches[i].ids, (t->begin[i + 1] - t->begin[i]) * sizeof *t->ids);
    return t->ids != NULL;
}

/* u . MLP(x) of the last position of each text, from the MLP's output. */
static void add_totals(const telling *t, const bl_block_pass *pass, bl_told *out) {
    size_t d = bl_model_config(t->model)->d_model;
    for (size_t s = 0; s < pass->stories; s++) {
        const float *y = pass->state->out + (pass->begin[s + 1] - pass->begin[0] - 1) * d;
        for (size_t k = 0; k < d; k++) out[s].total += (double)t->u[k] * (double)y[k];
    }
}

/* The last position of each text to the front of the stream. */
static void keep_last(const bl_block_pass *pass) {
    size_t d = pass->model->config.d_model;
    for (size_t s = 0; s < pass->stories; s++)
        memmove(pass->state->x + s * d, pass->state->x + (pass->begin[s + 1] - pass->begin[0] - 1) * d,
                d * sizeof(float));
}

static void read_logits(const telling *t, const float *row, bl_told *out) {
    size_t V = bl_model_config(t->model)->n_vocab;
    float own = row[t->token];
    out->probability = exp((double)own - bl_log_sum_exp(row, V));
    out->rank = 1;
    for (size_t k = 0; k < V; k++) out->rank += row[k] > own || (row[k] == own && (int32_t)k < t->token);
}

/* Texts first … first + stories - 1. */
static bool tell(telling *t, size_t first, size_t stories, bl_error *err) {
    const bl_config *c = bl_model_config(t->model);
    bl_block_pass pass;
    if (!bl_forward_stories(t->model, t->workspace, t->begin + first, stories, &pass, err)) return false;
    bl_pass_embed(&pass, t->ids + t->begin[first]);
    for (size_t i = 0; i < c->n_layer; i++) {
        if (!bl_go_on(err)) return false;
        bl_pass_attention(&pass, i);
        bl_pass_hidden(&pass, i);
        bl_pass_out(&pass, i);
        if (i == t->layer) add_totals(t, &pass, t->out + first);
        bl_pass_add(&pass, i);
    }
    keep_last(&pass);
    bl_pass_final(&pass, 0, stories);
    bl_pass_logits(&pass, stories, t->logits);
    for (size_t s = 0; s < stories; s++) read_logits(t, t->logits + s * c->n_vocab, &t->out[first + s]);
    return true;
}

bool bl_told_of(const bl_model *model, size_t layer, const float *u, int32_t token, const bl_match *matches,
                size_t n, bl_told *out, bl_error *err) {
    size_t V = bl_model_config(model)->n_vocab, room = n < TEXTS ? n : TEXTS, count;
    bl_error_clear(err);
    if (token < 0 || (size_t)token >= V)
        return bl_fail(err, BL_ERR_USAGE, "token %d does not exist", (int)token);
    telling t = {
        .model = model, .u = u, .layer = layer, .n = n, .token = token, .matches = matches, .out = out};
    memset(out, 0, n * sizeof *out);
    if (!bl_mul_size(room ? room : 1, V, &count)) count = SIZE_MAX;
    bool ok = n == 0 || (join(&t, err) && (t.workspace = bl_workspace_new(model, err)) &&
                         (t.logits = bl_alloc(count, sizeof *t.logits, err)));
    for (size_t i = 0; ok && i < n;) {
        size_t stories = bl_forward_together(model, t.begin + i, n - i < TEXTS ? n - i : TEXTS, ROWS);
        ok = tell(&t, i, stories, err);
        i += stories;
    }
    bl_workspace_free(t.workspace);
    free(t.begin);
    free(t.ids);
    free(t.logits);
    return ok;
}
