/* One token's form against rank (docs/specification.md, 10): f = u . y and its rank-K form
 *
 *   f_K = u . b_p + shift |x'|^2 + sum_{n in first K} lambda~_n (v_n . x')^2
 *
 * (behind a norm u is weighted by it; its scale is kept, as s is)
 *
 * over every position that feeds a prediction, and the loss of the token's own predictions when s f_K takes
 * the place of s f in its logit. Moments are taken about the first position's values, so that a large
 * constant part costs no digits. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/order.h"
#include "evidence/outcome.h"
#include "evidence/layer_run.h"
#include "linear/gemm.h"
#include <bilens/truncate.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums over positions of f, g = f_K, their squares and product, (f - g)^2, and the own losses. */
typedef struct moments {
    double f, g, ff, gg, fg, error, own_loss;
} moments;

typedef struct run {
    const bl_model *model;
    bl_story_ids stories;
    bl_layer_run *sites;
    const bl_eigen *eigen;
    const float *u; /* [d] as the MLP's own output meets it */
    int32_t token;
    size_t n, *ranks, n_ranks, width; /* width: BL_N_ORDERS * n_ranks */
    size_t *orders;                   /* [BL_N_ORDERS, n] places in each order */
    double *lambda;                   /* [n] by place */
    float *linear;                    /* [n] the linear part of a surrogate's form, or zeros */
    double origin;                    /* what f and f_K are measured from */
    float *similarity;                /* [threads, longest, n] */
    moments *sums;                    /* [stories, width] */
    double *full;                     /* [stories] own loss as it is */
    uint64_t *own;                    /* [stories] */
} run;

/* out [width]: f_K of one position, order by order; a [n] its similarities. */
static void forms(const run *r, const float *a, double still, double *out) {
    for (size_t o = 0; o < BL_N_ORDERS; o++) {
        const size_t *places = r->orders + o * r->n;
        double sum = still;
        size_t k = 0;
        for (size_t i = 0; i < r->n_ranks; i++) { /* ranks ascend */
            for (; k < r->ranks[i]; k++) {
                double value = (double)a[places[k]];
                sum += r->lambda[places[k]] * value * value;
            }
            out[o * r->n_ranks + i] = sum;
        }
    }
}

static void add_position(const run *r, double f, const double *form, moments *sums) {
    for (size_t i = 0; i < r->width; i++) {
        double a = f - r->origin, b = form[i] - r->origin;
        moments *m = &sums[i];
        m->f += a;
        m->g += b;
        m->ff += a * a;
        m->gg += b * b;
        m->fg += a * b;
        m->error += (a - b) * (a - b);
    }
}

static void add_own(const run *r, const bl_layer_run *site, size_t p, bl_view logits, double f,
                    const double *form, moments *sums, double *full) {
    const float *row = logits.data + p * logits.stride;
    bl_before before = bl_before_of(row, logits.cols, r->token, NULL);
    for (size_t i = 0; i < r->width; i++) {
        double fall = bl_layer_run_fall(site, p, (size_t)r->token, f - form[i]);
        bl_outcome o = bl_outcome_own(&before, (size_t)r->token, fall);
        sums[i].own_loss += o.after;
        *full += i == 0 ? o.before : 0;
    }
}

