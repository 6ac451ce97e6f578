/* Fitting surrogates (docs/specification.md, 19), layer by layer, all stories through one layer before
 * the next:
 *
 *   1. attention and the MLP; moments of every unit, sums of x, y; the units' least squares
 *   2. r = P (h - c(g, u)), what the units leave; S = Σ z zᵀ, Σ z rᵀ, Σ z yᵀ (the linear map
 * alone), z = x - x̄;
 *      the two ridge regressions
 *   3. squares of y - ŷ and y - ŷ_linear, on both corpora
 *   4. the held-out loss with this layer's MLP replaced, from here on; in the end that with all replaced
 *
 * What is kept of every position is the stream, and of the layer at hand the stream before its MLP, the MLP's
 * input, its output and r: 5 d numbers. The products run over PASS rows of whole stories, each on all
 * threads. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "decompose/surrogate_private.h"
#include "evidence/surrogate_solve.h"
#include "linear/gemm.h"
#include "model/block.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHEAP 0.02         /* a mean that costs less proves nothing */
#define PASS ((size_t)768) /* rows of a pass, if no story is longer */

typedef enum replacement { MEAN, LINEAR, SURROGATE } replacement;

/* One corpus on its way through the model. */
typedef struct stories {
    const bl_story_tokens *tokens;
    size_t n;                             /* positions */
    double counted;                       /* without each story's first */
    bool *skip;                           /* [n] a story's first position */
    float *stream;                        /* [n, d] in front of the layer; behind it when the layer is done */
    float *mid;                           /* [n, d] in front of the layer's MLP */
    float *x, *y;                         /* [n, d] of the layer at hand: the MLP's input, its output */
    float *left;                          /* [n, d] r, what the units leave of it */
    double off, off_linear, square, *sum; /* of y - ŷ, y - ŷ_linear, y; Σ y [d] */
} stories;

typedef struct fit {
    const bl_model *model;
    bl_surrogate *out;
    size_t d, h;
    stories fit, valid;
    float **alone;     /* [layers] [d, d+1] the linear map alone */
    double *sums;      /* [BL_UNIT_SUMS, h] */
    double *x, *y, *r; /* [d] means of input, output and what the units leave */
    double *s;         /* [3, d, d] Σ z zᵀ, Σ z rᵀ, Σ z yᵀ */
    float *product;    /* [d, d] */
    float *replaced;   /* [valid.n, d] the stream with one layer's MLP replaced */
    double *losses;    /* [held-out stories] of a pass */
    double loss;       /* their sum over all passes */
    replacement by;    /* what stands for the MLPs that are replaced */
    bl_workspace *workspace;
    bl_progress *progress;
    size_t steps; /* of the progress bar that are done */
} fit;

/* ---- passes ---- */

/* Calls work for some stories at a time; `from` is the first one's first row. */
typedef bool (*pass_fn)(fit *f, stories *s, const bl_block_pass *pass, size_t from, size_t layer,
                        bl_error *err);

static bool each_pass(fit *f, stories *s, size_t layer, pass_fn work, bl_error *err) {
    const size_t *begin = s->tokens->begin;
    for (size_t i = 0, n; i < s->tokens->n; i += n) {
        bl_block_pass pass;
        n = bl_forward_together(f->model, begin + i, s->tokens->n - i, PASS);
        if (begin[i + n] == begin[i]) continue;
        if (!bl_progress_step(f->progress, "fitting", f->steps, 2 * f->model->config.n_layer, err) ||
            !bl_forward_stories(f->model, f->workspace, begin + i, n, &pass, err) ||
            !work(f, s, &pass, begin[i] - begin[0], layer, err))
            return false;
    }
    return true;
}

static void copy(float *to, const float *from, size_t rows, size_t d) {
    memcpy(to, from, rows * d * sizeof *to);
}

static bool embed(fit *f, stories *s, const bl_block_pass *pass, size_t from, size_t layer, bl_error *err) {
    (void)layer, (void)err;
    bl_pass_embed(pass, s->tokens->ids + s->tokens->begin[0] + from);
    copy(s->stream + from * f->d, pass->state->x, pass->n, f->d);
    return true;
}

static bl_unit_rows units_of(const fit *f, const stories *s, const bl_block_pass *pass, size_t from) {
    return (bl_unit_rows){.n = pass->n,
                          .h = f->h,
                          .plain = f->model->config.plain,
                          .pre = pass->state->pre,
                          .hidden = pass->state->hidden,
                          .skip = s->skip + from};
}

