/* Effects of a whole atlas (docs/specification.md, 12).
 *
 *   term = lambda~ (v . x')^2,   delta = s (term - lambda~ m),   rise = log(1 + p_t (e^-delta - 1)) [+ delta
 * if t came]
 *
 * m = v^T M v from one pass, M the mean of x' x'^T. In the second pass stories come in groups: inputs, log
 * p_t and u_t . y of all positions and directions are products; then each direction's pairs meet the group's
 * positions, [pairs, positions], by one thread, and are summed while they are in cache. The exponential and
 * the logarithm are float32 series, good to 1e-6; where p_t |e^-delta - 1| is not small, float64. Sums:
 * float32 over 128 positions, float64 beyond. */
#include "evidence/effect.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/layer_run.h"
#include "evidence/outcome.h"
#include "linear/exp.h"
#include "linear/gemm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUN ((size_t)128) /* positions whose sums are float32 */
#define TILE ((size_t)32) /* directions of one piece of work */

typedef struct sums {
    double rise, own, own_squares, own_counts; /* sum a; over stories: a_j, a_j^2, a_j n_j */
    double term, square, with_f;               /* sum term, term^2, term f */
    double energy, positive;                   /* sum a^2, and of those with a > 0 */
} sums;

typedef struct direction_sums {
    double f, ff;        /* sum u.y, (u.y)^2 */
    double n, n_squares; /* sum n_j, n_j^2 over stories */
    double stories;      /* that have any own position */
} direction_sums;

/* A group of stories; row r is a position that feeds a prediction. */
typedef struct group {
    size_t rows, capacity, stories;
    size_t *begin;    /* [stories + 1] rows */
    float *x;         /* [capacity, n] */
    float *y;         /* [capacity, d] */
    float *scale;     /* [capacity] s */
    int32_t *target;  /* [capacity] */
    float *log_p;     /* [n_directions, capacity] */
    float *f;         /* [n_directions, capacity] u . y */
    int32_t *likely;  /* [capacity] the token with p >= 1/2, or -1 */
    double *log_rest; /* [capacity] log(1 - p) of that token */
} group;

struct bl_effects {
    bl_effect_pairs p;
    size_t n, d, longest, threads;
    bl_layer_run *runs;
    double *second; /* [n, n] sum of x' x'^T, then M */
    double predictions;
    float *mean;        /* [J] m */
    sums *pair;         /* [J] */
    direction_sums *of; /* [n_directions] */
    group g;
    float *a, *rise, *delta; /* [threads, per, capacity], [threads, capacity] twice */
};

static void *room_for(size_t a, size_t b, size_t size, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a, b, &count)) count = SIZE_MAX;
    return bl_alloc_zero(count, size, err);
}

static bool group_init(group *g, const bl_effects *e, bl_error *err) {
    size_t nd = e->p.n_directions, rows = 512 + e->longest;
    g->capacity = rows;
    g->x = room_for(rows, e->n, sizeof *g->x, err);
    g->y = room_for(rows, e->d, sizeof *g->y, err);
    g->scale = room_for(rows, 1, sizeof *g->scale, err);
    g->target = room_for(rows, 1, sizeof *g->target, err);
    g->log_p = room_for(nd, rows, sizeof *g->log_p, err);
    g->f = room_for(nd, rows, sizeof *g->f, err);
    g->likely = room_for(rows, 1, sizeof *g->likely, err);
    g->log_rest = room_for(rows, 1, sizeof *g->log_rest, err);
    g->begin = room_for(rows + 1, 1, sizeof *g->begin, err);
    return g->x && g->y && g->scale && g->target && g->log_p && g->f && g->likely && g->log_rest && g->begin;
}

