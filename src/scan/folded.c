/* The folded scan's way through one story: rows of queries, keys and tau (or values) fetched head by head,
 * attended to by attend.c.
 *
 * From tables and by tau, no product's order depends on what stands behind a position: stories that begin
 * alike tie to the bit. By values and in deeper layers BLAS picks its kernels by size, and they tie to about
 * 1e-7; on the number of threads nothing depends. */
#include "linear/norm.h"
#include "base/error.h"
#include "base/memory.h"
#include "scan/folded_private.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include <stdlib.h>
#include <string.h>

static size_t padded(size_t n) { return (n + BL_ATTEND_BLOCK - 1) / BL_ATTEND_BLOCK * BL_ATTEND_BLOCK; }

/* Room for a story of T tokens: by the stories that come, as a context may be far longer. */
static bool hold(const bl_folded *f, bl_folded_workspace *w, size_t T, bl_error *err) {
    if (T <= w->T) return true;
    size_t N = padded(T), d = f->d, columns = bl_folded_groups(f) * BL_ATTEND_COLUMNS;
    bool deeper = !f->from_tables;
    const struct {
        float **part;
        size_t rows, width;
    } parts[] = {{&w->qk, T, deeper ? f->qk : 0},
                 {&w->attended, T, deeper ? f->attended : 0},
                 {&w->direct, T, deeper ? f->J : 0},
                 {&w->y, T, deeper ? d : 0},
                 {&w->keys, f->patterns * N, f->k},
                 {&w->columns, N, columns},
                 {&w->panel, f->patterns * BL_ATTEND_BLOCK, f->k},
                 {&w->scores, f->patterns * BL_ATTEND_BLOCK, N},
                 {&w->out, N, columns},
                 {&w->z, T, f->by_values ? d : 0},
                 {&w->rz, T, f->normed ? d : 0}};
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof parts / sizeof *parts; i++) {
        size_t count;
        if (!bl_mul_size(parts[i].rows, parts[i].width, &count)) count = SIZE_MAX;
        free(*parts[i].part);
        *parts[i].part = bl_alloc(count, sizeof(float), err);
        ok = *parts[i].part != NULL;
    }
    w->T = ok ? T : 0;
    return ok;
}

bl_folded_workspace *bl_folded_workspace_new(const bl_folded *f, size_t T, bl_error *err) {
    bl_folded_workspace *w = bl_alloc_zero(1, sizeof *w, err);
    if (!w) return NULL;
    bool ok = hold(f, w, T, err);
    if (ok && !f->from_tables) ok = (w->forward = bl_workspace_new(f->probes->model, err)) != NULL;
    if (ok) return w;
    bl_folded_workspace_free(w);
    return NULL;
}

void bl_folded_workspace_free(bl_folded_workspace *w) {
    if (!w) return;
    float *parts[] = {w->qk,    w->attended, w->direct, w->y, w->keys, w->columns,
                      w->panel, w->scores,   w->out,    w->z, w->rz};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    bl_workspace_free(w->forward);
    free(w);
}

void bl_folded_rotated(const bl_folded *f, const bl_folded_rows *rows, size_t begin, size_t end,
                       size_t offset, float *out) {
    for (size_t p = begin; p < end; p++, out += f->k) {
        memcpy(out, rows->qk + bl_folded_row(rows, p) * f->qk + offset, f->k * sizeof *out);
        bl_rotate(&f->probes->model->rotary, p, false, 1, f->k, out);
    }
}

void bl_folded_add_bias(float *rows, size_t n, size_t width, const float *bias) {
    for (size_t i = 0; bias && i < n; i++)
        for (size_t j = 0; j < width; j++) rows[i * width + j] += bias[j];
}

/* The head's tau or values in groups of twelve columns. */
static void take_columns(const bl_folded *f, bl_folded_workspace *w, const bl_folded_rows *rows, size_t n,
                         size_t h) {
    size_t columns = bl_folded_columns(f), groups = bl_folded_groups(f), N = padded(n);
    for (size_t p = 0; p < n; p++) {
        const float *from = rows->attended + bl_folded_row(rows, p) * f->attended + h * columns;
        for (size_t c = 0; c < columns; c += 16)
            __builtin_prefetch(from + columns + c, 0, 2); /* for the next head */
        for (size_t g = 0; g < groups; g++) {
            float *to = w->columns + (g * N + p) * BL_ATTEND_COLUMNS;
            size_t width = columns - g * BL_ATTEND_COLUMNS;
            if (width >= BL_ATTEND_COLUMNS)
                memcpy(to, from + g * BL_ATTEND_COLUMNS, BL_ATTEND_COLUMNS * sizeof *to);
            else
                for (size_t c = 0; c < BL_ATTEND_COLUMNS; c++)
                    to[c] = c < width ? from[g * BL_ATTEND_COLUMNS + c] : 0;
        }
    }
    for (size_t g = 0; g < groups; g++)
        memset(w->columns + (g * N + n) * BL_ATTEND_COLUMNS, 0,
               (N - n) * BL_ATTEND_COLUMNS * sizeof *w->columns);
}

/* to [n, width], rows `stride` apart, (+)= from [width, N] turned. */
static void turn(const float *from, size_t N, size_t n, size_t width, bool add, float *to, size_t stride) {
    for (size_t p = 0; p < n; p++)
        for (size_t c = 0; c < width; c++)
            to[p * stride + c] = (add ? to[p * stride + c] : 0) + from[c * N + p];
}

