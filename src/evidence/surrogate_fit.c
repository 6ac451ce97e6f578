/* Fitting surrogates (docs/specification.md, 19), all layers in the same passes over the corpus:
 *
 *   1. moments of every unit's g and u up to the fourth order, and of its value h with 1, g, u, gu, g²,
 * u²; sums of x, y
 *   2. S = Σ z zᵀ, Σ z rᵀ of what the units leave, Σ z yᵀ (the linear map alone), z = x - x̄
 *   3. squares of y - ŷ and y - ŷ_linear, on both corpora
 *   4. the held-out loss with each layer's MLP replaced, then with all
 *
 * Moments are summed raw, in float64, and made those of the standardised variables afterwards: a
 * monomial in ĝ, û is a combination of monomials in g, u. Stories run one after the other, each on all
 * threads. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "decompose/surrogate_private.h"
#include "linear/gemm.h"
#include "linear/solve.h"
#include "model/forward.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_RIDGE 1e-6   /* per position, on all but the constant, in standardised variables */
#define LINEAR_RIDGE 1e-2 /* of the mean variance of the inputs */
#define CHEAP 0.02        /* a mean that costs less proves nothing */

enum { TERMS = BL_SURROGATE_TERMS, MOMENTS = 15, SUMS = MOMENTS + TERMS, UNITS = 64 };
/* Powers of g and u; the first six are the terms of a fit. */
static const int exponents[MOMENTS][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {2, 0}, {0, 2}, {3, 0}, {2, 1},
                                          {1, 2}, {0, 3}, {4, 0}, {3, 1}, {2, 2}, {1, 3}, {0, 4}};

typedef enum pass { MOMENT_PASS, LINEAR_PASS, SQUARE_PASS, LOSS_PASS } pass;
typedef enum replacement { NOTHING, MEAN, LINEAR, SURROGATE } replacement;

typedef struct layer_work {
    bl_surrogate_layer *out;
    double *sums;                                     /* [SUMS, h] */
    double *x, *y;                                    /* [d] sums of inputs and outputs, then their means */
    double *s;                                        /* [d, d] Σ z zᵀ */
    double *left;                                     /* [d, d] Σ z rᵀ */
    double *whole;                                    /* [d, d] Σ z yᵀ */
    double *rest;                                     /* [d] Σ r */
    float *alone;                                     /* [d, d+1] the linear map alone */
    double off[2], off_linear[2], square[2], *sum[2]; /* fit, valid: of y - ŷ, y - ŷ_linear, y; Σ y [d] */
} layer_work;

typedef struct fit {
    const bl_model *model;
    bl_surrogate *out;
    layer_work *work; /* [n] */
    size_t *place;    /* [n_layer] index into work, or n */
    size_t d, h, w;   /* w: columns of pre */
    pass pass;
    int set;         /* 0 fit, 1 valid */
    bool keep;       /* the stream in front of every layer, in … */
    float *stream;   /* [n, rows, d] */
    size_t replaced; /* LOSS_PASS: an index into work, or n for all */
    replacement by;
    bl_workspace *workspace;
    size_t rows;               /* of the following */
    float *x, *values, *other; /* [rows, d] */
    float *pre;                /* [rows, w] */
    float *hidden, *units;     /* [rows, h] */
    float *scratch, *product;  /* of converted products; [d, d] */
} fit;

void bl_surrogate_units(const bl_surrogate_layer *l, size_t h, bool plain, const float *pre, size_t begin,
                        size_t n, float *out, size_t stride) {
    const float *c = l->coefficients;
    size_t w = plain ? h : 2 * h;
#pragma omp parallel for schedule(static)
    for (size_t p = begin; p < n; p++)
        for (size_t k = 0; k < h; k++) {
            float g = pre[p * w + k], u = plain ? 0 : pre[p * w + h + k];
            out[p * stride + k] = c[k] + g * (c[h + k] + c[3 * h + k] * u + c[4 * h + k] * g) +
                                  u * (c[2 * h + k] + c[5 * h + k] * u);
        }
}

