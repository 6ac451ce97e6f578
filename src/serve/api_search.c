/* GET /api/readers, GET /api/similar: directions by what they read, and by their form. */
#include "atlas/who_reads.h"
#include "base/error.h"
#include "base/memory.h"
#include "serve/requested.h"
#include <bilens/evidence.h>
#include <stdlib.h>

enum { MOST_READERS = 10000, MOST_SIMILAR = 1000 };

bl_tree *bl_api_readers(bl_call *call) {
    const bl_explorer *e = call->explorer;
    const char *token = bl_request_text(call->request, "token"),
               *from = bl_request_text(call->request, "source");
    bl_builder b = {&call->err, false};
    int64_t source = -1;
    size_t limit;
    if (!e->atlas)
        return bl_call_refuse(
            call, 409, "no_atlas",
            "who reads a token is known with an atlas only: make one with bilens atlas, and "
            "give it with --atlas");
    if (!token) return bl_fail_null(&call->err, BL_ERR_USAGE, "token is missing: which token is read?");
    if (from && !bl_atlas_source(from, &source))
        return bl_fail_null(&call->err, BL_ERR_USAGE,
                            "source: '%.40s' is neither direct nor a head, as 'head 3'", from);
    bl_atlas_reader *atlas = bl_call_layer(call);
    if (!atlas || !bl_request_count(call->request, "limit", 50, MOST_READERS, &limit, &call->err))
        return NULL;
    long id = bl_basis_find(&e->basis, token, &call->err);
    if (id < 0) {
        call->status = 404;
        call->lost = token;
        return NULL;
    }
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_atlas_reader_put_who_reads(atlas, (int32_t)id, source, limit, &b, root);
    return bl_tree_built(&b, root);
}

bl_tree *bl_api_similar(bl_call *call) {
    const bl_explorer *e = call->explorer;
    bl_requested t;
    size_t k;
    if (!bl_requested_read(call, &t) ||
        !bl_request_count(call->request, "k", 20, MOST_SIMILAR, &k, &call->err))
        return NULL;
    bl_question question = {e->model, &t.direction, t.layer};
    float *u = bl_alloc(bl_model_config(e->model)->d_model, sizeof *u, &call->err);
    bl_tree *tree = u && bl_direction_vector(&t.direction, &e->basis, u, &call->err)
                      ? bl_similar_tree(&question, u, k, &call->err)
                      : NULL;
    free(u);
    return tree;
}
