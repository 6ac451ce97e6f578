/* Matrix products by the BLAS, and how rows and columns are shared out among threads.
 *
 * The trainer opens its own parallel regions and lets every thread multiply its own rows (or its own slab of
 * a weight's gradient): a BLAS that is called inside a parallel region runs on one thread, each product stays
 * in that thread's cache with the elementwise work around it, and the result depends on the number of threads
 * only through where the blocks begin. */
#ifndef BL_LINEAR_GEMM_H
#define BL_LINEAR_GEMM_H
#include <bilens/base.h>
#include <omp.h>

/* A run of rows or columns. */
typedef struct bl_range {
    size_t begin, end;
} bl_range;

/* Part `i` of `n` of 0 … total-1. */
static inline bl_range bl_part(size_t total, size_t i, size_t n) {
    return (bl_range){total * i / n, total * (i + 1) / n};
}

/* The calling thread's part inside a parallel region. */
static inline bl_range bl_my_part(size_t total) {
    return bl_part(total, (size_t)omp_get_thread_num(), (size_t)omp_get_num_threads());
}

/* The number of blocks of at most `size` rows that a range falls into. */
static inline size_t bl_blocks(bl_range range, size_t size) {
    return (range.end - range.begin + size - 1) / size;
}

/* Block `i` of bl_blocks(range, size): nearly equal blocks. */
static inline bl_range bl_block(bl_range range, size_t size, size_t i) {
    bl_range part = bl_part(range.end - range.begin, i, bl_blocks(range, size));
    return (bl_range){range.begin + part.begin, range.begin + part.end};
}

/* c [m, n] = a [m, k] b^T, b [n, k], and c = a b, b [k, n]: in pieces of a fixed number of columns, threads
 * over pieces, so that no bit depends on the number of threads; the BLAS's own division of a product is by
 * it. */
void bl_gemm_nt_pieces(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                       float *c, size_t ldc);
void bl_gemm_nn_pieces(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                       float *c, size_t ldc);

/* c [m, n] = alpha a [m, k] b^T + beta c, b [n, k]. Sizes and strides are below 2^31 here and below; without
 * beta, c need not hold numbers. */
void bl_gemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                size_t ldb, float beta, float *c, size_t ldc);
/* c [m, n] = alpha a [m, k] b + beta c, b [k, n]. */
void bl_gemm_nn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                size_t ldb, float beta, float *c, size_t ldc);
/* c [m, n] = alpha a^T b + beta c, a [k, m], b [k, n]. */
void bl_gemm_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                size_t ldb, float beta, float *c, size_t ldc);
/* y [m] = alpha a x + beta y, a [m, n]. */
void bl_gemv_n(size_t m, size_t n, float alpha, const float *a, size_t lda, const float *x, float beta,
               float *y);
/* y [n] = alpha a^T x + beta y, a [m, n]. */
void bl_gemv_t(size_t m, size_t n, float alpha, const float *a, size_t lda, const float *x, float beta,
               float *y);
/* y [n] += alpha x. */
void bl_axpy(size_t n, float alpha, const float *x, float *y);
/* b [m, n] = b r^T, r [n, n] of which the upper triangle is read. */
void bl_times_upper_t(size_t m, size_t n, const float *r, size_t ldr, float *b, size_t ldb);
/* a [n, n] = Q R: its upper triangle becomes R, so that |a x| = |R x|. */
bool bl_qr_upper(float *a, size_t n, bl_error *err);
#endif
