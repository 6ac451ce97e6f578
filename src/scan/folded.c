/* The folded scan's kernel over one story: attention patterns in causal blocks, and nothing behind them that can be left out.
 *
 * Softmax is not normalised in place: E = exp(S - max) is multiplied with tau (or the values) and the result divided by the row's sum.
 * The last bits of a row may depend on how long the story is (BLAS picks its kernels by size), so stories that begin alike tie to about
 * 1e-7, not always to the bit; on the number of threads nothing depends. */
#include "base/error.h"
#include "base/memory.h"
#include "base/vexp.h"
#include "scan/folded_private.h"
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bl_folded_workspace *bl_folded_workspace_new(const bl_folded *f, size_t T, bl_error *err) {
    bl_folded_workspace *w = bl_alloc_zero(1, sizeof *w, err);
    if (!w) return NULL;
    float **parts[] = {&w->q, &w->key, &w->moved, &w->scores, &w->part, &w->z, &w->rz, &w->qk, &w->y, &w->direct};
    const size_t widths[] = {f->k,
                             f->k,
                             f->moved,
                             BL_FOLDED_BLOCK,
                             0,
                             f->by_values ? f->d : 0,
                             f->normed ? f->d : 0,
                             f->from_tables ? 0 : 2 * f->d,
                             f->from_tables ? 0 : f->d,
                             f->J};
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof parts / sizeof *parts; i++) {
        size_t count;
        if (parts[i] == &w->part) count = f->by_values ? 0 : BL_FOLDED_BLOCK * f->J;
        else if (!bl_mul_size(T, widths[i], &count)) count = SIZE_MAX;
        *parts[i] = bl_alloc(count, sizeof(float), err);
        ok = *parts[i] != NULL;
    }
    if (ok && !f->from_tables) {
        w->forward = bl_workspace_new(f->probes->model, T, err);
        ok = w->forward != NULL;
    }
    if (ok) return w;
    bl_folded_workspace_free(w);
    return NULL;
}

void bl_folded_workspace_free(bl_folded_workspace *w) {
    if (!w) return;
    float *parts[] = {w->q, w->key, w->moved, w->scores, w->part, w->z, w->rz, w->qk, w->y, w->direct};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    bl_workspace_free(w->forward);
    free(w);
}

void bl_folded_rotated(const bl_folded *f, const float *qk, const int32_t *ids, size_t begin, size_t end, size_t offset, float *out) {
    size_t half = f->k / 2;
    const float *cosines = f->probes->model->rope_cos, *sines = f->probes->model->rope_sin;
    for (size_t p = begin; p < end; p++, out += f->k) {
        const float *a = qk + (ids ? (size_t)ids[p] : p) * 2 * f->d + offset, *b = a + half, *c = cosines + p * half, *s = sines + p * half;
        for (size_t j = 0; j < half; j++) {
            out[j] = a[j] * c[j] - b[j] * s[j];
            out[j + half] = b[j] * c[j] + a[j] * s[j];
        }
    }
}

/* row [cols] of scores of position p becomes exp(score - max) up to p, zero behind; returns 1 / sum. */
static float exponentials(float *row, size_t p, size_t cols) {
    float most = row[0], sum = 0;
#pragma omp simd reduction(max : most)
    for (size_t j = 0; j <= p; j++) most = row[j] > most ? row[j] : most;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j <= p; j++) {
        float e = bl_expf(row[j] - most);
        row[j] = e;
        sum += e;
    }
    memset(row + p + 1, 0, (cols - p - 1) * sizeof *row);
    return 1.0F / sum;
}

/* Rows begin … begin + rows - 1 of one head. */
static void attend_block(const bl_folded *f, bl_folded_workspace *w, size_t h, size_t begin, size_t rows, float *sims) {
    size_t cols = begin + rows;
    float inverse[BL_FOLDED_BLOCK];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)cols, (int)f->k, 1.0F, w->q + begin * f->k, (int)f->k, w->key,
                (int)f->k, 0.0F, w->scores, (int)cols);
    for (size_t i = 0; i < rows; i++) inverse[i] = exponentials(w->scores + i * cols, begin + i, cols);
    if (f->by_values) {
        float *z = w->z + begin * f->d + h * f->k;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)f->k, (int)cols, 1.0F, w->scores, (int)cols,
                    w->moved + h * f->k, (int)f->moved, 0.0F, z, (int)f->d);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < f->k; j++) z[i * f->d + j] *= inverse[i];
    } else {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)f->J, (int)cols, 1.0F, w->scores, (int)cols,
                    w->moved + h * f->J, (int)f->moved, 0.0F, w->part, (int)f->J);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < f->J; j++) sims[(begin + i) * f->J + j] += inverse[i] * w->part[i * f->J + j];
    }
}