bl_effects *bl_effects_new(const bl_effect_pairs *pairs, size_t longest, bl_error *err) {
    bl_effects *e = bl_alloc_zero(1, sizeof *e, err);
    if (!e) return NULL;
    size_t layer = bl_model_config(pairs->model)->n_layer - 1, J = pairs->n_directions * pairs->per;
    e->p = *pairs;
    e->longest = longest;
    e->threads = (size_t)bl_threads();
    e->runs = bl_layer_runs_new(pairs->model, layer, longest, err);
    if (e->runs) {
        e->n = e->runs->n;
        e->d = e->runs->d;
        e->second = room_for(e->n, e->n, sizeof *e->second, err);
        e->mean = room_for(J, 1, sizeof *e->mean, err);
        e->pair = room_for(J, 1, sizeof *e->pair, err);
        e->of = room_for(pairs->n_directions, 1, sizeof *e->of, err);
        if (group_init(&e->g, e, err)) {
            e->a = room_for(e->threads * pairs->per, e->g.capacity, sizeof *e->a, err);
            e->rise = room_for(e->threads, e->g.capacity, sizeof *e->rise, err);
            e->delta = room_for(e->threads, e->g.capacity, sizeof *e->delta, err);
        }
    }
    if (e->second && e->mean && e->pair && e->of && e->a && e->rise && e->delta) return e;
    bl_effects_free(e);
    return NULL;
}

void bl_effects_free(bl_effects *e) {
    if (!e) return;
    bl_layer_runs_free(e->runs);
    void *parts[] = {e->second, e->mean,     e->pair,       e->of,      e->a,        e->rise,
                     e->delta,  e->g.x,      e->g.y,        e->g.scale, e->g.target, e->g.log_p,
                     e->g.f,    e->g.likely, e->g.log_rest, e->g.begin};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    free(e);
}

/* ---- first pass ---- */

typedef struct passing {
    bl_effects *e;
    const int32_t *const *ids;
    const size_t *lengths;
    size_t first; /* story of the group's first row */
} passing;

static bool keep_inputs(void *context, size_t i, size_t thread, bl_error *err) {
    passing *s = context;
    bl_effects *e = s->e;
    bl_layer_run *run = &e->runs[thread];
    size_t n = s->lengths[s->first + i];
    if (n < 2) return true;
    if (!bl_layer_run_inputs(run, s->ids[s->first + i], n, err)) return false;
    memcpy(e->g.x + e->g.begin[i] * e->n, run->x, (n - 1) * e->n * sizeof *run->x);
    return true;
}

/* Takes as many stories from *next on as fit into the group; at least one. */
static void take_group(bl_effects *e, const size_t *lengths, size_t count, size_t *next) {
    group *g = &e->g;
    g->rows = g->stories = 0;
    g->begin[0] = 0;
    while (*next < count) {
        size_t rows = lengths[*next] > 1 ? lengths[*next] - 1 : 0;
        if (g->stories && g->rows + rows > g->capacity) return;
        if (g->stories + 1 > g->capacity) return;
        g->rows += rows;
        g->begin[++g->stories] = g->rows;
        ++*next;
    }
}

bool bl_effects_measure(bl_effects *e, const int32_t *const *ids, const size_t *lengths, size_t count,
                        bl_error *err) {
    float *part = room_for(e->n, e->n, sizeof *part, err);
    bool ok = part != NULL;
    for (size_t next = 0; ok && next < count;) {
        passing s = {e, ids, lengths, next};
        take_group(e, lengths, count, &next);
        ok = bl_parallel(e->g.stories, keep_inputs, &s, err);
        if (!ok || e->g.rows == 0) continue;
        bl_gemm_tn(e->n, e->n, e->g.rows, 1.0F, e->g.x, e->n, e->g.x, e->n, 0.0F, part, e->n);
        for (size_t i = 0; i < e->n * e->n; i++) e->second[i] += (double)part[i];
        e->predictions += (double)e->g.rows;
    }
    free(part);
    return ok;
}

/* m of the pairs of direction i. */
static bool mean_of(void *context, size_t i, size_t thread, bl_error *err) {
    bl_effects *e = context;
    (void)thread;
    (void)err;
    for (size_t j = i * e->p.per; j < (i + 1) * e->p.per; j++) {
        const float *v = e->p.v + j * e->n;
        double sum = 0;
        for (size_t r = 0; r < e->n; r++) {
            double row = 0;
            for (size_t c = 0; c < e->n; c++) row += e->second[r * e->n + c] * (double)v[c];
            sum += row * (double)v[r];
        }
        e->mean[j] = (float)(sum / e->predictions);
    }
    return true;
}

bool bl_effects_means(bl_effects *e, bl_error *err) {
    if (!(e->predictions > 0))
        return bl_fail(err, BL_ERR_INPUT, "no story has two tokens, so that there is nothing to predict");
    return bl_parallel(e->p.n_directions, mean_of, e, err);
}

