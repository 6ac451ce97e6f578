/* Ablation (docs/specification.md, 11): the components asked for, the controls and the worst subset, all
 * measured on the same stories in two passes: means, then outcomes.
 *
 * Behind the last layer an edit has a closed form and costs no forward pass: with c taken from u . y at a
 * position, logit_t' = s'/s (logit_t - s c W_U[t] . u / (u . u)), s' the final norm's scale of the edited
 * stream (component); or the own logit alone falls by s c (logit). Everywhere else the model runs again from
 * the edit; so it does behind a norm on the MLP's output, whose weight then belongs to u (component: y loses
 * c u / (u . u), and that norm is taken again; logit: its scale is kept, as s is). */
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "evidence/edit.h"
#include "evidence/outcome.h"
#include "evidence/worst.h"
#include "linear/gemm.h"
#include "linear/norm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which vectors ---- */

/* The places of `eigs` in 0 … n-1, each once, in the order given; *k of them. */
static size_t *places_of(const long *eigs, size_t n_eigs, size_t n, size_t *k, bl_error *err) {
    size_t *places = bl_alloc(n_eigs, sizeof *places, err);
    *k = 0;
    for (size_t i = 0; places && i < n_eigs; i++) {
        long at = eigs[i] < 0 ? eigs[i] + (long)n : eigs[i];
        bool seen = false;
        if (at < 0 || at >= (long)n) {
            bl_fail(err, BL_ERR_USAGE,
                    "eigenvector %ld does not exist; there are %zu: 0 to %zu, or -1 to -%zu from the end",
                    eigs[i], n, n - 1, n);
            free(places);
            return NULL;
        }
        for (size_t j = 0; j < *k; j++) seen = seen || places[j] == (size_t)at;
        if (!seen) places[(*k)++] = (size_t)at;
    }
    return places;
}

/* Edit i takes k vectors from number `first` on. */
static void begin_edit(bl_edits *e, size_t i, size_t first, size_t k, bool keep) {
    e->items[i] = (bl_edit){.first = first, .k = k, .lambda = e->lambda + first, .keep = keep};
}

static void set_pair(bl_edits *e, size_t j, const bl_eigen *eigen, size_t place) {
    memcpy(e->v + j * e->n, bl_eigen_vector(eigen, (long)place), e->n * sizeof *e->v);
    e->lambda[j] = (double)bl_eigen_values(eigen)[place] - bl_eigen_shift(eigen);
}

/* Removes from row j what lies along the rows before it and makes it a unit vector. */
static void orthonormalise(float *v, size_t n, size_t first, size_t j) {
    for (size_t i = first; i <= j; i++) {
        double along = 0;
        for (size_t c = 0; c < n; c++) along += (double)v[i * n + c] * (double)v[j * n + c];
        double by = i < j ? -along : along > 0 ? 1 / sqrt(along) : 0;
        for (size_t c = 0; c < n; c++)
            v[j * n + c] = i < j ? v[j * n + c] + (float)by * v[i * n + c] : v[j * n + c] * (float)by;
    }
}

/* rows 0 … count - 1 of `out` [count, n]: Gaussian mixtures of the MLP's inputs at the first stories'
 * positions. */
static bool mix_inputs(bl_layer_run *site, const bl_story_ids *stories, size_t n, size_t count, uint64_t seed,
                       float *out, bl_error *err) {
    float *weights = bl_alloc(stories->longest * count, sizeof *weights, err);
    size_t used = 0, length;
    bl_random random;
    bool ok = true;
    if (!weights) return false;
    bl_random_seed(&random, seed);
    memset(out, 0, count * n * sizeof *out);
    for (size_t i = 0; ok && i < stories->n && used < 4 * n; i++) {
        const int32_t *ids = bl_story_ids_of(stories, i, &length);
        if (length < 2) continue;
        ok = bl_layer_run_inputs(site, ids, length, err);
        if (!ok) break;
        for (size_t w = 0; w < (length - 1) * count; w++) weights[w] = (float)bl_random_normal(&random);
        bl_gemm_tn(count, n, length - 1, 1.0F, weights, count, site->x, n, 1.0F, out, n);
        used += length - 1;
    }
    free(weights);
    return ok;
}

