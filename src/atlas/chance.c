/* How often chance makes an eigenvalue of the atlas as large (docs/specification.md, 13).
 *
 *   t = (lambda - shift) / |Q~|      pool of place i: t_i of every direction in null draws 0 … R - 1
 *
 * Draw 0 has its statistics in null_eigenpair, the others in null_statistic. Draw R is no part of the pool:
 * its p-values would be uniform if chance were judged rightly, and their distance from that is the
 * calibration. */
#include "atlas/atlas_private.h"
#include "base/error.h"
#include "base/memory.h"
#include <bilens/chance.h>
#include <math.h>
#include <stdlib.h>

typedef struct judging {
    size_t width, J, R;
    float *t;      /* [J] the model's */
    float *pool;   /* [width, size] by place, sorted */
    size_t size;   /* of a place's pool */
    double *mean;  /* [width] of the pool */
    double *p, *q; /* [J] */
    double *drawn; /* [n_directions] p-values of one place of draw R */
} judging;

static bool judging_init(judging *g, const bl_atlas *a, bl_error *err) {
    size_t count;
    g->width = 2 * a->K;
    g->J = a->J;
    g->R = a->options.null_draws;
    if (!bl_mul_size(a->n_directions, g->R, &g->size) || !bl_mul_size(g->size, g->width, &count))
        count = SIZE_MAX;
    g->t = bl_alloc(g->J, sizeof *g->t, err);
    g->pool = bl_alloc(count, sizeof *g->pool, err);
    g->mean = bl_alloc_zero(g->width, sizeof *g->mean, err);
    g->p = bl_alloc(g->J, sizeof *g->p, err);
    g->q = bl_alloc(g->J, sizeof *g->q, err);
    g->drawn = bl_alloc(a->n_directions, sizeof *g->drawn, err);
    return g->t && g->pool && g->mean && g->p && g->q && g->drawn;
}

static void judging_free(judging *g) {
    free(g->t);
    free(g->pool);
    free(g->mean);
    free(g->p);
    free(g->q);
    free(g->drawn);
}

/* The statement's rows (pair, statistic), in the order of pairs, to out[place * step + first + i]; as many as
 * there must be. */
static bool read_statistics(const bl_atlas *a, const char *sql, sqlite3_int64 draw, size_t width, size_t step,
                            size_t first, float *out, bl_error *err) {
    bl_error failure = {0};
    size_t j = 0;
    sqlite3_stmt *s = bl_database_prepare(a->db, sql, &failure);
    if (s) sqlite3_bind_int64(s, 1, draw);
    if (s) sqlite3_bind_int64(s, 2, bl_atlas_pair_id(a, 0));
    for (; s && j < a->J && bl_database_row(s, &failure); j++)
        out[j % width * step + first + j / width] = (float)sqlite3_column_double(s, 0);
    sqlite3_finalize(s);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return j == a->J ||
           bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: a null draw has %zu of %zu statistics",
                   a->path, j, a->J);
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static bool read_pool(const bl_atlas *a, judging *g, bl_error *err) {
    static const char *const
        model = "SELECT statistic FROM eigenpair WHERE ?1 = 0 AND id >= ?2 ORDER BY id",
        *const first = "SELECT statistic FROM null_eigenpair WHERE ?1 = 0 AND id >= ?2 ORDER BY id",
        *const more = "SELECT statistic FROM null_statistic WHERE draw = ?1 AND pair >= ?2 ORDER BY pair";
    if (!read_statistics(a, model, 0, 1, 0, 0, g->t, err)) return false;
    for (size_t r = 0; r < g->R; r++)
        if (!read_statistics(a, r ? more : first, (sqlite3_int64)r, g->width, g->size, r * a->n_directions,
                             g->pool, err))
            return false;
    for (size_t i = 0; i < g->width; i++) {
        float *pool = g->pool + i * g->size;
        for (size_t k = 0; k < g->size; k++) g->mean[i] += (double)pool[k] / (double)g->size;
        qsort(pool, g->size, sizeof *pool, ascending);
    }
    return true;
}

