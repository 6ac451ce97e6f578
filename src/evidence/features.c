/* Forms of output features in the basis of an input dictionary, and how well a few eigenvectors know the
 * feature (docs/specification.md, 17).
 *
 * I = F' Q~ F'^T is symmetric: its upper triangle is made in blocks of rows, threads over blocks, and never
 * stored. The conditional correlation (over positions where the feature is active) selects on the outcome
 * and so restricts its range; the others are always made beside it. */
#include "evidence/features_private.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/order.h"
#include "linear/best.h"
#include "linear/gemm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)64)   /* rows of I at a time */
#define WIDTH ((size_t)512)  /* columns of I at a time */
#define CHUNK ((size_t)1024) /* positions at a time */

static const size_t standard_ranks[] = {1, 2, 4, 8, 16};

const size_t *bl_feature_ranks(const bl_feature_options *o, size_t *n) {
    *n = o->ranks ? o->n_ranks : sizeof standard_ranks / sizeof *standard_ranks;
    return o->ranks ? o->ranks : standard_ranks;
}

size_t bl_feature_pairs(const bl_feature_options *o, size_t n) {
    size_t count, most = 1;
    const size_t *ranks = bl_feature_ranks(o, &count);
    for (size_t r = 0; o->corpus && r < count; r++)
        if (ranks[r] <= n && ranks[r] > most) most = ranks[r];
    return 4 * most >= n ? 0 : most;
}

void bl_feature_figures(const bl_bilinear *map, const bl_dictionary *out, size_t a, const bl_eigen *eigen,
                        size_t *order, bl_feature *f) {
    double all = 0, pair = 0;
    size_t n = bl_eigen_size(eigen);
    const float *values = bl_eigen_values(eigen);
    *f = (bl_feature){.feature = a,
                      .shift = bl_eigen_shift(eigen),
                      .effective_rank = bl_eigen_effective_rank(eigen)};
    f->constant = (double)bl_bilinear_constant(map, out->encoder + a * out->d) + (double)out->offset[a];
    bl_order_by_size(values, n, f->shift, order);
    for (size_t i = 0; i < n; i++) {
        double l = (double)values[order[i]] - f->shift;
        all += l * l;
        if (i < 2) pair += l * l;
    }
    f->top_pair_share = all > 0 ? pair / all : 0;
    /* of equal eigenvalues (zeros of a form of low rank) only those count whose eigenvectors were made */
    for (size_t i = 0, kept = 0; i < n; i++)
        if (bl_eigen_vector(eigen, (long)order[i])) order[kept++] = order[i];
}

/* What one feature's work needs. */
typedef struct scratch {
    float *q;         /* [n, n] */
    float *basis;     /* [F, n] the in-dictionary's decoder with the constant coordinate 0 */
    float *centre;    /* [n] c' */
    float *half;      /* [F, n] = F' Q~ */
    float *block;     /* [threads, BLOCK, WIDTH] */
    float *pre;       /* [N] of the feature */
    bool *active;     /* [N] */
    size_t *order;    /* [n] by |lambda~| */
    float *sims;      /* [CHUNK, n] */
    double *z, *work; /* [N], [2, N] */
    bool *on;         /* [N] */
} scratch;

