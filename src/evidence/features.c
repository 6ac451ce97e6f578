/* Forms of output features in the basis of an input dictionary, and how well a few eigenvectors know the
 * feature (docs/specification.md, 17).
 *
 * The inputs x' of every position are kept [N, n]; I = F' Q~ F'^T is made in blocks of rows and never
 * stored. The conditional correlation (over positions where the feature is active) selects on the outcome
 * and so restricts its range; the others are always made beside it. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/layer_run.h"
#include "linear/best.h"
#include "linear/gemm.h"
#include <bilens/features.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)128)  /* rows of I at a time */
#define CHUNK ((size_t)1024) /* positions at a time, for pre-activations of all features */

/* Every position of every story. */
typedef struct inputs {
    size_t N, n;
    float *x;     /* [N, n] */
    double *size; /* [N] |x'|^2 */
    bool *later;  /* [N] position >= 1 */
    float *pre;   /* [n_features, N] of the asked features */
    bool *active; /* [n_features, N] */
} inputs;

static void inputs_free(inputs *s) {
    free(s->x);
    free(s->size);
    free(s->later);
    free(s->pre);
    free(s->active);
}

typedef struct gathering {
    bl_layer_run *runs;
    const bl_story_ids *stories;
    inputs *to;
} gathering;

static bool gather_story(void *context, size_t i, size_t thread, bl_error *err) {
    const gathering *g = context;
    size_t length, at = g->stories->begin[i], n = g->to->n;
    const int32_t *ids = bl_story_ids_of(g->stories, i, &length);
    if (length == 0) return true;
    if (!bl_layer_run_inputs(&g->runs[thread], ids, length, err)) return false;
    memcpy(g->to->x + at * n, g->runs[thread].x, length * n * sizeof(float));
    for (size_t p = 0; p < length; p++) {
        double sum = 0;
        for (size_t c = 0; c < n; c++)
            sum += (double)g->runs[thread].x[p * n + c] * (double)g->runs[thread].x[p * n + c];
        g->to->size[at + p] = sum;
        g->to->later[at + p] = p > 0;
    }
    return true;
}

/* Pre-activations and activity of the asked features at every position. */
static bool activations(const bl_bilinear *map, const bl_dictionary *out, const bl_feature_options *o,
                        inputs *s, bl_error *err) {
    size_t F = out->F, d = out->d, h = bl_bilinear_hidden(map);
    float *y = bl_alloc(CHUNK * (d + F + 2 * h), sizeof *y, err), *pre = y ? y + CHUNK * d : NULL;
    bool *active = bl_alloc(CHUNK * F, sizeof *active, err), ok = y && active;
    for (size_t at = 0; ok && at < s->N; at += CHUNK) {
        size_t m = s->N - at < CHUNK ? s->N - at : CHUNK;
        bl_layer_run_apply(map, s->x + at * s->n, m, y + CHUNK * (d + F), y);
        bl_dictionary_pre(out, y, m, pre);
        ok = bl_progress_step(&o->progress, "running", at, s->N, err) &&
             bl_dictionary_active(out, pre, m, active, err);
        for (size_t f = 0; ok && f < o->n_features; f++)
            for (size_t p = 0; p < m; p++) {
                s->pre[f * s->N + at + p] = pre[p * F + o->features[f]];
                s->active[f * s->N + at + p] = active[p * F + o->features[f]];
            }
    }
    free(y);
    free(active);
    return ok;
}

static bool gather(const bl_model *model, const bl_bilinear *map, const bl_dictionary *out,
                   const bl_feature_options *o, inputs *s, size_t *n_stories, bl_error *err) {
    bl_story_ids stories = {0};
    gathering g = {.stories = &stories, .to = s};
    size_t count, cells;
    bool ok = bl_story_ids_read(model, o->corpus, o->stories, &o->progress, &stories, err);
    if (!ok) return false;
    s->N = stories.begin[stories.n];
    s->n = bl_bilinear_size(map);
    *n_stories = stories.n;
    if (!bl_mul_size(s->N, s->n, &count)) count = SIZE_MAX;
    if (!bl_mul_size(s->N, o->n_features, &cells)) cells = SIZE_MAX;
    s->x = bl_alloc(count, sizeof *s->x, err);
    s->size = bl_alloc(s->N, sizeof *s->size, err);
    s->later = bl_alloc(s->N, sizeof *s->later, err);
    s->pre = bl_alloc(cells, sizeof *s->pre, err);
    s->active = bl_alloc(cells, sizeof *s->active, err);
    ok = s->x && s->size && s->later && s->pre && s->active;
    if (ok) g.runs = bl_layer_runs_new(model, o->layer, stories.longest, err);
    ok = g.runs && bl_parallel(stories.n, gather_story, &g, err) && activations(map, out, o, s, err);
    bl_layer_runs_free(g.runs);
    bl_story_ids_free(&stories);
    return ok;
}

