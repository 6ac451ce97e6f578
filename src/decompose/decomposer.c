/* Eigenpairs of many directions of one layer, or of its null model.
 *
 * Q_u is symmetric: n(n+1)/2 numbers, packed by rows of the lower triangle, c = (j, i <= j). With
 *
 *   S[g, c] = 1/2 (L[g, i] R[g, j] + R[g, i] L[g, j])        [h, n(n+1)/2], formed a panel of columns at a
 * time
 *
 * B = P S and Q_U = U B = (U P) S are plain products: 2 d n(n+1)/2 operations a direction once B [d,
 * n(n+1)/2] is there, h/d times as many without it. The null model permutes which rows of L and R meet which
 * column of P, so the model is never copied.
 *
 * Every product is one thread's, on panels that are cut alike however many threads there are: so are the
 * bits. */
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/ranks.h"
#include "base/threads.h"
#include "decompose/interaction.h"
#include "linear/gemm.h"
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PANEL 512 /* columns of S at a time: a panel of the paper's model is 6 MB */

struct bl_decomposer {
    const bl_model *model;
    size_t layer, d, h, n;
    size_t packed;        /* N = n(n+1)/2 */
    size_t *left, *right; /* [h] which rows of L and R meet column g of P */
    float *b;             /* [d, N], or NULL */
};

/* 0 … n-1 in random order (Fisher & Yates). */
static void shuffle(bl_random *random, size_t *order, size_t n) {
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)bl_random_below(random, i), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}

/* Hidden unit g' of the null model is L[g'] * R[rows[g']], written by column columns[g'] of P. */
static bool permute(bl_decomposer *z, uint64_t seed, bl_error *err) {
    size_t *rows = bl_alloc(2 * z->h, sizeof *rows, err), *columns = rows + z->h;
    if (!rows) return false;
    bl_random random;
    bl_random_seed(&random, seed);
    shuffle(&random, rows, z->h);
    shuffle(&random, columns, z->h);
    for (size_t g = 0; g < z->h; g++) {
        z->left[columns[g]] = g;
        z->right[columns[g]] = rows[g];
    }
    free(rows);
    return true;
}

/* An element of a row of [L l] or [R r]. */
static inline float extended(const float *row, const float *bias, size_t g, size_t d, size_t i) {
    return i < d ? row[i] : bias[g];
}

/* Columns first … first + width - 1 of S, of which the first is (j, i): s [h, width] */
static void form_panel(const bl_decomposer *z, size_t j, size_t i, size_t width, float *s) {
    const bl_layer *l = bl_model_layer(z->model, z->layer);
    for (size_t at = 0; at < width; j++, i = 0) {
        size_t run = j + 1 - i < width - at ? j + 1 - i : width - at,
               inner = i + run > z->d ? z->d - (i < z->d ? i : z->d) : run;
        for (size_t g = 0; g < z->h; g++) {
            size_t gl = z->left[g], gr = z->right[g];
            const float *restrict a = l->w_l.data + gl * l->w_l.stride, *restrict b =
                                                                            l->w_r.data + gr * l->w_r.stride;
            float *restrict out = s + g * width + at, aj = 0.5F * extended(a, l->b_l, gl, z->d, j),
                            bj = 0.5F * extended(b, l->b_r, gr, z->d, j);
            for (size_t t = 0; t < inner; t++) out[t] = a[i + t] * bj + b[i + t] * aj;
            if (inner < run) out[inner] = l->b_l[gl] * bj + l->b_r[gr] * aj; /* the constant coordinate */
        }
        at += run;
    }
}

/* Where column c of the packed half lies: (j, i). */
static void locate(size_t c, size_t *j, size_t *i) {
    size_t row = 0;
    while (c > row) c -= ++row;
    *j = row;
    *i = c;
}

/* Panels first … last - 1 of out [m, N] = a [m, h] S */
static bool expand(const bl_decomposer *z, const float *a, size_t m, size_t first, size_t last, float *out,
                   bl_error *err) {
    bool ok = true;
#pragma omp parallel
    {
        bl_error failure = {0};
        float *s = bl_alloc(z->h * PANEL, sizeof *s, &failure);
#pragma omp for schedule(dynamic, 1)
        for (size_t p = first; p < last; p++) {
            size_t c = p * PANEL, width = z->packed - c < PANEL ? z->packed - c : PANEL, i, j;
            if (!s) continue;
            locate(c, &j, &i);
            form_panel(z, j, i, width, s);
            bl_gemm_nn(m, width, z->h, 1.0F, a, z->h, s, width, 0.0F, out + c, z->packed);
        }
        if (!s)
#pragma omp critical(bl_decomposer_failure)
        {
            if (ok) bl_fail(err, failure.code, "%s", failure.message);
            ok = false;
        }
        free(s);
    }
    return ok;
}

