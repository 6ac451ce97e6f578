/* Effects of a whole atlas (docs/specification.md, 12).
 *
 *   term = lambda~ (v . x')^2,   delta = s (term - lambda~ m),   rise = log(1 + p_t (e^-delta - 1)) [+ delta
 * if t came]
 *
 * m = v^T M v from one pass, M the mean of x' x'^T. In the second pass stories come in groups: inputs, log
 * p_t and u_t . y of all positions and directions are products; then a tile of directions meets the group's
 * positions in one more product, [pairs, positions], by one thread, and is summed while it is in cache. A
 * position that feeds no prediction has weight and scale 0. The exponential and the logarithm are float32
 * series, good to 1e-6; where p_t |e^-delta - 1| is not small, float64. Sums: float32 over 512 positions,
 * float64 beyond.
 *
 * The null draw's pairs would double the work. They meet every position of their own token, few of which
 * there are; for the others a sample of the groups is enough, and the result says of how many positions. */
#include "evidence/effect.h"
#include "evidence/effect_group.h"
#include "evidence/effect_sums.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/layer_run.h"
#include "evidence/moment.h"
#include "evidence/outcome.h"
#include "evidence/rises.h"
#include "linear/dots.h"
#include "linear/exp.h"
#include "linear/gemm.h"
#include "linear/product.h"
#include "linear/softmax.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUN ((size_t)512)       /* positions whose sums are float32 */
#define PAIRS ((size_t)252)     /* of one piece of work, about, and … */
#define WHOLE ((size_t)12)      /* … of its directions a multiple: the products' tiles are whole */
#define PANEL ((size_t)64)      /* rows of the second moment of one piece of work */
#define SAMPLE ((uint64_t)8192) /* positions that the null draw's pairs meet, about */

typedef bl_effect_group group;
typedef bl_effect_sums sums;
typedef bl_direction_sums direction_sums;

/* Eigenpairs of the model or of a null draw. */
typedef struct pairs {
    const float *v;       /* [J, n] */
    const double *lambda; /* [J] */
    float *mean;          /* [J] m */
    sums *sums;           /* [J] of the chunk */
} pairs;

/* What one thread works in. */
typedef struct scratch {
    float *a;     /* [tile * per, capacity] */
    float *p;     /* [capacity] probability of the direction's token */
    float *delta; /* [capacity] */
    float *rise;  /* [capacity] */
    float *most;  /* [capacity / BL_RISE_ROWS + 1] the largest p of BL_RISE_ROWS positions */
    double *lse;  /* [longest] of a story's positions */
    double *own;  /* [capacity] rises at the direction's own rows */
} scratch;

enum { MODEL, NULL_DRAW, KINDS };

struct bl_effects {
    bl_effect_pairs p;
    size_t n, d, J, longest, threads, tile; /* tile: directions of one piece of work */
    bl_layer_run *runs;
    double *second;   /* [n * n + 1] of the chunk: sum of x' x'^T, and how many */
    float *moment;    /* [n, n] a group's part of it */
    bl_moment *means; /* the whole, while m is made */
    pairs kind[KINDS];
    double *state; /* [n_state] of the chunk: both kinds' sums, the directions', and the next two */
    size_t n_state;
    direction_sums *of;           /* [n_directions] */
    double *predictions, *sample; /* how many there are, how many the null draw's pairs meet */
    group g;
    scratch *work; /* [threads] */
};

static void *room_for(size_t a, size_t b, size_t size, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a, b, &count)) count = SIZE_MAX;
    return bl_alloc_zero(count, size, err);
}

static bool work_init(bl_effects *e, bl_error *err) {
    e->tile = e->p.per < PAIRS ? PAIRS / e->p.per : 1;
    if (e->tile > WHOLE) e->tile -= e->tile % WHOLE;
    e->work = room_for(e->threads, 1, sizeof *e->work, err);
    for (size_t t = 0; e->work && t < e->threads; t++) {
        scratch *w = &e->work[t];
        w->a = room_for(e->tile * e->p.per, e->g.capacity > e->n ? e->g.capacity : e->n, sizeof *w->a, err);
        w->p = room_for(e->g.capacity, 1, sizeof *w->p, err);
        w->delta = room_for(e->g.capacity, 1, sizeof *w->delta, err);
        w->rise = room_for(e->g.capacity, 1, sizeof *w->rise, err);
        w->most = room_for(e->g.capacity / BL_RISE_ROWS + 1, 1, sizeof *w->most, err);
        w->lse = room_for(e->longest, 1, sizeof *w->lse, err);
        w->own = room_for(e->g.capacity, 1, sizeof *w->own, err);
        if (!w->a || !w->p || !w->delta || !w->rise || !w->most || !w->lse || !w->own) return false;
    }
    return e->work != NULL;
}

