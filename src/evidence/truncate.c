/* Loss against rank for all tokens at once (docs/specification.md, 10).
 *
 * Every position's input x' is kept, [N, n]. Tokens come in groups: their forms are decomposed, the wanted
 * eigenvectors of the group stand in one factor, and one product gives the similarities of a block of
 * positions with all of them, [positions, tokens * K]. Squares, eigenvalues and ranks follow while the block
 * is in cache; what remains of a position between groups is one running log sum exp per rank. Nothing of
 * size N x V is ever kept.
 *
 * Ties between equal |lambda~|: the lower index first. Within a group of equal eigenvalues the choice of
 * vectors is arbitrary, and so is a truncation inside it. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/order.h"
#include "evidence/layer_run.h"
#include "linear/dots.h"
#include "linear/exp.h"
#include "linear/gate.h"
#include "linear/gemm.h"
#include "linear/product.h"
#include <bilens/truncate.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POSITIONS ((size_t)192)         /* of a block */
#define COLUMNS ((size_t)4096)          /* eigenvectors of a group of tokens */
#define GROUP ((size_t)64)              /* tokens of a group at most */
#define BATCH ((size_t)256)             /* tokens that are decomposed together, in … */
#define BATCH_BYTES ((size_t)512 << 20) /* … so much memory for their forms at most */

/* Running log sum exp: log(sum) + most. */
typedef struct running {
    float most;
    float sum;
} running;

typedef struct run {
    const bl_model *model;
    const bl_truncate_options *options;
    bl_bilinear map;
    bl_story_ids stories;
    bl_layer_run *sites;
    size_t n, d, V, N; /* N predictions */
    size_t *ranks, n_ranks, K, orders;
    size_t curves; /* 1 + orders * n_ranks: without the MLP, then order by order */
    /* per prediction */
    float *x;        /* [N, n] */
    float *written;  /* [N, d] what a surrogate's linear part writes; or NULL */
    float *to_mid;   /* [N] x_mid = to_mid x */
    float *size;     /* [N] |x'|^2 */
    float *scale;    /* [N] s */
    float *post;     /* [N] the scale of a norm behind the MLP, or 1 */
    float *common;   /* [N, 2] behind a cap: what all logits have in common, without the MLP and with it */
    float *mean;     /* [d] of W_U's rows */
    int32_t *target; /* [N] */
    double *full;    /* [N] loss as it is */
    running *sums;   /* [N, curves] */
    float *hit;      /* [N, curves] the target's logit */
    /* a batch of tokens, decomposed together */
    size_t batch;
    float *of_batch;  /* [batch, d] u */
    bl_eigen **eigen; /* [batch] */
    /* a group of them */
    size_t first, tokens, group;
    float *u;        /* [tokens, d] of of_batch */
    float *vectors;  /* [orders * K * tokens, n], the tokens of one place side by side */
    float *lambda;   /* [orders, K, tokens] */
    float *constant; /* [group] u . b_p */
    float *offset;   /* [group] u . m of a surrogate's origin, else 0 */
    float *shift;    /* [group] */
    float *panels;   /* the vectors as a packed factor */
    bl_factor factor;
    float *scratch; /* [threads, POSITIONS, (group * orders * K + group)] */
    float *logits;  /* [threads, curves, group] */
} run;

/* ---- positions ---- */

static bool keep_story(void *context, size_t i, size_t thread, bl_error *err) {
    run *r = context;
    bl_layer_run *site = &r->sites[thread];
    size_t n, first = r->stories.first[i];
    const int32_t *ids = bl_story_ids_of(&r->stories, i, &n);
    if (n < 2) return true;
    bl_view logits = bl_layer_run_logits(site, ids, n, NULL, NULL, err);
    if (!logits.data) return false;
    memcpy(r->x + first * r->n, site->x, (n - 1) * r->n * sizeof *r->x);
    if (r->written)
        bl_gemm_nt(n - 1, r->d, r->d, 1.0F, site->x, r->n, r->map.linear.data, r->map.linear.stride, 0.0F,
                   r->written + first * r->d, r->d);
    for (size_t p = 0; p + 1 < n; p++) {
        const float *x = site->x + p * r->n, *mid = site->mid + p * r->d,
                    *row = logits.data + p * logits.stride;
        double size = 0;
        size_t at = first + p;
        for (size_t c = 0; c < r->n; c++) size += (double)x[c] * (double)x[c];
        r->to_mid[at] =
            bl_model_config(r->model)->normalization ? (float)(1 / bl_final_scale(r->model, mid)) : 1;
        r->size[at] = (float)size;
        const float *end = site->end ? site->end + p * r->d : NULL;
        r->scale[at] = (float)(end ? bl_final_scale(r->model, end) : bl_layer_run_reach(site, p));
        r->post[at] = (float)bl_post_scale(r->model, site->y + p * r->d);
        if (r->common) {
            r->common[2 * at] = r->scale[at] * bl_dot(r->mean, mid, r->d);
            r->common[2 * at + 1] = r->scale[at] * bl_dot(r->mean, end, r->d);
        }
        r->target[at] = ids[p + 1];
        r->full[at] = bl_log_sum_exp(row, logits.cols) - (double)row[ids[p + 1]];
    }
    return true;
}