/* What is to be measured. */
typedef struct plan {
    bl_edits edits;
    bl_layer_run *sites;
    const bl_story_ids *stories;
    const bl_ablate_options *options;
    const size_t *places; /* [k] S */
    size_t k, controls, resamples;
    bl_worst worst; /* what worst.c found */
} plan;

/* The numbers of the edits: the result, the random directions, the null draws, the worst subset, random
 * ones. */
static size_t edit_random(size_t r) { return 1 + r; }
static size_t edit_null(const plan *p, size_t r) { return 1 + p->controls + r; }
static size_t edit_worst(const plan *p) { return 1 + 2 * p->controls; }
static size_t edit_subset(const plan *p, size_t r) { return 2 + 2 * p->controls + r; }

static bool add_random(plan *p, bl_error *err) {
    bl_edits *e = &p->edits;
    size_t first = p->k;
    if (!p->controls) return true;
    if (!mix_inputs(p->sites, p->stories, e->n, p->controls * p->k, p->options->seed, e->v + first * e->n,
                    err))
        return false;
    for (size_t r = 0; r < p->controls; r++) {
        size_t begin = first + r * p->k;
        begin_edit(e, edit_random(r), begin, p->k, p->options->keep);
        for (size_t i = 0; i < p->k; i++) {
            orthonormalise(e->v, e->n, begin, begin + i);
            e->lambda[begin + i] = e->lambda[i];
        }
    }
    return true;
}

/* The eigenpairs of the same places of draw r; as few as S needs are computed. */
static bool add_null(plan *p, size_t r, bl_error *err) {
    bl_edits *e = &p->edits;
    size_t begin = (1 + p->controls + r) * p->k, extreme = 1, n = e->n;
    for (size_t i = 0; i < p->k; i++) {
        size_t depth = p->places[i] < n / 2 ? p->places[i] + 1 : n - p->places[i];
        extreme = depth > extreme ? depth : extreme;
    }
    bl_bilinear draw;
    if (!bl_bilinear_null(e->map, p->options->seed + r + 1, &draw, NULL, err)) return false;
    bl_eigen *eigen = bl_eigen_of(&draw, e->u, extreme > n / 8 ? 0 : extreme, err);
    begin_edit(e, edit_null(p, r), begin, p->k, p->options->keep);
    for (size_t i = 0; eigen && i < p->k; i++) set_pair(e, begin + i, eigen, p->places[i]);
    bl_bilinear_null_free(&draw);
    bl_eigen_free(eigen);
    return eigen != NULL;
}

/* The worst subset and the random ones, which `worst` has chosen. */
static void add_subsets(plan *p, const bl_eigen *eigen) {
    size_t begin = (1 + 2 * p->controls) * p->k, w = p->worst.n;
    for (size_t r = 0; w && r <= p->controls; r++) {
        begin_edit(&p->edits, r ? edit_subset(p, r - 1) : edit_worst(p), begin + r * w, w, false);
        for (size_t i = 0; i < w; i++)
            set_pair(&p->edits, begin + r * w + i, eigen, p->worst.places[r * w + i]);
    }
}

static bool make_edits(plan *p, const bl_eigen *eigen, bl_error *err) {
    size_t R = p->controls, w = p->worst.n, count = 1 + 2 * R + (w ? 1 + R : 0),
           J = (1 + 2 * R) * p->k + (w ? 1 + R : 0) * w;
    bl_edits *e = &p->edits;
    if (!bl_edits_init(e, count, J, err)) return false;
    begin_edit(e, 0, 0, p->k, p->options->keep);
    for (size_t i = 0; i < p->k; i++) set_pair(e, i, eigen, p->places[i]);
    bool ok = add_random(p, err);
    for (size_t r = 0; ok && r < R; r++) ok = add_null(p, r, err);
    if (ok) add_subsets(p, eigen);
    return ok && (p->options->zero || bl_edits_measure(e, p->sites, p->stories, err));
}