/* One block of doubles, so that chunks can be added whatever they hold. */
static bool state_init(bl_effects *e, bl_error *err) {
    size_t of_pairs, of_directions = e->p.n_directions * (sizeof *e->of / sizeof(double));
    if (!bl_mul_size(e->J, sizeof(sums) / sizeof(double), &of_pairs)) return false;
    e->n_state = KINDS * of_pairs + of_directions + 2;
    e->state = room_for(e->n_state, 1, sizeof *e->state, err);
    if (!e->state) return false;
    for (size_t k = 0; k < KINDS; k++) e->kind[k].sums = (sums *)(void *)(e->state + k * of_pairs);
    e->of = (direction_sums *)(void *)(e->state + KINDS * of_pairs);
    e->predictions = e->state + KINDS * of_pairs + of_directions;
    e->sample = e->predictions + 1;
    return true;
}

bl_effects *bl_effects_new(const bl_effect_pairs *p, size_t longest, bl_error *err) {
    bl_effects *e = bl_alloc_zero(1, sizeof *e, err);
    if (!e) return NULL;
    *e = (bl_effects){.p = *p,
                      .J = p->n_directions * p->per,
                      .longest = longest,
                      .threads = (size_t)bl_threads()};
    e->kind[MODEL] = (pairs){.v = p->v, .lambda = p->lambda};
    e->kind[NULL_DRAW] = (pairs){.v = p->null_v, .lambda = p->null_lambda};
    e->runs = bl_layer_runs_new(p->model, bl_model_config(p->model)->n_layer - 1, longest, err);
    bool ok = e->runs != NULL;
    if (ok) {
        e->n = e->runs->n;
        e->d = e->runs->d;
        e->second = room_for(e->n * e->n + 1, 1, sizeof *e->second, err);
        e->moment = room_for(e->n, e->n, sizeof *e->moment, err);
        ok = e->second && e->moment && state_init(e, err) &&
             bl_effect_group_init(&e->g, longest, e->n, e->d, bl_model_config(p->model)->n_vocab,
                                  p->n_directions, err) &&
             work_init(e, err);
    }
    for (size_t k = 0; ok && k < KINDS; k++)
        ok = (e->kind[k].mean = room_for(e->J, 1, sizeof *e->kind[k].mean, err)) != NULL;
    if (ok) return e;
    bl_effects_free(e);
    return NULL;
}

void bl_effects_free(bl_effects *e) {
    if (!e) return;
    bl_layer_runs_free(e->runs);
    bl_effect_group_free(&e->g);
    for (size_t t = 0; e->work && t < e->threads; t++) {
        scratch *w = &e->work[t];
        void *parts[] = {w->a, w->p, w->delta, w->rise, w->most, w->lse, w->own};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    }
    void *parts[] = {e->second, e->moment, e->state, e->work, e->kind[MODEL].mean, e->kind[NULL_DRAW].mean};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    free(e);
}

/* ---- first pass ---- */

typedef struct passing {
    bl_effects *e;
    const int32_t *const *ids; /* of the group's stories */
    const size_t *lengths;
} passing;

static bool keep_inputs(void *context, size_t i, size_t thread, bl_error *err) {
    passing *s = context;
    bl_effects *e = s->e;
    bl_layer_run *run = &e->runs[thread];
    size_t n = s->lengths[i];
    if (n < 2) return true;
    if (!bl_layer_run_inputs(run, s->ids[i], n, err)) return false;
    memcpy(e->g.x + e->g.begin[i] * e->n, run->x, (n - 1) * e->n * sizeof *run->x);
    return true;
}

/* Some rows of the group's x' x'^T: one thread's, cut alike however many there are, as the bits are. */
static bool add_panel(void *context, size_t i, size_t thread, bl_error *err) {
    bl_effects *e = context;
    size_t n = e->n, begin = i * PANEL, rows = n - begin < PANEL ? n - begin : PANEL;
    float *part = e->moment + begin * n;
    (void)thread, (void)err;
    bl_gemm_tn(rows, n, e->g.rows, 1.0F, e->g.x + begin, n, e->g.x, n, 0.0F, part, n);
    for (size_t at = 0; at < rows * n; at++) e->second[begin * n + at] += (double)part[at];
    return true;
}

