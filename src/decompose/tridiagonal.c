/* Householder tridiagonalisation Q = H T H^T and its way back, faster than LAPACK's ssytrd and sormtr for the sizes of models.
 *
 * Panels of NB columns (Dongarra, Sorensen & Hammarling 1989; LAPACK's slatrd). Column j of what is left:
 *
 *   reflector v from the column,  y = A v,  w = tau (y - V (W^T v) - W (V^T v)),  w -= tau/2 (w . v) v;   after a panel  A -= V W^T + W V^T
 *
 * A's lower triangle shrinks in place, row-major; the reflectors are laid into the upper one, a row each. Half of the work is y = A v, too
 * little for one OpenMP region each. So a panel is one region, whose helpers compute fixed pieces of y and say so by an atomic counter. A
 * helper that lets the others wait (another process has its core) is left behind for good and its piece computed by the first thread:
 * ssytrd with OpenBLAS's threads has no such way out (seen: 22 ms became 15 s). The pieces are the same whoever computes them, and
 * added in the same order, so the result depends neither on the threads nor on the waiting.
 *
 * The way back applies H = H_1 H_2 … in blocks I - V S V^T, last block first, with S^-1 = upper(V^T V) and 1/tau on its diagonal (Joffrain
 * et al. 2006), so that all of it is matrix products; slarft and slarfb with the same blocks take three times as long. */
#include "decompose/tridiagonal.h"
#include "base/error.h"
#include "base/memory.h"
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NB 32           /* columns a panel */
#define BLOCK 128       /* reflectors applied at once on the way back */
#define PIECES 4        /* of y = A v */
#define ALONE 192       /* below this many rows helpers cost more than they bring */
#define PATIENCE 100e-6 /* seconds that a helper may be late */

#if defined(__x86_64__)
#define RELAX() __builtin_ia32_pause()
#else
#define RELAX() ((void)0)
#endif

bool bl_lapack_failed(int info, const char *routine, bl_error *err) {
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return !bl_fail(err, BL_ERR_MEMORY, "out of memory in LAPACK's %s", routine);
    if (info) return !bl_fail(err, BL_ERR_NUMERIC, "LAPACK's %s did not converge (info %d)", routine, info);
    return false;
}

/* One reduction under way. */
typedef struct reduction {
    bl_tridiagonal *t;
    float *a; /* [n, n] */
    size_t n;
    float *x;       /* [n] the column at work */
    float *columns; /* [NB, n] the panel's columns as they were before it */
    float *w;       /* [NB, n] of the panel */
    float *
        pieces; /* [2 PIECES, n] of y; the second half is the first thread's when it is alone: a late helper may still write to the first */
    bool alone; /* helpers were left behind */
    atomic_size_t column;       /* whose y is asked for; n: the panel is done */
    atomic_size_t done[PIECES]; /* the column that the piece was last computed for */
} reduction;

/* One piece of y = A v over rows and columns s … n-1, from the lower triangle; v is a's row s - 1. */
static void symmetric_piece(const reduction *r, size_t s, size_t piece, float *y) {
    size_t n = r->n, length = n - s;
    const float *v = r->a + (s - 1) * n;
    /* rows begin at sqrt(piece / PIECES): equal areas of the triangle */
    size_t i = s + (size_t)((double)length * sqrt((double)piece / PIECES)),
           end = s + (size_t)((double)length * sqrt((double)(piece + 1) / PIECES));
    if (piece == PIECES - 1) end = n;
    memset(y + s, 0, length * sizeof *y);
    for (; i + 4 <= end; i += 4) {
        const float *a0 = r->a + i * n, *a1 = a0 + n, *a2 = a1 + n, *a3 = a2 + n;
        float v0 = v[i], v1 = v[i + 1], v2 = v[i + 2], v3 = v[i + 3], s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
        for (size_t j = s; j < i; j++) {
            float vj = v[j];
            y[j] += a0[j] * v0 + a1[j] * v1 + a2[j] * v2 + a3[j] * v3;
            s0 += a0[j] * vj;
            s1 += a1[j] * vj;
            s2 += a2[j] * vj;
            s3 += a3[j] * vj;
        }
        /* the 4 x 4 triangle on the diagonal */
        y[i] += s0 + a0[i] * v0 + a1[i] * v1 + a2[i] * v2 + a3[i] * v3;
        y[i + 1] += s1 + a1[i] * v0 + a1[i + 1] * v1 + a2[i + 1] * v2 + a3[i + 1] * v3;
        y[i + 2] += s2 + a2[i] * v0 + a2[i + 1] * v1 + a2[i + 2] * v2 + a3[i + 2] * v3;
        y[i + 3] += s3 + a3[i] * v0 + a3[i + 1] * v1 + a3[i + 2] * v2 + a3[i + 3] * v3;
    }
    for (; i < end; i++) {
        const float *row = r->a + i * n;
        float sum = 0, vi = v[i];
        for (size_t j = s; j < i; j++) {
            y[j] += row[j] * vi;
            sum += row[j] * v[j];
        }
        y[i] += sum + row[i] * vi;
    }
}

