/* The atlas's effects: what each eigenpair does to the loss in its own token's logit (docs/specification.md,
 * 12), and how often chance makes its eigenvalue as large (13).
 *
 * Rank 0 alone makes them, in two passes over the stories, from the beginning if it was interrupted; for the
 * last layer only, because behind another layer there is no closed form. */
#include "atlas/atlas_private.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/effect.h"
#include <bilens/chance.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STORIES 64 /* handed on together */

/* What the effects are computed of. */
typedef struct work {
    float *v, *u;
    double *lambda; /* [J] lambda~ */
    int32_t *tokens;
    bl_effects *effects;
    int32_t *ids[STORIES];
    size_t lengths[STORIES], count;
} work;

/* The eigenvalues in the order of the pairs. */
static bool read_lambda(const bl_atlas *a, double *lambda, bl_error *err) {
    bl_error failure = {0};
    size_t j = 0;
    sqlite3_stmt *s = bl_database_prepare(a->db, "SELECT eigenvalue FROM eigenpair ORDER BY id", &failure);
    for (; s && j < a->J && bl_database_row(s, &failure); j++) lambda[j] = sqlite3_column_double(s, 0);
    sqlite3_finalize(s);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return j == a->J ||
           bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: eigenvalue %zu is missing", a->path, j);
}

/* Directions as the atlas takes them, and lambda~ = lambda - shift. */
static bool take_directions(const bl_atlas *a, work *w, bl_error *err) {
    bl_basis basis = bl_model_basis_out(a->model);
    float *mean = bl_alloc(a->d, sizeof *mean, err), *tau = bl_alloc(a->d, sizeof *tau, err);
    bool ok = mean && tau && bl_basis_mean(&basis, mean, err) && bl_bilinear_traces(&a->map, tau, err);
    basis.mean = mean;
    for (size_t i = 0; ok && i < a->n_directions; i++) {
        float *u = w->u + i * a->d;
        w->tokens[i] = a->directions[i];
        ok = bl_direction_of_row(&basis, (size_t)a->directions[i], !a->options.raw,
                                 a->options.centre_unembedding, u, err);
        double shift = ok ? bl_bilinear_shift(&a->map, tau, u) : 0;
        for (size_t k = 0; k < 2 * a->K; k++) w->lambda[i * 2 * a->K + k] -= shift;
    }
    free(mean);
    free(tau);
    return ok;
}

static bool work_init(const bl_atlas *a, work *w, size_t longest, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a->n_directions, a->d, &count)) count = SIZE_MAX;
    w->u = bl_alloc(count, sizeof *w->u, err);
    w->lambda = bl_alloc(a->J, sizeof *w->lambda, err);
    w->tokens = bl_alloc(a->n_directions, sizeof *w->tokens, err);
    if (!w->v || !w->u || !w->lambda || !w->tokens) return false;
    if (!read_lambda(a, w->lambda, err) || !take_directions(a, w, err)) return false;
    bl_effect_pairs pairs = {a->model, a->n_directions, 2 * a->K, w->tokens, w->u, w->v, w->lambda};
    w->effects = bl_effects_new(&pairs, longest, err);
    return w->effects != NULL;
}

static void drop_stories(work *w) {
    for (size_t i = 0; i < w->count; i++) free(w->ids[i]);
    w->count = 0;
}

static void work_free(work *w) {
    drop_stories(w);
    bl_effects_free(w->effects);
    free(w->v);
    free(w->u);
    free(w->lambda);
    free(w->tokens);
}

typedef bool (*pass_fn)(bl_effects *effects, const int32_t *const *ids, const size_t *lengths, size_t count,
                        bl_error *err);

static bool hand_on(work *w, pass_fn pass, bl_error *err) {
    bool ok = pass(w->effects, (const int32_t *const *)w->ids, w->lengths, w->count, err);
    drop_stories(w);
    return ok;
}