/* ---- outcomes ---- */

typedef struct ablating {
    const plan *p;
    const bl_edits *e;
    const float *u;    /* [d] as the MLP's own output meets it */
    float *g;          /* [V] W_U u / (u . u), of the closed form along u */
    double inverse;    /* 1 / (u . u) */
    bool rerun;        /* there is no closed form: the model runs again for every edit */
    bl_tally *tallies; /* [stories, count] */
    struct scratch {
        float *similarity, *logits, *row, *x, *work, *base_x, *base_y;
        double *taken; /* [longest, count] */
    } * scratch;       /* [threads] */
} ablating;

/* y' = y - u / (u . u) taken, or y'' of x''. */
typedef struct change {
    const ablating *a;
    struct scratch *s;
    size_t edit;
} change;

/* y = the map of x (by 0), or y += by times it: what a surrogate says of an edit is added to what the model
 * writes. The map has the weight of a norm behind the MLP folded in, y has not. */
static void replace(const change *c, bl_rows y, const float *x, float by) {
    const bl_model *model = c->a->e->model;
    const float *weight = model->plan.post_norms ? model->blocks[c->a->e->map->layer].n2_post.weight : NULL;
    bl_layer_run_apply(c->a->e->map, x, y.rows, c->s->work, c->s->base_y);
    for (size_t p = 0; p < y.rows; p++) {
        float *to = y.data + p * y.stride;
        float *from = c->s->base_y + p * y.cols;
        for (size_t i = 0; weight && i < y.cols; i++) from[i] = weight[i] != 0 ? from[i] / weight[i] : 0;
        if (by == 0) memcpy(to, from, y.cols * sizeof *to);
        else bl_axpy(y.cols, by, from, to);
    }
}

static void change_y(void *context, const bl_layer_run *site, bl_rows y) {
    const change *c = context;
    const bl_edits *e = c->a->e;
    (void)site;
    if (c->a->p->options->mode == BL_ABLATE_INPUT) {
        bl_edit_input(e, c->edit, c->s->base_x, y.rows, c->s->similarity, c->s->x);
        replace(c, y, c->s->x, e->map->origin ? 1 : 0);
        if (e->map->origin) replace(c, y, c->s->base_x, -1);
        return;
    }
    for (size_t p = 0; p < y.rows; p++)
        bl_axpy(y.cols, (float)(-c->s->taken[p * e->count + c->edit] * c->a->inverse), c->a->u,
                y.data + p * y.stride);
}

/* s'/s and s of the stream that loses c u / (u . u). */
static double rescale(const ablating *a, const bl_layer_run *site, size_t p, double c, double s) {
    const bl_model *model = site->model;
    if (!bl_model_config(model)->normalization) return 1;
    double sum = 0, square = 0, along = 0, d = (double)site->d;
    for (size_t i = 0; i < site->d; i++) {
        double value = (double)site->mid[p * site->d + i] + (double)site->y[p * site->d + i];
        sum += value;
        square += value * value;
        along += value * (double)a->e->u[i];
    }
    if (model->plan.layer_norm) square -= sum * sum / d; /* u is centred */
    square += c * a->inverse * (c - 2 * along);
    return bl_rms_factor(square, site->d, site->model->plan.epsilon) / s;
}