/* w->out [columns, N] += pattern of head h times its tau or values. */
static void attend(const bl_folded *f, bl_folded_workspace *w, const bl_folded_rows *rows, size_t n,
                   size_t h) {
    take_columns(f, w, rows, n, h);
    bl_attend a = {.n = n,
                   .k = f->k,
                   .columns = bl_folded_columns(f),
                   .keys = rows->qk + f->d + h * f->k,
                   .queries2 = f->patterns > 1 ? rows->qk + 2 * f->d + h * f->k : NULL,
                   .keys2 = f->patterns > 1 ? rows->qk + 3 * f->d + h * f->k : NULL,
                   .turned = w->keys,
                   .attended = w->columns,
                   .queries = rows->qk + h * f->k,
                   .stride = f->qk,
                   .ids = rows->ids,
                   .rotary = &f->probes->model->rotary,
                   .panel = w->panel,
                   .scores = w->scores,
                   .out = w->out};
    f->kernel->run(&a);
}

double bl_folded_square(const bl_folded *f, const float *x, const float *z) {
    const float *o = bl_model_layer(f->probes->model, f->probes->layer)->w_o.data;
    float s = bl_model_attention_scale(f->probes->model);
    double total = 0;
    for (size_t i = 0; i < f->d; i++) {
        double value = (double)x[i] + (double)(s * bl_dot(o + i * f->d, z, f->d));
        total += value * value;
    }
    return total;
}

/* Divides each row by the norm of x_mid, from z (see folded_private.h). x [n, d] is given, or else the tokens
 * whose tables have its square and s O^T x. */
static void divide_by_norm(const bl_folded *f, bl_folded_workspace *w, const int32_t *ids, const float *x,
                           size_t n, float *sims) {
    const float *w_e = bl_model_w_e(f->probes->model).data;
    size_t d = f->d;
    memcpy(w->rz, w->z, n * d * sizeof *w->rz);
    bl_times_upper_t(n, d, f->r, d, w->rz, d);
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
        if (x || total < 1e-3 * (square + added))
            total = bl_folded_square(f, row, z); /* no tables, or nearly cancelled */
        float scale = (float)bl_rms_factor(total, d, f->probes->model->plan.epsilon);
        for (size_t j = 0; j < f->J; j++) sims[p * f->J + j] *= scale;
    }
}

/* Deeper layers: x from the general path, then queries, keys, tau or values and the direct part from it. */
static bl_folded_rows from_activations(const bl_folded *f, bl_folded_workspace *w, const int32_t *ids,
                                       size_t n, bl_error *err) {
    size_t d = f->d, J = f->J;
    bl_view x = bl_forward_resid_pre(f->probes->model, w->forward, ids, n, f->probes->layer, err);
    if (!x.data) return (bl_folded_rows){0};
    bl_forward_norm(f->probes->model, w->y, x.data, n);
    bl_gemm_nt(n, f->qk, d, 1.0F, w->y, d, f->w_qk, d, 0.0F, w->qk, f->qk);
    bl_gemm_nt(n, f->attended, d, 1.0F, w->y, d, f->w_attended, d, 0.0F, w->attended, f->attended);
    bl_folded_add_bias(w->qk, n, f->qk, f->b_qk);
    bl_folded_add_bias(w->attended, n, f->attended, f->b_attended);
    bl_gemm_nt(n, J, d, 1.0F, x.data, d, f->probes->v, d, 0.0F, w->direct, J);
    return (bl_folded_rows){.qk = w->qk, .attended = w->attended, .direct = w->direct, .x = x.data};
}

bl_folded_rows bl_folded_begin(const bl_folded *f, bl_folded_workspace *w, const int32_t *ids, size_t n,
                               bl_error *err) {
    if (!hold(f, w, n, err)) return (bl_folded_rows){0};
    if (!f->from_tables) return from_activations(f, w, ids, n, err);
    return (bl_folded_rows){.ids = ids, .qk = f->t_qk, .attended = f->t_attended, .direct = f->t_direct};
}

/* sims += the heads' share. */
static void attend_by_tau(const bl_folded *f, bl_folded_workspace *w, const bl_folded_rows *rows, size_t n,
                          float *sims) {
    memset(w->out, 0, bl_folded_groups(f) * BL_ATTEND_COLUMNS * padded(n) * sizeof *w->out);
    for (size_t h = 0; h < f->H; h++) attend(f, w, rows, n, h);
    turn(w->out, padded(n), n, f->J, true, sims, f->J);
}

static void attend_by_values(const bl_folded *f, bl_folded_workspace *w, const bl_folded_rows *rows, size_t n,
                             float *sims) {
    for (size_t h = 0; h < f->H; h++) {
        memset(w->out, 0, bl_folded_groups(f) * BL_ATTEND_COLUMNS * padded(n) * sizeof *w->out);
        attend(f, w, rows, n, h);
        turn(w->out, padded(n), n, f->k, false, w->z + h * f->k, f->d);
    }
    bl_gemm_nt(n, f->J, f->d, 1.0F, w->z, f->d, f->out, f->d, 1.0F, sims, f->J);
}

bool bl_folded_similarity(const bl_folded *f, bl_folded_workspace *w, const int32_t *ids, size_t n,
                          float *sims, bl_error *err) {
    bl_folded_rows rows = bl_folded_begin(f, w, ids, n, err);
    if (!rows.qk) return false;
    for (size_t p = 0; p < n; p++)
        memcpy(sims + p * f->J, rows.direct + bl_folded_row(&rows, p) * f->J, f->J * sizeof *sims);
    if (f->by_values) attend_by_values(f, w, &rows, n, sims);
    else attend_by_tau(f, w, &rows, n, sims);
    if (f->normed) divide_by_norm(f, w, ids, rows.x, n, sims);
    for (size_t p = 0; p < n; p++)
        for (size_t j = 0; j < f->J; j++) sims[p * f->J + j] += f->probes->bias[j];
    return true;
}
