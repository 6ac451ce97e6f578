/* GET /api/features: a direction's form in the features of the explorer's dictionary
 * (docs/specification.md, 17): which of them it reads by itself, which two together. */
#include "base/error.h"
#include "base/memory.h"
#include "serve/requested.h"
#include <bilens/feature_result.h>
#include <stdlib.h>

enum { MOST_ENTRIES = 100 };

/* The direction alone, as an output dictionary of one feature. */
static bl_tree *form_of(bl_call *call, const bl_requested *t, const float *u, size_t most) {
    const bl_explorer *e = call->explorer;
    float nothing = 0;
    size_t d = bl_model_config(e->model)->d_model, first = 0;
    float *centre = bl_alloc_zero(d, sizeof *centre, &call->err);
    bl_dictionary one = {.name = (char *)(uintptr_t) "direction",
                         .F = 1,
                         .d = d,
                         .encoder = (float *)(uintptr_t)u,
                         .decoder = (float *)(uintptr_t)u,
                         .offset = &nothing,
                         .centre = centre};
    bl_feature_options options = {.layer = t->layer,
                                  .features = &first,
                                  .n_features = 1,
                                  .most = most,
                                  .progress = bl_call_progress(call)};
    bl_features *features = centre ? bl_features_of(e->model, e->features, &one, &options, &call->err) : NULL;
    bl_tree *tree =
        features ? bl_features_tree(e->model, t->layer, e->features, &one, features, &call->err) : NULL;
    bl_features_free(features);
    free(centre);
    return tree;
}

bl_tree *bl_api_features(bl_call *call) {
    const bl_explorer *e = call->explorer;
    bl_requested t;
    size_t most;
    if (!e->features)
        return bl_call_refuse(
            call, 409, "no_dictionary",
            "a direction's form in features needs a dictionary of what the MLP reads: bilens "
            "serve --basis DICT");
    if (!bl_requested_read(call, &t) ||
        !bl_request_count(call->request, "k", 10, MOST_ENTRIES, &most, &call->err))
        return NULL;
    float *u = bl_alloc(bl_model_config(e->model)->d_model, sizeof *u, &call->err);
    bl_tree *tree =
        u && bl_direction_vector(&t.direction, &e->basis, u, &call->err) ? form_of(call, &t, u, most) : NULL;
    free(u);
    return tree;
}