/* ---- a group of tokens ---- */

/* u_t = W_U[t] - mean of all rows, of `count` tokens. */
static void take_directions(run *r, size_t first, size_t count) {
    bl_view w_u = bl_model_w_u(r->model);
    for (size_t t = 0; t < count; t++)
        for (size_t i = 0; i < r->d; i++)
            r->of_batch[t * r->d + i] = w_u.data[(first + t) * w_u.stride + i] - r->mean[i];
}

/* The vectors and eigenvalues of token t of the group, order by order. */
static bool take_terms(run *r, size_t t, const bl_eigen *eigen, size_t *places, bl_error *err) {
    size_t n = r->n, K = r->K, *chosen = places + n;
    const float *values = bl_eigen_values(eigen);
    bl_random random;
    bl_random_seed(&random, r->options->seed + r->first + t);
    bl_order_by_size(values, n, bl_eigen_shift(eigen), places);
    r->shift[t] = (float)bl_eigen_shift(eigen);
    r->constant[t] = bl_eigen_constant(eigen);
    for (size_t o = 0; o < r->orders; o++) {
        bl_order_take((int)o, places, n, K, &random, chosen);
        for (size_t k = 0; k < K; k++) {
            const float *v = bl_eigen_vector(eigen, (long)chosen[k]);
            size_t column = (o * K + k) * r->tokens + t;
            if (!v) return bl_fail(err, BL_ERR_NUMERIC, "eigenvector %zu was not computed", chosen[k]);
            memcpy(r->vectors + column * n, v, n * sizeof *v);
            r->lambda[column] = (float)((double)values[chosen[k]] - bl_eigen_shift(eigen));
        }
    }
    return true;
}

/* Eigenpairs of `count` tokens. */
static bool decompose_batch(run *r, const bl_decomposer *decomposer, size_t first, size_t count,
                            bl_error *err) {
    size_t k = r->K == 0     ? 1 /* rank 0 alone: shift and constant are of the traces */
             : r->orders > 1 ? 0
                             : r->K;
    take_directions(r, first, count);
    return bl_decomposer_run(decomposer, r->of_batch, count, k, r->eigen, err);
}

/* The group's part of a batch that begins at token `batch`. */
static bool take_group(run *r, size_t batch, bl_error *err) {
    size_t *places = bl_alloc(2 * r->n, sizeof *places, err);
    bool ok = places != NULL;
    r->u = r->of_batch + (r->first - batch) * r->d;
    for (size_t t = 0; t < r->tokens; t++)
        r->offset[t] = r->map.origin ? bl_dot(r->u + t * r->d, r->map.origin, r->d) : 0;
    for (size_t t = 0; ok && t < r->tokens; t++)
        ok = take_terms(r, t, r->eigen[r->first - batch + t], places, err);
    free(places);
    return ok;
}

/* ---- a block of positions with a group of tokens ---- */

/* The running sum takes in a row of logits [tokens]. */
static void take_in(running *sum, const float *row, size_t tokens) {
    float most = sum->most, part = 0;
#pragma omp simd reduction(max : most)
    for (size_t t = 0; t < tokens; t++) most = row[t] > most ? row[t] : most;
#pragma omp simd reduction(+ : part)
    for (size_t t = 0; t < tokens; t++) part += bl_expf(row[t] - most);
    sum->sum = sum->sum * bl_expf(sum->most - most) + part;
    sum->most = most;
}