/* Place i is from the top when i < K: the order of the pairs is -1, -2 … -K, 0 … K - 1. */
static double p_of(const judging *g, size_t i, double t) {
    return bl_chance_p(g->pool + i * g->size, g->size, t, i < g->width / 2);
}

static bool write_chance(bl_atlas *a, const judging *g, bl_error *err) {
    sqlite3_stmt *s = bl_database_prepare(a->db, "INSERT INTO chance VALUES (?, ?, ?, ?)", err);
    bool ok = s != NULL;
    for (size_t j = 0; ok && j < g->J; j++) {
        double mean = g->mean[j % g->width];
        sqlite3_bind_int64(s, 1, bl_atlas_pair_id(a, j));
        if (mean != 0) sqlite3_bind_double(s, 2, (double)g->t[j] / mean);
        else sqlite3_bind_null(s, 2);
        sqlite3_bind_double(s, 3, g->p[j]);
        sqlite3_bind_double(s, 4, g->q[j]);
        ok = bl_database_step(s, err);
    }
    sqlite3_finalize(s);
    return ok;
}

/* Place i of draw R: how many of its directions there are and their distance from uniform. */
static bool calibrate(const bl_atlas *a, judging *g, size_t i, size_t *judged, double *distance,
                      bl_error *err) {
    bl_error failure = {0};
    size_t n = 0;
    sqlite3_stmt *s = bl_database_prepare(
        a->db,
        "SELECT statistic FROM null_statistic WHERE draw = ?1 AND pair >= ?4 AND pair % ?2 = ?3 ORDER BY "
        "pair",
        &failure);
    if (s) {
        sqlite3_bind_int64(s, 1, (sqlite3_int64)g->R);
        sqlite3_bind_int64(s, 2, (sqlite3_int64)g->width);
        sqlite3_bind_int64(s, 3, (sqlite3_int64)i);
        sqlite3_bind_int64(s, 4, bl_atlas_pair_id(a, 0));
    }
    while (s && n < a->n_directions && bl_database_row(s, &failure))
        g->drawn[n++] = p_of(g, i, sqlite3_column_double(s, 0));
    sqlite3_finalize(s);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    *judged = n;
    *distance = bl_chance_distance(g->drawn, n);
    return true;
}

static bool write_calibration(bl_atlas *a, judging *g, bl_error *err) {
    sqlite3_stmt *s = bl_database_prepare(a->db, "INSERT INTO calibration VALUES (?, ?, ?, ?, ?)", err);
    bool ok = s != NULL;
    for (size_t i = 0; ok && i < g->width; i++) {
        size_t judged = 0;
        double distance = 0;
        ok = calibrate(a, g, i, &judged, &distance, err);
        if (!ok) break;
        sqlite3_bind_int64(s, 1, (sqlite3_int64)a->layer);
        sqlite3_bind_int64(s, 2, i < a->K ? -(sqlite3_int64)i - 1 : (sqlite3_int64)(i - a->K));
        sqlite3_bind_int64(s, 3, (sqlite3_int64)g->size);
        sqlite3_bind_int64(s, 4, (sqlite3_int64)judged);
        sqlite3_bind_double(s, 5, distance);
        ok = bl_database_step(s, err);
    }
    sqlite3_finalize(s);
    return ok;
}

static bool judge(bl_atlas *a, judging *g, bl_error *err) {
    if (!judging_init(g, a, err) || !read_pool(a, g, err)) return false;
    for (size_t j = 0; j < g->J; j++) g->p[j] = p_of(g, j % g->width, (double)g->t[j]);
    if (!bl_chance_q(g->p, g->J, g->q, err) || !bl_database_begin(a->db, err)) return false;
    bool ok =
        write_chance(a, g, err) && write_calibration(a, g, err) && bl_atlas_mark(a, BL_PHASE_SCAN, 0, err);
    return bl_database_commit(a->db, ok, err);
}

bool bl_atlas_judge(bl_atlas *a, bl_error *err) {
    judging g = {0};
    if (a->ranks.rank > 0) return bl_atlas_mark(a, BL_PHASE_SCAN, 0, err); /* as rank 0 does */
    bool ok = judge(a, &g, err);
    judging_free(&g);
    return ok;
}