/* A helper's part of a panel: pieces thread, thread + threads, … of every column. */
static void help(reduction *r, size_t thread, size_t threads) {
    for (size_t last = 0;;) {
        size_t column = atomic_load_explicit(&r->column, memory_order_acquire);
        if (column == r->n) return;
        if (column == last) {
            RELAX();
            continue;
        }
        last = column;
        for (size_t piece = thread; piece < PIECES; piece += threads) {
            symmetric_piece(r, column, piece, r->pieces + piece * r->n);
            atomic_store_explicit(&r->done[piece], column, memory_order_release);
        }
    }
}

/* True when the helpers' pieces of column s are there; false, and alone from now on, when one is late. */
static bool await(reduction *r, size_t s, size_t threads) {
    double start = omp_get_wtime();
    for (size_t piece = 0; piece < PIECES; piece++)
        for (unsigned turn = 1; piece % threads && atomic_load_explicit(&r->done[piece], memory_order_acquire) != s; turn++) {
            RELAX();
            if (turn % 64 || omp_get_wtime() - start < PATIENCE) continue;
            r->alone = true;
            atomic_store_explicit(&r->column, r->n, memory_order_release);
            return false;
        }
    return true;
}

/* y = A v over s … n-1, the pieces added in order. */
static float *symmetric_product(reduction *r, size_t s, size_t threads) {
    float *pieces = r->pieces;
    if (!r->alone && threads > 1) {
        atomic_store_explicit(&r->column, s, memory_order_release);
        for (size_t piece = 0; piece < PIECES; piece += threads) symmetric_piece(r, s, piece, pieces + piece * r->n);
    }
    if (r->alone || threads == 1 || !await(r, s, threads)) {
        pieces = r->pieces + PIECES * r->n;
        for (size_t piece = 0; piece < PIECES; piece++) symmetric_piece(r, s, piece, pieces + piece * r->n);
    }
    for (size_t piece = 1; piece < PIECES; piece++)
        for (size_t i = s; i < r->n; i++) pieces[i] += pieces[piece * r->n + i];
    return pieces;
}

/* The panel's columns of the lower triangle, each made contiguous: read a row at a time they cost a fraction of the cache misses. */
static void take_panel(reduction *r, size_t first, size_t last) {
    for (size_t i = first; i < r->n; i++) {
        const float *row = r->a + i * r->n;
        for (size_t j = first; j < last && j <= i; j++) r->columns[(j - first) * r->n + i] = row[j];
    }
}

/* Column j as the panel's columns first … j-1 have changed it, into x. */
static void take_column(const reduction *r, size_t first, size_t j) {
    size_t n = r->n, before = j - first;
    memcpy(r->x + j, r->columns + before * n + j, (n - j) * sizeof *r->x);
    if (!before) return;
    const float *v = r->a + first * n, *w = r->w;
    cblas_sgemv(CblasRowMajor, CblasTrans, (int)before, (int)(n - j), -1.0F, v + j, (int)n, w + j, (int)n, 1.0F, r->x + j, 1);
    cblas_sgemv(CblasRowMajor, CblasTrans, (int)before, (int)(n - j), -1.0F, w + j, (int)n, v + j, (int)n, 1.0F, r->x + j, 1);
}

/* The reflector that turns x[j+1 …] into (beta, 0, …), into a's row j with its leading 1 (LAPACK's slarfg). */
static void reflect(reduction *r, size_t j) {
    float *v = r->a + j * r->n, alpha = r->x[j + 1], scale = 0;
    double square = 0;
    for (size_t i = j + 2; i < r->n; i++) square += (double)r->x[i] * (double)r->x[i];
    r->t->off[j] = alpha;
    r->t->tau[j] = 0;
    if (square > 0) {
        float beta = (float)-copysign(sqrt((double)alpha * (double)alpha + square), (double)alpha);
        r->t->off[j] = beta;
        r->t->tau[j] = (beta - alpha) / beta;
        scale = 1.0F / (alpha - beta);
    }
    v[j + 1] = 1;
    for (size_t i = j + 2; i < r->n; i++) v[i] = scale * r->x[i];
}

