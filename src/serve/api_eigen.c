/* GET /api/eigen, GET /api/scan: the command line's results, with more keys.
 *
 * A scan that the atlas has is not made again: places and contributions come from it (16-bit numbers there),
 * and by head they are computed afresh at its places. */
#include "base/error.h"
#include "base/memory.h"
#include "serve/requested.h"
#include <bilens/feature_result.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#define MOST_TOP 256
#define MOST_MATCHES 2048 /* of all eigenvectors together: what an answer may weigh */
#define MOST_BY_HEAD 512

/* The keys that the command line's results have not: what was asked for. NULL stays NULL. */
static bl_tree *with_requested(bl_tree *tree, const bl_explorer *e, const bl_requested *t, bl_error *err) {
    bl_builder b = {err, false};
    if (!tree) return NULL;
    bl_put_integer(&b, tree, "id", t->id);
    if (t->own) bl_put_text(&b, tree, "label", e->own_names.text[t->id]);
    bl_put_text(&b, tree, "contrast", bl_contrast_name(&t->direction));
    bl_put_flag(&b, tree, "null", t->null_model);
    return bl_tree_built(&b, tree);
}

bl_tree *bl_api_eigen(bl_call *call) {
    bl_requested t;
    long indices[BL_MOST_INDICES];
    size_t n;
    if (!bl_requested_read(call, &t) || !bl_indices_read(call, "eigs", indices, &n)) return NULL;
    bl_cached *held = bl_requested_eigen(call, &t, indices, n);
    if (!held) return NULL;
    const bl_eigen *eigen = bl_cached_eigen(held);
    const float *values = bl_eigen_values(eigen);
    bl_question question = {call->explorer->model, &t.direction, t.layer};
    bl_tree *tree = with_requested(bl_eigen_tree(&question, eigen, indices, n, &call->err), call->explorer,
                                   &t, &call->err);
    bl_builder b = {&call->err, false};
    if (tree) {
        double low = fabs((double)values[0]), high = fabs((double)values[bl_eigen_size(eigen) - 1]);
        bl_put_real(&b, tree, "largest", fmax(low, high));
        tree = bl_tree_built(&b, tree);
    }
    const bl_dictionary *features = call->explorer->features;
    if (tree && features && !bl_eigen_tree_read_in(tree, eigen, features, &call->err)) {
        bl_tree_free(tree);
        tree = NULL;
    }
    bl_cache_release(held);
    return tree;
}

/* What a scan asks for. */
typedef struct scan_request {
    bl_requested requested;
    long indices[BL_MOST_INDICES];
    size_t n, top, stories;
    bool heads;
} scan_request;

static bool read_scan_request(bl_call *call, scan_request *w) {
    return bl_requested_read(call, &w->requested) && bl_indices_read(call, "eigs", w->indices, &w->n) &&
           bl_request_count(call->request, "top", 8, MOST_TOP, &w->top, &call->err) &&
           bl_request_count(call->request, "stories", 0, SIZE_MAX / 2, &w->stories, &call->err) &&
           bl_request_flag(call->request, "heads", &w->heads, &call->err) &&
           (w->top > 0 || bl_fail(&call->err, BL_ERR_USAGE, "top must be at least 1")) &&
           (w->n * w->top <= (w->heads ? MOST_BY_HEAD : MOST_MATCHES) ||
            bl_fail(
                &call->err, BL_ERR_USAGE,
                "%zu eigenvectors with %zu matches each are more than an answer holds: %d in all, %d by head",
                w->n, w->top, MOST_MATCHES, MOST_BY_HEAD));
}

/* The layer of the atlas that has these matches: its direction, its eigenvectors, no more of them than it
 * kept; else NULL. */
static bl_atlas_reader *atlas_with(const bl_explorer *e, const scan_request *w) {
    bl_atlas_reader *atlas = bl_requested_atlas(e, &w->requested);
    if (!atlas || w->stories) return NULL;
    const bl_atlas_reader_facts *f = bl_atlas_reader_get_facts(atlas);
    long K = (long)bl_atlas_reader_n_values(atlas) / 2;
    if (w->top > f->top && f->stories > f->top) return NULL;
    for (size_t j = 0; j < w->n; j++)
        if (w->indices[j] < -K || w->indices[j] >= K) return NULL;
    return atlas;
}

