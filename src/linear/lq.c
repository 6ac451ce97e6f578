#include "linear/lq.h"
#include "base/memory.h"
#include "linear/tridiagonal.h"
#include <lapacke.h>
#include <stdlib.h>

/* Row-major A is column-major A^T = Q' R, so that A = R^T Q'^T. */
bool bl_lq(double *a, size_t rows, size_t cols, double *l, bl_error *err) {
    lapack_int m = (lapack_int)cols, n = (lapack_int)rows;
    double *tau = bl_alloc(rows, sizeof *tau, err);
    if (!tau) return false;
    bool ok = !bl_lapack_failed(LAPACKE_dgeqrf(LAPACK_COL_MAJOR, m, n, a, m, tau), "dgeqrf", err);
    for (size_t i = 0; ok && i < rows; i++)
        for (size_t j = 0; j < rows; j++) l[i * rows + j] = j <= i ? a[i * cols + j] : 0;
    if (ok) ok = !bl_lapack_failed(LAPACKE_dorgqr(LAPACK_COL_MAJOR, m, n, n, a, m, tau), "dorgqr", err);
    free(tau);
    return ok;
}

bool bl_singular_values(double *a, size_t n, double *out, bl_error *err) {
    lapack_int size = (lapack_int)n;
    double none;
    return !bl_lapack_failed(LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', size, size, a, size, out, &none, 1, &none,
                                            1),
                             "dgesdd", err);
}