/* Pearson's correlation of a and z over the positions where `on` (NULL: all); NaN without two points or
 * without variance. */
static double pearson(const double *a, const double *z, const bool *on, size_t N) {
    double n = 0, ma = 0, mz = 0, aa = 0, zz = 0, az = 0;
    for (size_t i = 0; i < N; i++)
        if (!on || on[i]) {
            n++;
            ma += a[i];
            mz += z[i];
        }
    if (n < 2) return (double)NAN;
    ma /= n;
    mz /= n;
    for (size_t i = 0; i < N; i++)
        if (!on || on[i]) {
            aa += (a[i] - ma) * (a[i] - ma);
            zz += (z[i] - mz) * (z[i] - mz);
            az += (a[i] - ma) * (z[i] - mz);
        }
    return aa > 0 && zz > 0 ? az / sqrt(aa * zz) : (double)NAN;
}

typedef struct scored {
    double value;
    bool positive;
} scored;

static int by_value(const void *a, const void *b) {
    double x = ((const scored *)a)->value, y = ((const scored *)b)->value;
    return x < y ? -1 : x > y;
}

/* Probability that a positive scores above a negative, equal ones counting half. work [N]. */
static double auc(const double *z, const bool *on, const bool *later, size_t N, scored *work) {
    size_t n = 0;
    double positive = 0, ranks = 0;
    for (size_t i = 0; i < N; i++) {
        if (!later[i]) continue;
        work[n++] = (scored){z[i], on[i]};
        positive += on[i];
    }
    if (positive == 0 || positive == (double)n) return (double)NAN;
    qsort(work, n, sizeof *work, by_value);
    for (size_t i = 0; i < n;) {
        size_t end = i;
        double here = 0;
        while (end < n && work[end].value == work[i].value) here += work[end++].positive;
        ranks += here * ((double)i + (double)end + 1) / 2; /* mean rank from 1 of equal values */
        i = end;
    }
    return (ranks - positive * (positive + 1) / 2) / (positive * ((double)n - positive));
}

/* What one feature's work needs. */
typedef struct scratch {
    float *q;       /* [n, n] */
    float *basis;   /* [F, n] the in-dictionary's decoder with the constant coordinate 0 */
    float *centre;  /* [n] c' */
    float *half;    /* [F, n] = F' Q~ */
    float *block;   /* [BLOCK, F] */
    size_t *order;  /* [n] by |lambda~| */
    float *sims;    /* [CHUNK, n] */
    double *z, *a;  /* [N] */
    bool *on;       /* [N] */
    scored *scored; /* [N] */
} scratch;

static void scratch_free(scratch *w) {
    void *parts[] = {w->q,    w->basis, w->centre, w->half, w->block, w->order,
                     w->sims, w->z,     w->a,      w->on,   w->scored};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
}

static bool list_init(bl_feature_list *list, size_t n, bl_error *err) {
    list->n = n;
    list->top = bl_alloc(n, sizeof *list->top, err);
    list->bottom = bl_alloc(n, sizeof *list->bottom, err);
    return list->top && list->bottom;
}