static void closed_position(const ablating *a, const bl_layer_run *site, struct scratch *s, bl_view logits,
                            size_t p, int32_t target, bl_tally *tallies) {
    const bl_edits *e = a->e;
    bool own = target == e->token;
    bool logit = a->p->options->mode == BL_ABLATE_LOGIT;
    double scale = bl_layer_run_reach(site, p);
    bl_before before = bl_before_of(logits.data + p * logits.stride, logits.cols, target, a->g);
    for (size_t i = 0; i < e->count; i++) {
        double c = s->taken[p * e->count + i];
        bl_outcome o =
            logit ? bl_outcome_own(&before, (size_t)e->token, bl_layer_run_fall(site, p, (size_t)e->token, c))
                  : bl_outcome_along(&before, rescale(a, site, p, c, scale), scale * c, a->g, s->row);
        o.own = own;
        bl_tally_add(&tallies[i], &o);
    }
}

/* Runs the model again for every edit. */
static bool again(const ablating *a, bl_layer_run *site, struct scratch *s, const int32_t *ids, size_t n,
                  bl_tally *tallies, bl_error *err) {
    const bl_edits *e = a->e;
    size_t V = bl_model_config(site->model)->n_vocab;
    memcpy(s->base_x, site->x, n * e->n * sizeof *s->base_x);
    for (size_t i = 0; i < e->count; i++) {
        change c = {a, s, i};
        bl_view logits = bl_layer_run_logits(site, ids, n, change_y, &c, err);
        if (!logits.data) return false;
        for (size_t p = 0; p + 1 < n; p++) {
            bl_before before = bl_before_of(s->logits + p * V, V, ids[p + 1], NULL);
            bl_outcome o = bl_outcome_of(&before, logits.data + p * logits.stride);
            o.own = ids[p + 1] == e->token;
            bl_tally_add(&tallies[i], &o);
        }
    }
    return true;
}

static bool ablate_story(void *context, size_t i, size_t thread, bl_error *err) {
    const ablating *a = context;
    const bl_edits *e = a->e;
    bl_layer_run *site = &a->p->sites[thread];
    struct scratch *s = &a->scratch[thread];
    bl_tally *tallies = a->tallies + i * e->count;
    size_t n;
    const int32_t *ids = bl_story_ids_of(a->p->stories, i, &n);
    if (n < 2) return true;
    bl_view logits = bl_layer_run_logits(site, ids, n, NULL, NULL, err);
    if (!logits.data) return false;
    bl_edits_similarity(e, site->x, n, s->similarity);
    for (size_t p = 0; p < n; p++) {
        double outside = bl_edits_outside(e, site->x + p * e->n, site->y + p * site->d);
        for (size_t j = 0; j < e->count; j++)
            s->taken[p * e->count + j] = bl_edit_taken(e, j, s->similarity + p * e->J, outside);
    }
    if (a->rerun) {
        for (size_t p = 0; p < n; p++)
            memcpy(s->logits + p * logits.cols, logits.data + p * logits.stride,
                   logits.cols * sizeof *s->logits);
        return again(a, site, s, ids, n, tallies, err);
    }
    for (size_t p = 0; p + 1 < n; p++) closed_position(a, site, s, logits, p, ids[p + 1], tallies);
    return true;
}

static void scratch_free(struct scratch *s, size_t threads) {
    for (size_t t = 0; s && t < threads; t++) {
        float *parts[] = {s[t].similarity, s[t].logits, s[t].row,   s[t].x,
                          s[t].work,       s[t].base_x, s[t].base_y};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
        free(s[t].taken);
    }
    free(s);
}

static struct scratch *scratch_new(const ablating *a, size_t threads, bl_error *err) {
    const bl_edits *e = a->e;
    size_t T = a->p->stories->longest, V = bl_model_config(e->model)->n_vocab, h = bl_bilinear_hidden(e->map);
    struct scratch *s = bl_alloc_zero(threads, sizeof *s, err);
    for (size_t t = 0; s && t < threads; t++) {
        float **parts[] = {&s[t].similarity, &s[t].row,    &s[t].logits, &s[t].x,
                           &s[t].work,       &s[t].base_x, &s[t].base_y};
        const size_t widths[] = {e->J, V, V, e->n, 2 * h, e->n, e->n};
        bool ok = true;
        for (size_t i = 0; ok && i < sizeof parts / sizeof *parts; i++) {
            size_t count, rows = i == 1 ? 1 : i > 1 && !a->rerun ? 0 : T;
            if (!bl_mul_size(rows, widths[i], &count)) count = SIZE_MAX;
            *parts[i] = bl_alloc(count, sizeof(float), err);
            ok = *parts[i] != NULL;
        }
        s[t].taken = ok ? bl_alloc(T * e->count, sizeof *s[t].taken, err) : NULL;
        if (s[t].taken) continue;
        scratch_free(s, threads);
        return NULL;
    }
    return s;
}

