/* The atlas's effects: the second half of every search (evidence/effect.c). Sums are added chunk by chunk in
 * the order of the stories, on rank 0, whichever rank made them: so the bits are the same. */
#include "atlas/effects.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/effect.h"
#include "model/model_private.h"
#include <bilens/surrogate.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bl_atlas_effects {
    bl_atlas *atlas;
    float *null_v, *u; /* [J, n], [n_directions, d] */
    double *lambda;    /* [2, J] lambda~ of the model's pairs and of the first null draw's */
    bl_effects *effects;
    double *totals; /* [n_totals] rank 0's */
    size_t n_totals;
};

/* lambda~ of a table's pairs in their order. */
static bool read_lambda(const bl_atlas *a, const char *sql, double *lambda, bl_error *err) {
    bl_error failure = {0};
    size_t j = 0;
    sqlite3_stmt *s = bl_database_prepare(a->db, sql, &failure);
    if (s) sqlite3_bind_int64(s, 1, bl_atlas_pair_id(a, 0));
    for (; s && j < a->J && bl_database_row(s, &failure); j++) lambda[j] = sqlite3_column_double(s, 0);
    sqlite3_finalize(s);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return j == a->J ||
           bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: eigenvalue %zu is missing", a->path, j);
}

static bool take_lambda(bl_atlas_effects *x, bl_error *err) {
    static const char *const sql[2] = {
        "SELECT e.eigenvalue - d.shift FROM eigenpair e JOIN direction d ON d.id = e.direction WHERE e.id >= "
        "? ORDER BY e.id",
        "SELECT e.eigenvalue - d.shift FROM null_eigenpair e JOIN null_direction d ON d.id = e.direction "
        "WHERE e.id >= ? ORDER BY e.id"};
    bl_atlas *a = x->atlas;
    bool ok = true;
    for (size_t k = 0; ok && a->ranks.rank == 0 && k < 2; k++)
        ok = read_lambda(a, sql[k], x->lambda + k * a->J, err);
    return bl_ranks_agree(&a->ranks, ok, err) &&
           bl_ranks_share(&a->ranks, x->lambda, 2 * a->J * sizeof *x->lambda, err);
}

/* u as a final LayerNorm reads along it. */
static void centre(float *u, size_t d) {
    double mean = 0;
    for (size_t i = 0; i < d; i++) mean += (double)u[i] / (double)d;
    for (size_t i = 0; i < d; i++) u[i] = (float)((double)u[i] - mean);
}

/* Directions as the atlas takes them. */
static bool take_directions(bl_atlas_effects *x, bl_error *err) {
    const bl_atlas *a = x->atlas;
    float *mean = bl_alloc(a->d, sizeof *mean, err);
    bool ok = mean && bl_basis_mean(&a->out, mean, err);
    for (size_t i = 0; ok && i < a->n_directions; i++) {
        ok = bl_atlas_direction(a, i, mean, x->u + i * a->d, err);
        if (ok && x->u && a->model->plan.layer_norm) centre(x->u + i * a->d, a->d);
    }
    free(mean);
    return ok;
}

/* `sums` [count] of every rank's chunk, in their order, added to rank 0's `totals`. */
static bool gather(const bl_ranks *ranks, const double *sums, size_t count, double *totals, bl_error *err) {
    bl_gathered all = {0};
    if (ranks->size == 1) {
        for (size_t i = 0; i < count; i++) totals[i] += sums[i];
        return true;
    }
    bool ok = bl_ranks_gather(ranks, sums, count * sizeof *sums, &all, err);
    for (int r = 0; ok && ranks->rank == 0 && r < ranks->size; r++) {
        const double *of_rank = (const double *)(const void *)(all.data + all.begin[r]);
        for (size_t i = 0; i < count; i++) totals[i] += of_rank[i];
    }
    bl_gathered_free(&all);
    return ok;
}