/* Both ends of a list, from ids that are b F + c (b for single ones). */
static bool list_fill(bl_feature_list *list, bl_best *top, bl_best *bottom, size_t F, bl_error *err) {
    bl_best_sort(top);
    bl_best_sort(bottom);
    if (!list_init(list, top->n, err)) return false;
    for (size_t i = 0; i < top->n; i++) {
        list->top[i] = (bl_feature_entry){(size_t)top->list[i].id / F, (size_t)top->list[i].id % F,
                                          (double)top->list[i].value};
        list->bottom[i] = (bl_feature_entry){(size_t)bottom->list[i].id / F, (size_t)bottom->list[i].id % F,
                                             -(double)bottom->list[i].value};
    }
    return true;
}

/* self, pairs and the linear part from half = F' Q~. */
static bool interactions(const bl_dictionary *in, size_t n, size_t most, bool has_linear, scratch *w,
                         bl_feature *f, bl_error *err) {
    size_t F = in->F;
    bl_scored *lists = bl_alloc(6 * most, sizeof *lists, err);
    bl_best best[6];
    if (!lists) return false;
    for (size_t i = 0; i < 6; i++) best[i] = bl_best_begin(lists + i * most, most);
    for (size_t b = 0; b < F; b += BLOCK) {
        size_t rows = F - b < BLOCK ? F - b : BLOCK;
        bl_gemm_nt(rows, F, n, 1.0F, w->half + b * n, n, w->basis, n, 0.0F, w->block, F);
        for (size_t r = 0; r < rows; r++) {
            const float *row = w->block + r * F;
            size_t at = b + r;
            bl_best_offer(&best[0], row[at], at * F + at);
            bl_best_offer(&best[1], -row[at], at * F + at);
            bl_best_offer_row(&best[2], 1.0F, row + at + 1, F - at - 1, at * F + at + 1);
            bl_best_offer_row(&best[3], -1.0F, row + at + 1, F - at - 1, at * F + at + 1);
        }
    }
    for (size_t b = 0; has_linear && b < F; b++) {
        double sum = 0;
        for (size_t c = 0; c < n; c++) sum += 2 * (double)w->half[b * n + c] * (double)w->centre[c];
        bl_best_offer(&best[4], (float)sum, b * F + b);
        bl_best_offer(&best[5], -(float)sum, b * F + b);
    }
    f->has_linear = has_linear;
    bool ok = list_fill(&f->self, &best[0], &best[1], F, err) &&
              list_fill(&f->pairs, &best[2], &best[3], F, err) &&
              (!has_linear || list_fill(&f->linear, &best[4], &best[5], F, err));
    free(lists);
    return ok;
}

/* z += the terms of rank `from` … `to` - 1 (by |lambda~|) at every position. */
static void add_terms(const bl_eigen *eigen, const inputs *s, size_t from, size_t to, scratch *w) {
    double shift = bl_eigen_shift(eigen);
    const float *values = bl_eigen_values(eigen);
    for (size_t k = from; k < to; k++) {
        const float *v = bl_eigen_vector(eigen, (long)w->order[k]);
        double lambda = (double)values[w->order[k]] - shift;
        for (size_t at = 0; at < s->N; at += CHUNK) {
            size_t m = s->N - at < CHUNK ? s->N - at : CHUNK;
            bl_gemv_n(m, s->n, 1.0F, s->x + at * s->n, s->n, v, 0.0F, w->sims);
            for (size_t p = 0; p < m; p++) w->z[at + p] += lambda * (double)w->sims[p] * (double)w->sims[p];
        }
    }
}

static void correlate(const inputs *s, size_t which, scratch *w, size_t active, bl_feature_rank *r) {
    const float *pre = s->pre + which * s->N;
    const bool *active_at = s->active + which * s->N;
    for (size_t i = 0; i < s->N; i++) {
        w->a[i] = active_at[i] ? (double)pre[i] : 0;
        w->on[i] = active_at[i] && s->later[i];
    }
    r->active = active < 10 ? (double)NAN : pearson(w->a, w->z, w->on, s->N);
    r->act = pearson(w->a, w->z, s->later, s->N);
    r->auc = auc(w->z, active_at, s->later, s->N, w->scored);
    for (size_t i = 0; i < s->N; i++) w->a[i] = (double)pre[i];
    r->pre = pearson(w->a, w->z, s->later, s->N);
    r->pre_all = pearson(w->a, w->z, NULL, s->N);
}