static size_t count_panels(const bl_decomposer *z) { return (z->packed + PANEL - 1) / PANEL; }

/* Rank r has made the columns from begin(r) on; each row of them to all. */
static bool share_b(bl_decomposer *z, const bl_ranks *ranks, size_t panels, bl_error *err) {
    bool ok = true;
    for (size_t r = 0, size = (size_t)ranks->size; size > 1 && r < size; r++) {
        size_t begin = panels * r / size * PANEL, end = panels * (r + 1) / size * PANEL;
        if (end > z->packed) end = z->packed;
        for (size_t o = 0; ok && begin < end && o < z->d; o++)
            ok = bl_ranks_share_from(ranks, (int)r, z->b + o * z->packed + begin,
                                     (end - begin) * sizeof *z->b, err);
    }
    return ok;
}

/* Each rank makes its share of the panels. */
static bool hold_b(bl_decomposer *z, const bl_ranks *ranks, const bl_progress *progress, bl_error *err) {
    const bl_layer *l = bl_model_layer(z->model, z->layer);
    size_t count, panels = count_panels(z), step = 8 * (size_t)bl_threads(), size = (size_t)ranks->size,
                  r = (size_t)ranks->rank, begin = panels * r / size, end = panels * (r + 1) / size;
    if (!bl_mul_size(z->d, z->packed, &count)) count = SIZE_MAX;
    z->b = bl_alloc(count, sizeof *z->b, err);
    bool ok = z->b != NULL;
    for (size_t p = begin; ok && p < end; p += step)
        ok = bl_progress_step(progress, "preparing", p - begin, end - begin, err) &&
             expand(z, l->w_p.data, z->d, p, p + step < end ? p + step : end, z->b, err);
    return bl_ranks_agree(ranks, ok, err) && share_b(z, ranks, panels, err);
}

/* B pays for itself when its d h n^2 operations are fewer than the m (h - d) n^2 that it saves, and where
 * there is room for it. */
static bool worth_holding(const bl_decomposer *z, const bl_decomposer_options *options) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t room = options->memory       ? options->memory
                : pages > 0 && page > 0 ? (size_t)pages / 4 * (size_t)page
                                        : 0;
    return z->h > z->d && (double)options->directions * (double)(z->h - z->d) > (double)z->d * (double)z->h &&
           z->packed <= room / sizeof(float) / z->d;
}

bl_decomposer *bl_decomposer_new(const bl_model *model, size_t layer, const bl_decomposer_options *options,
                                 bl_error *err) {
    static const bl_decomposer_options defaults = {0};
    bl_error_clear(err);
    if (!options) options = &defaults;
    bl_ranks ranks;
    if (!bl_check_decomposable(model, layer, err) || !bl_ranks_join(&ranks, options->distributed, err))
        return NULL;
    bl_decomposer *z = bl_alloc_zero(1, sizeof *z, err);
    if (!bl_ranks_agree(&ranks, z != NULL, err) || !z) {
        bl_decomposer_free(z);
        return NULL;
    }
    const bl_layer *l = bl_model_layer(model, layer);
    *z = (bl_decomposer){
        .model = model, .layer = layer, .d = l->w_l.cols, .h = l->w_l.rows, .n = bl_interaction_size(model)};
    z->packed = z->n * (z->n + 1) / 2;
    z->left = bl_alloc(z->h, sizeof *z->left, err);
    z->right = bl_alloc(z->h, sizeof *z->right, err);
    bool ok = z->left && z->right;
    for (size_t g = 0; ok && g < z->h; g++) z->left[g] = z->right[g] = g;
    if (ok && options->null_model) ok = permute(z, options->seed, err);
    bool hold = worth_holding(z, options); /* rank 0 decides: another way gives other last bits */
    ok = bl_ranks_agree(&ranks, ok, err) && bl_ranks_share(&ranks, &hold, sizeof hold, err);
    if (ok && hold && z->left && z->right) ok = hold_b(z, &ranks, &options->progress, err);
    if (ok) return z;
    bl_decomposer_free(z);
    return NULL;
}

