/* A row per feature of a dictionary: effective rank, share of the top pair and, on a corpus, how well the K
 * largest eigenvectors know it (docs/specification.md, 17). Features are taken in batches: decomposed
 * together, their eigenvectors multiplied with all inputs in one product, then threads over features. Of
 * several ranks each takes a run of features. */
#include "evidence/features_private.h"
#include "base/memory.h"
#include "base/ranks.h"
#include "base/threads.h"
#include "linear/gemm.h"
#include <stdlib.h>
#include <string.h>

#define BATCH ((size_t)64) /* features that are decomposed together */
#define MEMORY ((size_t)1 << 29)
#define FIGURES 5 /* of a rank */

typedef struct table {
    const bl_bilinear *map;
    const bl_dictionary *out;
    const bl_feature_options *o;
    const bl_feature_inputs *s;
    const size_t *ranks;  /* [n_ranks] as asked for, those above n left out */
    size_t n, n_ranks, K; /* K: the largest */
    bl_eigen *eigen[BATCH];
    size_t which[BATCH];
    float *u;         /* [BATCH, d] */
    size_t *order;    /* [threads, n] */
    float *vectors;   /* [K, n] of one feature, threads times */
    float *sims;      /* [threads, N, K] */
    float *pre;       /* [BATCH, N] */
    bool *active;     /* [BATCH, N] */
    double *z, *work; /* [threads, N], [threads, 2, N] */
    bool *on;         /* [threads, N] */
    bl_feature *list; /* of the batch */
} table;

static void table_free(table *t) {
    void *parts[] = {t->u, t->order, t->vectors, t->sims, t->pre, t->active, t->z, t->work, t->on};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
}

static void *room(size_t a, size_t b, size_t size, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a, b, &count)) count = SIZE_MAX;
    return bl_alloc(count, size, err);
}

static bool table_init(table *t, bl_error *err) {
    size_t threads = (size_t)bl_threads(), N = t->s->N;
    t->u = room(BATCH, t->out->d, sizeof *t->u, err);
    t->order = room(threads, t->n, sizeof *t->order, err);
    t->vectors = room(threads * t->K, t->n, sizeof *t->vectors, err);
    t->sims = room(threads * t->K, N, sizeof *t->sims, err);
    t->pre = room(BATCH, N, sizeof *t->pre, err);
    t->active = room(BATCH, N, sizeof *t->active, err);
    t->z = room(threads, N, sizeof *t->z, err);
    t->work = room(threads * 2, N, sizeof *t->work, err);
    t->on = room(threads, N, sizeof *t->on, err);
    return t->u && t->order && t->vectors && t->sims && t->pre && t->active && t->z && t->work && t->on;
}

/* One feature of the batch: its figures, then zhat rank by rank. */
static bool row(void *context, size_t i, size_t thread, bl_error *err) {
    const table *t = context;
    const bl_feature_inputs *s = t->s;
    size_t N = s->N, n = t->n, K = t->K, *order = t->order + thread * n;
    bl_feature *f = &t->list[i];
    bl_feature_figures(t->map, t->out, t->which[i], t->eigen[i], order, f);
    if (!s->x) return true;
    float *vectors = t->vectors + thread * K * n, *sims = t->sims + thread * K * N;
    const float *pre = t->pre + i * N, *values = bl_eigen_values(t->eigen[i]);
    const bool *active = t->active + i * N;
    double *z = t->z + thread * N;
    f->ranks = bl_alloc(t->n_ranks, sizeof *f->ranks, err);
    if (!f->ranks) return false;
    for (size_t k = 0; k < K; k++)
        memcpy(vectors + k * n, bl_eigen_vector(t->eigen[i], (long)order[k]), n * sizeof *vectors);
    if (K > 0) bl_gemm_nt(K, N, n, 1.0F, vectors, n, s->x, n, 0.0F, sims, N);
    for (size_t p = 0; p < N; p++) f->active += active[p] && s->later[p];
    for (size_t r = 0, done = 0; r < t->n_ranks; r++) {
        if (r == 0 || t->ranks[r] < done) {
            for (size_t p = 0; p < N; p++) z[p] = f->shift * s->size[p];
            done = 0;
        }
        for (; done < t->ranks[r]; done++) {
            double lambda = (double)values[order[done]] - f->shift;
            const float *sim = sims + done * N;
            for (size_t p = 0; p < N; p++) z[p] += lambda * (double)sim[p] * (double)sim[p];
        }
        f->ranks[f->n_ranks].rank = t->ranks[r];
        bl_feature_correlate(s, pre, active, z, f->active, t->work + thread * 2 * N, t->on + thread * N,
                             &f->ranks[f->n_ranks++]);
    }
    return true;
}