/* The layer as it is; keeps what the MLP reads and writes. */
static bool advance(fit *f, stories *s, const bl_block_pass *pass, size_t from, size_t layer, bl_error *err) {
    bl_rows_state *state = pass->state;
    size_t d = f->d, n = pass->n, at = from * d;
    (void)err;
    copy(state->x, s->stream + at, n, d);
    bl_pass_attention(pass, layer);
    copy(s->x + at, state->y, n, d);
    copy(s->mid + at, state->mid, n, d);
    bl_pass_hidden(pass, layer);
    bl_unit_rows units = units_of(f, s, pass, from);
    if (s == &f->fit) bl_unit_sums_add(&units, f->sums);
    bl_pass_out(pass, layer);
    copy(s->y + at, state->out, n, d);
    bl_pass_add(pass, layer);
    copy(s->stream + at, state->x, n, d);
    return true;
}

static bl_surrogate_layer *fitted(const fit *f, size_t layer) {
    for (size_t i = 0; i < f->out->n; i++)
        if (f->out->layers[i].layer == layer) return &f->out->layers[i];
    return NULL;
}

/* The hidden units of a pass whose positions count become h - c(g, u), or c(g, u) itself. */
static void change_units(const fit *f, const stories *s, const bl_block_pass *pass, size_t from,
                         const bl_surrogate_layer *l, bool itself) {
    size_t h = f->h, w = f->model->config.plain ? h : 2 * h;
    const float *c = l->coefficients, *pre = pass->state->pre;
    if (!pre) return;
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < pass->n; p++) {
        const float *g = pre + p * w, *u = w > h ? g + h : NULL;
        float *hidden = pass->state->hidden + p * h;
        for (size_t k = 0; !s->skip[from + p] && k < h; k++) {
            float b = u ? u[k] : 0, value = c[k] +
                                            g[k] * (c[h + k] + c[3 * h + k] * b + c[4 * h + k] * g[k]) +
                                            b * (c[2 * h + k] + c[5 * h + k] * b);
            hidden[k] = itself ? value : hidden[k] - value;
        }
    }
}

/* left = r, 0 where a story begins. */
static bool leave(fit *f, stories *s, const bl_block_pass *pass, size_t from, size_t layer, bl_error *err) {
    size_t d = f->d;
    float *left = s->left + from * d;
    (void)err;
    copy(pass->state->y, s->x + from * d, pass->n, d);
    bl_pass_hidden(pass, layer);
    change_units(f, s, pass, from, fitted(f, layer), false);
    bl_matrix_times(&f->model->blocks[layer].p, pass->state->hidden, pass->n, false, left, d,
                    &pass->state->scratch);
    for (size_t p = 0; p < pass->n; p++)
        if (s->skip[from + p]) memset(left + p * d, 0, d * sizeof *left);
    return true;
}

/* ---- one layer's fit ---- */

/* sum [d] = the mean of rows that count. */
static void mean_of(const fit *f, const stories *s, const float *rows, double *sum) {
    memset(sum, 0, f->d * sizeof *sum);
    for (size_t p = 0; p < s->n; p++)
        for (size_t i = 0; !s->skip[p] && i < f->d; i++) sum[i] += (double)rows[p * f->d + i];
    for (size_t i = 0; i < f->d; i++) sum[i] /= s->counted;
}

/* sum [d, d] += aᵀ b of n rows. */
static void add_product(const fit *f, const float *a, const float *b, size_t n, double *sum) {
    size_t d = f->d;
    bl_gemm_tn(d, d, n, 1.0F, a, d, b, d, 0.0F, f->product, d);
    for (size_t i = 0; i < d * d; i++) sum[i] += (double)f->product[i];
}

/* S, Σ z rᵀ, Σ z yᵀ; z, 0 where a story begins, in the state's y. */
static bool add_sums(fit *f, stories *s, const bl_block_pass *pass, size_t from, size_t layer,
                     bl_error *err) {
    size_t d = f->d;
    float *z = pass->state->y;
    (void)layer, (void)err;
    for (size_t p = 0; p < pass->n; p++)
        for (size_t i = 0; i < d; i++)
            z[p * d + i] = s->skip[from + p] ? 0 : s->x[(from + p) * d + i] - (float)f->x[i];
    add_product(f, z, z, pass->n, f->s);
    add_product(f, z, s->left + from * d, pass->n, f->s + d * d);
    add_product(f, z, s->y + from * d, pass->n, f->s + 2 * d * d);
    return true;
}