double bl_folded_square(const bl_folded *f, const float *x, const float *z) {
    const float *o = bl_model_layer(f->probes->model, f->probes->layer)->w_o.data;
    float s = bl_model_attention_scale(f->probes->model);
    double total = 0;
    for (size_t i = 0; i < f->d; i++) {
        double value = (double)x[i] + (double)(s * cblas_sdot((int)f->d, o + i * f->d, 1, z, 1));
        total += value * value;
    }
    return total;
}

/* Divides each row by the norm of x_mid, from z (see folded_private.h). x [n, d] is given, or else the tokens whose tables have its square
 * and s O^T x. */
static void divide_by_norm(const bl_folded *f, bl_folded_workspace *w, const int32_t *ids, const float *x, size_t n, float *sims) {
    const float *w_e = bl_model_w_e(f->probes->model).data;
    size_t d = f->d;
    memcpy(w->rz, w->z, n * d * sizeof *w->rz);
    cblas_strmm(CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit, (int)n, (int)d, 1.0F, f->r, (int)d, w->rz, (int)d);
    for (size_t p = 0; p < n; p++) {
        const float *z = w->z + p * d, *rz = w->rz + p * d, *row = x ? x + p * d : w_e + (size_t)ids[p] * d;
        double added = 0, cross = 0, square = 0;
        for (size_t i = 0; i < d; i++) added += (double)rz[i] * (double)rz[i];
        if (!x) {
            const float *t_cross = f->t_cross + (size_t)ids[p] * d;
            for (size_t i = 0; i < d; i++) cross += (double)t_cross[i] * (double)z[i];
            square = (double)f->t_square[ids[p]];
        }
        double total = square + 2 * cross + added;
        if (x || total < 1e-3 * (square + added)) total = bl_folded_square(f, row, z); /* no tables, or nearly cancelled */
        float scale = (float)(1.0 / sqrt(total / (double)d + 1e-8));
        for (size_t j = 0; j < f->J; j++) sims[p * f->J + j] *= scale;
    }
}

/* Deeper layers: x from the general path, then queries, keys, tau or values and the direct part from it. Returns x [n, d]. */
static const float *from_activations(const bl_folded *f, bl_folded_workspace *w, const int32_t *ids, size_t n, float *sims) {
    int rows = (int)n, d = (int)f->d;
    bl_view x = bl_forward_resid_pre(f->probes->model, w->forward, ids, n, f->probes->layer);
    bl_forward_norm(f->probes->model, w->y, x.data, n);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, 2 * d, d, 1.0F, w->y, d, f->w_qk, d, 0.0F, w->qk, 2 * d);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, (int)f->moved, d, 1.0F, w->y, d, f->w_moved, d, 0.0F, w->moved,
                (int)f->moved);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, (int)f->J, d, 1.0F, x.data, d, f->probes->v, d, 0.0F, sims, (int)f->J);
    return x.data;
}

const float *bl_folded_begin(const bl_folded *f, bl_folded_workspace *w, const int32_t *ids, size_t n, float *sims, const float **qk,
                             bool *by_token) {
    *by_token = f->from_tables;
    *qk = f->from_tables ? f->t_qk : w->qk;
    if (!f->from_tables) return from_activations(f, w, ids, n, sims);
    for (size_t p = 0; p < n; p++) {
        memcpy(w->moved + p * f->moved, f->t_moved + (size_t)ids[p] * f->moved, f->moved * sizeof *w->moved);
        memcpy(sims + p * f->J, f->t_direct + (size_t)ids[p] * f->J, f->J * sizeof *sims);
    }
    return NULL;
}

void bl_folded_similarity(const bl_folded *f, bl_folded_workspace *w, const int32_t *ids, size_t n, float *sims) {
    const float *qk;
    bool by_token;
    const float *x = bl_folded_begin(f, w, ids, n, sims, &qk, &by_token);
    const int32_t *rows = by_token ? ids : NULL;
    for (size_t h = 0; h < f->H; h++) {
        bl_folded_rotated(f, qk, rows, 0, n, h * f->k, w->q);
        bl_folded_rotated(f, qk, rows, 0, n, f->d + h * f->k, w->key);
        for (size_t begin = 0; begin < n; begin += BL_FOLDED_BLOCK)
            attend_block(f, w, h, begin, n - begin < BL_FOLDED_BLOCK ? n - begin : BL_FOLDED_BLOCK, sims);
    }
    if (f->by_values)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)f->J, (int)f->d, 1.0F, w->z, (int)f->d, f->out, (int)f->d, 1.0F,
                    sims, (int)f->J);
    if (f->normed) divide_by_norm(f, w, ids, x, n, sims);
    for (size_t p = 0; p < n; p++)
        for (size_t j = 0; j < f->J; j++) sims[p * f->J + j] += f->probes->bias[j];
}