static bool rank_correlations(const bl_eigen *eigen, const inputs *s, size_t which,
                              const bl_feature_options *o, scratch *w, bl_feature *f, bl_error *err) {
    static const size_t standard[] = {1, 2, 4, 8, 16};
    const size_t *ranks = o->ranks ? o->ranks : standard;
    size_t n_ranks = o->ranks ? o->n_ranks : 5, done = 0;
    f->ranks = bl_alloc(n_ranks, sizeof *f->ranks, err);
    if (!f->ranks) return false;
    for (size_t i = 0; i < s->N; i++) f->active += s->active[which * s->N + i] && s->later[i];
    for (size_t r = 0; r < n_ranks; r++) {
        if (ranks[r] > s->n) continue;
        if (f->n_ranks == 0 || ranks[r] < done) { /* ranks may come in any order */
            for (size_t i = 0; i < s->N; i++) w->z[i] = f->shift * s->size[i];
            done = 0;
        }
        add_terms(eigen, s, done, ranks[r], w);
        done = ranks[r];
        f->ranks[f->n_ranks].rank = ranks[r];
        correlate(s, which, w, f->active, &f->ranks[f->n_ranks++]);
    }
    return true;
}

/* Places by descending |lambda~|, lower index first: the values ascend, so that it is a merge from both
 * ends. */
static void sort_places(const bl_eigen *eigen, size_t *order) {
    const float *l = bl_eigen_values(eigen);
    double shift = bl_eigen_shift(eigen);
    size_t low = 0, high = bl_eigen_size(eigen), n = 0;
    while (low < high) {
        if (fabs((double)l[low] - shift) >= fabs((double)l[high - 1] - shift)) {
            order[n++] = low++;
            continue;
        }
        size_t first = high - 1;
        while (first > low && l[first - 1] == l[high - 1]) first--;
        for (size_t i = first; i < high; i++) order[n++] = i;
        high = first;
    }
}

