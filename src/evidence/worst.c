/* Averages flatter: removing everything outside S at once lets components that matter cancel each other. The
 * worst subset of the outside is searched greedily, on the positions whose target is the token:
 *
 *   rise(W) = mean_p [ delta + log(1 + p_t (e^-delta - 1)) ],   delta = s sum_{n in W} lambda~_n ((v_n.x')^2
 * - m_n)
 *
 * One table [own positions, n] of the terms is made; every step then tries each component that is left. */
#include "evidence/worst.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "evidence/outcome.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct own_position {
    double log_p, log_other, delta;
} own_position;

typedef struct table {
    bl_edits e; /* one edit of all n eigenpairs, for their means */
    bl_layer_run *sites;
    const bl_story_ids *stories;
    size_t *first; /* [stories + 1] own positions before each story */
    own_position *own;
    float *terms;      /* [own positions, n] s lambda~_n (a_n^2 - m_n) */
    float *similarity; /* [threads, longest, n] */
    bool *taken;       /* [n] in S or chosen */
    double *gains;     /* [n] of one step */
} table;

static bool count_own(table *t, bl_error *err) {
    size_t n, stories = t->stories->n, cells;
    t->first = bl_alloc_zero(stories + 1, sizeof *t->first, err);
    if (!t->first) return false;
    for (size_t i = 0; i < stories; i++) {
        const int32_t *ids = bl_story_ids_of(t->stories, i, &n);
        t->first[i + 1] = t->first[i];
        for (size_t p = 1; p < n; p++) t->first[i + 1] += ids[p] == t->e.token;
    }
    size_t own = t->first[stories];
    if (own == 0)
        return bl_fail(err, BL_ERR_INPUT, "the token is nowhere a target in the corpus: nothing can hurt it");
    if (!bl_mul_size(own, t->e.n, &cells)) cells = SIZE_MAX;
    t->own = bl_alloc(own, sizeof *t->own, err);
    t->terms = bl_alloc(cells, sizeof *t->terms, err);
    return t->own && t->terms;
}

static bool fill_story(void *context, size_t i, size_t thread, bl_error *err) {
    table *t = context;
    const bl_edits *e = &t->e;
    bl_layer_run *site = &t->sites[thread];
    size_t n, at = t->first[i], N = e->n;
    const int32_t *ids = bl_story_ids_of(t->stories, i, &n);
    float *similarity = t->similarity + thread * t->stories->longest * N;
    if (t->first[i + 1] == at) return true;
    bl_view logits = bl_layer_run_logits(site, ids, n, NULL, NULL, err);
    if (!logits.data) return false;
    bl_edits_similarity(e, site->x, n - 1, similarity);
    for (size_t p = 0; p + 1 < n; p++) {
        if (ids[p + 1] != e->token) continue;
        const float *row = logits.data + p * logits.stride;
        double lse = bl_log_sum_exp(row, logits.cols),
               s = bl_final_scale_of_sum(site->model, site->mid + p * site->d, site->y + p * site->d);
        t->own[at] = (own_position){(double)row[e->token] - lse,
                                    bl_log_other(row, logits.cols, lse, (size_t)e->token), 0};
        for (size_t j = 0; j < N; j++) {
            double a = (double)similarity[p * N + j];
            t->terms[at * N + j] = (float)(s * e->lambda[j] * (a * a - e->square[j]));
        }
        at++;
    }
    return true;
}

/* The mean rise when component j joins what is chosen already. */
static bool gain_of(void *context, size_t j, size_t thread, bl_error *err) {
    table *t = context;
    size_t own = t->first[t->stories->n];
    double sum = 0;
    (void)thread;
    (void)err;
    t->gains[j] = -INFINITY;
    if (t->taken[j]) return true;
    for (size_t i = 0; i < own; i++) {
        double delta = t->own[i].delta + (double)t->terms[i * t->e.n + j];
        sum += delta + bl_log_rest(t->own[i].log_p, t->own[i].log_other, delta);
    }
    t->gains[j] = sum / (double)own;
    return true;
}

