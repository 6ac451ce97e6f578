/* GET /api/heads: every head of a model with bilinear attention by itself, as in a report. */
#include "base/error.h"
#include "serve/requested.h"
#include <bilens/evidence.h>

#define MOST_PAIRS 100

bl_tree *bl_api_heads(bl_call *call) {
    bl_requested t;
    size_t distance, k;
    const bl_config *c = bl_model_config(call->explorer->model);
    if (!bl_requested_read(call, &t) ||
        !bl_request_count(call->request, "distance", 1, c->n_ctx, &distance, &call->err) ||
        !bl_request_count(call->request, "k", 8, MOST_PAIRS, &k, &call->err))
        return NULL;
    bl_question question = {call->explorer->model, &t.direction, t.layer};
    return bl_heads_tree(&question, distance, k ? k : 1, &call->err);
}