/* logits [curves, tokens] of one position: a [orders, K, tokens] similarities, base [tokens] = u . x, linear
 * [tokens] what a surrogate's linear part adds, or NULL. The lanes of every loop are tokens. */
static void logits_of_position(const run *r, size_t at, const float *a, const float *base,
                               const float *linear, float *logits) {
    size_t K = r->K, T = r->tokens;
    float s = r->scale[at], to_mid = r->to_mid[at], size = r->size[at], post = s * r->post[at], sum[GROUP];
    for (size_t t = 0; t < T; t++) logits[t] = s * to_mid * (base[t] + r->offset[t]);
    for (size_t o = 0; o < r->orders; o++) {
        size_t k = 0;
        for (size_t t = 0; t < T; t++) sum[t] = r->constant[t] + r->shift[t] * size;
        for (size_t t = 0; linear && t < T; t++) sum[t] += linear[t];
        for (size_t c = 0; c < r->n_ranks; c++) { /* ranks ascend */
            for (; k < r->ranks[c]; k++) {
                const float *lambda = r->lambda + (o * K + k) * T, *similarity = a + (o * K + k) * T;
                for (size_t t = 0; t < T; t++) sum[t] += lambda[t] * similarity[t] * similarity[t];
            }
            float *out = logits + (1 + o * r->n_ranks + c) * T;
            for (size_t t = 0; t < T; t++) out[t] = logits[t] + post * sum[t];
        }
    }
    for (size_t c = 0; r->common && c < r->curves; c++) {
        float common = r->common[2 * at + (c > 0)];
        for (size_t t = 0; t < T; t++) logits[c * T + t] += common;
        bl_cap(r->model->plan.logit_cap, logits + c * T, T);
    }
}

static bool block_of_positions(void *context, size_t i, size_t thread, bl_error *err) {
    run *r = context;
    size_t begin = i * POSITIONS, rows = r->N - begin < POSITIONS ? r->N - begin : POSITIONS,
           width = r->orders * r->K, columns = r->tokens * width;
    float *a = r->scratch + thread * POSITIONS * (r->group * width + 2 * r->group),
          *base = a + POSITIONS * r->group * width, *linear = base + POSITIONS * r->group,
          *logits = r->logits + thread * r->curves * r->group;
    (void)err;
    if (columns) bl_multiply(&r->factor, rows, 1.0F, r->x + begin * r->n, r->n, false, a, columns);
    bl_gemm_nt(rows, r->tokens, r->d, 1.0F, r->x + begin * r->n, r->n, r->u, r->d, 0.0F, base, r->group);
    if (r->written)
        bl_gemm_nt(rows, r->tokens, r->d, 1.0F, r->written + begin * r->d, r->d, r->u, r->d, 0.0F, linear,
                   r->group);
    for (size_t p = 0; p < rows; p++) {
        size_t at = begin + p, hit = (size_t)r->target[at] - r->first;
        logits_of_position(r, at, a + p * columns, base + p * r->group,
                           r->written ? linear + p * r->group : NULL, logits);
        for (size_t c = 0; c < r->curves; c++) {
            take_in(&r->sums[at * r->curves + c], logits + c * r->tokens, r->tokens);
            if (hit < r->tokens) r->hit[at * r->curves + c] = logits[c * r->tokens + hit];
        }
    }
    return true;
}

static bool add_group(run *r, bl_error *err) {
    size_t columns = r->tokens * r->orders * r->K;
    r->factor =
        (bl_factor){.w = r->vectors, .panels = r->panels, .K = r->n, .N = columns, .transposed = true};
    if (columns) {
#pragma omp parallel
        bl_factor_pack(&r->factor);
    }
    return bl_parallel((r->N + POSITIONS - 1) / POSITIONS, block_of_positions, r, err);
}

/* ---- the whole ---- */

/* An allocation of a * b * size bytes. */
static void *room_for(size_t a, size_t b, size_t size, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a, b, &count)) count = SIZE_MAX;
    return bl_alloc(count, size, err);
}

/* Whole groups, each token with its packed form and its eigenvectors. */
static size_t batch_size(const run *r) {
    size_t width = r->K == 0     ? 1
                 : r->orders > 1 ? r->n
                                 : r->K,
           each = (r->n * (r->n + 1) / 2 + width * r->n) * sizeof(float),
           groups = (BATCH_BYTES / each < BATCH ? BATCH_BYTES / each : BATCH) / r->group;
    return r->group * (groups ? groups : 1);
}