/* The first pass: the inputs' second moment, in the same rounds as the search. */
static bool measure(bl_atlas_effects *x, bl_error *err) {
    bl_atlas *a = x->atlas;
    size_t count;
    const double *part = bl_effects_second(x->effects, &count);
    double *second = bl_alloc_zero(count, sizeof *second, err);
    bl_chunks chunks = {0};
    bool ok = second && bl_chunks_open(&chunks, a, 0, err);
    while (!chunks.ended) {
        ok = ok && bl_progress_step(&a->options.progress, "measuring", chunks.next, a->stories, err);
        ok = bl_chunks_next(&chunks, ok, err);
        if (!ok || chunks.ended) break;
        ok = bl_effects_measure(x->effects, chunks.chunk.stories, chunks.chunk.lengths, chunks.chunk.count,
                                err);
        ok = bl_ranks_agree(&a->ranks, ok, err) && gather(&a->ranks, part, count, second, err);
        if (!ok) break;
    }
    bl_chunks_close(&chunks);
    ok = bl_ranks_agree(&a->ranks, ok, err) && second &&
         bl_ranks_share(&a->ranks, second, count * sizeof *second, err) &&
         bl_effects_means(x->effects, second, err);
    free(second);
    return ok;
}

/* Tokens of the corpus's longest story, on every rank. */
static bool longest_story(const bl_atlas *a, size_t *longest, bl_error *err) {
    uint64_t bytes = 0;
    bool ok = true;
    if (a->ranks.rank == 0) {
        sqlite3_stmt *s = bl_database_prepare(a->db, "SELECT max(length(tokens)) FROM story", err);
        ok = s && bl_database_row(s, err);
        if (ok) bytes = (uint64_t)sqlite3_column_int64(s, 0);
        sqlite3_finalize(s);
    }
    if (!bl_ranks_agree(&a->ranks, ok, err) || !bl_ranks_share(&a->ranks, &bytes, sizeof bytes, err))
        return false;
    *longest = bytes ? (size_t)bytes / sizeof(int32_t) : 1;
    return true;
}

static bool make_engine(bl_atlas_effects *x, const float *v, bl_error *err) {
    const bl_atlas *a = x->atlas;
    bl_effect_pairs pairs = {.model = a->model,
                             .n_directions = a->n_directions,
                             .per = 2 * a->K,
                             .tokens = bl_atlas_is_own(a) ? NULL : a->directions,
                             .u = x->u,
                             .v = v,
                             .lambda = x->lambda,
                             .null_v = x->null_v,
                             .null_lambda = x->lambda + a->J,
                             .positions = a->positions};
    size_t longest;
    if (!take_directions(x, err) || !longest_story(a, &longest, err)) return false;
    x->effects = bl_effects_new(&pairs, longest, err);
    if (!x->effects) return false;
    bl_effects_sums(x->effects, &x->n_totals);
    x->totals = bl_alloc_zero(x->n_totals, sizeof *x->totals, err);
    return x->totals != NULL;
}

bool bl_atlas_effects_open(bl_atlas *a, const float *v, bl_atlas_effects **out, bl_error *err) {
    *out = NULL;
    if (a->options.no_effects) return true;
    /* A norm behind the MLP changes all of what it adds. */
    if (a->layer + 1 != bl_model_config(a->model)->n_layer || a->model->plan.post_norms) return true;
    size_t count;
    bl_atlas_effects *x = bl_alloc_zero(1, sizeof *x, err);
    bool ok = x != NULL;
    if (ok) {
        x->atlas = a;
        if (!bl_mul_size(a->n_directions, a->d, &count)) count = SIZE_MAX;
        x->u = bl_alloc(count, sizeof *x->u, err);
        x->lambda = bl_alloc(2 * a->J, sizeof *x->lambda, err);
        ok = x->u && x->lambda;
    }
    ok = bl_ranks_agree(&a->ranks, ok, err) && x && take_lambda(x, err) &&
         (x->null_v = bl_atlas_vectors(a, true, err)) != NULL;
    if (ok) ok = bl_ranks_agree(&a->ranks, make_engine(x, v, err), err) && measure(x, err);
    if (ok) *out = x;
    else bl_atlas_effects_free(x);
    return ok;
}

