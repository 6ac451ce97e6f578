/* Householder tridiagonalisation Q = H T H^T and its way back, faster than LAPACK's ssytrd and sormtr for the
 * sizes of models.
 *
 * Panels of NB columns (Dongarra, Sorensen & Hammarling 1989; LAPACK's slatrd). Column j of what is left:
 *
 *   reflector v from the column,  y = A v,  w = tau (y - V (W^T v) - W (V^T v)),  w -= tau/2 (w . v) v; after
 * a panel  A -= V W^T + W V^T
 *
 * A's lower triangle shrinks in place, row-major; the reflectors are laid into the upper one, a row each.
 * Half of the work is y = A v, too little for one OpenMP region each. So a panel is one region, whose helpers
 * compute fixed pieces of y and say so by an atomic counter. A helper that lets the others wait (another
 * process has its core) is left behind for good and its piece computed by the first thread: ssytrd with
 * OpenBLAS's threads has no such way out (seen: 22 ms became 15 s). The pieces are the same whoever computes
 * them, and added in the same order, so the result depends neither on the threads nor on the waiting.
 *
 * The way back applies H = H_1 H_2 … in blocks I - V S V^T, last block first, with S^-1 = upper(V^T V) and
 * 1/tau on its diagonal (Joffrain et al. 2006), so that all of it is matrix products; slarft and slarfb with
 * the same blocks take three times as long. */
#include "linear/tridiagonal.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/lanes.h"
#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NB 32           /* columns a panel */
#define BLOCK 128       /* reflectors applied at once on the way back */
#define FEW 16          /* up to so many columns the way back takes reflectors singly */
#define NOTHING 1e-15F  /* of a vector's largest element: what float32 does not tell from 0 */
#define PIECES 4        /* of y = A v */
#define TILE 128        /* rows that the update of what is left takes at once */
#define ALONE 192       /* below this many rows helpers cost more than they bring */
#define PATIENCE 100e-6 /* seconds that a helper may be late */

#if defined(__x86_64__)
#define RELAX() __builtin_ia32_pause()
#else
#define RELAX() ((void)0)
#endif

/* One reduction under way. */
typedef struct reduction {
    bl_tridiagonal *t;
    float *a; /* [n, stride] */
    size_t n, stride;
    float *x;       /* [n] the column at work */
    float *columns; /* [NB, stride] the panel's columns as they were before it */
    float *v, *w;   /* [NB, stride] of the panel: reflectors, zeros before them; w; and behind it v again */
    size_t first;   /* the panel's first column */
    float *pieces;  /* [2 PIECES, stride] of y; the second half is the first thread's when it is alone: a late
                       helper may still write to the  first */
    bool alone;     /* helpers were left behind */
    atomic_size_t column;       /* whose y is asked for; n: the panel is done */
    atomic_size_t done[PIECES]; /* the column that the piece was last computed for */
} reduction;

#define LANES ((size_t)BL_LANES_N)
#define ROWS 4

typedef float four __attribute__((vector_size(16)));

/* The sums of four vectors' elements. */
static inline four four_sums(const bl_lanes *x) {
    four part[4];
    for (size_t l = 0; l < 4; l++) {
        four pieces[LANES / 4];
        memcpy(pieces, &x[l], sizeof pieces);
        for (size_t half = LANES / 8; half > 0; half /= 2)
            for (size_t i = 0; i < half; i++) pieces[i] += pieces[i + half];
        part[l] = pieces[0];
    }
    four a = __builtin_shufflevector(part[0], part[1], 0, 4, 1, 5) +
             __builtin_shufflevector(part[0], part[1], 2, 6, 3, 7),
         b = __builtin_shufflevector(part[2], part[3], 0, 4, 1, 5) +
             __builtin_shufflevector(part[2], part[3], 2, 6, 3, 7);
    return __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
}