/* out [n, d] = B [x; 1]. */
static void linear_of(const float *b, size_t d, const float *x, size_t n, float *out) {
    bl_gemm_nt(n, d, d, 1.0F, x, d, b, d + 1, 0.0F, out, d);
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < d; i++) out[p * d + i] += b[i * (d + 1) + d];
}

/* Squares of what the surrogate and the linear map alone leave. */
static bool add_squares(fit *f, stories *s, const bl_block_pass *pass, size_t from, size_t layer,
                        bl_error *err) {
    const bl_surrogate_layer *l = fitted(f, layer);
    size_t d = f->d, at = from * d;
    float *linear = pass->state->mid, *alone = pass->state->out;
    (void)err;
    linear_of(l->linear, d, s->x + at, pass->n, linear);
    linear_of(f->alone[l - f->out->layers], d, s->x + at, pass->n, alone);
    for (size_t p = 0; p < pass->n; p++)
        for (size_t i = 0; !s->skip[from + p] && i < d; i++) {
            double truth = (double)s->y[at + p * d + i],
                   off = (double)s->left[at + p * d + i] - (double)linear[p * d + i],
                   off_linear = truth - (double)alone[p * d + i];
            s->off += off * off;
            s->off_linear += off_linear * off_linear;
            s->square += truth * truth;
            s->sum[i] += truth;
        }
    return true;
}

/* 1 - off / Σ|y - ȳ|², ȳ of the same positions. */
static double share(const stories *s, double off, size_t d) {
    double variance = s->square;
    for (size_t i = 0; i < d; i++) variance -= s->sum[i] * s->sum[i] / s->counted;
    return 1 - off / variance;
}

static bool measure(fit *f, stories *s, size_t layer, bl_error *err) {
    s->off = s->off_linear = s->square = 0;
    memset(s->sum, 0, f->d * sizeof *s->sum);
    return each_pass(f, s, layer, add_squares, err);
}

static bool fit_layer(fit *f, bl_surrogate_layer *l, bl_error *err) {
    size_t d = f->d, layer = l->layer;
    float *alone = f->alone[l - f->out->layers];
    if (!bl_unit_sums_solve(f->sums, f->h, f->model->config.plain, l->coefficients, err)) return false;
    mean_of(f, &f->fit, f->fit.x, f->x);
    mean_of(f, &f->fit, f->fit.y, f->y);
    for (size_t i = 0; i < d; i++) {
        l->origin[i] = (float)f->x[i];
        l->mean[i] = (float)f->y[i];
    }
    memset(f->s, 0, 3 * d * d * sizeof *f->s);
    if (!each_pass(f, &f->fit, layer, leave, err) || !each_pass(f, &f->valid, layer, leave, err) ||
        !each_pass(f, &f->fit, layer, add_sums, err))
        return false;
    mean_of(f, &f->fit, f->fit.left, f->r);
    if (!bl_ridge_solve(f->s, f->s + d * d, d, f->x, f->r, l->linear, err) ||
        !bl_ridge_solve(f->s, f->s + 2 * d * d, d, f->x, f->y, alone, err))
        return false;
    if (!measure(f, &f->fit, layer, err) || !measure(f, &f->valid, layer, err)) return false;
    l->r2_fit = share(&f->fit, f->fit.off, d);
    l->r2 = share(&f->valid, f->valid.off, d);
    l->r2_linear = share(&f->valid, f->valid.off_linear, d);
    return true;
}

/* ---- losses with MLPs replaced ---- */

/* The stream behind the layer with its MLP replaced, but for the stories' first positions. */
static bool replace_one(fit *f, stories *s, const bl_block_pass *pass, size_t from, size_t layer,
                        bl_error *err) {
    const bl_surrogate_layer *l = fitted(f, layer);
    bl_rows_state *state = pass->state;
    size_t d = f->d, n = pass->n, at = from * d;
    (void)err;
    copy(state->mid, s->mid + at, n, d);
    copy(state->out, s->y + at, n, d);
    if (f->by == SURROGATE) linear_of(l->linear, d, s->x + at, n, state->read);
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; !s->skip[from + p] && i < d; i++) {
            float *out = &state->out[p * d + i];
            *out = f->by == MEAN ? l->mean[i] : *out - s->left[at + p * d + i] + state->read[p * d + i];
        }
    bl_pass_add(pass, layer);
    copy(f->replaced + at, state->x, n, d);
    return true;
}