bool bl_effects_measure(bl_effects *e, const int32_t *const *ids, const size_t *lengths, size_t count,
                        bl_error *err) {
    bool ok = true;
    memset(e->second, 0, (e->n * e->n + 1) * sizeof *e->second);
    for (size_t next = 0; ok && next < count;) {
        passing s = {e, ids + next, lengths + next};
        bl_effect_group_take(&e->g, lengths, count, 1, &next);
        ok = bl_parallel(e->g.stories, keep_inputs, &s, err);
        if (!ok || e->g.rows == 0) continue;
        ok = bl_parallel((e->n + PANEL - 1) / PANEL, add_panel, e, err);
        e->second[e->n * e->n] += (double)e->g.rows;
    }
    return ok;
}

const double *bl_effects_second(const bl_effects *e, size_t *count) {
    *count = e->n * e->n + 1;
    return e->second;
}

/* m of the pairs of a tile of directions, both kinds. */
static bool mean_of(void *context, size_t tile, size_t thread, bl_error *err) {
    bl_effects *e = context;
    size_t first = tile * e->tile * e->p.per, end = first + e->tile * e->p.per;
    (void)err;
    if (end > e->J) end = e->J;
    for (size_t k = 0; k < KINDS; k++)
        bl_moment_means(e->means, e->kind[k].v + first * e->n, end - first, e->work[thread].a,
                        e->kind[k].mean + first);
    return true;
}

static size_t count_tiles(const bl_effects *e) { return (e->p.n_directions + e->tile - 1) / e->tile; }

bool bl_effects_means(bl_effects *e, const double *second, bl_error *err) {
    e->means = bl_moment_new(second, e->n, second[e->n * e->n], err);
    bool ok = e->means && bl_parallel(count_tiles(e), mean_of, e, err);
    bl_moment_free(e->means);
    e->means = NULL;
    return ok;
}

/* ---- second pass: positions ---- */

static bool check_finite(const float *x, size_t count, bl_error *err) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += fabs((double)x[i]);
    return isfinite(sum) ||
           bl_fail(err, BL_ERR_NUMERIC, "an activation is not finite: the weights hold NaN or infinity");
}

/* The token whose logit direction i is; -1: none. */
static int32_t token_of(const bl_effects *e, size_t i) { return e->p.tokens ? e->p.tokens[i] : -1; }

static bool keep_outputs(void *context, size_t i, size_t thread, bl_error *err) {
    passing *s = context;
    bl_effects *e = s->e;
    group *g = &e->g;
    bl_layer_run *run = &e->runs[thread];
    size_t n = s->lengths[i], at = g->begin[i];
    if (n == 0) return true;
    bl_view logits = bl_layer_run_logits(run, s->ids[i], n, NULL, NULL, err);
    if (!logits.data || !check_finite(run->x, n * e->n, err)) return false;
    memcpy(g->x + at * e->n, run->x, n * e->n * sizeof *run->x);
    memcpy(g->y + at * e->d, run->y, n * e->d * sizeof *run->y);
    for (size_t p = 0; p < n; p++, at++) {
        bool feeds = p + 1 < n;
        g->weight[at] = feeds ? 1 : 0;
        g->target[at] = feeds ? s->ids[i][p + 1] : -1;
        g->scale[at] =
            feeds ? (float)bl_final_scale_of_sum(e->p.model, run->mid + p * e->d, run->y + p * e->d) : 0;
    }
    if (e->p.tokens)
        bl_effect_group_keep(g, logits, e->p.tokens, e->p.n_directions, g->begin[i], e->work[thread].lse);
    return true;
}

/* ---- second pass: pairs ---- */

/* The rise of row r where the token's logit falls by d, in double. */
static double exact_rise(const group *g, size_t r, double log_p, int32_t token, double d) {
    return bl_log_rest(log_p, g->likely[r] == token ? g->log_rest[r] : log1p(-exp(log_p)), d);
}

/* The rows that the series do not reach. */
static void exact_rises(const group *g, const float *log_p, int32_t token, size_t begin, size_t end,
                        const scratch *w) {
    for (size_t r = begin; r < end; r++) {
        double lp = (double)log_p[r], d = (double)w->delta[r];
        if (fabs(exp(lp) * expm1(-d)) >= 0.4) w->rise[r] = (float)exact_rise(g, r, lp, token, d);
    }
}

/* The rows begin … end - 1, at most RUN. */
static void add_rows(const group *g, size_t begin, size_t end, const float *restrict a,
                     const float *restrict f, const float *restrict rise, double lambda, sums *s) {
    const float *restrict weight = g->weight;
    float total = 0, energy = 0, fourth = 0, with_f = 0, positive = 0;
#pragma omp simd reduction(+ : total, energy, fourth, with_f, positive)
    for (size_t r = begin; r < end; r++) {
        float square = a[r] * a[r] * weight[r];
        total += rise[r];
        energy += square;
        fourth += square * square;
        with_f += square * f[r];
        positive += a[r] > 0 ? square : 0;
    }
    s->rise += (double)total;
    s->term += lambda * (double)energy;
    s->square += lambda * lambda * (double)fourth;
    s->with_f += lambda * (double)with_f;
    s->energy += (double)energy;
    s->positive += (double)positive;
}