/* ---- second pass: positions ---- */

static bool keep_outputs(void *context, size_t i, size_t thread, bl_error *err) {
    passing *s = context;
    bl_effects *e = s->e;
    group *g = &e->g;
    bl_layer_run *run = &e->runs[thread];
    size_t n = s->lengths[s->first + i], at = g->begin[i];
    const int32_t *ids = s->ids[s->first + i];
    if (n < 2) return true;
    bl_view logits = bl_layer_run_logits(run, ids, n, NULL, NULL, err);
    if (!logits.data) return false;
    memcpy(g->x + at * e->n, run->x, (n - 1) * e->n * sizeof *run->x);
    memcpy(g->y + at * e->d, run->y, (n - 1) * e->d * sizeof *run->y);
    for (size_t p = 0; p + 1 < n; p++, at++) {
        const float *row = logits.data + p * logits.stride;
        double lse = bl_log_sum_exp(row, logits.cols);
        g->scale[at] = (float)bl_final_scale_of_sum(e->p.model, run->mid + p * e->d, run->y + p * e->d);
        g->target[at] = ids[p + 1];
        g->likely[at] = -1;
        for (size_t t = 0; t < e->p.n_directions; t++)
            g->log_p[t * g->capacity + at] = (float)((double)row[e->p.tokens[t]] - lse);
        for (size_t t = 0; t < logits.cols; t++)
            if ((double)row[t] - lse > -0.69) {
                g->likely[at] = (int32_t)t;
                g->log_rest[at] = bl_log_other(row, logits.cols, lse, t);
            }
    }
    return true;
}

/* ---- second pass: pairs ---- */

/* delta and rise of every row for one pair; the largest p |e^-delta - 1|. */
static float rises(const group *g, const float *a, const float *log_p, float lambda, float m, float *delta,
                   float *rise) {
    float most = 0;
#pragma omp simd reduction(max : most)
    for (size_t r = 0; r < g->rows; r++) {
        float d = g->scale[r] * lambda * (a[r] * a[r] - m), z = -d, p = bl_expf(log_p[r]);
        float series = z * (1 + z * (0.5F + z * (1.0F / 6 + z * (1.0F / 24 + z * (1.0F / 120)))));
        float w = fabsf(z) < 0.2F ? p * series : bl_expf(log_p[r] + z) - p, size = fabsf(w);
        float q = w / (2 + w), q2 = q * q;
        delta[r] = d;
        rise[r] = 2 * q * (1 + q2 * (1.0F / 3 + q2 * (0.2F + q2 * (1.0F / 7 + q2 * (1.0F / 9 + q2 / 11)))));
        most = size > most ? size : most;
    }
    return most;
}

/* The rows that the series do not reach. */
static void exact_rises(const group *g, const float *log_p, int32_t token, const float *delta, float *rise) {
    for (size_t r = 0; r < g->rows; r++) {
        double lp = (double)log_p[r], p = exp(lp), d = (double)delta[r];
        if (fabs(p * expm1(-d)) < 0.4) continue;
        rise[r] = (float)bl_log_rest(lp, g->likely[r] == token ? g->log_rest[r] : log1p(-p), d);
    }
}

static void add_rows(const group *g, const float *a, const float *f, const float *rise, float lambda,
                     sums *s) {
    for (size_t begin = 0; begin < g->rows; begin += RUN) {
        size_t end = g->rows - begin < RUN ? g->rows : begin + RUN;
        float total = 0, term = 0, square = 0, with_f = 0, energy = 0, positive = 0;
#pragma omp simd reduction(+ : total, term, square, with_f, energy, positive)
        for (size_t r = begin; r < end; r++) {
            float aa = a[r] * a[r], value = lambda * aa;
            total += rise[r];
            term += value;
            square += value * value;
            with_f += value * f[r];
            energy += aa;
            positive += a[r] > 0 ? aa : 0;
        }
        s->rise += (double)total;
        s->term += (double)term;
        s->square += (double)square;
        s->with_f += (double)with_f;
        s->energy += (double)energy;
        s->positive += (double)positive;
    }
}