/* Adds a pass's losses to those of all. */
static bool add_losses(fit *f, const stories *s, const bl_block_pass *pass, size_t from, bl_error *err) {
    const int32_t *ids = s->tokens->ids + s->tokens->begin[0] + from;
    if (!bl_pass_losses(pass, ids, f->losses, err)) return false;
    for (size_t i = 0; i < pass->stories; i++) f->loss += f->losses[i];
    return true;
}

/* Runs on from f->replaced, the stream in front of `layer`. */
static bool run_on(fit *f, stories *s, const bl_block_pass *pass, size_t from, size_t layer, bl_error *err) {
    copy(pass->state->x, f->replaced + from * f->d, pass->n, f->d);
    for (size_t i = layer; i < f->model->config.n_layer; i++) {
        bl_pass_attention(pass, i);
        bl_pass_mlp(pass, i);
    }
    return add_losses(f, s, pass, from, err);
}

/* A pass's MLP, replaced but for the stories' first positions. */
static void replaced_mlp(const fit *f, const stories *s, const bl_block_pass *pass, size_t from,
                         size_t layer) {
    const bl_surrogate_layer *l = fitted(f, layer);
    bl_rows_state *state = pass->state;
    size_t d = f->d, n = pass->n;
    const float *linear = f->by == LINEAR ? f->alone[l - f->out->layers] : l->linear;
    bl_pass_hidden(pass, layer);
    if (f->by == SURROGATE) change_units(f, s, pass, from, l, true);
    bl_pass_out(pass, layer);
    if (f->by != MEAN) linear_of(linear, d, state->y, n, state->read);
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; !s->skip[from + p] && i < d; i++) {
            float *out = &state->out[p * d + i];
            *out = (f->by == MEAN ? l->mean[i] : state->read[p * d + i]) + (f->by == SURROGATE ? *out : 0);
        }
    bl_pass_add(pass, layer);
}

/* All layers, every MLP replaced. */
static bool replace_all(fit *f, stories *s, const bl_block_pass *pass, size_t from, size_t layer,
                        bl_error *err) {
    (void)layer;
    bl_pass_embed(pass, s->tokens->ids + s->tokens->begin[0] + from);
    for (size_t i = 0; i < f->model->config.n_layer; i++) {
        bl_pass_attention(pass, i);
        replaced_mlp(f, s, pass, from, i);
    }
    return add_losses(f, s, pass, from, err);
}

/* *loss = the mean loss per prediction of what `work` adds up over the held-out stories. */
static bool loss_of(fit *f, size_t layer, replacement by, pass_fn work, double *loss, bl_error *err) {
    f->loss = 0;
    f->by = by;
    if (!each_pass(f, &f->valid, layer, work, err)) return false;
    *loss = f->loss / f->valid.counted;
    return true;
}

static bool replace_layer(fit *f, bl_surrogate_layer *l, bl_error *err) {
    double *const losses[] = {[MEAN] = &l->loss_mean, [SURROGATE] = &l->loss_surrogate};
    for (replacement by = MEAN; by <= SURROGATE; by++) {
        if (by == LINEAR) continue;
        f->by = by;
        if (!each_pass(f, &f->valid, l->layer, replace_one, err) ||
            !loss_of(f, l->layer + 1, by, run_on, losses[by], err))
            return false;
    }
    return true;
}

/* ---- all of it ---- */

static bool fit_all(fit *f, bl_error *err) {
    bl_surrogate *s = f->out;
    size_t n_layer = f->model->config.n_layer, last = 0;
    for (size_t i = 0; i < s->n; i++) last = s->layers[i].layer > last ? s->layers[i].layer : last;
    if (!each_pass(f, &f->fit, 0, embed, err) || !each_pass(f, &f->valid, 0, embed, err)) return false;
    for (size_t layer = 0; layer < n_layer; layer++) {
        bl_surrogate_layer *l = fitted(f, layer);
        f->steps = 2 * layer;
        memset(f->sums, 0, BL_UNIT_SUMS * f->h * sizeof *f->sums);
        if ((layer <= last && !each_pass(f, &f->fit, layer, advance, err)) ||
            !each_pass(f, &f->valid, layer, advance, err))
            return false;
        if (!l) continue;
        if (!fit_layer(f, l, err)) return false;
        f->steps++;
        if (!replace_layer(f, l, err)) return false;
    }
    copy(f->replaced, f->valid.stream, f->valid.n, f->d);
    if (!loss_of(f, n_layer, MEAN, run_on, &s->loss, err)) return false;
    for (size_t i = 0; i < s->n; i++) {
        bl_surrogate_layer *l = &s->layers[i];
        double cost = l->loss_mean - s->loss;
        l->recovered = cost < CHEAP ? NAN : (l->loss_mean - l->loss_surrogate) / cost;
    }
    return s->n < n_layer || (loss_of(f, 0, MEAN, replace_all, &s->all_mean, err) &&
                              loss_of(f, 0, LINEAR, replace_all, &s->all_linear, err) &&
                              loss_of(f, 0, SURROGATE, replace_all, &s->all_surrogate, err));
}

