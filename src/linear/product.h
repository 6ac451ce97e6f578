/* Matrix products of one thread against a weight that many rows are multiplied by: it is packed once per
 * pass, not once per call.
 *
 * A BLAS packs both factors in every call; with rows in blocks that fit the cache that costs a fifth of a
 * training step. Here the right-hand factor B [K, N] is kept in panels of BL_PANEL columns, element (k, n) at
 * (n / BL_PANEL) K BL_PANEL + k BL_PANEL + n % BL_PANEL, and the rows of A are read where they lie. The
 * kernel is for AVX-512 and for AVX2 with FMA; elsewhere the same functions call the BLAS. */
#ifndef BL_LINEAR_PRODUCT_H
#define BL_LINEAR_PRODUCT_H
#include "linear/gemm.h"

#if defined(__AVX512F__)
#define BL_LANES 16     /* floats in a vector register */
#define BL_TILE_ROWS 12 /* rows of C that a tile keeps in registers */
#elif defined(__AVX2__) && defined(__FMA__)
#define BL_LANES 8
#define BL_TILE_ROWS 6
#endif
#define BL_PANEL ((size_t)32)
#define BL_PRODUCT_DEPTH \
    ((size_t)256) /* steps of k at a time: the shorter, the less a sum in float32 is rounded */
#define BL_PRODUCT_WIDTH ((size_t)512)    /* columns of C that all steps of k are added to first */
#define BL_PRODUCT_TN_WIDTH ((size_t)640) /* columns of b, and … */
#define BL_PRODUCT_HEIGHT \
    ((size_t)252) /* … of a that bl_multiply_tn packs at a time, or up to a half more; in whole tiles */
#define BL_PRODUCT_SCRATCH \
    (BL_PRODUCT_DEPTH * (3 * BL_PRODUCT_TN_WIDTH / 2 + 3 * BL_PRODUCT_HEIGHT / 2 + 2 * BL_PANEL))

/* A right-hand factor B [K, N] that stands for the matrix `w`: w itself, [K, N], or w [N, K] transposed. */
typedef struct bl_factor {
    const float *w;
    float *panels; /* bl_factor_size floats */
    size_t K, N;
    bool transposed;
    bool half; /* packed and multiplied in bfloat16, see linear/product16.h */
} bl_factor;

/* Floats that the panels of a factor take. */
static inline size_t bl_factor_size(size_t K, size_t N) {
    return (N + BL_PANEL - 1) / BL_PANEL * BL_PANEL * K;
}

/* Columns that lie side by side in `panels`, and where element (k, n) is: for a factor that is made in place
 * instead of packed, with `w` the same memory. */
static inline size_t bl_factor_side(const bl_factor *f) {
#ifdef BL_LANES
    (void)f;
    return BL_PANEL;
#else
    return f->N;
#endif
}
static inline size_t bl_factor_at(const bl_factor *f, size_t k, size_t n) {
    size_t side = bl_factor_side(f);
    return (n / side * f->K + k) * side + n % side;
}

/* Packs this thread's share of the panels; a barrier has to follow. */
void bl_factor_pack(const bl_factor *f);

/* Rows begin … begin + n - 1 of a weight as out [n, cols]. */
typedef void (*bl_read_rows)(void *context, size_t begin, size_t n, float *out);

#define BL_PRODUCT_ROWS ((size_t)256) /* rows of a weight that bl_multiply_of packs at a time */

/* Floats of scratch per thread for a weight of `cols` columns. */
static inline size_t bl_multiply_of_scratch(size_t cols) { return (BL_PRODUCT_ROWS + BL_PANEL) * cols; }

/* out [n, rows], rows `ld` apart, = in [n, cols] w^T of a weight w [rows, cols] whose rows `read`
 * makes, at most BL_PANEL at a time; or that lies in memory as `w`, without gaps (`read` is then not
 * called). Each number is added up in the same order whatever n and the number of threads are (where the BLAS
 * computes the product, only to rounding). At most `threads` threads share the
 * rows of the weight (one inside of a parallel region), so that `read` may be called by several at
 * once. `scratch`: bl_multiply_of_scratch floats for each of `threads`. */
void bl_multiply_of(float *out, size_t ld, const float *in, size_t n, size_t rows, size_t cols,
                    const float *w, bl_read_rows read, void *context, size_t threads, float *scratch);

/* c [m, N] = alpha a [m, K] B, or c += with `add`. */
void bl_multiply(const bl_factor *f, size_t m, float alpha, const float *a, size_t lda, bool add, float *c,
                 size_t ldc);

/* c [m, n] = alpha a^T b, or c += with `add`; a [k, m], b [k, n]. `scratch`: BL_PRODUCT_SCRATCH floats of the
 * thread's own. */
void bl_multiply_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                    size_t ldb, bool add, float *c, size_t ldc, float *scratch);
#endif