void bl_decomposer_free(bl_decomposer *z) {
    if (!z) return;
    free(z->left);
    free(z->right);
    free(z->b);
    free(z);
}

void bl_decomposer_units(const bl_decomposer *z, const size_t **left, const size_t **right) {
    *left = z->left;
    *right = z->right;
}

size_t bl_decomposer_held(const bl_decomposer *z) { return z->b ? z->d * z->packed * sizeof *z->b : 0; }

/* q [m, N] for the directions u [m, d] */
static bool interactions(const bl_decomposer *z, const float *u, size_t m, float *q, bl_error *err) {
    const bl_layer *l = bl_model_layer(z->model, z->layer);
    size_t panels = count_panels(z);
    if (z->b) {
#pragma omp parallel for schedule(dynamic, 1)
        for (size_t p = 0; p < panels; p++) {
            size_t c = p * PANEL, width = z->packed - c < PANEL ? z->packed - c : PANEL;
            bl_gemm_nn(m, width, z->d, 1.0F, u, z->d, z->b + c, z->packed, 0.0F, q + c, z->packed);
        }
        return true;
    }
    size_t count;
    if (!bl_mul_size(m, z->h, &count)) count = SIZE_MAX;
    float *hidden = bl_alloc(count, sizeof *hidden, err); /* U P [m, h] */
    bool ok = hidden != NULL;
    if (ok) {
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < (m + 63) / 64; i++) {
            size_t rows = m - i * 64 < 64 ? m - i * 64 : 64;
            bl_gemm_nn(rows, z->h, z->d, 1.0F, u + i * 64 * z->d, z->d, l->w_p.data, l->w_p.stride, 0.0F,
                       hidden + i * 64 * z->h, z->h);
        }
        ok = expand(z, hidden, m, 0, panels, q, err);
    }
    free(hidden);
    return ok;
}

/* The lower triangle of full [n, n] from its packed half. */
static bool unpack(const bl_decomposer *z, const float *half, float *full, bl_error *err) {
    double sum = 0;
    for (size_t j = 0; j < z->n; j++) {
        float *row = full + j * z->n;
        memcpy(row, half, (j + 1) * sizeof *row);
        for (size_t i = 0; i <= j; i++) sum += fabs((double)row[i]);
        half += j + 1;
    }
    return isfinite(sum) ||
           bl_fail(err, BL_ERR_NUMERIC,
                   "%s: an interaction matrix holds NaN or infinity: so do the weights of layer %zu",
                   bl_model_name(z->model), z->layer);
}

bool bl_decomposer_run(const bl_decomposer *z, const float *u, size_t m, size_t k, bl_eigen **out,
                       bl_error *err) {
    bl_error_clear(err);
    size_t count;
    bool ok = false;
    for (size_t i = 0; i < m; i++) out[i] = NULL;
    if (!bl_mul_size(m, z->packed, &count)) count = SIZE_MAX;
    float *q = bl_alloc(count, sizeof *q, err);
    if (q) ok = interactions(z, u, m, q, err);
    size_t todo = ok ? m : 0;
#pragma omp parallel if (ok)
    {
        bl_error failure = {0};
        float *full = bl_alloc(z->n * z->n, sizeof *full, &failure);
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < todo; i++) {
            if (full && unpack(z, q + i * z->packed, full, &failure))
                out[i] =
                    bl_eigen_of_matrix(full, z->n, z->layer, k,
                                       bl_direction_constant(z->model, z->layer, u + i * z->d), &failure);
            if (out[i]) continue;
#pragma omp critical(bl_decomposer_failure)
            {
                if (ok) bl_fail(err, failure.code, "%s", failure.message);
                ok = false;
            }
        }
        free(full);
    }
    free(q);
    for (size_t i = 0; !ok && i < m; i++) {
        bl_eigen_free(out[i]);
        out[i] = NULL;
    }
    return ok;
}

bl_eigen *bl_decomposer_one(const bl_decomposer *z, const float *u, size_t k, bl_error *err) {
    bl_error_clear(err);
    bl_eigen *eigen = NULL;
    float *q = bl_alloc(z->n * z->n, sizeof *q, err);
    if (q && bl_interaction_of_units(z->model, z->layer, u, z->left, z->right, q, err))
        eigen = bl_eigen_of_matrix(q, z->n, z->layer, k, bl_direction_constant(z->model, z->layer, u), err);
    free(q);
    return eigen;
}