static bool stories_init(stories *s, const bl_story_tokens *tokens, size_t d, bl_error *err) {
    size_t n = tokens->n ? tokens->begin[tokens->n] - tokens->begin[0] : 0, count;
    *s = (stories){.tokens = tokens, .n = n, .counted = (double)n};
    if (!bl_mul_size(n, d, &count)) count = SIZE_MAX; /* bl_alloc refuses it */
    float **rows[] = {&s->stream, &s->mid, &s->x, &s->y, &s->left};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!(*rows[i] = bl_alloc(count, sizeof(float), err))) return false;
    s->skip = bl_alloc_zero(n, sizeof *s->skip, err);
    s->sum = bl_alloc(d, sizeof *s->sum, err);
    if (!s->skip || !s->sum) return false;
    for (size_t i = 0; i < tokens->n; i++) {
        if (tokens->begin[i + 1] == tokens->begin[i]) continue;
        s->skip[tokens->begin[i] - tokens->begin[0]] = true;
        s->counted--;
    }
    return true;
}

static void stories_free(stories *s) {
    float *rows[] = {s->stream, s->mid, s->x, s->y, s->left};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) free(rows[i]);
    free(s->skip);
    free(s->sum);
}

static bool fit_init(fit *f, const bl_story_tokens *fit_on, const bl_story_tokens *valid, bl_error *err) {
    bl_surrogate *s = f->out;
    size_t d = f->d, n = valid->n;
    if (!stories_init(&f->fit, fit_on, d, err) || !stories_init(&f->valid, valid, d, err)) return false;
    s->fit_stories = fit_on->n;
    s->valid_stories = n;
    s->fit_positions = (uint64_t)f->fit.counted;
    s->valid_positions = (uint64_t)f->valid.counted;
    s->all_mean = s->all_linear = s->all_surrogate = NAN;
    if (s->fit_positions < 2 || s->valid_positions < 2)
        return bl_fail(
            err, BL_ERR_INPUT,
            "a surrogate needs stories of two tokens and more, to be fitted on and to be held out");
    f->sums = bl_alloc(BL_UNIT_SUMS * f->h, sizeof *f->sums, err);
    f->x = bl_alloc(3 * d + 3 * d * d, sizeof *f->x, err);
    f->product = bl_alloc(d * d, sizeof *f->product, err);
    f->replaced = bl_alloc(f->valid.n * d, sizeof *f->replaced, err);
    f->losses = bl_alloc(n, sizeof *f->losses, err);
    f->alone = bl_alloc_zero(s->n, sizeof *f->alone, err);
    f->workspace = bl_workspace_new(f->model, err);
    if (!f->sums || !f->x || !f->product || !f->replaced || !f->losses || !f->alone || !f->workspace)
        return false;
    f->y = f->x + d;
    f->r = f->y + d;
    f->s = f->r + d;
    for (size_t i = 0; i < s->n; i++)
        if (!(f->alone[i] = bl_alloc(d * (d + 1), sizeof **f->alone, err))) return false;
    return true;
}

bl_surrogate *bl_surrogate_fit(const bl_model *model, const size_t *layers, size_t n_layers,
                               const bl_story_tokens *fit_on, const bl_story_tokens *valid,
                               bl_progress progress, bl_error *err) {
    bl_error_clear(err);
    const bl_config *c = bl_model_config(model);
    fit f = {.model = model, .d = c->d_model, .h = c->d_hidden, .progress = &progress};
    if (!(f.out = bl_surrogate_new(model, layers, n_layers, err))) return NULL;
    bool ok = fit_init(&f, fit_on, valid, err) && fit_all(&f, err);
    for (size_t i = 0; f.alone && i < f.out->n; i++) free(f.alone[i]);
    stories_free(&f.fit);
    stories_free(&f.valid);
    free(f.alone);
    free(f.sums);
    free(f.x);
    free(f.product);
    free(f.replaced);
    free(f.losses);
    bl_workspace_free(f.workspace);
    if (ok) return f.out;
    bl_surrogate_free(f.out);
    return NULL;
}
