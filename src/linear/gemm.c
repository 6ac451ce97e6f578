/* The only calls of the BLAS for dense products. */
#include "linear/gemm.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/lapack.h"
#include <cblas.h>
#include <stdlib.h>

void bl_gemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                size_t ldb, float beta, float *c, size_t ldc) {
    bl_threads_ready();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,
                (int)ldb, beta, c, (int)ldc);
}

void bl_gemm_nn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                size_t ldb, float beta, float *c, size_t ldc) {
    bl_threads_ready();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,
                (int)ldb, beta, c, (int)ldc);
}

void bl_gemm_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                size_t ldb, float beta, float *c, size_t ldc) {
    bl_threads_ready();
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,
                (int)ldb, beta, c, (int)ldc);
}

enum { PIECE = 64 }; /* columns */

void bl_gemm_nt_pieces(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                       float *c, size_t ldc) {
    bl_threads_ready();
#pragma omp parallel for schedule(static)
    for (size_t at = 0; at < n; at += PIECE)
        bl_gemm_nt(m, n - at < PIECE ? n - at : PIECE, k, 1, a, lda, b + at * ldb, ldb, 0, c + at, ldc);
}

void bl_gemm_nn_pieces(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                       float *c, size_t ldc) {
    bl_threads_ready();
#pragma omp parallel for schedule(static)
    for (size_t at = 0; at < n; at += PIECE)
        bl_gemm_nn(m, n - at < PIECE ? n - at : PIECE, k, 1, a, lda, b + at, ldb, 0, c + at, ldc);
}

void bl_gemv_n(size_t m, size_t n, float alpha, const float *a, size_t lda, const float *x, float beta,
               float *y) {
    bl_threads_ready();
    cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)m, (int)n, alpha, a, (int)lda, x, 1, beta, y, 1);
}

void bl_gemv_t(size_t m, size_t n, float alpha, const float *a, size_t lda, const float *x, float beta,
               float *y) {
    bl_threads_ready();
    cblas_sgemv(CblasRowMajor, CblasTrans, (int)m, (int)n, alpha, a, (int)lda, x, 1, beta, y, 1);
}

void bl_axpy(size_t n, float alpha, const float *x, float *y) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) y[i] += alpha * x[i];
}

void bl_times_upper_t(size_t m, size_t n, const float *r, size_t ldr, float *b, size_t ldb) {
    bl_threads_ready();
    cblas_strmm(CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit, (int)m, (int)n, 1.0F, r,
                (int)ldr, b, (int)ldb);
}

/* a [n, n] transposed in place. */
static void flip(float *a, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            float x = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = x;
        }
}

bool bl_qr_upper(float *a, size_t n, bl_error *err) {
    bl_threads_ready();
    float *tau = bl_alloc(n, sizeof *tau, err);
    if (!tau) return false;
    flip(a, n);
    bool ok = bl_sgeqrf(n, n, a, tau, err);
    flip(a, n);
    free(tau);
    return ok;
}