static bool one_feature(const bl_bilinear *map, const bl_dictionary *in, const bl_dictionary *out,
                        const inputs *s, size_t which, const bl_feature_options *o, bool has_linear,
                        scratch *w, bl_feature *f, bl_error *err) {
    size_t n = bl_bilinear_size(map), a = o->features[which];
    const float *u = out->encoder + a * out->d;
    bl_eigen *eigen = bl_eigen_of(map, u, 0, err);
    bool ok = eigen && bl_bilinear_matrix(map, u, w->q, err);
    if (!ok) goto done;
    *f = (bl_feature){.feature = a,
                      .n = n,
                      .shift = bl_eigen_shift(eigen),
                      .effective_rank = bl_eigen_effective_rank(eigen)};
    f->constant = (double)bl_bilinear_constant(map, u) + (double)out->offset[a];
    f->eigenvalues = bl_alloc(n, sizeof *f->eigenvalues, err);
    ok = f->eigenvalues != NULL;
    if (!ok) goto done;
    memcpy(f->eigenvalues, bl_eigen_values(eigen), n * sizeof(float));
    sort_places(eigen, w->order);
    double all = 0, pair = 0;
    for (size_t i = 0; i < n; i++) {
        double l = (double)f->eigenvalues[w->order[i]] - f->shift;
        all += l * l;
        if (i < 2) pair += l * l;
    }
    f->top_pair_share = all > 0 ? pair / all : 0;
    for (size_t i = 0; i < n; i++) w->q[i * n + i] = (float)((double)w->q[i * n + i] - f->shift);
    bl_gemm_nn(in->F, n, n, 1.0F, w->basis, n, w->q, n, 0.0F, w->half, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            f->offset += (double)w->centre[i] * (double)w->q[i * n + j] * (double)w->centre[j];
    ok = interactions(in, n, o->most, has_linear, w, f, err) &&
         (!s->x || rank_correlations(eigen, s, which, o, w, f, err));
done:
    bl_eigen_free(eigen);
    return ok;
}

static bool scratch_init(scratch *w, const bl_bilinear *map, const bl_dictionary *in, size_t N,
                         bl_error *err) {
    size_t n = bl_bilinear_size(map), cells;
    if (!bl_mul_size(in->F, n, &cells)) cells = SIZE_MAX;
    w->q = bl_alloc(n * n, sizeof *w->q, err);
    w->basis = bl_alloc_zero(cells, sizeof *w->basis, err);
    w->half = bl_alloc(cells, sizeof *w->half, err);
    w->centre = bl_alloc_zero(n, sizeof *w->centre, err);
    w->block = bl_alloc(BLOCK * in->F, sizeof *w->block, err);
    w->order = bl_alloc(n, sizeof *w->order, err);
    w->sims = bl_alloc(CHUNK, sizeof *w->sims, err);
    w->z = bl_alloc(N, sizeof *w->z, err);
    w->a = bl_alloc(N, sizeof *w->a, err);
    w->on = bl_alloc(N, sizeof *w->on, err);
    w->scored = bl_alloc(N, sizeof *w->scored, err);
    if (!w->q || !w->basis || !w->half || !w->centre || !w->block || !w->order || !w->sims || !w->z ||
        !w->a || !w->on || !w->scored)
        return false;
    for (size_t b = 0; b < in->F; b++)
        memcpy(w->basis + b * n, in->decoder + b * in->d, in->d * sizeof(float));
    memcpy(w->centre, in->centre, in->d * sizeof(float));
    if (n > in->d) w->centre[in->d] = 1;
    return true;
}

static bool check(const bl_bilinear *map, const bl_dictionary *in, const bl_dictionary *out,
                  const bl_feature_options *o, bl_error *err) {
    if (in->d != bl_bilinear_in(map) || out->d != bl_bilinear_out(map))
        return bl_fail(err, BL_ERR_INPUT, "%s: its features have %zu numbers, this layer's have %zu",
                       in->d != bl_bilinear_in(map) ? in->name : out->name,
                       in->d != bl_bilinear_in(map) ? in->d : out->d, bl_bilinear_in(map));
    for (size_t i = 0; i < o->n_features; i++)
        if (o->features[i] >= out->F)
            return bl_fail(err, BL_ERR_USAGE, "feature %zu does not exist: %s has 0 to %zu", o->features[i],
                           out->name, out->F - 1);
    return o->n_features > 0 || bl_fail(err, BL_ERR_USAGE, "which features? Name at least one");
}

bl_features *bl_features_of(const bl_model *model, const bl_dictionary *in, const bl_dictionary *out,
                            const bl_feature_options *options, bl_error *err) {
    bl_feature_options o = *options;
    bl_bilinear map;
    inputs s = {0};
    scratch w = {0};
    bool ok = false, has_linear = false;
    bl_error_clear(err);
    if (o.most == 0) o.most = 10;
    if (!bl_model_bilinear(model, o.layer, &map, err) || !check(&map, in, out, &o, err)) return NULL;
    bl_features *features = bl_alloc_zero(1, sizeof *features, err);
    if (!features) return NULL;
    features->list = bl_alloc_zero(o.n_features, sizeof *features->list, err);
    features->corpus = o.corpus != NULL;
    if (!features->list || (o.corpus && !gather(model, &map, out, &o, &s, &features->stories, err)))
        goto done;
    features->positions = s.N;
    if (!scratch_init(&w, &map, in, s.N, err)) goto done;
    for (size_t i = 0; i < bl_bilinear_size(&map); i++) has_linear = has_linear || w.centre[i] != 0;
    for (size_t i = 0; i < o.n_features; i++) {
        features->n = i + 1;
        if (!bl_progress_step(&o.progress, "features", i, o.n_features, err) ||
            !one_feature(&map, in, out, &s, i, &o, has_linear, &w, &features->list[i], err))
            goto done;
    }
    ok = true;
done:
    inputs_free(&s);
    scratch_free(&w);
    if (ok) return features;
    bl_features_free(features);
    return NULL;
}

static void list_free(bl_feature_list *list) {
    free(list->top);
    free(list->bottom);
}

void bl_features_free(bl_features *features) {
    if (!features) return;
    for (size_t i = 0; features->list && i < features->n; i++) {
        bl_feature *f = &features->list[i];
        free(f->eigenvalues);
        free(f->ranks);
        list_free(&f->self);
        list_free(&f->pairs);
        list_free(&f->linear);
    }
    free(features->list);
    free(features);
}