static void scratch_free(scratch *w) {
    void *parts[] = {w->q,    w->basis, w->centre, w->half, w->block, w->order,
                     w->sims, w->z,     w->work,   w->on,   w->pre,   w->active};
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

enum { SELF, PAIRS, N_KINDS }; /* each with both ends */

typedef struct crossing {
    const scratch *w;
    size_t F, n, most, blocks;
    bl_scored *lists; /* [threads, N_KINDS, 2, most] */
    bl_best *best;    /* [threads, N_KINDS, 2] */
} crossing;

/* A block of rows of the upper triangle of I, from half = F' Q~. */
static bool cross_block(void *context, size_t i, size_t thread, bl_error *err) {
    const crossing *x = context;
    const scratch *w = x->w;
    size_t F = x->F, n = x->n, first = i * BLOCK, rows = F - first < BLOCK ? F - first : BLOCK;
    float *block = w->block + thread * BLOCK * WIDTH;
    bl_best *best = x->best + thread * N_KINDS * 2;
    (void)err;
    for (size_t c = first; c < F; c += WIDTH) {
        size_t cols = F - c < WIDTH ? F - c : WIDTH;
        bl_gemm_nt(rows, cols, n, 1.0F, w->half + first * n, n, w->basis + c * n, n, 0.0F, block, WIDTH);
        for (size_t r = 0; r < rows; r++) {
            const float *row = block + r * WIDTH;
            size_t b = first + r, begin = b + 1 > c ? b + 1 - c : 0; /* behind the diagonal */
            if (b >= c && b - c < cols) {
                bl_best_offer(&best[2 * SELF], row[b - c], b * F + b);
                bl_best_offer(&best[2 * SELF + 1], -row[b - c], b * F + b);
            }
            if (begin >= cols) continue;
            bl_best_offer_row(&best[2 * PAIRS], 1.0F, row + begin, cols - begin, b * F + c + begin);
            bl_best_offer_row(&best[2 * PAIRS + 1], -1.0F, row + begin, cols - begin, b * F + c + begin);
        }
    }
    return true;
}

/* Self-interactions and pairs: each thread keeps the best of its blocks, then they are joined. */
static bool cross(const scratch *w, size_t F, size_t n, size_t most, bl_feature *f, bl_error *err) {
    size_t threads = (size_t)bl_threads(), ends = N_KINDS * 2, room;
    crossing x = {.w = w, .F = F, .n = n, .most = most, .blocks = (F + BLOCK - 1) / BLOCK};
    if (!bl_mul_size(threads * ends, most, &room)) room = SIZE_MAX;
    x.lists = bl_alloc(room, sizeof *x.lists, err);
    x.best = bl_alloc(threads * ends, sizeof *x.best, err);
    bool ok = x.lists && x.best;
    for (size_t i = 0; ok && i < threads * ends; i++) x.best[i] = bl_best_begin(x.lists + i * most, most);
    ok = ok && bl_parallel(x.blocks, cross_block, &x, err);
    for (size_t t = 1; ok && t < threads; t++)
        for (size_t e = 0; e < ends; e++)
            for (size_t i = 0; i < x.best[t * ends + e].n; i++)
                bl_best_offer(&x.best[e], x.best[t * ends + e].list[i].value,
                              x.best[t * ends + e].list[i].id);
    ok = ok && list_fill(&f->self, &x.best[2 * SELF], &x.best[2 * SELF + 1], F, err) &&
         list_fill(&f->pairs, &x.best[2 * PAIRS], &x.best[2 * PAIRS + 1], F, err);
    free(x.lists);
    free(x.best);
    return ok;
}

static bool linear_part(const scratch *w, size_t F, size_t n, size_t most, bl_feature *f, bl_error *err) {
    bl_scored *lists = bl_alloc(2 * most, sizeof *lists, err);
    if (!lists) return false;
    bl_best top = bl_best_begin(lists, most), bottom = bl_best_begin(lists + most, most);
    for (size_t b = 0; b < F; b++) {
        double sum = 0;
        for (size_t c = 0; c < n; c++) sum += 2 * (double)w->half[b * n + c] * (double)w->centre[c];
        bl_best_offer(&top, (float)sum, b * F + b);
        bl_best_offer(&bottom, -(float)sum, b * F + b);
    }
    bool ok = list_fill(&f->linear, &top, &bottom, F, err);
    free(lists);
    return ok;
}

/* z += the terms of rank `from` … `to` - 1 (by |lambda~|) at every position. */
static void add_terms(const bl_eigen *eigen, const bl_feature_inputs *s, size_t from, size_t to, scratch *w) {
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

static bool rank_correlations(const bl_eigen *eigen, const bl_feature_inputs *s, const bl_dictionary *out,
                              const bl_feature_options *o, scratch *w, bl_feature *f, bl_error *err) {
    size_t n_ranks, done = 0;
    const size_t *ranks = bl_feature_ranks(o, &n_ranks);
    f->ranks = bl_alloc(n_ranks, sizeof *f->ranks, err);
    if (!f->ranks || !bl_feature_inputs_pre(s, out, &f->feature, 1, w->pre, w->active, err)) return false;
    for (size_t i = 0; i < s->N; i++) f->active += w->active[i] && s->later[i];
    for (size_t r = 0; r < n_ranks; r++) {
        if (ranks[r] > s->n) continue;
        if (f->n_ranks == 0 || ranks[r] < done) { /* ranks may come in any order */
            for (size_t i = 0; i < s->N; i++) w->z[i] = f->shift * s->size[i];
            done = 0;
        }
        add_terms(eigen, s, done, ranks[r], w);
        done = ranks[r];
        f->ranks[f->n_ranks].rank = ranks[r];
        bl_feature_correlate(s, w->pre, w->active, w->z, f->active, w->work, w->on, &f->ranks[f->n_ranks++]);
    }
    return true;
}

static bool one_feature(const bl_bilinear *map, const bl_dictionary *in, const bl_dictionary *out,
                        const bl_feature_inputs *s, size_t a, const bl_feature_options *o, bool has_linear,
                        scratch *w, bl_feature *f, bl_error *err) {
    size_t n = bl_bilinear_size(map);
    const float *u = out->encoder + a * out->d;
    bl_eigen *eigen = bl_eigen_of(map, u, bl_feature_pairs(o, n), err);
    bool ok = eigen && bl_bilinear_matrix(map, u, w->q, err);
    if (ok) {
        bl_feature_figures(map, out, a, eigen, w->order, f);
        f->n = n;
        f->eigenvalues = bl_alloc(n, sizeof *f->eigenvalues, err);
        ok = f->eigenvalues != NULL;
    }
    if (!ok) goto done;
    memcpy(f->eigenvalues, bl_eigen_values(eigen), n * sizeof(float));
    for (size_t i = 0; i < n; i++) w->q[i * n + i] = (float)((double)w->q[i * n + i] - f->shift);
    bl_gemm_nn(in->F, n, n, 1.0F, w->basis, n, w->q, n, 0.0F, w->half, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            f->offset += (double)w->centre[i] * (double)w->q[i * n + j] * (double)w->centre[j];
    f->has_linear = has_linear;
    ok = cross(w, in->F, n, o->most, f, err) && (!has_linear || linear_part(w, in->F, n, o->most, f, err)) &&
         (!s->x || rank_correlations(eigen, s, out, o, w, f, err));
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
    w->block = bl_alloc((size_t)bl_threads() * BLOCK * WIDTH, sizeof *w->block, err);
    w->order = bl_alloc(n, sizeof *w->order, err);
    w->sims = bl_alloc(CHUNK, sizeof *w->sims, err);
    w->z = bl_alloc(N, sizeof *w->z, err);
    w->work = bl_alloc(2 * N, sizeof *w->work, err);
    w->on = bl_alloc(N, sizeof *w->on, err);
    w->pre = bl_alloc(N, sizeof *w->pre, err);
    w->active = bl_alloc(N, sizeof *w->active, err);
    const void *parts[] = {w->q,    w->basis, w->half, w->centre, w->block, w->order,
                           w->sims, w->z,     w->work, w->on,     w->pre,   w->active};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!parts[i]) return false;
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

bool bl_features_with_lists(const bl_bilinear *map, const bl_dictionary *in, const bl_dictionary *out,
                            const bl_feature_options *o, const bl_feature_inputs *s, bl_features *features,
                            bl_error *err) {
    scratch w = {0};
    bool ok = scratch_init(&w, map, in, s->N, err), has_linear = false;
    for (size_t i = 0; ok && i < bl_bilinear_size(map); i++) has_linear = has_linear || w.centre[i] != 0;
    features->list = ok ? bl_alloc_zero(o->n_features, sizeof *features->list, err) : NULL;
    ok = features->list != NULL;
    for (size_t i = 0; ok && i < o->n_features; i++) {
        features->n = i + 1;
        ok = bl_progress_step(&o->progress, "features", i, o->n_features, err) &&
             one_feature(map, in, out, s, o->features[i], o, has_linear, &w, &features->list[i], err);
    }
    scratch_free(&w);
    return ok;
}

bl_features *bl_features_of(const bl_model *model, const bl_dictionary *in, const bl_dictionary *out,
                            const bl_feature_options *options, bl_error *err) {
    bl_feature_options o = *options;
    bl_bilinear map;
    bl_feature_inputs s = {0};
    bl_error_clear(err);
    if (o.most == 0) o.most = 10;
    if (!bl_model_bilinear(model, o.layer, &map, err) || !check(&map, in, out, &o, err)) return NULL;
    bl_features *features = bl_alloc_zero(1, sizeof *features, err);
    if (!features) return NULL;
    features->corpus = o.corpus != NULL;
    features->table = o.table;
    bool ok = !o.corpus || bl_feature_inputs_gather(model, &map, out, &o, &s, &features->stories, err);
    features->positions = s.N;
    ok = ok && (o.table ? bl_feature_table(&map, out, &o, &s, features, err)
                        : bl_features_with_lists(&map, in, out, &o, &s, features, err));
    bl_feature_inputs_free(&s);
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