/* y [n, d], rows `stride` apart, += B [x; 1] from row 1 on. */
static void add_linear(const float *b, size_t d, const float *x, size_t n, float *y, size_t stride) {
    if (n < 2) return;
    bl_gemm_nt(n - 1, d, d, 1.0F, x + d, d, b, d + 1, 1.0F, y + stride, stride);
    for (size_t p = 1; p < n; p++)
        for (size_t i = 0; i < d; i++) y[p * stride + i] += b[i * (d + 1) + d];
}

/* Moments of units first … first + count - 1 over positions 1 … n - 1; the lanes are units. */
static void add_unit_moments(const fit *f, bool plain, size_t n, size_t first, size_t count, double *sums) {
    double part[SUMS][UNITS] = {{0}}, a[5][UNITS], b[5][UNITS], value[UNITS];
    size_t h = f->h;
    for (size_t p = 1; p < n; p++) {
        const float *pre = f->pre + p * f->w + first, *hidden = f->hidden + p * h + first;
        for (size_t i = 0; i < count; i++) {
            a[0][i] = b[0][i] = 1;
            a[1][i] = (double)pre[i];
            b[1][i] = plain ? 0 : (double)pre[h + i];
            value[i] = (double)hidden[i];
        }
        for (int e = 2; e < 5; e++)
            for (size_t i = 0; i < count; i++)
                a[e][i] = a[e - 1][i] * a[1][i], b[e][i] = b[e - 1][i] * b[1][i];
        for (int m = 0; m < MOMENTS; m++) {
            const double *g = a[exponents[m][0]], *u = b[exponents[m][1]];
            for (size_t i = 0; i < count; i++) part[m][i] += g[i] * u[i];
            for (size_t i = 0; m < TERMS && i < count; i++) part[MOMENTS + m][i] += g[i] * u[i] * value[i];
        }
    }
    for (size_t m = 0; m < SUMS; m++)
        for (size_t i = 0; i < count; i++) sums[m * h + first + i] += part[m][i];
}

/* Pass 1. */
static void add_moments(fit *f, layer_work *l, const bl_rows *y) {
    size_t n = y->rows, h = f->h;
    bool plain = f->model->config.plain;
    for (size_t p = 1; p < n; p++)
        for (size_t i = 0; i < f->d; i++) {
            l->x[i] += (double)f->x[p * f->d + i];
            l->y[i] += (double)y->data[p * y->stride + i];
        }
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < h; k += UNITS)
        add_unit_moments(f, plain, n, k, h - k < UNITS ? h - k : UNITS, l->sums);
}

/* sum [d, d] += aᵀ b of rows 1 … n - 1. */
static void add_product(fit *f, const float *a, const float *b, size_t n, double *sum) {
    size_t d = f->d;
    if (n < 2) return;
    bl_gemm_tn(d, d, n - 1, 1.0F, a + d, d, b + d, d, 0.0F, f->product, d);
    for (size_t i = 0; i < d * d; i++) sum[i] += (double)f->product[i];
}

/* values [n, d] = P hidden, without the bias. */
static void through_p(fit *f, size_t layer, const float *hidden, size_t n) {
    bl_matrix_times(&f->model->blocks[layer].p, hidden, n, false, f->values, f->d, f->scratch);
}

/* Pass 2. */
static void add_linear_sums(fit *f, layer_work *l, const bl_rows *y) {
    size_t n = y->rows, d = f->d, h = f->h;
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < d; i++) {
            f->x[p * d + i] -= (float)l->x[i];
            f->other[p * d + i] = y->data[p * y->stride + i];
        }
    bl_surrogate_units(l->out, h, f->model->config.plain, f->pre, 0, n, f->units, h);
    for (size_t i = 0; i < n * h; i++) f->units[i] = f->hidden[i] - f->units[i];
    through_p(f, l->out->layer, f->units, n);
    add_product(f, f->x, f->x, n, l->s);
    add_product(f, f->x, f->other, n, l->whole);
    add_product(f, f->x, f->values, n, l->left);
    for (size_t p = 1; p < n; p++)
        for (size_t i = 0; i < d; i++) l->rest[i] += (double)f->values[p * d + i];
}