/* The first `count` lanes. */
static inline bl_lanes_mask leading(size_t count) {
    static const int32_t steps[2 * LANES] = {[0 ... LANES - 1] = -1};
    bl_lanes_mask mask;
    memcpy(&mask, steps + LANES - count, sizeof mask);
    return mask;
}

/* y += the share of rows i … i + rows - 1 (rows <= 4) from column `begin` on, both in the lower triangle
 * and mirrored. The rows' part of the diagonal lies in one vector, behind the columns that are whole vectors;
 * what lies right of it are reflectors. */
__attribute__((always_inline)) static inline void symmetric_rows(const reduction *r, const float *v,
                                                                 size_t begin, size_t i, size_t rows,
                                                                 float *y) {
    const float *a[ROWS];
    bl_lanes sum[ROWS] = {0}, own[ROWS];
    size_t edge = i / LANES * LANES;
    for (size_t l = 0; l < rows; l++) {
        a[l] = r->a + (i + l) * r->stride;
        own[l] = (bl_lanes){0} + v[i + l];
    }
    for (size_t j = begin; j < edge; j += LANES) {
        bl_lanes vj = *(const bl_lanes *)(v + j), t = *(bl_lanes *)(y + j);
        for (size_t l = 0; l < rows; l++) {
            bl_lanes x = *(const bl_lanes *)(a[l] + j);
            t += x * own[l];
            sum[l] += x * vj;
        }
        *(bl_lanes *)(y + j) = t;
    }
    bl_lanes last = *(const bl_lanes *)(v + edge), t = *(bl_lanes *)(y + edge);
    for (size_t l = 0; l < rows; l++) {
        bl_lanes_mask x = (bl_lanes_mask)(*(const bl_lanes *)(a[l] + edge));
        t += (bl_lanes)(x & leading(i + l - edge)) * own[l];
        sum[l] += (bl_lanes)(x & leading(i + l - edge + 1)) * last;
    }
    *(bl_lanes *)(y + edge) = t;
    four sums = four_sums(sum);
    for (size_t l = 0; l < rows; l++) y[i + l] += sums[l];
}

/* One piece of y = A v over rows and columns s … n-1, from the lower triangle. y before s is of no meaning.
 * Every other column goes through the rows backwards: what the last one left in the cache is used before it
 * is driven out. */
static void symmetric_piece(const reduction *r, size_t s, size_t piece, float *y) {
    const float *v = r->v + (s - 1 - r->first) * r->stride;
    size_t length = r->n - s, begin = s / LANES * LANES;
    /* rows begin at sqrt(piece / PIECES): equal areas of the triangle */
    size_t first = s + (size_t)((double)length * sqrt((double)piece / PIECES)),
           end = s + (size_t)((double)length * sqrt((double)(piece + 1) / PIECES)), low, high;
    if (piece == PIECES - 1) end = r->n;
    low = (first + ROWS - 1) / ROWS * ROWS;
    high = end / ROWS * ROWS;
    if (low > high) low = high = end;
    memset(y + begin, 0, (r->n - begin) * sizeof *y);
    for (size_t i = first; i < low; i++) symmetric_rows(r, v, begin, i, 1, y);
    if (s % 2)
        for (size_t i = low; i < high; i += ROWS) symmetric_rows(r, v, begin, i, ROWS, y);
    else
        for (size_t i = high; i > low; i -= ROWS) symmetric_rows(r, v, begin, i - ROWS, ROWS, y);
    for (size_t i = high; i < end; i++) symmetric_rows(r, v, begin, i, 1, y);
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
            symmetric_piece(r, column, piece, r->pieces + piece * r->stride);
            atomic_store_explicit(&r->done[piece], column, memory_order_release);
        }
    }
}

