/* Spectra of null draws (docs/specification.md, 13). */
#include <bilens/chance.h>
#include <bilens/eigen.h>
#include "base/error.h"
#include "decompose/form.h"
#include "base/memory.h"
#include "base/threads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double norm_of(const float *values, size_t n, double shift) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)values[i] - shift) * ((double)values[i] - shift);
    return sqrt(sum);
}

float bl_chance_statistic(double eigenvalue, double shift, double norm) {
    return norm > 0 ? (float)((eigenvalue - shift) / norm) : 0;
}

/* t [n] of one map in direction u; *norm is |Q~|_F. */
static bool statistics(const bl_bilinear *map, const float *u, float *t, double *norm, bl_error *err) {
    bl_eigen *eigen = bl_eigen_of(map, u, 1, err);
    if (!eigen) return false;
    size_t n = bl_eigen_size(eigen);
    const float *values = bl_eigen_values(eigen);
    double shift = bl_eigen_shift(eigen);
    *norm = norm_of(values, n, shift);
    for (size_t i = 0; i < n; i++) t[i] = bl_chance_statistic((double)values[i], shift, *norm);
    bl_eigen_free(eigen);
    return true;
}

typedef struct drawing {
    const bl_bilinear *map;
    const float *u;
    uint64_t seed;
    float *t;      /* [draws, n] */
    double *norms; /* [draws] */
    size_t n, *dead;
} drawing;

static bool draw(void *context, size_t r, size_t thread, bl_error *err) {
    drawing *d = context;
    bl_bilinear map;
    (void)thread;
    if (!bl_bilinear_null(d->map, d->seed + r, &map, &d->dead[r], err)) return false;
    bool ok = statistics(&map, d->u, d->t + r * d->n, &d->norms[r], err);
    bl_bilinear_null_free(&map);
    return ok;
}

/* Place i of the whole spectrum beside the draws'. */
static bl_chance_place judge(const drawing *d, size_t draws, const bl_eigen *eigen, const float *t, size_t i,
                             bool from_top) {
    size_t n = d->n, as_large = 0, family = 0;
    double mean = 0;
    bl_chance_place place = {.index = from_top ? (long)i - (long)n : (long)i,
                             .eigenvalue = (double)bl_eigen_values(eigen)[i],
                             .statistic = (double)t[i]};
    for (size_t r = 0; r < draws; r++) {
        const float *row = d->t + r * n;
        mean += (double)row[i] / (double)draws;
        as_large += from_top ? row[i] >= t[i] : row[i] <= t[i];
        family += from_top ? row[n - 1] >= t[i] : row[0] <= t[i];
    }
    place.ratio = mean != 0 ? (double)t[i] / mean : NAN;
    place.p = (1 + (double)as_large) / (double)(draws + 1);
    place.p_family = (1 + (double)family) / (double)(draws + 1);
    bl_eigen_group(eigen, i, &place.group_first, &place.group_last);
    return place;
}

static bool fill(const drawing *d, size_t draws, const bl_eigen *eigen, const float *t, bl_chance *out,
                 bl_error *err) {
    size_t n = d->n, as_large = 0;
    out->place = bl_alloc(n, sizeof *out->place, err);
    out->draws_top = bl_alloc(draws, sizeof *out->draws_top, err);
    out->draws_bottom = bl_alloc(draws, sizeof *out->draws_bottom, err);
    if (!out->place || !out->draws_top || !out->draws_bottom) return false;
    for (size_t i = n; i-- > n / 2;) out->place[out->n_places++] = judge(d, draws, eigen, t, i, true);
    for (size_t i = 0; i < n / 2; i++) out->place[out->n_places++] = judge(d, draws, eigen, t, i, false);
    for (size_t r = 0; r < draws; r++) {
        out->draws_top[r] = (double)d->t[r * n + n - 1];
        out->draws_bottom[r] = (double)d->t[r * n];
        as_large += d->norms[r] >= out->norm;
    }
    out->norm_p = (1 + (double)as_large) / (double)(draws + 1);
    out->dead = d->dead[0];
    return true;
}

