/* Householder tridiagonalisation and its way back, where they can be faster than LAPACKE_ssyevd's.
 *
 * ssytrd is half matrix-vector products with a barrier after each, which gain little from a second thread and wait for ever when another
 * process holds a core (seen: 22 ms became 15 s), so it runs on one.
 *
 * The way back applies H = H_1 H_2 … in blocks of reflectors, I - W S W^T (Schreiber & Van Loan 1989), last block first. sormtr would do
 * the same in blocks of 32, which feed sgemm badly: 38 ms instead of 12 at n = 1024 on one core. */
#include "decompose/tridiagonal.h"
#include "base/error.h"
#include "base/memory.h"
#include <lapacke.h>
#include <omp.h>
#include <stdlib.h>

#define REFLECTOR_BLOCK 128

bool bl_lapack_failed(int info, const char *routine, bl_error *err) {
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return !bl_fail(err, BL_ERR_MEMORY, "out of memory in LAPACK's %s", routine);
    if (info) return !bl_fail(err, BL_ERR_NUMERIC, "LAPACK's %s did not converge (info %d)", routine, info);
    return false;
}

bool bl_tridiagonal_reduce(bl_tridiagonal *t, float *q, size_t n, bl_error *err) {
    *t = (bl_tridiagonal){.n = n, .q = q, .diagonal = bl_alloc(3 * n, sizeof(float), err)};
    if (!t->diagonal) return false;
    t->off = t->diagonal + n;
    t->tau = t->off + n;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    lapack_int info = LAPACKE_ssytrd(LAPACK_COL_MAJOR, 'L', (lapack_int)n, q, (lapack_int)n, t->diagonal, t->off, t->tau);
    omp_set_num_threads(threads);
    return !bl_lapack_failed(info, "ssytrd", err);
}

bool bl_tridiagonal_back(const bl_tridiagonal *t, float *z, size_t columns, bl_error *err) {
    size_t n = t->n;
    float *work = bl_alloc((columns + REFLECTOR_BLOCK) * REFLECTOR_BLOCK, sizeof *work, err), *triangle = NULL;
    lapack_int info = 0, nb = REFLECTOR_BLOCK;
    int threads = omp_get_max_threads();
    if (!work) return false;
    triangle = work + columns * REFLECTOR_BLOCK;
    for (size_t end = n - 1; end > 0 && info == 0;) {
        size_t begin = (end - 1) / REFLECTOR_BLOCK * REFLECTOR_BLOCK;
        const float *w = t->q + begin * n + begin + 1; /* reflector i begins below the subdiagonal of column i */
        lapack_int rows = (lapack_int)(n - 1 - begin), count = (lapack_int)(end - begin);
        omp_set_num_threads(1); /* many small products */
        info = LAPACKE_slarft_work(LAPACK_COL_MAJOR, 'F', 'C', rows, count, w, (lapack_int)n, t->tau + begin, triangle, nb);
        omp_set_num_threads(threads);
        if (info == 0)
            info = LAPACKE_slarfb_work(LAPACK_COL_MAJOR, 'L', 'N', 'F', 'C', rows, (lapack_int)columns, count, w, (lapack_int)n, triangle,
                                       nb, z + begin + 1, (lapack_int)n, work, (lapack_int)columns);
        end = begin;
    }
    free(work);
    return !bl_lapack_failed(info, "slarfb", err);
}

void bl_tridiagonal_free(bl_tridiagonal *t) {
    free(t->diagonal);
    t->diagonal = NULL;
}