/* True when the helpers' pieces of column s are there; false, and alone from now on, when one is late. */
static bool await(reduction *r, size_t s, size_t threads) {
    double start = omp_get_wtime();
    for (size_t piece = 0; piece < PIECES; piece++)
        for (unsigned turn = 1;
             piece % threads && atomic_load_explicit(&r->done[piece], memory_order_acquire) != s; turn++) {
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
        for (size_t piece = 0; piece < PIECES; piece += threads)
            symmetric_piece(r, s, piece, pieces + piece * r->stride);
    }
    if (r->alone || threads == 1 || !await(r, s, threads)) {
        pieces = r->pieces + PIECES * r->stride;
        for (size_t piece = 0; piece < PIECES; piece++)
            symmetric_piece(r, s, piece, pieces + piece * r->stride);
    }
    for (size_t piece = 1; piece < PIECES; piece++)
        for (size_t i = s; i < r->n; i++) pieces[i] += pieces[piece * r->stride + i];
    return pieces;
}

/* The panel's columns of the lower triangle, each made contiguous: read one row at a time they cost a
 * fraction of the cache misses. */
static void take_panel(reduction *r, size_t first, size_t last) {
    for (size_t i = first; i < r->n; i++) {
        const float *row = r->a + i * r->stride;
        for (size_t j = first; j < last && j <= i; j++) r->columns[(j - first) * r->stride + i] = row[j];
    }
}

/* Column j as the panel's columns first … j-1 have changed it, into x. */
static void take_column(const reduction *r, size_t j) {
    size_t n = r->n, before = j - r->first, stride = r->stride;
    memcpy(r->x + j, r->columns + before * stride + j, (n - j) * sizeof *r->x);
    if (!before) return;
    const float *v = r->v, *w = r->w;
    cblas_sgemv(CblasRowMajor, CblasTrans, (int)before, (int)(n - j), -1.0F, v + j, (int)stride, w + j,
                (int)stride, 1.0F, r->x + j, 1);
    cblas_sgemv(CblasRowMajor, CblasTrans, (int)before, (int)(n - j), -1.0F, w + j, (int)stride, v + j,
                (int)stride, 1.0F, r->x + j, 1);
}

/* The reflector that turns x[j+1 …] into (beta, 0, …), with its leading 1 (LAPACK's slarfg), into the
 * panel's v and, for the way back, a's row j. */
static void reflect(reduction *r, size_t j) {
    float *v = r->v + (j - r->first) * r->stride, alpha = r->x[j + 1], scale = 0;
    double square = 0;
#pragma omp simd reduction(+ : square)
    for (size_t i = j + 2; i < r->n; i++) square += (double)r->x[i] * (double)r->x[i];
    r->t->off[j] = alpha;
    r->t->tau[j] = 0;
    if (square > 0) {
        float beta = (float)-copysign(sqrt((double)alpha * (double)alpha + square), (double)alpha);
        r->t->off[j] = beta;
        r->t->tau[j] = (beta - alpha) / beta;
        scale = 1.0F / (alpha - beta);
    }
    for (size_t i = (j + 1) / LANES * LANES; i <= j; i++) v[i] = 0;
    v[j + 1] = 1;
    for (size_t i = j + 2; i < r->n; i++) v[i] = scale * r->x[i];
    memcpy(r->a + j * r->stride + j + 1, v + j + 1, (r->n - j - 1) * sizeof *v);
}

/* Columns first … last-1. */
static void panel(reduction *r, size_t first, size_t last, size_t threads) {
    size_t n = r->n, stride = r->stride;
    float p[NB];
    r->first = first;
    take_panel(r, first, last);
    for (size_t j = first; j < last; j++) {
        int before = (int)(j - first), length = (int)(n - j - 1);
        take_column(r, j);
        r->t->diagonal[j] = r->x[j];
        if (length == 0) break;
        reflect(r, j);
        const float *rows = r->v + j + 1, *v = rows + (j - first) * stride, *w = r->w + j + 1;
        float *out = r->w + (j - first) * stride + j + 1, *y = symmetric_product(r, j + 1, threads) + j + 1,
              tau = r->t->tau[j];
        if (before) {
            cblas_sgemv(CblasRowMajor, CblasNoTrans, before, length, 1.0F, w, (int)stride, v, 1, 0.0F, p, 1);
            cblas_sgemv(CblasRowMajor, CblasTrans, before, length, -1.0F, rows, (int)stride, p, 1, 1.0F, y,
                        1);
            cblas_sgemv(CblasRowMajor, CblasNoTrans, before, length, 1.0F, rows, (int)stride, v, 1, 0.0F, p,
                        1);
            cblas_sgemv(CblasRowMajor, CblasTrans, before, length, -1.0F, w, (int)stride, p, 1, 1.0F, y, 1);
        }
        float shift = -0.5F * tau * tau * cblas_sdot(length, y, 1, v, 1);
        for (int i = 0; i < length; i++) out[i] = tau * y[i] + shift * v[i];
    }
    for (size_t l = 0; l < NB && last < n; l++)
        memcpy(r->w + (NB + l) * stride + last, r->v + l * stride + last, (n - last) * sizeof *r->w);
    atomic_store_explicit(&r->column, n, memory_order_release);
}

