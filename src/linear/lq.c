#include "linear/lq.h"
#include "base/memory.h"
#include "linear/lapack.h"
#include <stdlib.h>

/* Row-major A is column-major A^T = Q' R, so that A = R^T Q'^T. */
bool bl_lq(double *a, size_t rows, size_t cols, double *l, bl_error *err) {
    double *tau = bl_alloc(rows, sizeof *tau, err);
    if (!tau) return false;
    bool ok = bl_dgeqrf(cols, rows, a, tau, err);
    for (size_t i = 0; ok && i < rows; i++)
        for (size_t j = 0; j < rows; j++) l[i * rows + j] = j <= i ? a[i * cols + j] : 0;
    if (ok) ok = bl_dorgqr(cols, rows, a, tau, err);
    free(tau);
    return ok;
}

bool bl_singular_values(double *a, size_t n, double *out, bl_error *err) {
    return bl_dgesdd_values(n, a, out, err);
}