/* The token's own positions, story by story. */
static void add_own(const group *g, int32_t token, const float *delta, const float *rise, sums *s) {
    for (size_t i = 0; i < g->stories; i++) {
        double sum = 0, n = 0;
        for (size_t r = g->begin[i]; r < g->begin[i + 1]; r++) {
            if (g->target[r] != token) continue;
            sum += (double)rise[r] + (double)delta[r];
            n++;
            s->rise += (double)delta[r];
        }
        s->own += sum;
        s->own_squares += sum * sum;
        s->own_counts += sum * n;
    }
}

static void add_direction(const group *g, int32_t token, const float *f, direction_sums *d) {
    for (size_t i = 0; i < g->stories; i++) {
        double n = 0;
        for (size_t r = g->begin[i]; r < g->begin[i + 1]; r++) {
            d->f += (double)f[r];
            d->ff += (double)f[r] * (double)f[r];
            n += g->target[r] == token;
        }
        d->n += n;
        d->n_squares += n * n;
        d->stories += n > 0;
    }
}

/* Whether a direction's token comes anywhere in the group. */
static bool comes(const group *g, int32_t token) {
    for (size_t r = 0; r < g->rows; r++)
        if (g->target[r] == token) return true;
    return false;
}

static bool add_tile(void *context, size_t tile, size_t thread, bl_error *err) {
    bl_effects *e = context;
    const group *g = &e->g;
    size_t per = e->p.per, first = tile * TILE, end = first + TILE;
    float *a = e->a + thread * per * g->capacity, *rise = e->rise + thread * g->capacity,
          *delta = e->delta + thread * g->capacity;
    (void)err;
    if (end > e->p.n_directions) end = e->p.n_directions;
    bl_gemm_nt(end - first, g->rows, e->d, 1.0F, e->p.u + first * e->d, e->d, g->y, e->d, 0.0F,
               e->g.f + first * g->capacity, g->capacity);
    for (size_t i = first; i < end; i++) {
        const float *f = g->f + i * g->capacity, *log_p = g->log_p + i * g->capacity;
        int32_t token = e->p.tokens[i];
        bool own = comes(g, token);
        bl_gemm_nt(per, g->rows, e->n, 1.0F, e->p.v + i * per * e->n, e->n, g->x, e->n, 0.0F, a, g->capacity);
        add_direction(g, token, f, &e->of[i]);
        for (size_t k = 0; k < per; k++) {
            size_t j = i * per + k;
            float lambda = (float)e->p.lambda[j];
            const float *row = a + k * g->capacity;
            if (rises(g, row, log_p, lambda, e->mean[j], delta, rise) >= 0.4F)
                exact_rises(g, log_p, token, delta, rise);
            add_rows(g, row, f, rise, lambda, &e->pair[j]);
            if (own) add_own(g, token, delta, rise, &e->pair[j]);
        }
    }
    return true;
}

bool bl_effects_add(bl_effects *e, const int32_t *const *ids, const size_t *lengths, size_t count,
                    bl_error *err) {
    for (size_t next = 0; next < count;) {
        passing s = {e, ids, lengths, next};
        take_group(e, lengths, count, &next);
        if (!bl_parallel(e->g.stories, keep_outputs, &s, err)) return false;
        if (e->g.rows && !bl_parallel((e->p.n_directions + TILE - 1) / TILE, add_tile, e, err)) return false;
    }
    return true;
}

/* ---- results ---- */

bl_effect bl_effects_result(const bl_effects *e, size_t j) {
    const sums *s = &e->pair[j];
    const direction_sums *d = &e->of[j / e->p.per];
    double N = e->predictions, n = d->n, J = d->stories, mean = n > 0 ? s->own / n : NAN;
    double spread = d->ff - d->f * d->f / N,
           left = spread - 2 * (s->with_f - s->term * d->f / N) + s->square - s->term * s->term / N;
    bl_effect out = {.own = (uint64_t)n, .others = (uint64_t)(N - n), .own_mean = mean, .total = s->rise / N};
    double squares = s->own_squares - 2 * mean * s->own_counts + mean * mean * d->n_squares;
    out.own_error = J > 1 ? sqrt(J / (J - 1) * fmax(squares, 0)) / n : NAN;
    out.others_mean = N > n ? (s->rise - s->own) / (N - n) : NAN;
    out.share = spread > 1e-12 * d->ff ? 1 - left / spread : NAN;
    out.ends = s->energy > 0 ? s->positive / s->energy : NAN;
    return out;
}