/* Rows begin … end - 1 of A -= V W^T + W V^T from row and column s on, as one product of [V W] and [W V];
 * what it writes above the diagonal is never read. */
static void update_rows(const reduction *r, size_t s, size_t begin, size_t end) {
    int stride = (int)r->stride;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)(end - begin), (int)(end - s), 2 * NB, -1.0F,
                r->v + begin, stride, r->w + s, stride, 1.0F, r->a + begin * r->stride + s, stride);
}

/* A panel with its helpers, then the update of what is left, a tile of rows a thread; BLAS runs on one thread
 * inside. */
static void run_panel(reduction *r, size_t first, size_t last, size_t threads) {
    size_t tiles = (r->n - last + TILE - 1) / TILE;
    bool together = !r->alone && threads > 1 && r->n - first >= ALONE;
    atomic_store(&r->column, 0);
    for (size_t piece = 0; piece < PIECES; piece++) atomic_store(&r->done[piece], 0);
#pragma omp parallel num_threads((int)threads)
    {
        size_t thread = (size_t)omp_get_thread_num(), team = together ? (size_t)omp_get_num_threads() : 1;
        if (thread == 0) panel(r, first, last, team);
        else if (together) help(r, thread, team);
#pragma omp barrier
#pragma omp for schedule(dynamic, 1)
        for (size_t t = 0; t < tiles; t++) { /* the longest rows first */
            size_t end = r->n - t * TILE, begin = end - last < TILE ? last : end - TILE;
            update_rows(r, last, begin, end);
        }
    }
}

/* An odd number of cache lines: rows a power of two apart would share the same few places of the caches, and
 * the triangle, which is read once per column, would not stay in them long before it fits. */
static size_t odd_stride(size_t n) { return (n + 15) / 16 * 16 + ((n + 15) / 16 % 2 ? 0 : 16); }

bool bl_tridiagonal_reduce(bl_tridiagonal *t, const float *q, size_t n, bl_error *err) {
    size_t stride = odd_stride(n);
    *t = (bl_tridiagonal){.n = n,
                          .stride = stride,
                          .diagonal = bl_alloc(3 * n, sizeof(float), err),
                          .a = NULL};
    if (!t->diagonal) return false;
    t->off = t->diagonal + n;
    t->tau = t->off + n;
    t->a = bl_alloc(n * stride, sizeof *t->a, err);
    float *work = t->a ? bl_alloc((1 + 4 * NB + 2 * PIECES) * stride, sizeof *work, err) : NULL;
    if (!work) return false;
    memset(work, 0, (1 + 4 * NB + 2 * PIECES) * stride * sizeof *work);
    for (size_t i = 0; i < n; i++) memcpy(t->a + i * stride, q + i * n, (i + 1) * sizeof *q);
    reduction r = {.t = t,
                   .a = t->a,
                   .n = n,
                   .stride = stride,
                   .x = work,
                   .v = work + stride,
                   .w = work + (1 + NB) * stride,
                   .columns = work + (1 + 3 * NB) * stride,
                   .pieces = work + (1 + 4 * NB) * stride};
    size_t threads = omp_in_parallel() ? 1 : (size_t)bl_threads();
    if (threads > PIECES) threads = PIECES;
    for (size_t first = 0; first < n; first += NB) {
        size_t last = n - first < NB ? n : first + NB;
        run_panel(&r, first, last, threads);
    }
    free(work);
    return true;
}

