/* Many directions of one layer in a table: how far each one's spectrum stands out from a null model's. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "result/results.h"
#include <bilens/chance.h>
#include <bilens/result.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 64, TOP = 0, BOTTOM = 1 };

typedef struct figures {
    size_t row;
    double largest, highest, lowest, effective_rank, null_largest;
    double t[2], p[2], q[2]; /* of the highest and the lowest eigenvalue; NaN where the form is 0 */
} figures;

typedef struct ranking {
    const bl_rank_question *q;
    size_t draws, dead; /* dead: hidden units that the draws leave in place */
    bl_bilinear map;
    figures *rows;    /* [F] */
    float *pool[2];   /* [F * draws] statistics of the null draws */
    size_t n_pool[2]; /* rows that are 0 give none */
    double mean[2];   /* of the pools */
} ranking;

static double excess(const figures *f) {
    return f->null_largest > 0 ? f->largest / f->null_largest : (double)NAN;
}

/* Rows that are all 0 have no form, and come last. */
static int by_excess(const void *a, const void *b) {
    double x = excess(a), y = excess(b);
    if (isnan(x) != isnan(y)) return isnan(x) ? 1 : -1;
    if (!isnan(x) && x != y) return x < y ? 1 : -1;
    return ((const figures *)a)->row < ((const figures *)b)->row ? -1 : 1;
}

/* t = (lambda - shift) / |Q~| at both ends; NaN of a form that is 0. */
static void statistics(const bl_eigen *eigen, double t[2]) {
    const float *values = bl_eigen_values(eigen);
    size_t n = bl_eigen_size(eigen);
    double shift = bl_eigen_shift(eigen), squares = 0;
    for (size_t i = 0; i < n; i++) squares += ((double)values[i] - shift) * ((double)values[i] - shift);
    double norm = sqrt(squares);
    t[TOP] = norm > 0 ? (double)bl_chance_statistic((double)values[n - 1], shift, norm) : (double)NAN;
    t[BOTTOM] = norm > 0 ? (double)bl_chance_statistic((double)values[0], shift, norm) : (double)NAN;
}

/* What is kept of one row in the model (draw < 0) or in null draw `draw`. */
static void take(ranking *r, size_t row, const bl_eigen *eigen, long draw) {
    const float *values = bl_eigen_values(eigen);
    double low = (double)values[0], high = (double)values[bl_eigen_size(eigen) - 1], t[2];
    figures *f = &r->rows[row];
    statistics(eigen, t);
    if (draw < 0) {
        *f = (figures){.row = row,
                       .largest = fmax(fabs(low), fabs(high)),
                       .highest = high,
                       .lowest = low,
                       .effective_rank = bl_eigen_effective_rank(eigen),
                       .t = {t[TOP], t[BOTTOM]}};
        return;
    }
    if (draw == 0) f->null_largest = fmax(fabs(low), fabs(high));
    for (int end = 0; end < 2; end++)
        if (!isnan(t[end])) r->pool[end][r->n_pool[end]++] = (float)t[end];
}