/* Every story once; `half` 0 or 1 of the two passes, for the progress. */
static bool run_pass(const bl_atlas *a, work *w, pass_fn pass, uint64_t half, bl_error *err) {
    bl_story_reader reader = {0};
    bl_error failure = {0};
    bool ok = bl_story_reader_open(&reader, a, 0, err);
    while (ok && bl_story_reader_next(&reader, a, &failure)) {
        int32_t *ids = bl_alloc(reader.length, sizeof *ids, err);
        ok = ids != NULL;
        if (!ok) break;
        if (reader.length) memcpy(ids, reader.ids, reader.length * sizeof *ids);
        w->ids[w->count] = ids;
        w->lengths[w->count++] = reader.length;
        if (w->count < STORIES) continue;
        ok = bl_progress_step(&a->options.progress, "effects", half * a->stories + reader.story,
                              2 * a->stories, err) &&
             hand_on(w, pass, err);
    }
    bl_story_reader_close(&reader);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return ok && hand_on(w, pass, err);
}

static void bind(sqlite3_stmt *s, int column, double value) {
    if (isnan(value)) sqlite3_bind_null(s, column);
    else sqlite3_bind_double(s, column, value);
}

static bool write_effects(bl_atlas *a, const work *w, bl_error *err) {
    if (!bl_database_begin(a->db, err)) return false;
    sqlite3_stmt *s =
        bl_database_prepare(a->db, "INSERT INTO effect VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", err);
    bool ok = s != NULL;
    for (size_t j = 0; ok && j < a->J; j++) {
        bl_effect e = bl_effects_result(w->effects, j);
        sqlite3_bind_int64(s, 1, (sqlite3_int64)j);
        sqlite3_bind_int64(s, 2, (sqlite3_int64)e.own);
        sqlite3_bind_int64(s, 3, (sqlite3_int64)e.others);
        bind(s, 4, e.own_mean);
        bind(s, 5, e.own_error);
        bind(s, 6, e.others_mean);
        bind(s, 7, e.total);
        bind(s, 8, e.share);
        bind(s, 9, e.ends);
        ok = bl_database_step(s, err);
    }
    sqlite3_finalize(s);
    ok = ok && bl_atlas_mark(a, BL_PHASE_DONE, 0, err);
    return bl_database_commit(a->db, ok, err);
}

/* The tokens of the longest story. */
static bool longest_story(const bl_atlas *a, size_t *longest, bl_error *err) {
    bl_error failure = {0};
    *longest = 0;
    sqlite3_stmt *s = bl_database_prepare(a->db, "SELECT max(length) FROM story", &failure);
    if (s && bl_database_row(s, &failure)) *longest = (size_t)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return !failure.code || bl_fail(err, failure.code, "%s", failure.message);
}

static bool make_effects(bl_atlas *a, work *w, size_t longest, bl_error *err) {
    return work_init(a, w, longest, err) && run_pass(a, w, bl_effects_measure, 0, err) &&
           bl_effects_means(w->effects, err) && run_pass(a, w, bl_effects_add, 1, err) &&
           write_effects(a, w, err);
}

bool bl_atlas_effects(bl_atlas *a, bl_error *err) {
    size_t longest = 0;
    bool last = a->options.layer + 1 == bl_model_config(a->model)->n_layer, ok;
    if (!last) return bl_atlas_mark(a, BL_PHASE_DONE, 0, err);
    work w = {.v = bl_atlas_vectors(a, err)};
    ok = w.v != NULL;
    if (ok && a->ranks.rank == 0) {
        ok = longest_story(a, &longest, err) &&
             (longest < 2 ? bl_atlas_mark(a, BL_PHASE_DONE, 0, err) : make_effects(a, &w, longest, err));
    } else if (ok) {
        ok = bl_atlas_mark(a, BL_PHASE_DONE, 0, err);
    }
    work_free(&w);
    return bl_ranks_agree(&a->ranks, ok, err);
}