static bool run_alloc(run *r, bl_error *err) {
    size_t threads = (size_t)bl_threads(), width = r->orders * r->K;
    r->group = COLUMNS / (width ? width : 1);
    r->group = r->group < 16 ? 16 : r->group > GROUP ? GROUP : r->group / 16 * 16;
    r->x = room_for(r->N, r->n, sizeof *r->x, err);
    r->written = room_for(r->map.linear.data ? r->N : 0, r->d, sizeof *r->written, err);
    r->batch = batch_size(r);
    r->eigen = bl_alloc_zero(r->batch, sizeof(bl_eigen *), err);
    r->offset = room_for(r->group, 1, sizeof *r->offset, err);
    r->to_mid = room_for(r->N, 1, sizeof *r->to_mid, err);
    r->size = room_for(r->N, 1, sizeof *r->size, err);
    r->scale = room_for(r->N, 1, sizeof *r->scale, err);
    r->post = room_for(r->N, 1, sizeof *r->post, err);
    r->mean = room_for(r->d, 1, sizeof *r->mean, err);
    bool capped = r->model->plan.logit_cap > 0 && r->model->plan.post_norms;
    if (capped && !(r->common = room_for(r->N, 2, sizeof *r->common, err))) return false;
    r->target = room_for(r->N, 1, sizeof *r->target, err);
    r->full = room_for(r->N, 1, sizeof *r->full, err);
    r->sums = room_for(r->N, r->curves, sizeof *r->sums, err);
    r->hit = room_for(r->N, r->curves, sizeof *r->hit, err);
    r->of_batch = room_for(r->batch, r->d, sizeof *r->of_batch, err);
    r->vectors = room_for(r->group * width, r->n, sizeof *r->vectors, err);
    r->lambda = room_for(r->group, width, sizeof *r->lambda, err);
    r->constant = room_for(r->group, 1, sizeof *r->constant, err);
    r->shift = room_for(r->group, 1, sizeof *r->shift, err);
    r->panels = room_for(bl_factor_size(r->n, r->group * width), 1, sizeof *r->panels, err);
    r->scratch = room_for(threads * POSITIONS, r->group * width + 2 * r->group, sizeof *r->scratch, err);
    r->logits = room_for(threads * r->curves, r->group, sizeof *r->logits, err);
    const void *parts[] = {r->x,      r->to_mid,   r->size,   r->scale,  r->target,  r->full,     r->sums,
                           r->hit,    r->of_batch, r->eigen,  r->lambda, r->vectors, r->constant, r->shift,
                           r->panels, r->scratch,  r->logits, r->offset, r->written, r->post,     r->mean};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!parts[i]) return false;
    bl_basis basis = bl_model_basis_out(r->model);
    if (!bl_basis_mean(&basis, r->mean, err)) return false;
    if (!r->map.linear.data) {
        free(r->written);
        r->written = NULL;
    }
    for (size_t i = 0; i < r->N * r->curves; i++) r->sums[i] = (running){-INFINITY, 0};
    return true;
}

static void run_free(run *r) {
    void *parts[] = {r->x,        r->to_mid,  r->size,     r->scale,   r->target, r->full,
                     r->sums,     r->hit,     r->of_batch, r->eigen,   r->lambda, r->vectors,
                     r->constant, r->shift,   r->panels,   r->scratch, r->logits, r->ranks,
                     r->offset,   r->written, r->post,     r->common,  r->mean};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    bl_layer_runs_free(r->sites);
    bl_story_ids_free(&r->stories);
}

static double mean_loss(const run *r, size_t curve) {
    double sum = 0;
    for (size_t at = 0; at < r->N; at++) {
        const running *s = &r->sums[at * r->curves + curve];
        sum += (double)s->most + log((double)s->sum) - (double)r->hit[at * r->curves + curve];
    }
    return sum / (double)r->N;
}

/* The curve of one order in the order in which the ranks were asked for. */
static bl_truncated *curve_of(const run *r, int order, double full, double without, bl_error *err) {
    bl_truncated *curve = bl_alloc(r->n_ranks, sizeof *curve, err);
    for (size_t i = 0; curve && i < r->n_ranks; i++) {
        double loss = mean_loss(r, 1 + (size_t)order * r->n_ranks + i), gap = without - full;
        curve[i] = (bl_truncated){r->ranks[i], loss, gap != 0 ? (without - loss) / gap : NAN};
    }
    return curve;
}