/* Features which[0 … m-1]. */
static bool batch(table *t, const bl_decomposer *decomposer, size_t m, bl_error *err) {
    size_t d = t->out->d;
    for (size_t i = 0; i < m; i++) {
        memcpy(t->u + i * d, t->out->encoder + t->which[i] * d, d * sizeof *t->u);
        t->eigen[i] = NULL;
    }
    bool ok = bl_decomposer_run(decomposer, t->u, m, bl_feature_pairs(t->o, t->n), t->eigen, err) &&
              (!t->s->x || bl_feature_inputs_pre(t->s, t->out, t->which, m, t->pre, t->active, err)) &&
              bl_parallel(m, row, t, err);
    for (size_t i = 0; i < m; i++) bl_eigen_free(t->eigen[i]);
    return ok;
}

/* The rows of all ranks, on all of them: numbers of one row are `width` doubles. */
static bool join(const bl_ranks *ranks, const table *t, bl_range mine, bl_features *features, bl_error *err) {
    size_t width = 6 + t->n_ranks * FIGURES, total = features->n;
    double *flat = room(mine.end - mine.begin, width, sizeof *flat, err);
    bl_gathered all = {0};
    bool ok = bl_ranks_agree(ranks, flat != NULL, err);
    for (size_t i = mine.begin; ok && flat && features->list && i < mine.end; i++) {
        const bl_feature *f = &features->list[i];
        double *to = flat + (i - mine.begin) * width;
        to[0] = f->constant, to[1] = f->shift, to[2] = f->effective_rank, to[3] = f->top_pair_share;
        to[4] = (double)f->active, to[5] = (double)f->n_ranks;
        for (size_t r = 0; r < f->n_ranks; r++) {
            const bl_feature_rank *k = &f->ranks[r];
            double *at = to + 6 + r * FIGURES;
            at[0] = k->active, at[1] = k->act, at[2] = k->pre, at[3] = k->pre_all, at[4] = k->auc;
        }
    }
    ok = ok && bl_ranks_gather_all(ranks, flat, (mine.end - mine.begin) * width * sizeof *flat, &all, err);
    for (size_t i = 0; ok && i < total; i++) {
        bl_feature *f = &features->list[i];
        double from[6 + FIGURES * 64];
        if (i >= mine.begin && i < mine.end) continue;
        memcpy(from, all.data + i * width * sizeof *from, width * sizeof *from);
        *f = (bl_feature){.feature = t->o->features[i],
                          .constant = from[0],
                          .shift = from[1],
                          .effective_rank = from[2],
                          .top_pair_share = from[3],
                          .active = (size_t)from[4]};
        f->ranks = bl_alloc(t->n_ranks, sizeof *f->ranks, err);
        ok = f->ranks != NULL;
        for (; ok && f->n_ranks < (size_t)from[5]; f->n_ranks++) {
            const double *at = from + 6 + f->n_ranks * FIGURES;
            f->ranks[f->n_ranks] = (bl_feature_rank){t->ranks[f->n_ranks], at[0], at[1], at[2], at[3], at[4]};
        }
    }
    bl_gathered_free(&all);
    free(flat);
    return bl_ranks_agree(ranks, ok, err);
}

bool bl_feature_table(const bl_bilinear *map, const bl_dictionary *out, const bl_feature_options *o,
                      const bl_feature_inputs *s, bl_features *features, bl_error *err) {
    bl_ranks ranks = {0, 1};
    size_t count, kept[64];
    const size_t *asked = bl_feature_ranks(o, &count);
    table t = {.map = map, .out = out, .o = o, .s = s, .ranks = kept, .n = bl_bilinear_size(map)};
    for (size_t r = 0; s->x && r < count && t.n_ranks < 64; r++)
        if (asked[r] <= t.n) {
            kept[t.n_ranks++] = asked[r];
            if (asked[r] > t.K) t.K = asked[r];
        }
    if (!bl_ranks_join(&ranks, o->distributed, err)) return false;
    bl_range mine = bl_part(o->n_features, (size_t)ranks.rank, (size_t)ranks.size);
    bl_decomposer_options how = {.directions = o->n_features, .memory = MEMORY, .progress = o->progress};
    bl_decomposer *decomposer = bl_decomposer_new(map, &how, err);
    bool ok = decomposer && table_init(&t, err);
    features->list = ok ? bl_alloc_zero(o->n_features, sizeof *features->list, err) : NULL;
    ok = features->list != NULL;
    features->n = ok ? o->n_features : 0;
    for (size_t i = mine.begin; ok && i < mine.end; i += BATCH) {
        size_t m = mine.end - i < BATCH ? mine.end - i : BATCH;
        for (size_t j = 0; j < m; j++) t.which[j] = o->features[i + j];
        t.list = features->list + i;
        ok = bl_progress_step(&o->progress, "features", i - mine.begin, mine.end - mine.begin, err) &&
             batch(&t, decomposer, m, err);
    }
    bl_decomposer_free(decomposer);
    ok = bl_ranks_agree(&ranks, ok, err) && (ranks.size == 1 || join(&ranks, &t, mine, features, err));
    table_free(&t);
    return ok;
}