/* g [V] = W_U u / (u . u). */
static bool make_g(ablating *a, bl_error *err) {
    bl_view w_u = bl_model_w_u(a->e->model);
    double square = 0;
    for (size_t i = 0; i < w_u.cols; i++) square += (double)a->u[i] * (double)a->u[i];
    if (!(square > 0)) return bl_fail(err, BL_ERR_USAGE, "the direction is zero: there is nothing along it");
    a->inverse = 1 / square;
    a->g = bl_alloc(w_u.rows, sizeof *a->g, err);
    if (a->g) bl_gemv_n(w_u.rows, w_u.cols, (float)a->inverse, w_u.data, w_u.stride, a->e->u, 0.0F, a->g);
    return a->g != NULL;
}

static bool summarise(const ablating *a, size_t edit, bl_ablated *out, bl_error *err) {
    const plan *p = a->p;
    return bl_tally_summary(a->tallies + edit, p->stories->n, a->e->count, p->resamples, p->options->seed,
                            out, err);
}

static bool summarise_all(const ablating *a, bl_ablation *out, bl_error *err) {
    const plan *p = a->p;
    size_t R = p->controls;
    out->stories = p->stories->n;
    out->controls = R;
    out->random = bl_alloc(R, sizeof *out->random, err);
    out->null = bl_alloc(R, sizeof *out->null, err);
    out->subsets = bl_alloc(p->worst.n ? R : 0, sizeof *out->subsets, err);
    out->worst_eigs = bl_alloc(p->worst.n, sizeof *out->worst_eigs, err);
    bool ok =
        out->random && out->null && out->subsets && out->worst_eigs && summarise(a, 0, &out->result, err);
    for (size_t r = 0; ok && r < R; r++)
        ok = summarise(a, edit_random(r), &out->random[r], err) &&
             summarise(a, edit_null(p, r), &out->null[r], err) &&
             (!p->worst.n || summarise(a, edit_subset(p, r), &out->subsets[r], err));
    out->n_worst = p->worst.n;
    for (size_t i = 0; ok && i < p->worst.n; i++) out->worst_eigs[i] = (long)p->worst.places[i];
    return ok && (!p->worst.n || summarise(a, edit_worst(p), &out->worst, err));
}

static bool measure(const plan *p, bl_ablation *out, bl_error *err) {
    enum { STEP = 64 };
    size_t threads = (size_t)bl_threads(), count;
    ablating a = {.p = p, .e = &p->edits};
    const bl_model *model = p->edits.model;
    bl_ablate_mode mode = p->options->mode;
    float *written = bl_direction_written(model, p->sites->layer, p->edits.u, err);
    a.u = written;
    a.rerun = p->sites->layer + 1 != bl_model_config(model)->n_layer || mode == BL_ABLATE_INPUT ||
              (mode == BL_ABLATE_COMPONENT && model->plan.post_norms);
    if (!bl_mul_size(p->stories->n, p->edits.count, &count)) count = SIZE_MAX;
    a.tallies = bl_alloc_zero(count, sizeof *a.tallies, err);
    bool ok = a.tallies && written && make_g(&a, err) && (a.scratch = scratch_new(&a, threads, err)) != NULL;
    bl_tally *all = a.tallies;
    ok = ok && bl_parallel(p->stories->n, ablate_story, &a, err);
    a.tallies = all;
    ok = ok && summarise_all(&a, out, err);
    scratch_free(a.scratch, threads);
    free(a.tallies);
    free(a.g);
    free(written);
    return ok;
}