void bl_atlas_effects_free(bl_atlas_effects *x) {
    if (!x) return;
    bl_effects_free(x->effects);
    free(x->null_v);
    free(x->u);
    free(x->lambda);
    free(x->totals);
    free(x);
}

typedef struct finding {
    bl_hits *hits;
    uint32_t first;
    size_t left_out; /* first positions of every story */
} finding;

static void found(void *context, size_t j, size_t i, const float *similarity, size_t n) {
    const finding *f = context;
    bl_hits_offer_run(f->hits, j, f->first + (uint32_t)i, similarity, f->left_out, n, 0);
}

bool bl_atlas_effects_run(bl_atlas_effects *x, const bl_chunk *c, bl_hits *hits, bl_error *err) {
    finding f = {hits, (uint32_t)c->first, bl_model_left_out(x->atlas->model)};
    return bl_effects_add(x->effects, c->first, c->stories, c->lengths, c->count, found, &f, err);
}

bool bl_atlas_effects_gather(bl_atlas_effects *x, bl_error *err) {
    size_t count;
    const double *sums = bl_effects_sums(x->effects, &count);
    return gather(&x->atlas->ranks, sums, count, x->totals, err);
}

static void bind(sqlite3_stmt *s, int column, double value) {
    if (isnan(value)) sqlite3_bind_null(s, column);
    else sqlite3_bind_double(s, column, value);
}

static bool write_effects(const bl_atlas_effects *x, bool null_draw, bl_error *err) {
    sqlite3_stmt *s =
        bl_database_prepare(x->atlas->db,
                            null_draw ? "INSERT INTO null_effect VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                                      : "INSERT INTO effect VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                            err);
    bool ok = s != NULL;
    for (size_t j = 0; ok && j < x->atlas->J; j++) {
        bl_effect e = bl_effects_result(x->effects, x->totals, j, null_draw);
        if (e.own + e.others == 0) continue;  /* no story has two tokens */
        bool own = bl_atlas_is_own(x->atlas); /* no token: no own positions, and none that are others */
        sqlite3_bind_int64(s, 1, bl_atlas_pair_id(x->atlas, j));
        sqlite3_bind_int64(s, 2, (sqlite3_int64)e.own);
        sqlite3_bind_int64(s, 3, (sqlite3_int64)e.others);
        for (int c = 2; own && c < 4; c++) sqlite3_bind_null(s, c);
        bind(s, 4, e.own_mean);
        bind(s, 5, e.own_error);
        bind(s, 6, e.others_mean);
        bind(s, 7, e.total);
        bind(s, 8, e.share);
        bind(s, 9, e.ends);
        ok = bl_database_step(s, err);
    }
    sqlite3_finalize(s);
    return ok;
}

bool bl_atlas_effects_save(bl_atlas_effects *x, bool complete, bl_error *err) {
    if (complete) return write_effects(x, false, err) && write_effects(x, true, err);
    sqlite3_stmt *s =
        bl_database_prepare(x->atlas->db, "INSERT OR REPLACE INTO scan_state VALUES (2, ?)", err);
    bool ok = s != NULL;
    if (ok) {
        sqlite3_bind_blob64(s, 1, x->totals, x->n_totals * sizeof *x->totals, SQLITE_STATIC);
        ok = bl_database_step(s, err);
    }
    sqlite3_finalize(s);
    return ok;
}

bool bl_atlas_effects_restore(bl_atlas_effects *x, bl_error *err) {
    bl_error failure = {0};
    size_t size = x->n_totals * sizeof *x->totals;
    bool whole = false;
    sqlite3_stmt *s = bl_database_prepare(x->atlas->db, "SELECT hits FROM scan_state WHERE id = 2", &failure);
    if (s && bl_database_row(s, &failure)) {
        const void *blob = sqlite3_column_blob(s, 0);
        whole = blob && (size_t)sqlite3_column_bytes(s, 0) == size;
        if (whole) memcpy(x->totals, blob, size);
    }
    sqlite3_finalize(s);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return whole ||
           bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: its sums are not whole", x->atlas->path);
}