static bool run_story(void *context, size_t i, size_t thread, bl_error *err) {
    run *r = context;
    bl_layer_run *site = &r->sites[thread];
    size_t n;
    const int32_t *ids = bl_story_ids_of(&r->stories, i, &n);
    float *similarity = r->similarity + thread * r->stories.longest * r->n;
    if (n < 2) return true;
    bl_view logits = bl_layer_run_logits(site, ids, n, NULL, NULL, err);
    double *form = bl_alloc(r->width, sizeof *form, err);
    if (!logits.data || !form) {
        free(form);
        return false;
    }
    bl_gemm_nt(n - 1, r->n, r->n, 1.0F, site->x, r->n, bl_eigen_vector(r->eigen, 0), r->n, 0.0F, similarity,
               r->n);
    for (size_t p = 0; p + 1 < n; p++) {
        const float *x = site->x + p * r->n, *y = site->y + p * site->d;
        double f = 0, size = 0, linear = 0;
        for (size_t c = 0; c < site->d; c++) f += (double)r->u[c] * (double)y[c];
        for (size_t c = 0; c < r->n; c++) size += (double)x[c] * (double)x[c];
        for (size_t c = 0; c < r->n; c++) linear += (double)x[c] * (double)r->linear[c];
        forms(r, similarity + p * r->n,
              (double)bl_eigen_constant(r->eigen) + linear + bl_eigen_shift(r->eigen) * size, form);
        add_position(r, f, form, r->sums + i * r->width);
        if (ids[p + 1] != r->token) continue;
        r->own[i]++;
        add_own(r, site, p, logits, f, form, r->sums + i * r->width, &r->full[i]);
    }
    free(form);
    return true;
}

/* ---- results ---- */

/* Whether the first K of an order are a part of a group whose other members are not among them. */
static bool cuts_group(const run *r, size_t order, size_t K) {
    const size_t *chosen = r->orders + order * r->n;
    for (size_t i = 0; i < K; i++) {
        size_t first, last, there = 0;
        bl_eigen_group(r->eigen, chosen[i], &first, &last);
        for (size_t k = 0; first < last && k < K; k++) there += chosen[k] >= first && chosen[k] <= last;
        if (first < last && there <= last - first) return true;
    }
    return false;
}

static bl_truncated_token result_of(const run *r, size_t column, double N, double own) {
    moments m = {0};
    for (size_t i = 0; i < r->stories.n; i++) {
        const moments *s = &r->sums[i * r->width + column];
        m.f += s->f;
        m.g += s->g;
        m.ff += s->ff;
        m.gg += s->gg;
        m.fg += s->fg;
        m.error += s->error;
        m.own_loss += s->own_loss;
    }
    double of_f = m.ff - m.f * m.f / N, of_g = m.gg - m.g * m.g / N, both = m.fg - m.f * m.g / N;
    bool varies = of_f > 1e-12 * m.ff, form_varies = of_g > 1e-12 * m.gg;
    return (bl_truncated_token){.rank = r->ranks[column % r->n_ranks],
                                .correlation = varies && form_varies ? both / sqrt(of_f * of_g) : NAN,
                                .r2 = varies ? 1 - m.error / of_f : NAN,
                                .own_loss = own > 0 ? m.own_loss / own : NAN,
                                .cuts_group =
                                    cuts_group(r, column / r->n_ranks, r->ranks[column % r->n_ranks])};
}

static bool finish(const run *r, size_t layer, bl_token_truncation *out, bl_error *err) {
    bl_truncated_token **curves[] = {&out->by_size, &out->random, &out->lowest};
    double full = 0, N = (double)r->stories.first[r->stories.n];
    for (size_t i = 0; i < r->stories.n; i++) {
        out->own += r->own[i];
        full += r->full[i];
    }
    out->layer = layer;
    out->shift = bl_eigen_shift(r->eigen);
    out->n_ranks = r->n_ranks;
    out->stories = r->stories.n;
    out->predictions = r->stories.first[r->stories.n];
    out->full = out->own ? full / (double)out->own : NAN;
    for (size_t o = 0; o < BL_N_ORDERS; o++) {
        *curves[o] = bl_alloc(r->n_ranks, sizeof **curves[o], err);
        if (!*curves[o]) return false;
        for (size_t i = 0; i < r->n_ranks; i++)
            (*curves[o])[i] = result_of(r, o * r->n_ranks + i, N, (double)out->own);
    }
    return true;
}