/* All rows in the model, or in one draw. */
static bool decompose(ranking *r, const bl_bilinear *map, long draw, bl_error *err) {
    const bl_rank_question *q = r->q;
    size_t F = q->F, d = bl_model_config(q->model)->d_model, passes = 1 + r->draws;
    bl_decomposer_options options = {.directions = F, .progress = q->progress};
    bl_decomposer *decomposer = bl_decomposer_new(map, &options, err);
    bl_eigen *eigens[CHUNK];
    bool ok = decomposer != NULL;
    for (size_t first = 0; ok && first < F; first += CHUNK) {
        size_t n = F - first < CHUNK ? F - first : CHUNK;
        ok = bl_progress_step(&q->progress, "decomposing", (size_t)(draw + 1) * F + first, passes * F, err) &&
             bl_decomposer_run(decomposer, q->u + first * d, n, 1, eigens, err);
        for (size_t i = 0; ok && i < n; i++) {
            take(r, first + i, eigens[i], draw);
            bl_eigen_free(eigens[i]);
        }
    }
    bl_decomposer_free(decomposer);
    return ok;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* p of both ends from the pools; q among all of them. */
static bool judge(ranking *r, bl_error *err) {
    size_t F = r->q->F;
    double *p = bl_alloc(2 * F, sizeof *p, err), *q = bl_alloc(2 * F, sizeof *q, err);
    bool ok = p && q;
    for (int end = 0; ok && end < 2; end++) {
        float *pool = r->pool[end];
        size_t n = r->n_pool[end];
        for (size_t i = 0; i < n; i++) r->mean[end] += (double)pool[i] / (double)n;
        qsort(pool, n, sizeof *pool, ascending);
        for (size_t i = 0; i < F; i++) {
            double t = r->rows[i].t[end];
            p[2 * i + (size_t)end] = isnan(t) ? (double)NAN : bl_chance_p(pool, n, t, end == TOP);
        }
    }
    ok = ok && bl_chance_q(p, 2 * F, q, err);
    for (size_t i = 0; ok && i < F; i++)
        for (size_t end = 0; end < 2; end++) {
            r->rows[i].p[end] = p[2 * i + end];
            r->rows[i].q[end] = q[2 * i + end];
        }
    free(p);
    free(q);
    return ok;
}

static bool compute(ranking *r, bl_error *err) {
    size_t F = r->q->F, count;
    r->draws = r->q->null_draws ? r->q->null_draws : 1;
    if (!bl_mul_size(F, r->draws, &count)) count = SIZE_MAX;
    r->rows = bl_alloc_zero(F, sizeof *r->rows, err);
    for (int end = 0; end < 2; end++) r->pool[end] = bl_alloc(count, sizeof(float), err);
    if (!r->rows || !r->pool[TOP] || !r->pool[BOTTOM] ||
        !bl_model_bilinear(r->q->model, r->q->layer, &r->map, err) || !decompose(r, &r->map, -1, err))
        return false;
    for (size_t draw = 0; draw < r->draws; draw++) {
        bl_bilinear map;
        if (!bl_bilinear_null(&r->map, r->q->seed + draw, &map, &r->dead, err)) return false;
        bool ok = decompose(r, &map, (long)draw, err);
        bl_bilinear_null_free(&map);
        if (!ok) return false;
    }
    if (!judge(r, err)) return false;
    qsort(r->rows, F, sizeof *r->rows, by_excess);
    return true;
}

/* The end that chance makes less often; of equal ones that of the larger eigenvalue. */
static int clearer_end(const figures *f) {
    if (f->p[TOP] != f->p[BOTTOM]) return f->p[TOP] < f->p[BOTTOM] ? TOP : BOTTOM;
    return f->highest >= -f->lowest ? TOP : BOTTOM;
}

static void put_chance(bl_builder *b, bl_tree *row, const ranking *r, const figures *f) {
    int end = clearer_end(f);
    if (isnan(f->t[end])) bl_put_null(b, row, "index"); /* a form that is 0 has no end */
    else bl_put_integer(b, row, "index", end == TOP ? -1 : 0);
    bl_put_real(b, row, "ratio", r->mean[end] != 0 ? f->t[end] / r->mean[end] : (double)NAN);
    bl_put_real(b, row, "p", f->p[end]);
    bl_put_real(b, row, "q", f->q[end]);
}

static bl_tree *tree_of(const ranking *r, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_model_name(r->q->model));
    bl_put_count(&b, root, "layer", r->q->layer);
    bl_put_quality(&b, root, r->q->model, r->q->layer);
    bl_put_text(&b, root, "source", r->q->source);
    bl_put_count(&b, root, "total", r->q->F);
    bl_put_count(&b, root, "null_draws", r->draws);
    bl_put_count(&b, root, "dead", r->dead);
    bl_tree *list = bl_put_array(&b, root, "directions");
    for (size_t i = 0; i < r->q->F && (!r->q->limit || i < r->q->limit); i++) {
        const figures *f = &r->rows[i];
        bl_tree *row = bl_put_object(&b, list, NULL);
        bl_put_count(&b, row, "row", f->row);
        if (r->q->names) bl_put_text(&b, row, "name", r->q->names[f->row]);
        bl_put_real(&b, row, "excess", excess(f));
        bl_put_real(&b, row, "largest", f->largest);
        bl_put_real(&b, row, "highest", f->highest);
        bl_put_real(&b, row, "lowest", f->lowest);
        bl_put_real(&b, row, "effective_rank", f->effective_rank);
        bl_put_real(&b, row, "null_largest", f->null_largest);
        put_chance(&b, row, r, f);
    }
    return bl_tree_built(&b, root);
}

bl_tree *bl_rank_tree(const bl_rank_question *question, bl_error *err) {
    ranking r = {.q = question};
    bl_error_clear(err);
    bl_tree *tree = compute(&r, err) ? tree_of(&r, err) : NULL;
    free(r.pool[TOP]);
    free(r.pool[BOTTOM]);
    free(r.rows);
    return tree;
}

bl_table *bl_rank_rows(const bl_tree *tree, bl_error *err) {
    return bl_table_of(json_object_get(tree, "directions"), err);
}