/* Reflectors begin … begin + count - 1 as rows over the columns begin + 1 … n - 1, zeros and the leading
 * 1 written out. */
static void take_reflectors(const bl_tridiagonal *t, size_t begin, size_t count, float *v) {
    size_t n = t->n, length = n - begin - 1;
    for (size_t l = 0; l < count; l++) {
        memset(v + l * length, 0, l * sizeof *v);
        memcpy(v + l * length + l, t->a + (begin + l) * t->stride + begin + l + 1, (length - l) * sizeof *v);
    }
}

/* The same for a few columns, one reflector after the other: preparing blocks would cost more than it saves.
 */
static void back_one_by_one(const bl_tridiagonal *t, float *z, size_t columns) {
    size_t n = t->n;
    for (size_t j = n - 1; j-- > 0;)
        for (size_t c = 0; c < columns; c++) {
            const float *v = t->a + j * t->stride;
            float *x = z + c * n, dot = 0;
#pragma omp simd reduction(+ : dot)
            for (size_t i = j + 1; i < n; i++) dot += v[i] * x[i];
            dot *= t->tau[j];
            for (size_t i = j + 1; i < n; i++) x[i] -= dot * v[i];
        }
}

/* An eigenvector of T fades away from where it is large, to numbers at which a processor takes a hundred
 * times as long. z [columns, n] by rows. */
static void drop_faded(float *z, size_t n, size_t columns) {
    for (size_t c = 0; c < columns; c++, z += n) {
        float most = 0;
#pragma omp simd reduction(max : most)
        for (size_t i = 0; i < n; i++) most = fabsf(z[i]) > most ? fabsf(z[i]) : most;
        float least = NOTHING * most;
#pragma omp simd
        for (size_t i = 0; i < n; i++) z[i] = fabsf(z[i]) < least ? 0 : z[i];
    }
}

bool bl_tridiagonal_back(const bl_tridiagonal *t, float *z, size_t columns, bl_error *err) {
    size_t n = t->n;
    bl_threads_ready();
    drop_faded(z, n, columns);
    if (columns <= FEW) {
        back_one_by_one(t, z, columns);
        return true;
    }
    float *v = bl_alloc((n + columns + BLOCK) * BLOCK, sizeof *v, err);
    if (!v) return false;
    float *y = v + n * BLOCK, *gram = y + columns * BLOCK;
    for (size_t end = n - 1; end > 0;) { /* z = z - ((z V^T) S^T) V, z and V by rows */
        size_t begin = (end - 1) / BLOCK * BLOCK;
        int count = (int)(end - begin), length = (int)(n - begin - 1), rows = (int)columns;
        take_reflectors(t, begin, (size_t)count, v);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, count, length, 1.0F, v, length, v, length,
                    0.0F, gram, BLOCK);
        for (int l = 0; l < count; l++) {
            float tau = t->tau[begin + (size_t)l];
            gram[l * BLOCK + l] =
                tau != 0 ? 1.0F / tau : INFINITY; /* tau = 0: no reflection, the share becomes 0 */
        }
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, count, length, 1.0F, z + begin + 1, (int)n,
                    v, length, 0.0F, y, BLOCK);
        cblas_strsm(CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit, rows, count, 1.0F, gram,
                    BLOCK, y, BLOCK);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, length, count, -1.0F, y, BLOCK, v,
                    length, 1.0F, z + begin + 1, (int)n);
        end = begin;
    }
    free(v);
    return true;
}

void bl_tridiagonal_free(bl_tridiagonal *t) {
    free(t->diagonal);
    free(t->a);
    *t = (bl_tridiagonal){0};
}
