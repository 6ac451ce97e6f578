/* "probability", "rank" and "total" of the inputs in a scan's tree. */
#include "base/memory.h"
#include <bilens/evidence.h>
#include <bilens/explain.h>
#include <jansson.h>
#include <stdlib.h>

/* The matches of all vectors, one vector's behind the other's; *n of them. */
static bl_match *all_matches(const bl_scan *scan, size_t n_vectors, size_t *n, bl_error *err) {
    *n = 0;
    for (size_t j = 0; j < n_vectors; j++) *n += bl_scan_n_matches(scan, j);
    bl_match *all = bl_alloc(*n ? *n : 1, sizeof *all, err);
    size_t at = 0;
    for (size_t j = 0; all && j < n_vectors; j++)
        for (size_t i = 0; i < bl_scan_n_matches(scan, j); i++) all[at++] = bl_scan_match(scan, j, i);
    return all;
}

static void put(bl_builder *b, bl_tree *tree, const bl_told *told) {
    const json_t *vector;
    json_t *match;
    size_t j, i;
    json_array_foreach(json_object_get(tree, "vectors"), j, vector) {
        json_array_foreach(json_object_get(vector, "matches"), i, match) {
            bl_put_real(b, match, "probability", told->probability);
            bl_put_count(b, match, "rank", told->rank);
            bl_put_real(b, match, "total", told->total);
            told++;
        }
    }
}

bool bl_scan_add_told(bl_tree *tree, const bl_question *question, const bl_scan *scan, size_t n_vectors,
                      bl_error *err) {
    bl_basis basis = bl_model_basis_out(question->model);
    if (!question->direction->token) return true; /* a vector that is no token's predicts none */
    long token = bl_basis_find(&basis, question->direction->token, err);
    size_t n;
    if (token < 0) return false;
    float *u = bl_alloc(bl_model_config(question->model)->d_model, sizeof *u, err);
    bl_match *matches = all_matches(scan, n_vectors, &n, err);
    bl_told *told = bl_alloc(n ? n : 1, sizeof *told, err);
    bool ok = u && matches && told && bl_direction_vector(question->direction, &basis, u, err) &&
              bl_told_of(question->model, question->layer, u, (int32_t)token, matches, n, told, err);
    bl_builder b = {err, false};
    if (ok) put(&b, tree, told);
    free(u);
    free(matches);
    free(told);
    return ok && !b.failed;
}