/* Story by story: the rises [n] at a token's own rows [n]. */
static void add_own_rises(const group *g, const uint32_t *rows, const double *rises, size_t n, sums *s) {
    for (size_t i = 0, next; i < n; i = next) {
        double sum = 0;
        for (next = i; next < n && g->story_of[rows[next]] == g->story_of[rows[i]]; next++)
            sum += rises[next];
        s->own += sum;
        s->own_squares += sum * sum;
        s->own_counts += sum * (double)(next - i);
    }
}

/* Of a pair that has met every row. */
static void add_own(const group *g, int32_t token, const scratch *w, sums *s) {
    const uint32_t *rows;
    size_t n = bl_effect_group_own(g, token, &rows);
    for (size_t i = 0; i < n; i++) {
        w->own[i] = (double)w->rise[rows[i]] + (double)w->delta[rows[i]];
        s->rise += (double)w->delta[rows[i]];
        s->own_rise += w->own[i];
    }
    add_own_rises(g, rows, w->own, n, s);
}

/* Of the pairs of direction i that have met none. */
static void add_own_alone(const bl_effects *e, size_t i, const pairs *k, const scratch *w) {
    const group *g = &e->g;
    const float *log_p = g->log_p + i * g->capacity;
    int32_t token = token_of(e, i);
    const uint32_t *rows;
    size_t n = bl_effect_group_own(g, token, &rows);
    for (size_t j = i * e->p.per; n && j < (i + 1) * e->p.per; j++) {
        for (size_t o = 0; o < n; o++) {
            size_t r = rows[o];
            double a = (double)bl_dot(k->v + j * e->n, g->x + r * e->n, e->n);
            double delta = (double)g->scale[r] * k->lambda[j] * (a * a - (double)k->mean[j]);
            w->own[o] = exact_rise(g, r, (double)log_p[r], token, delta) + delta;
        }
        add_own_rises(g, rows, w->own, n, &k->sums[j]);
    }
}

/* sum f and f^2 over the rows that feed a prediction. */
static void add_outputs(const group *g, const float *f, double *sum, double *squares) {
    for (size_t begin = 0; begin < g->rows; begin += RUN) {
        size_t end = g->rows - begin < RUN ? g->rows : begin + RUN;
        float part = 0, part_squares = 0;
#pragma omp simd reduction(+ : part, part_squares)
        for (size_t r = begin; r < end; r++) {
            float value = f[r] * g->weight[r];
            part += value;
            part_squares += value * value;
        }
        *sum += (double)part;
        *squares += (double)part_squares;
    }
}

static void add_direction(const group *g, int32_t token, const float *f, direction_sums *d) {
    double sum = 0, squares = 0;
    const uint32_t *rows;
    size_t n = bl_effect_group_own(g, token, &rows);
    double own = (double)n;
    add_outputs(g, f, &sum, &squares);
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i; next < n && g->story_of[rows[next]] == g->story_of[rows[i]];) next++;
        d->n_squares += (double)(next - i) * (double)(next - i);
        d->stories++;
    }
    d->n += own;
    d->f += sum;
    d->ff += squares;
    if (!g->sampled) return;
    d->sample += own;
    d->f_sample += sum;
    d->ff_sample += squares;
}

/* What add_tile is called with. */
typedef struct adding {
    bl_effects *e;
    bl_effects_found found;
    void *context;
} adding;

/* The pairs of direction i, whose similarities are a [per, capacity]. */
static void add_pairs(const adding *s, size_t i, pairs *k, const float *a, scratch *w) {
    bl_effects *e = s->e;
    const group *g = &e->g;
    const float *f = g->f + i * g->capacity, *log_p = g->log_p + i * g->capacity;
    int32_t token = token_of(e, i);
    const bl_rise_rows of = {g->scale, log_p, w->p, w->most};
    if (token < 0) memset(w->rise, 0, g->rows * sizeof *w->rise);
    for (size_t j = i * e->p.per; j < (i + 1) * e->p.per; j++, a += g->capacity) {
        float lambda = (float)k->lambda[j];
        for (size_t begin = 0; begin < g->rows; begin += RUN) { /* which stays in the nearest cache */
            size_t end = g->rows - begin < RUN ? g->rows : begin + RUN;
            if (token >= 0 && bl_rises(&of, a, lambda, k->mean[j], begin, end, w->delta, w->rise) >= 0.4F)
                exact_rises(g, log_p, token, begin, end, w);
            add_rows(g, begin, end, a, f, w->rise, k->lambda[j], &k->sums[j]);
        }
        add_own(g, token, w, &k->sums[j]);
    }
}