/* The same places with contributions by head, computed afresh into *scan and found->list. */
static bool split_by_head(bl_call *call, const bl_eigen *eigen, long index, bl_atlas_reader_matches *found,
                          bl_scan **scan) {
    bl_place *places = bl_alloc(found->n, sizeof *places, &call->err);
    for (size_t i = 0; places && i < found->n; i++)
        places[i] = (bl_place){.story = found->list[i].story,
                               .position = found->list[i].position,
                               .ids = found->list[i].ids,
                               .n_ids = found->list[i].n_ids};
    bl_scan_options options = {.exact_path = true, .heads = true, .progress = bl_call_progress(call)};
    if (places)
        *scan =
            bl_scan_places(call->explorer->model, eigen, &index, 1, places, found->n, &options, &call->err);
    for (size_t i = 0; *scan && i < found->n; i++) found->list[i] = bl_scan_match(*scan, 0, i);
    free(places);
    return *scan != NULL;
}

/* The stored matches of vector j. */
static bool put_stored(bl_call *call, const scan_request *w, const bl_eigen *eigen, size_t j, bl_builder *b,
                       bl_tree *vectors) {
    bl_atlas_reader_matches found;
    bl_scan *scan = NULL;
    bl_atlas_reader *atlas = bl_requested_atlas(call->explorer, &w->requested);
    if (!bl_atlas_reader_get_matches(atlas, w->requested.id, w->indices[j], w->top, &found, &call->err))
        return false;
    bool ok = !w->heads || !found.n || split_by_head(call, eigen, w->indices[j], &found, &scan);
    bl_tree *matches = bl_put_hits(b, vectors, eigen, w->indices[j]);
    if (!b->failed)
        bl_atlas_reader_put_evidence(atlas, w->requested.id, w->indices[j], b,
                                     json_array_get(vectors, json_array_size(vectors) - 1));
    for (size_t i = 0; ok && i < found.n; i++)
        bl_put_match(b, matches, call->explorer->model, &found.list[i]);
    if (ok && !b->failed) bl_put_orientation(b, vectors);
    bl_scan_free(scan);
    bl_atlas_reader_matches_free(&found);
    return ok;
}

static bl_tree *atlas_scan(bl_call *call, const scan_request *w, const bl_eigen *eigen,
                           const bl_question *question) {
    const bl_atlas_reader_facts *f =
        bl_atlas_reader_get_facts(bl_requested_atlas(call->explorer, &w->requested));
    bl_builder b = {&call->err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_subject(&b, root, question);
    bl_put_count(&b, root, "stories", f->stories);
    bl_put_count(&b, root, "positions", f->positions);
    bl_tree *vectors = bl_put_array(&b, root, "vectors");
    for (size_t j = 0; j < w->n && !b.failed; j++)
        b.failed = !put_stored(call, w, eigen, j, &b, vectors) || b.failed;
    bl_put_text(&b, root, "source", "atlas");
    return bl_tree_built(&b, root);
}

static bl_tree *fresh_scan(bl_call *call, const scan_request *w, const bl_eigen *eigen,
                           const bl_question *question) {
    bl_token_stories stories;
    if (!bl_stories_get(call->explorer->stories, &stories, &call->err)) return NULL;
    bl_scan_options options = {.top = w->top,
                               .max_stories = w->stories,
                               .progress = bl_call_progress(call),
                               .heads = w->heads};
    bl_scan *scan =
        bl_scan_run_tokens(call->explorer->model, eigen, w->indices, w->n, &stories, &options, &call->err);
    bl_tree *tree = scan ? bl_scan_tree(question, eigen, scan, w->indices, w->n, &call->err) : NULL;
    bl_scan_free(scan);
    bl_builder b = {&call->err, false};
    if (!tree) return NULL;
    bl_put_text(&b, tree, "source", "scan");
    return bl_tree_built(&b, tree);
}

bl_tree *bl_api_scan(bl_call *call) {
    scan_request w;
    if (!read_scan_request(call, &w)) return NULL;
    bl_cached *held = bl_requested_eigen(call, &w.requested, w.indices, w.n);
    if (!held) return NULL;
    bl_question question = {call->explorer->model, &w.requested.direction, w.requested.layer};
    bool stored = atlas_with(call->explorer, &w) != NULL;
    bl_tree *tree = (stored ? atlas_scan : fresh_scan)(call, &w, bl_cached_eigen(held), &question);
    bl_cache_release(held);
    return with_requested(tree, call->explorer, &w.requested, &call->err);
}