bool bl_chance_of(const bl_bilinear *map, const float *u, size_t draws, uint64_t seed, bl_progress progress,
                  bl_chance *out, bl_error *err) {
    enum { STEP = 8 };
    size_t n = bl_bilinear_size(map), count;
    bl_error_clear(err);
    *out = (bl_chance){.n = n, .draws = draws};
    if (draws == 0) return bl_fail(err, BL_ERR_USAGE, "at least one draw of the null model is needed");
    if (!bl_mul_size(draws, n, &count)) count = SIZE_MAX;
    drawing d = {.map = map, .u = u, .n = n};
    float *t = bl_alloc(n, sizeof *t, err), *all = bl_alloc(count, sizeof *all, err);
    double *norms = bl_alloc(draws, sizeof *norms, err);
    size_t *dead = bl_alloc(draws, sizeof *dead, err);
    bl_eigen *eigen = t && all && norms && dead ? bl_eigen_of(map, u, 1, err) : NULL;
    bool ok = eigen != NULL;
    if (ok) {
        out->shift = bl_eigen_shift(eigen);
        out->norm = norm_of(bl_eigen_values(eigen), n, out->shift);
        if (!(out->norm > 0))
            ok = bl_fail(err, BL_ERR_USAGE, "the direction's form is 0: there is no spectrum");
        for (size_t i = 0; ok && i < n; i++)
            t[i] = bl_chance_statistic((double)bl_eigen_values(eigen)[i], out->shift, out->norm);
    }
    for (size_t r = 0; ok && r < draws; r += STEP) {
        d.seed = seed + r;
        d.t = all + r * n;
        d.norms = norms + r;
        d.dead = dead + r;
        ok = bl_progress_step(&progress, "drawing", r, draws, err) &&
             bl_parallel(draws - r < STEP ? draws - r : STEP, draw, &d, err);
    }
    d.t = all;
    d.norms = norms;
    d.dead = dead;
    ok = ok && fill(&d, draws, eigen, t, out, err);
    bl_eigen_free(eigen);
    free(t);
    free(all);
    free(norms);
    free(dead);
    if (!ok) bl_chance_free(out);
    return ok;
}

void bl_chance_free(bl_chance *chance) {
    if (!chance) return;
    free(chance->place);
    free(chance->draws_top);
    free(chance->draws_bottom);
    *chance = (bl_chance){0};
}

bool bl_chance_check_groups(const bl_chance *chance, const long *eigs, size_t n_eigs, bl_error *err) {
    bool ok = true;
    for (size_t i = 0; ok && i < chance->n_places; i++) {
        const bl_chance_place *p = &chance->place[i];
        ok = p->group_first == p->group_last ||
             bl_check_group(p->group_first, p->group_last, chance->n, eigs, n_eigs, err);
    }
    return ok;
}

/* ---- p, q, calibration ---- */

double bl_chance_p(const float *pool, size_t n, double t, bool from_top) {
    size_t low = 0, high = n; /* from the top: the first entry >= t; from the bottom: the first > t */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool before = from_top ? (double)pool[middle] < t : (double)pool[middle] <= t;
        if (before) low = middle + 1;
        else high = middle;
    }
    return (1 + (double)(from_top ? n - low : low)) / ((double)n + 1);
}

typedef struct ranked {
    double p;
    size_t at;
} ranked;

static int by_p(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    return x->p != y->p ? (x->p > y->p) - (x->p < y->p) : (x->at > y->at) - (x->at < y->at);
}

bool bl_chance_q(const double *p, size_t m, double *q, bl_error *err) {
    ranked *order = bl_alloc(m, sizeof *order, err);
    size_t n = 0;
    double least = 1;
    if (!order) return false;
    for (size_t i = 0; i < m; i++) {
        q[i] = NAN;
        if (!isnan(p[i])) order[n++] = (ranked){p[i], i};
    }
    qsort(order, n, sizeof *order, by_p);
    for (size_t i = n; i-- > 0;) {
        least = fmin(least, order[i].p * (double)n / (double)(i + 1));
        q[order[i].at] = least;
    }
    free(order);
    return true;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bl_chance_distance(double *p, size_t m) {
    double most = 0;
    qsort(p, m, sizeof *p, ascending);
    for (size_t i = 0; i < m; i++) {
        most = fmax(most, fabs(p[i] - (double)i / (double)m));
        most = fmax(most, fabs(p[i] - (double)(i + 1) / (double)m));
    }
    return most;
}