static bool prepare(run *r, const bl_truncate_options *options, bl_error *err) {
    size_t cells, stories = r->stories.n;
    r->orders = bl_alloc(BL_N_ORDERS * r->n, sizeof *r->orders, err);
    r->lambda = bl_alloc(r->n, sizeof *r->lambda, err);
    if (!bl_mul_size((size_t)bl_threads() * r->stories.longest, r->n, &cells)) cells = SIZE_MAX;
    r->similarity = bl_alloc(cells, sizeof *r->similarity, err);
    if (!bl_mul_size(stories, r->width, &cells)) cells = SIZE_MAX;
    r->sums = bl_alloc_zero(cells, sizeof *r->sums, err);
    r->full = bl_alloc_zero(stories, sizeof *r->full, err);
    r->own = bl_alloc_zero(stories, sizeof *r->own, err);
    r->linear = bl_alloc_zero(r->n, sizeof *r->linear, err);
    if (!r->orders || !r->linear || !r->lambda || !r->similarity || !r->sums || !r->full || !r->own)
        return false;
    bl_random random;
    bl_random_seed(&random, options->seed);
    bl_order_by_size(bl_eigen_values(r->eigen), r->n, bl_eigen_shift(r->eigen), r->orders);
    for (int o = 1; o < BL_N_ORDERS; o++)
        bl_order_take(o, r->orders, r->n, r->n, &random, r->orders + (size_t)o * r->n);
    for (size_t i = 0; i < r->n; i++)
        r->lambda[i] = (double)bl_eigen_values(r->eigen)[i] - bl_eigen_shift(r->eigen);
    r->origin = (double)bl_eigen_constant(r->eigen);
    return true;
}

static void run_free(run *r) {
    bl_layer_runs_free(r->sites);
    bl_story_ids_free(&r->stories);
    free(r->ranks);
    free(r->orders);
    free(r->lambda);
    free(r->linear);
    free(r->similarity);
    free(r->sums);
    free(r->full);
    free(r->own);
}

static int ascending(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

bool bl_truncate_token(const bl_model *model, const float *u, int32_t token, bl_corpus *corpus,
                       const bl_truncate_options *options, bl_token_truncation *out, bl_error *err) {
    static const bl_truncate_options defaults = {0};
    bl_error_clear(err);
    *out = (bl_token_truncation){0};
    if (!options) options = &defaults;
    bl_bilinear map;
    size_t layer = bl_model_config(model)->n_layer - 1;
    if (!bl_model_bilinear(model, layer, &map, err)) return false;
    float *met = bl_direction_met(model, u, err),
          *written = met ? bl_direction_written(model, layer, met, err) : NULL;
    if (!written) {
        free(met);
        return false;
    }
    run r = {.model = model, .u = written, .token = token, .n = bl_bilinear_size(&map)};
    r.ranks = bl_rank_list(options->ranks, options->n_ranks, r.n, &r.n_ranks, err);
    r.width = BL_N_ORDERS * r.n_ranks;
    bl_eigen *eigen = r.ranks ? bl_eigen_of(&map, met, 0, err) : NULL;
    r.eigen = eigen;
    bool ok =
        eigen && bl_story_ids_read(model, corpus, options->max_stories, &options->progress, &r.stories, err);
    if (ok) {
        qsort(r.ranks, r.n_ranks, sizeof *r.ranks, ascending);
        r.sites = bl_layer_runs_new(model, layer, r.stories.longest, err);
        ok = r.sites && prepare(&r, options, err);
        if (ok && map.linear.data) bl_bilinear_linear(&map, met, r.linear);
        ok = ok && bl_parallel(r.stories.n, run_story, &r, err) && finish(&r, layer, out, err);
    }
    run_free(&r);
    bl_eigen_free(eigen);
    free(met);
    free(written);
    if (!ok) bl_token_truncation_free(out);
    return ok;
}

void bl_token_truncation_free(bl_token_truncation *truncation) {
    if (!truncation) return;
    free(truncation->by_size);
    free(truncation->random);
    free(truncation->lowest);
    *truncation = (bl_token_truncation){0};
}