/* Columns first … last-1. */
static void panel(reduction *r, size_t first, size_t last, size_t threads) {
    size_t n = r->n;
    float p[NB];
    take_panel(r, first, last);
    for (size_t j = first; j < last; j++) {
        int before = (int)(j - first), length = (int)(n - j - 1);
        take_column(r, first, j);
        r->t->diagonal[j] = r->x[j];
        if (length == 0) break;
        reflect(r, j);
        const float *v = r->a + j * n + j + 1, *rows = r->a + first * n + j + 1, *w = r->w + j + 1;
        float *out = r->w + (j - first) * n + j + 1, *y = symmetric_product(r, j + 1, threads) + j + 1, tau = r->t->tau[j];
        if (before) {
            cblas_sgemv(CblasRowMajor, CblasNoTrans, before, length, 1.0F, w, (int)n, v, 1, 0.0F, p, 1);
            cblas_sgemv(CblasRowMajor, CblasTrans, before, length, -1.0F, rows, (int)n, p, 1, 1.0F, y, 1);
            cblas_sgemv(CblasRowMajor, CblasNoTrans, before, length, 1.0F, rows, (int)n, v, 1, 0.0F, p, 1);
            cblas_sgemv(CblasRowMajor, CblasTrans, before, length, -1.0F, w, (int)n, p, 1, 1.0F, y, 1);
        }
        float shift = -0.5F * tau * tau * cblas_sdot(length, y, 1, v, 1);
        for (int i = 0; i < length; i++) out[i] = tau * y[i] + shift * v[i];
    }
    atomic_store_explicit(&r->column, n, memory_order_release);
}

/* A panel with its helpers; BLAS runs on one thread inside. */
static void run_panel(reduction *r, size_t first, size_t last, size_t threads) {
    atomic_store(&r->column, 0);
    for (size_t piece = 0; piece < PIECES; piece++) atomic_store(&r->done[piece], 0);
    if (r->alone || threads < 2 || r->n - first < ALONE) {
        int before = omp_get_max_threads();
        omp_set_num_threads(1);
        panel(r, first, last, 1);
        omp_set_num_threads(before);
        return;
    }
#pragma omp parallel num_threads((int)threads)
    {
        size_t thread = (size_t)omp_get_thread_num(), team = (size_t)omp_get_num_threads();
        if (thread == 0) panel(r, first, last, team);
        else help(r, thread, team);
    }
}

bool bl_tridiagonal_reduce(bl_tridiagonal *t, float *q, size_t n, bl_error *err) {
    *t = (bl_tridiagonal){.n = n, .q = q, .diagonal = bl_alloc(3 * n, sizeof(float), err)};
    if (!t->diagonal) return false;
    t->off = t->diagonal + n;
    t->tau = t->off + n;
    float *work = bl_alloc_zero((1 + 2 * NB + 2 * PIECES) * n, sizeof *work, err);
    if (!work) return false;
    reduction r = {.t = t, .a = q, .n = n, .x = work, .w = work + n, .columns = work + (1 + NB) * n, .pieces = work + (1 + 2 * NB) * n};
    size_t threads = omp_in_parallel() ? 1 : (size_t)omp_get_max_threads();
    if (threads > PIECES) threads = PIECES;
    for (size_t first = 0; first < n; first += NB) {
        size_t last = n - first < NB ? n : first + NB;
        run_panel(&r, first, last, threads);
        if (last < n)
            cblas_ssyr2k(CblasRowMajor, CblasLower, CblasTrans, (int)(n - last), (int)(last - first), -1.0F, q + first * n + last, (int)n,
                         r.w + last, (int)n, 1.0F, q + last * n + last, (int)n);
    }
    free(work);
    return true;
}

/* Reflectors begin … begin + count - 1 as rows over the columns begin + 1 … n - 1, zeros and the leading 1 written out. */
static void take_reflectors(const bl_tridiagonal *t, size_t begin, size_t count, float *v) {
    size_t n = t->n, length = n - begin - 1;
    for (size_t l = 0; l < count; l++) {
        memset(v + l * length, 0, l * sizeof *v);
        memcpy(v + l * length + l, t->q + (begin + l) * n + begin + l + 1, (length - l) * sizeof *v);
    }
}

bool bl_tridiagonal_back(const bl_tridiagonal *t, float *z, size_t columns, bl_error *err) {
    size_t n = t->n;
    float *v = bl_alloc((n + columns + BLOCK) * BLOCK, sizeof *v, err);
    if (!v) return false;
    float *y = v + n * BLOCK, *gram = y + columns * BLOCK;
    for (size_t end = n - 1; end > 0;) { /* z = z - ((z V^T) S^T) V, z and V by rows */
        size_t begin = (end - 1) / BLOCK * BLOCK;
        int count = (int)(end - begin), length = (int)(n - begin - 1), rows = (int)columns;
        take_reflectors(t, begin, (size_t)count, v);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, count, length, 1.0F, v, length, v, length, 0.0F, gram, BLOCK);
        for (int l = 0; l < count; l++) {
            float tau = t->tau[begin + (size_t)l];
            gram[l * BLOCK + l] = tau != 0 ? 1.0F / tau : INFINITY; /* tau = 0: no reflection, the share becomes 0 */
        }
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, count, length, 1.0F, z + begin + 1, (int)n, v, length, 0.0F, y, BLOCK);
        cblas_strsm(CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit, rows, count, 1.0F, gram, BLOCK, y, BLOCK);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, length, count, -1.0F, y, BLOCK, v, length, 1.0F, z + begin + 1,
                    (int)n);
        end = begin;
    }
    free(v);
    return true;
}

void bl_tridiagonal_free(bl_tridiagonal *t) {
    free(t->diagonal);
    t->diagonal = NULL;
}