/* The group's similarities with a tile of pairs of one kind. */
static void multiply(const bl_effects *e, const pairs *k, size_t first, size_t end, scratch *w) {
    bl_multiply(&e->g.of_x, (end - first) * e->p.per, 1.0F, k->v + first * e->p.per * e->n, e->n, false, w->a,
                e->g.capacity);
}

static void hand_on(const adding *s, size_t j, const float *a) {
    const group *g = &s->e->g;
    for (size_t i = 0; i < g->stories; i++)
        if (g->begin[i + 1] > g->begin[i])
            s->found(s->context, j, g->first + i, a + g->begin[i], g->begin[i + 1] - g->begin[i]);
}

static bool add_tile(void *context, size_t tile, size_t thread, bl_error *err) {
    const adding *s = context;
    bl_effects *e = s->e;
    group *g = &e->g;
    scratch *w = &e->work[thread];
    size_t per = e->p.per, first = tile * e->tile, end = first + e->tile;
    (void)err;
    if (end > e->p.n_directions) end = e->p.n_directions;
    bl_multiply(&g->of_y, end - first, 1.0F, e->p.u + first * e->d, e->d, false, g->f + first * g->capacity,
                g->capacity);
    for (size_t k = 0; k < KINDS; k++) {
        bool whole = k == MODEL || g->sampled;
        if (whole) multiply(e, &e->kind[k], first, end, w);
        for (size_t i = first; i < end; i++) {
            const float *log_p = g->log_p + i * g->capacity, *a = w->a + (i - first) * per * g->capacity;
            if (k == MODEL) add_direction(g, token_of(e, i), g->f + i * g->capacity, &e->of[i]);
            if (whole && e->p.tokens) bl_rise_probabilities(log_p, g->rows, w->p, w->most);
            if (whole) add_pairs(s, i, &e->kind[k], a, w);
            else add_own_alone(e, i, &e->kind[k], w);
            for (size_t j = 0; k == MODEL && s->found && j < per; j++)
                hand_on(s, i * per + j, a + j * g->capacity);
        }
    }
    return true;
}

/* Of many positions every so many groups, chosen by their first story, are the sample. */
static bool is_sampled(const bl_effects *e, uint64_t story) {
    uint64_t every = e->p.positions / SAMPLE;
    return every < 2 || bl_hash(0, &story, sizeof story) % every == 0;
}

bool bl_effects_add(bl_effects *e, uint64_t first, const int32_t *const *ids, const size_t *lengths,
                    size_t count, bl_effects_found found, void *context, bl_error *err) {
    group *g = &e->g;
    adding task = {e, found, context};
    memset(e->state, 0, e->n_state * sizeof *e->state);
    for (size_t next = 0; next < count;) {
        passing s = {e, ids + next, lengths + next};
        bl_effect_group_take(&e->g, lengths, count, 0, &next);
        g->sampled = is_sampled(e, first + g->first);
        if (!bl_parallel(g->stories, keep_outputs, &s, err)) return false;
        if (g->rows == 0) continue;
        bl_effect_group_ready(g, bl_model_config(e->p.model)->n_vocab);
        for (size_t r = 0; r < g->rows; r++) {
            *e->predictions += (double)g->weight[r];
            if (g->sampled) *e->sample += (double)g->weight[r];
        }
        if (!bl_parallel(count_tiles(e), add_tile, &task, err)) return false;
    }
    return true;
}

const double *bl_effects_sums(const bl_effects *e, size_t *count) {
    *count = e->n_state;
    return e->state;
}

/* ---- results ---- */

bl_effect bl_effects_result(const bl_effects *e, const double *state, size_t j, bool null_draw) {
    size_t of_pairs = e->J * (sizeof(sums) / sizeof(double));
    const sums *s = (const sums *)(const void *)(state + (null_draw ? of_pairs : 0)) + j;
    const direction_sums *d = (const direction_sums *)(const void *)(state + KINDS * of_pairs) + j / e->p.per;
    bl_effect out = bl_effect_of_sums(s, d, state[e->n_state - 2], state[e->n_state - 1], null_draw);
    if (!e->p.tokens) out.others_mean = out.total = NAN;
    return out;
}