static bool check(const bl_model *model, size_t layer, int32_t token, size_t n_eigs,
                  const bl_ablate_options *options, bl_error *err) {
    if (n_eigs == 0) return bl_fail(err, BL_ERR_USAGE, "which eigenvectors are to be ablated?");
    if (token >= 0 && (size_t)token >= bl_model_config(model)->n_vocab)
        return bl_fail(err, BL_ERR_USAGE, "token %d does not exist", (int)token);
    bool logit = options->mode == BL_ABLATE_LOGIT;
    if (!logit && !options->worst) return true;
    const char *what = logit ? "mode logit" : "the worst subset";
    if (token < 0)
        return bl_fail(err, BL_ERR_USAGE, "%s edits a token's own logit, and this direction has no token",
                       what);
    return bl_check_last_layer(model, layer, what, err);
}

static bool run(plan *p, const bl_eigen *eigen, bl_ablation *out, bl_error *err) {
    bool ok = !p->options->worst || bl_worst_find(&p->edits, eigen, p->sites, p->stories, p->places, p->k,
                                                  p->controls, &p->worst, err);
    return ok && make_edits(p, eigen, err) && measure(p, out, err);
}

bool bl_ablate(const bl_model *model, size_t layer, const float *u, int32_t token, const long *eigs,
               size_t n_eigs, bl_corpus *corpus, const bl_ablate_options *options, bl_ablation *out,
               bl_error *err) {
    static const bl_ablate_options defaults = {0};
    bl_error_clear(err);
    *out = (bl_ablation){0};
    if (!options) options = &defaults;
    bl_bilinear map;
    if ((options->worst && !bl_check_no_post_norm(model, "the worst subset", err)) ||
        !bl_model_bilinear(model, layer, &map, err) || !check(model, layer, token, n_eigs, options, err))
        return false;
    float *met = bl_direction_met(model, u, err);
    if (!met) return false;
    bl_story_ids stories = {0};
    plan p = {.options = options, .controls = options->controls, .stories = &stories};
    p.resamples = options->resamples ? options->resamples : 1000;
    size_t n = bl_bilinear_size(&map), *places = places_of(eigs, n_eigs, n, &p.k, err);
    p.places = places;
    bl_eigen *eigen = places ? bl_eigen_of(&map, met, 0, err) : NULL;
    bool ok = eigen && bl_eigen_check_groups(eigen, eigs, n_eigs, err) &&
              bl_story_ids_read(model, corpus, options->max_stories, &options->progress, &stories, err);
    if (ok) p.sites = bl_layer_runs_new(model, layer, stories.longest, err);
    if (ok && p.sites) {
        p.edits = (bl_edits){.model = model,
                             .options = options,
                             .map = &p.sites->map,
                             .u = met,
                             .token = token,
                             .n = n,
                             .shift = bl_eigen_shift(eigen),
                             .constant = (double)bl_eigen_constant(eigen)};
        if (map.origin) p.edits.form = bl_alloc(n * n, sizeof *p.edits.form, err);
        ok = (!map.origin || (p.edits.form && bl_bilinear_matrix(&map, met, p.edits.form, err))) &&
             run(&p, eigen, out, err);
    }
    ok = ok && p.sites;
    if (ok) out->shift = bl_eigen_shift(eigen);
    bl_edits_free(&p.edits);
    bl_worst_free(&p.worst);
    bl_layer_runs_free(p.sites);
    bl_story_ids_free(&stories);
    bl_eigen_free(eigen);
    free(places);
    free(met);
    if (!ok) bl_ablation_free(out);
    return ok;
}

void bl_ablation_free(bl_ablation *a) {
    if (!a) return;
    free(a->random);
    free(a->null);
    free(a->worst_eigs);
    free(a->subsets);
    *a = (bl_ablation){0};
}