static bool choose(table *t, size_t most, bl_worst *out, bl_error *err) {
    size_t own = t->first[t->stories->n];
    double reached = 0;
    while (out->n < most) {
        size_t best = 0;
        if (!bl_parallel(t->e.n, gain_of, t, err)) return false;
        for (size_t j = 1; j < t->e.n; j++)
            if (t->gains[j] > t->gains[best]) best = j;
        if (!(t->gains[best] > reached)) break;
        reached = t->gains[best];
        t->taken[best] = true;
        out->places[out->n++] = best;
        for (size_t i = 0; i < own; i++) t->own[i].delta += (double)t->terms[i * t->e.n + best];
    }
    return true;
}

/* Random subsets of what was outside S, behind the worst one. */
static void draw_subsets(const bool *in_s, size_t n, size_t subsets, uint64_t seed, size_t *order,
                         bl_worst *out) {
    bl_random random;
    size_t outside = 0;
    bl_random_seed(&random, seed);
    for (size_t j = 0; j < n; j++)
        if (!in_s[j]) order[outside++] = j;
    for (size_t r = 0; r < subsets; r++)
        for (size_t i = 0; i < out->n; i++) {
            size_t at = i + (size_t)bl_random_below(&random, outside - i), swap = order[at];
            order[at] = order[i];
            order[i] = out->places[(1 + r) * out->n + i] = swap;
        }
}

static bool fill_table(table *t, const bl_eigen *eigen, bl_error *err) {
    size_t N = t->e.n, cells;
    if (!bl_edits_init(&t->e, 1, N, err)) return false;
    t->e.items[0] = (bl_edit){.k = N, .lambda = t->e.lambda};
    for (size_t j = 0; j < N; j++) {
        memcpy(t->e.v + j * N, bl_eigen_vector(eigen, (long)j), N * sizeof *t->e.v);
        t->e.lambda[j] = (double)bl_eigen_values(eigen)[j] - bl_eigen_shift(eigen);
    }
    if (!bl_mul_size((size_t)bl_threads() * t->stories->longest, N, &cells)) cells = SIZE_MAX;
    t->similarity = bl_alloc(cells, sizeof *t->similarity, err);
    t->taken = bl_alloc_zero(N, sizeof *t->taken, err);
    t->gains = bl_alloc(N, sizeof *t->gains, err);
    return t->similarity && t->taken && t->gains && count_own(t, err) &&
           (t->e.options->zero || bl_edits_measure(&t->e, t->sites, t->stories, err)) &&
           bl_parallel(t->stories->n, fill_story, t, err);
}

bool bl_worst_find(const bl_edits *base, const bl_eigen *eigen, bl_layer_run *sites,
                   const bl_story_ids *stories, const size_t *s, size_t k, size_t subsets, bl_worst *out,
                   bl_error *err) {
    table t = {.e = *base, .sites = sites, .stories = stories};
    size_t N = base->n, most = base->options->worst < N - k ? base->options->worst : N - k;
    *out = (bl_worst){0};
    bool *in_s = bl_alloc_zero(N, sizeof *in_s, err);
    size_t *order = bl_alloc(N, sizeof *order, err);
    out->places = bl_alloc((1 + subsets) * (most + 1), sizeof *out->places, err);
    bool ok = in_s && order && out->places && fill_table(&t, eigen, err);
    for (size_t i = 0; ok && i < k; i++) in_s[s[i]] = t.taken[s[i]] = true;
    ok = ok && choose(&t, most, out, err);
    if (ok) draw_subsets(in_s, N, subsets, base->options->seed, order, out);
    else bl_worst_free(out);
    bl_edits_free(&t.e);
    free(t.first);
    free(t.own);
    free(t.terms);
    free(t.similarity);
    free(t.taken);
    free(t.gains);
    free(in_s);
    free(order);
    return ok;
}

void bl_worst_free(bl_worst *worst) {
    free(worst->places);
    *worst = (bl_worst){0};
}
