/* What the model says at the places that excite an eigenvector: whether the direction's token comes there at
 * all (docs/specification.md, 9). An activation of one eigenvector is no prediction. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/layer_run.h"
#include "linear/exp.h"
#include <bilens/explain.h>
#include <math.h>
#include <stdlib.h>

typedef struct telling {
    const float *u;
    int32_t token;
    const bl_match *matches;
    bl_layer_run *runs;
    bl_told *out;
} telling;

static bool tell(void *context, size_t i, size_t thread, bl_error *err) {
    const telling *t = context;
    const bl_match *match = &t->matches[i];
    bl_layer_run *run = &t->runs[thread];
    size_t n = match->position + 1;
    bl_view logits = bl_layer_run_logits(run, match->ids, n, NULL, NULL, err);
    if (!logits.data) return false;
    const float *row = logits.data + match->position * logits.stride, *y = run->y + match->position * run->d;
    float own = row[t->token];
    bl_told *out = &t->out[i];
    *out = (bl_told){.probability = exp((double)own - bl_log_sum_exp(row, logits.cols)), .rank = 1};
    for (size_t k = 0; k < logits.cols; k++)
        out->rank += row[k] > own || (row[k] == own && (int32_t)k < t->token);
    for (size_t k = 0; k < run->d; k++) out->total += (double)t->u[k] * (double)y[k];
    return true;
}

bool bl_told_of(const bl_model *model, size_t layer, const float *u, int32_t token, const bl_match *matches,
                size_t n, bl_told *out, bl_error *err) {
    size_t longest = 1;
    bl_error_clear(err);
    if (token < 0 || (size_t)token >= bl_model_config(model)->n_vocab)
        return bl_fail(err, BL_ERR_USAGE, "token %d does not exist", (int)token);
    for (size_t i = 0; i < n; i++)
        if (matches[i].position + 1 > longest) longest = matches[i].position + 1;
    telling t = {u, token, matches, bl_layer_runs_new(model, layer, longest, err), out};
    bool ok = t.runs && bl_parallel(n, tell, &t, err);
    bl_layer_runs_free(t.runs);
    return ok;
}