/* Pass 3. */
static void add_squares(fit *f, layer_work *l, const bl_rows *y) {
    size_t n = y->rows, d = f->d;
    const float *b_p = f->model->blocks[l->out->layer].b_p;
    bl_surrogate_units(l->out, f->h, f->model->config.plain, f->pre, 0, n, f->units, f->h);
    through_p(f, l->out->layer, f->units, n);
    add_linear(l->out->linear, d, f->x, n, f->values, d);
    memset(f->other, 0, n * d * sizeof *f->other);
    add_linear(l->alone, d, f->x, n, f->other, d);
    for (size_t p = 1; p < n; p++)
        for (size_t i = 0; i < d; i++) {
            double truth = (double)y->data[p * y->stride + i],
                   off = truth - (double)f->values[p * d + i] - (b_p ? (double)b_p[i] : 0),
                   off_linear = truth - (double)f->other[p * d + i];
            l->off[f->set] += off * off;
            l->off_linear[f->set] += off_linear * off_linear;
            l->square[f->set] += truth * truth;
            l->sum[f->set][i] += truth;
        }
}

/* Pass 4: the MLP's output from position 1 on becomes what replaces it. */
static void replace_output(fit *f, const layer_work *l, bl_rows y) {
    size_t d = f->d;
    for (size_t p = 1; p < y.rows && f->by != SURROGATE; p++)
        for (size_t i = 0; i < d; i++) y.data[p * y.stride + i] = f->by == MEAN ? l->out->mean[i] : 0;
    if (f->by == LINEAR) add_linear(l->alone, d, f->x, y.rows, y.data, y.stride);
    if (f->by == SURROGATE) add_linear(l->out->linear, d, f->x, y.rows, y.data, y.stride);
}

static void copy_rows(bl_rows from, float *to) {
    for (size_t p = 0; p < from.rows; p++)
        memcpy(to + p * from.cols, from.data + p * from.stride, from.cols * sizeof *to);
}

static void edit(void *context, bl_point point, size_t layer, size_t head, bl_rows value) {
    fit *f = context;
    size_t at = point == BL_POINT_LOGITS ? f->out->n : f->place[layer];
    (void)head;
    if (f->keep && point == BL_POINT_RESID_PRE && at < f->out->n)
        copy_rows(value, f->stream + at * f->rows * f->d);
    if (at == f->out->n || (f->pass == LOSS_PASS && f->by == NOTHING)) return;
    layer_work *l = &f->work[at];
    if (f->pass == LOSS_PASS && f->replaced != f->out->n && f->replaced != at) return;
    if (point == BL_POINT_MLP_IN) copy_rows(value, f->x);
    if (point == BL_POINT_MLP_PRE) copy_rows(value, f->pre);
    if (point == BL_POINT_MLP_HIDDEN && f->pass != LOSS_PASS) copy_rows(value, f->hidden);
    if (point == BL_POINT_MLP_HIDDEN && f->pass == LOSS_PASS && f->by == SURROGATE)
        bl_surrogate_units(l->out, f->h, f->model->config.plain, f->pre, 1, value.rows, value.data,
                           value.stride);
    if (point != BL_POINT_MLP_OUT) return;
    if (f->pass == MOMENT_PASS) add_moments(f, l, &value);
    if (f->pass == LINEAR_PASS) add_linear_sums(f, l, &value);
    if (f->pass == SQUARE_PASS) add_squares(f, l, &value);
    if (f->pass == LOSS_PASS) replace_output(f, l, value);
}

/* One pass over a corpus; *loss (not NULL): the mean loss of its predictions. */
static bool run(fit *f, pass which, const bl_story_tokens *stories, const char *phase, bl_progress *progress,
                double *loss, bl_error *err) {
    bl_tap tap = {.context = f, .edit = edit};
    double sum = 0, predictions = 0;
    f->pass = which;
    for (size_t i = 0; i < stories->n; i++) {
        const int32_t *ids = stories->ids + stories->begin[i];
        size_t n = stories->begin[i + 1] - stories->begin[i];
        double one = 0;
        if (!bl_progress_step(progress, phase, i, stories->n, err)) return false;
        if (n < 2) continue;
        if (loss ? !bl_forward_loss(f->model, f->workspace, ids, n, &tap, &one, err)
                 : !bl_forward_layers(f->model, f->workspace, ids, n, &tap, err))
            return false;
        sum += one;
        predictions += (double)(n - 1);
    }
    if (loss) *loss = sum / predictions;
    return true;
}

