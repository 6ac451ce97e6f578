/* A tile of C, BL_TILE_ROWS x 32, stays in vector registers while k runs: each step loads one row of a panel and broadcasts one element
 * of every row of A. Blocks: DEPTH steps of k at a time, so that a panel (DEPTH x 32) stays in the first-level cache while the rows of A
 * pass by, and those (a few hundred rows) in the second. */
#include "train/product.h"
#include <string.h>

#ifndef DEPTH
#define DEPTH ((size_t)512)
#endif

#ifdef __clang__ /* which would split the vectors in two unless told */
#define UNROLL _Pragma("clang loop unroll(full)")
#define INLINE __attribute__((always_inline, min_vector_width(8 * sizeof(vector))))
#define WHOLE_VECTORS __attribute__((min_vector_width(8 * sizeof(vector))))
#else
#define UNROLL _Pragma("GCC unroll 12")
#define INLINE __attribute__((always_inline))
#define WHOLE_VECTORS
#endif

#ifdef BL_LANES

typedef float vector __attribute__((vector_size(4 * BL_LANES)));
typedef float loose __attribute__((vector_size(4 * BL_LANES), aligned(4), may_alias)); /* anywhere in memory */

/* Columns that one tile has: two registers' worth. A panel of 32 columns is one tile wide with AVX-512, two with AVX2. */
enum { WIDE = 2 * BL_LANES };
#define TILES (BL_PANEL / WIDE)

/* rows x WIDE of C from `depth` steps; `columns` <= WIDE of them exist. */
INLINE static inline void tile(size_t rows, size_t depth, const float *a, size_t lda, const float *panel, float alpha, bool add, float *c,
                               size_t ldc, size_t columns) {
    vector sum[BL_TILE_ROWS][2];
    for (size_t i = 0; i < rows; i++) {
        sum[i][0] = sum[i][1] = (vector){0};
        __builtin_prefetch(c + i * ldc, 1);
        __builtin_prefetch(c + i * ldc + BL_LANES, 1);
    }
    for (size_t k = 0; k < depth; k++) {
        vector b0 = *(const loose *)(panel + k * BL_PANEL), b1 = *(const loose *)(panel + k * BL_PANEL + BL_LANES);
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            float x = a[i * lda + k];
            sum[i][0] += x * b0;
            sum[i][1] += x * b1;
        }
    }
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        float *to = c + i * ldc;
        vector x0 = alpha * sum[i][0], x1 = alpha * sum[i][1];
        if (columns == WIDE) {
            if (add) x0 += *(const loose *)to, x1 += *(const loose *)(to + BL_LANES);
            *(loose *)to = x0;
            *(loose *)(to + BL_LANES) = x1;
            continue;
        }
        float edge[WIDE];
        memcpy(edge, &x0, sizeof x0);
        memcpy(edge + BL_LANES, &x1, sizeof x1);
        for (size_t j = 0; j < columns; j++) to[j] = add ? to[j] + edge[j] : edge[j];
    }
}

/* The same with constants for loop counts, so that a tile's sums are registers. */
WHOLE_VECTORS static void run_tile(size_t rows, size_t depth, const float *a, size_t lda, const float *panel, float alpha, bool add,
                                   float *c, size_t ldc, size_t columns) {
#define CASE(n) \
    case n: tile(n, depth, a, lda, panel, alpha, add, c, ldc, columns); break
    if (rows == BL_TILE_ROWS && columns == WIDE) {
        tile(BL_TILE_ROWS, depth, a, lda, panel, alpha, add, c, ldc, WIDE);
        return;
    }
    switch (rows) {
        CASE(1);
        CASE(2);
        CASE(3);
        CASE(4);
        CASE(5);
        CASE(6);
#if BL_TILE_ROWS > 6
        CASE(7);
        CASE(8);
        CASE(9);
        CASE(10);
        CASE(11);
        CASE(12);
#endif
    default: break;
    }
#undef CASE
}

/* All rows of A against one panel's `columns` columns. */
static void against_panel(size_t m, size_t depth, const float *a, size_t lda, const float *panel, float alpha, bool add, float *c,
                          size_t ldc, size_t columns) {
    for (size_t i = 0; i < m; i += BL_TILE_ROWS) {
        size_t rows = m - i < BL_TILE_ROWS ? m - i : BL_TILE_ROWS;
        for (size_t t = 0; t < TILES && t * WIDE < columns; t++) {
            size_t width = columns - t * WIDE < WIDE ? columns - t * WIDE : WIDE;
            run_tile(rows, depth, a + i * lda, lda, panel + t * WIDE, alpha, add, c + i * ldc + t * WIDE, ldc, width);
        }
    }
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* One panel from `width` columns of b [k, n], zeros behind them. */
static void pack_columns(const float *b, size_t ldb, size_t k, size_t width, float *panel) {
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < width; j++) panel[i * BL_PANEL + j] = b[i * ldb + j];
        for (size_t j = width; j < BL_PANEL; j++) panel[i * BL_PANEL + j] = 0;
    }
}

/* One panel from `width` rows of w [n, k]. */
static void pack_rows(const float *w, size_t ldw, size_t k, size_t width, float *panel) {
    for (size_t begin = 0; begin < k; begin += 16) /* 16 steps of 32 columns: written lines stay in cache until they are full */
        for (size_t j = 0; j < BL_PANEL; j++)
            for (size_t i = begin; i < smaller(k, begin + 16); i++) panel[i * BL_PANEL + j] = j < width ? w[j * ldw + i] : 0;
}

void bl_factor_pack(const bl_factor *f) {
    bl_range mine = bl_my_part((f->N + BL_PANEL - 1) / BL_PANEL);
    for (size_t p = mine.begin; p < mine.end; p++) {
        size_t first = p * BL_PANEL, width = smaller(BL_PANEL, f->N - first);
        float *panel = f->panels + first * f->K;
        if (f->transposed) pack_rows(f->w + first * f->K, f->K, f->K, width, panel);
        else pack_columns(f->w + first, f->N, f->K, width, panel);
    }
}

void bl_multiply(const bl_factor *f, size_t m, float alpha, const float *a, size_t lda, bool add, float *c, size_t ldc) {
    for (size_t k = 0; k < f->K; k += DEPTH) {
        size_t depth = smaller(DEPTH, f->K - k);
        for (size_t n = 0; n < f->N; n += BL_PANEL)
            against_panel(m, depth, a + k, lda, f->panels + n * f->K + k * BL_PANEL, alpha, add || k > 0, c + n, ldc,
                          smaller(BL_PANEL, f->N - n));
    }
}

#else

void bl_factor_pack(const bl_factor *f) { (void)f; }

void bl_multiply(const bl_factor *f, size_t m, float alpha, const float *a, size_t lda, bool add, float *c, size_t ldc) {
    float beta = add ? 1.0F : 0.0F;
    if (f->transposed) bl_gemm_nt(m, f->N, f->K, alpha, a, lda, f->w, f->K, beta, c, ldc);
    else bl_gemm_nn(m, f->N, f->K, alpha, a, lda, f->w, f->N, beta, c, ldc);
}

#endif
