/* GET /api/layers: what each layer of the model adds to a direction, measured on the explorer's stories,
 * beside what its surrogate is worth. */
#include "base/error.h"
#include "base/memory.h"
#include "serve/requested.h"
#include <bilens/evidence.h>
#include <stdlib.h>

enum { MOST_STORIES = 1000 };

bl_tree *bl_api_layers(bl_call *call) {
    const bl_model *model = call->explorer->model;
    bl_requested t;
    size_t stories;
    bl_token_stories all;
    bl_layer_shares shares = {0};
    bl_tree *tree = NULL;
    if (!bl_requested_read(call, &t) ||
        !bl_request_count(call->request, "stories", 16, MOST_STORIES, &stories, &call->err))
        return NULL;
    if (!stories) return bl_fail_null(&call->err, BL_ERR_USAGE, "stories must be at least 1");
    bl_basis tokens = bl_model_basis_out(model);
    float *u = bl_alloc(bl_model_config(model)->d_model, sizeof *u, &call->err);
    if (u && bl_direction_vector(&t.direction, &tokens, u, &call->err) &&
        bl_stories_get(call->explorer->stories, &all, &call->err) &&
        bl_layer_shares_of(model, u, t.own ? -1 : t.id, &all, stories, bl_call_progress(call), &shares,
                           &call->err)) {
        bl_question question = {model, &t.direction, t.layer};
        tree = bl_layers_tree(&question, &shares, &call->err);
    }
    bl_layer_shares_free(&shares);
    free(u);
    return tree;
}