/* A polynomial's coefficients of ĝ^a û^b over monomials in g, u: (g - m)^a / s^a, expanded. */
static double expanded(int a, int power, double mean, double scale) {
    static const double choose[3][3] = {{1, 0, 0}, {1, 1, 0}, {1, 2, 1}};
    if (power > a) return 0;
    return choose[a][power] * pow(-mean, a - power) / pow(scale, a);
}

static size_t moment_of(int a, int b) {
    for (size_t m = 0; m < MOMENTS; m++)
        if (exponents[m][0] == a && exponents[m][1] == b) return m;
    return 0;
}

/* The normal equations of one unit in standardised variables; t [TERMS, TERMS] takes raw terms to
 * standardised ones. */
static bool solve_unit(const double *sums, size_t stride, double count, bool plain, double *out,
                       bl_error *err) {
    static const int all[] = {0, 1, 2, 3, 4, 5}, some[] = {0, 1, 4};
    const int *terms = plain ? some : all;
    size_t n = plain ? 3 : TERMS;
    double raw[TERMS][TERMS], value[TERMS], t[TERMS][TERMS], a[TERMS * TERMS], b[TERMS];
    double mean[2] = {sums[stride] / count, sums[2 * stride] / count}, scale[2];
    for (int v = 0; v < 2; v++) {
        double variance = sums[(size_t)(4 + v) * stride] / count - mean[v] * mean[v];
        scale[v] = variance > 1e-24 ? sqrt(variance) : 1;
    }
    for (size_t i = 0; i < n; i++) {
        const int *e = exponents[terms[i]];
        value[i] = sums[(size_t)(MOMENTS + terms[i]) * stride] / count;
        for (size_t j = 0; j < n; j++) {
            const int *o = exponents[terms[j]];
            raw[i][j] = sums[moment_of(e[0] + o[0], e[1] + o[1]) * stride] / count;
            t[i][j] = expanded(e[0], o[0], mean[0], scale[0]) * expanded(e[1], o[1], mean[1], scale[1]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        b[i] = 0;
        for (size_t k = 0; k < n; k++) b[i] += t[i][k] * value[k];
        for (size_t j = 0; j < n; j++) {
            double sum = i == j && i > 0 ? UNIT_RIDGE : 0;
            for (size_t k = 0; k < n; k++)
                for (size_t l = 0; l < n; l++) sum += t[i][k] * raw[k][l] * t[j][l];
            a[i * n + j] = sum;
        }
    }
    if (!bl_solve_positive(a, n, b, 1, err)) return false;
    for (size_t j = 0; j < TERMS; j++) out[j] = 0;
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < n; i++) out[terms[j]] += b[i] * t[i][j];
    return true;
}

static bool solve_units(fit *f, layer_work *l, bl_error *err) {
    double count = l->sums[0], c[TERMS];
    for (size_t k = 0; k < f->h; k++) {
        if (!solve_unit(l->sums + k, f->h, count, f->model->config.plain, c, err)) return false;
        for (size_t j = 0; j < TERMS; j++) l->out->coefficients[j * f->h + k] = (float)c[j];
    }
    for (size_t i = 0; i < f->d; i++) {
        l->x[i] /= count;
        l->y[i] /= count;
        l->out->origin[i] = (float)l->x[i];
        l->out->mean[i] = (float)l->y[i];
    }
    return true;
}

/* out [d, d+1] = the ridge regression whose sums are `right` [d, d]; mean [d] of what is regressed. */
static bool solve_linear(const fit *f, const layer_work *l, const double *right, const double *mean,
                         float *out, bl_error *err) {
    size_t d = f->d;
    double *a = bl_alloc(2 * d * d, sizeof *a, err), *b = a + d * d, trace = 0;
    if (!a) return false;
    memcpy(a, l->s, d * d * sizeof *a);
    memcpy(b, right, d * d * sizeof *b);
    for (size_t i = 0; i < d; i++) trace += a[i * d + i];
    for (size_t i = 0; i < d; i++) a[i * d + i] += trace > 0 ? LINEAR_RIDGE * trace / (double)d : 1;
    bool ok = bl_solve_positive(a, d, b, d, err);
    for (size_t i = 0; ok && i < d; i++) {
        double constant = mean[i];
        for (size_t j = 0; j < d; j++) {
            out[i * (d + 1) + j] = (float)b[j * d + i];
            constant -= b[j * d + i] * l->x[j];
        }
        out[i * (d + 1) + d] = (float)constant;
    }
    free(a);
    return ok;
}

/* 1 - off / Σ|y - ȳ|², ȳ of the same positions. */
static double share(const layer_work *l, int set, double off, size_t d, double count) {
    double variance = l->square[set];
    for (size_t i = 0; i < d; i++) variance -= l->sum[set][i] * l->sum[set][i] / count;
    return 1 - off / variance;
}

/* One story's losses with each layer's MLP replaced, from that layer on; added to losses [n, 2]. */
static bool replace_each(fit *f, const int32_t *ids, size_t n, double *losses, bl_error *err) {
    bl_tap tap = {.context = f, .edit = edit};
    bl_surrogate *s = f->out;
    double unused;
    f->by = NOTHING;
    f->keep = true;
    bool ok = bl_forward_loss(f->model, f->workspace, ids, n, &tap, &unused, err);
    f->keep = false;
    for (size_t i = 0; ok && i < s->n; i++)
        for (int k = 0; ok && k < 2; k++) {
            double loss = 0;
            f->replaced = i;
            f->by = k ? SURROGATE : MEAN;
            ok = bl_forward_loss_from(f->model, f->workspace, s->layers[i].layer,
                                      f->stream + i * f->rows * f->d, ids, n, &tap, &loss, err);
            losses[2 * i + (size_t)k] += loss;
        }
    return ok;
}

static bool measure(fit *f, const bl_story_tokens *valid, bl_progress *progress, bl_error *err) {
    bl_surrogate *s = f->out;
    double *losses = bl_alloc_zero(2 * s->n, sizeof *losses, err), predictions = (double)s->valid_positions;
    bool ok = losses != NULL;
    f->pass = LOSS_PASS;
    for (size_t i = 0; ok && i < valid->n; i++) {
        size_t n = valid->begin[i + 1] - valid->begin[i];
        ok = bl_progress_step(progress, "replacing", i, valid->n, err) &&
             (n < 2 || replace_each(f, valid->ids + valid->begin[i], n, losses, err));
    }
    for (size_t i = 0; ok && i < s->n; i++) {
        bl_surrogate_layer *l = &s->layers[i];
        l->loss_mean = losses[2 * i] / predictions;
        l->loss_surrogate = losses[2 * i + 1] / predictions;
        double cost = l->loss_mean - s->loss;
        l->recovered = cost < CHEAP ? NAN : (l->loss_mean - l->loss_surrogate) / cost;
    }
    free(losses);
    double *const all[] = {NULL, &s->all_mean, &s->all_linear, &s->all_surrogate};
    f->replaced = s->n;
    for (f->by = MEAN; ok && s->n == f->model->config.n_layer && f->by <= SURROGATE; f->by++)
        ok = run(f, LOSS_PASS, valid, "replacing all", progress, all[f->by], err);
    return ok;
}

static bool fit_all(fit *f, const bl_story_tokens *fit_on, const bl_story_tokens *valid,
                    bl_progress *progress, bl_error *err) {
    bl_surrogate *s = f->out;
    if (!run(f, MOMENT_PASS, fit_on, "fitting units", progress, NULL, err)) return false;
    for (size_t i = 0; i < s->n; i++)
        if (!solve_units(f, &f->work[i], err)) return false;
    if (!run(f, LINEAR_PASS, fit_on, "fitting linear maps", progress, NULL, err)) return false;
    double count = (double)s->fit_positions;
    for (size_t i = 0; i < s->n; i++) {
        layer_work *l = &f->work[i];
        for (size_t j = 0; j < f->d; j++) l->rest[j] /= count;
        if (!solve_linear(f, l, l->left, l->rest, l->out->linear, err) ||
            !solve_linear(f, l, l->whole, l->y, l->alone, err))
            return false;
    }
    if (!run(f, SQUARE_PASS, fit_on, "measuring", progress, NULL, err)) return false;
    f->set = 1;
    if (!run(f, SQUARE_PASS, valid, "measuring", progress, &s->loss, err)) return false;
    for (size_t i = 0; i < s->n; i++) {
        layer_work *l = &f->work[i];
        l->out->r2_fit = share(l, 0, l->off[0], f->d, count);
        l->out->r2 = share(l, 1, l->off[1], f->d, (double)s->valid_positions);
        l->out->r2_linear = share(l, 1, l->off_linear[1], f->d, (double)s->valid_positions);
    }
    return measure(f, valid, progress, err);
}

static uint64_t positions(const bl_story_tokens *stories, size_t *longest) {
    uint64_t n = 0;
    for (size_t i = 0; i < stories->n; i++) {
        size_t length = stories->begin[i + 1] - stories->begin[i];
        n += length > 1 ? length - 1 : 0;
        *longest = length > *longest ? length : *longest;
    }
    return n;
}

static bool work_init(fit *f, bl_error *err) {
    size_t d = f->d, h = f->h, n = f->out->n, T = f->rows, widest = h > d ? h : d;
    f->work = bl_alloc_zero(n, sizeof *f->work, err);
    f->place = bl_alloc(f->model->config.n_layer, sizeof *f->place, err);
    f->x = bl_alloc(T * (3 * d + f->w + 2 * h) + d * d + bl_matrix_scratch(widest), sizeof *f->x, err);
    f->workspace = bl_workspace_new(f->model, err);
    f->stream = bl_alloc(n * T * d, sizeof *f->stream, err);
    if (!f->stream || !f->work || !f->place || !f->x || !f->workspace) return false;
    f->values = f->x + T * d;
    f->other = f->values + T * d;
    f->pre = f->other + T * d;
    f->hidden = f->pre + T * f->w;
    f->units = f->hidden + T * h;
    f->product = f->units + T * h;
    f->scratch = f->product + d * d;
    for (size_t i = 0; i < f->model->config.n_layer; i++) f->place[i] = n;
    for (size_t i = 0; i < n; i++) {
        layer_work *l = &f->work[i];
        l->out = &f->out->layers[i];
        f->place[l->out->layer] = i;
        l->sums = bl_alloc_zero(SUMS * h + 5 * d + 3 * d * d, sizeof *l->sums, err);
        l->alone = bl_alloc(d * (d + 1), sizeof *l->alone, err);
        if (!l->sums || !l->alone) return false;
        l->x = l->sums + SUMS * h;
        l->y = l->x + d;
        l->rest = l->y + d;
        l->sum[0] = l->rest + d;
        l->sum[1] = l->sum[0] + d;
        l->s = l->sum[1] + d;
        l->left = l->s + d * d;
        l->whole = l->left + d * d;
    }
    return true;
}

bl_surrogate *bl_surrogate_fit(const bl_model *model, const size_t *layers, size_t n_layers,
                               const bl_story_tokens *fit_on, const bl_story_tokens *valid,
                               bl_progress progress, bl_error *err) {
    bl_error_clear(err);
    const bl_config *c = bl_model_config(model);
    fit f = {.model = model,
             .d = c->d_model,
             .h = c->d_hidden,
             .w = c->plain ? c->d_hidden : 2 * c->d_hidden};
    bool ok = false;
    if (!(f.out = bl_surrogate_new(model, layers, n_layers, err))) return NULL;
    f.out->fit_stories = fit_on->n;
    f.out->valid_stories = valid->n;
    f.out->fit_positions = positions(fit_on, &f.rows);
    f.out->valid_positions = positions(valid, &f.rows);
    f.out->all_mean = f.out->all_linear = f.out->all_surrogate = NAN;
    if (f.out->fit_positions < 2 || f.out->valid_positions < 2)
        bl_fail(err, BL_ERR_INPUT,
                "a surrogate needs stories of two tokens and more, to be fitted on and to be held out");
    else ok = work_init(&f, err) && fit_all(&f, fit_on, valid, &progress, err);
    for (size_t i = 0; f.work && i < f.out->n; i++) {
        free(f.work[i].sums);
        free(f.work[i].alone);
    }
    free(f.work);
    free(f.place);
    free(f.x);
    free(f.stream);
    bl_workspace_free(f.workspace);
    if (ok) return f.out;
    bl_surrogate_free(f.out);
    return NULL;
}