static bool finish(const run *r, bl_truncation *out, bl_error *err) {
    double sum = 0;
    for (size_t at = 0; at < r->N; at++) sum += r->full[at];
    out->layer = r->map.layer;
    out->n_ranks = r->n_ranks;
    out->stories = r->stories.n;
    out->predictions = r->N;
    out->full = sum / (double)r->N;
    out->without = mean_loss(r, 0);
    out->by_size = curve_of(r, BL_ORDER_SIZE, out->full, out->without, err);
    if (r->orders > 1) {
        out->random = curve_of(r, BL_ORDER_RANDOM, out->full, out->without, err);
        out->lowest = curve_of(r, BL_ORDER_LOWEST, out->full, out->without, err);
    }
    return out->by_size && (r->orders == 1 || (out->random && out->lowest));
}

static int ascending(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static bool all_tokens(run *r, bl_error *err) {
    bl_decomposer_options options = {.largest = true,
                                     .directions = r->V,
                                     .memory = (size_t)1 << 29,
                                     .progress = r->options->progress};
    bl_decomposer *decomposer = bl_decomposer_new(&r->map, &options, err);
    bool ok = decomposer != NULL;
    for (size_t at = 0; ok && at < r->V; at += r->batch) {
        size_t count = r->V - at < r->batch ? r->V - at : r->batch;
        ok = bl_progress_step(&r->options->progress, "truncating", at, r->V, err) &&
             decompose_batch(r, decomposer, at, count, err);
        for (r->first = at; ok && r->first < at + count; r->first += r->group) {
            r->tokens = at + count - r->first < r->group ? at + count - r->first : r->group;
            ok = bl_progress_step(&r->options->progress, "truncating", r->first, r->V, err) &&
                 take_group(r, at, err) && add_group(r, err);
        }
        for (size_t t = 0; t < count; t++) {
            bl_eigen_free(r->eigen[t]);
            r->eigen[t] = NULL;
        }
    }
    bl_decomposer_free(decomposer);
    return ok;
}

bool bl_truncate(const bl_model *model, bl_corpus *corpus, const bl_truncate_options *options,
                 bl_truncation *out, bl_error *err) {
    static const bl_truncate_options defaults = {0};
    bl_error_clear(err);
    *out = (bl_truncation){0};
    const bl_config *c = bl_model_config(model);
    run r = {.model = model, .options = options ? options : &defaults, .V = c->n_vocab, .d = c->d_model};
    if (model->plan.layer_norm)
        return bl_fail(
            err, BL_ERR_UNSUPPORTED,
            "%s: truncation over all tokens is not possible behind a final LayerNorm; with --token it is",
            bl_model_name(model));
    if (!bl_model_bilinear(model, c->n_layer - 1, &r.map, err)) return false;
    r.n = bl_bilinear_size(&r.map);
    r.orders = r.options->no_controls ? 1 : BL_N_ORDERS;
    r.ranks = bl_rank_list(r.options->ranks, r.options->n_ranks, r.n, &r.n_ranks, err);
    bool ok = r.ranks &&
              bl_story_ids_read(model, corpus, r.options->max_stories, &r.options->progress, &r.stories, err);
    if (ok) {
        qsort(r.ranks, r.n_ranks, sizeof *r.ranks, ascending);
        r.K = r.n_ranks ? r.ranks[r.n_ranks - 1] : 0;
        r.curves = 1 + r.orders * r.n_ranks;
        r.N = r.stories.first[r.stories.n];
        r.sites = bl_layer_runs_new(model, c->n_layer - 1, r.stories.longest, err);
        ok = r.sites && run_alloc(&r, err) && bl_parallel(r.stories.n, keep_story, &r, err) &&
             all_tokens(&r, err) && finish(&r, out, err);
    }
    run_free(&r);
    if (!ok) bl_truncation_free(out);
    return ok;
}

void bl_truncation_free(bl_truncation *truncation) {
    if (!truncation) return;
    free(truncation->by_size);
    free(truncation->random);
    free(truncation->lowest);
    *truncation = (bl_truncation){0};
}
