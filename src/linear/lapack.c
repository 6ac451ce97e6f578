#include "linear/lapack.h"
#include "base/error.h"
#include "base/memory.h"
#include <lapacke.h>
#include <stdlib.h>

bool bl_lapack_failed(int info, const char *routine, bl_error *err) {
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return !bl_fail(err, BL_ERR_MEMORY, "out of memory in LAPACK's %s", routine);
    if (info) return !bl_fail(err, BL_ERR_NUMERIC, "LAPACK's %s did not converge (info %d)", routine, info);
    return false;
}

static bool no_nan(size_t n, const double *x, const char *routine, bl_error *err) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != x[i]) return bl_fail(err, BL_ERR_NUMERIC, "LAPACK's %s was given NaN", routine);
    return true;
}

static bool no_nan_float(size_t n, const float *x, const char *routine, bl_error *err) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != x[i]) return bl_fail(err, BL_ERR_NUMERIC, "LAPACK's %s was given NaN", routine);
    return true;
}

bool bl_sstedc(size_t n, float *d, float *e, float *z, size_t ldz, bl_error *err) {
    size_t size = 1 + 4 * n + n * n, whole = 3 + 5 * n;
    if (n == 0) return true;
    if (!no_nan_float(n, d, "sstedc", err) || !no_nan_float(n - 1, e, "sstedc", err)) return false;
    float *work = bl_alloc(size, sizeof *work, err);
    lapack_int *iwork = bl_alloc(whole, sizeof *iwork, err);
    bool ok =
        work && iwork &&
        !bl_lapack_failed(LAPACKE_sstedc_work(LAPACK_COL_MAJOR, 'I', (lapack_int)n, d, e, z, (lapack_int)ldz,
                                              work, (lapack_int)size, iwork, (lapack_int)whole),
                          "sstedc", err);
    free(work);
    free(iwork);
    return ok;
}

bool bl_dstemr(size_t n, double *d, double *e, size_t first, size_t last, double *values, double *z,
               bl_error *err) {
    lapack_int found = 0, wanted = (lapack_int)(last - first + 1);
    lapack_logical precise = 1;
    if (!no_nan(n, d, "dstemr", err) || !no_nan(n - 1, e, "dstemr", err)) return false;
    double *work = bl_alloc(18 * n, sizeof *work, err);
    lapack_int *iwork = bl_alloc(12 * n, sizeof *iwork, err); /* workspace [10 n], supports [2 n] */
    bool ok =
        work && iwork &&
        !bl_lapack_failed(LAPACKE_dstemr_work(LAPACK_COL_MAJOR, 'V', 'I', (lapack_int)n, d, e, 0, 0,
                                              (lapack_int)first + 1, (lapack_int)last + 1, &found, values, z,
                                              (lapack_int)n, wanted, iwork + 10 * n, &precise, work,
                                              (lapack_int)(18 * n), iwork, (lapack_int)(10 * n)),
                          "dstemr", err);
    if (ok && found != wanted)
        ok = bl_fail(err, BL_ERR_NUMERIC, "LAPACK's dstemr found %d of %d eigenvectors", (int)found,
                     (int)wanted);
    free(work);
    free(iwork);
    return ok;
}

bool bl_dgeqrf(size_t m, size_t n, double *a, double *tau, bl_error *err) {
    lapack_int rows = (lapack_int)m, columns = (lapack_int)n, size;
    double best = 1;
    if (!no_nan(m * n, a, "dgeqrf", err)) return false;
    (void)LAPACKE_dgeqrf_work(LAPACK_COL_MAJOR, rows, columns, a, rows, tau, &best, -1);
    size = (lapack_int)best;
    double *work = bl_alloc((size_t)size, sizeof *work, err);
    bool ok = work && !bl_lapack_failed(LAPACKE_dgeqrf_work(LAPACK_COL_MAJOR, rows, columns, a, rows, tau,
                                                            work, size),
                                        "dgeqrf", err);
    free(work);
    return ok;
}

bool bl_sgeqrf(size_t m, size_t n, float *a, float *tau, bl_error *err) {
    lapack_int rows = (lapack_int)m, columns = (lapack_int)n, size;
    float best = 1;
    if (!no_nan_float(m * n, a, "sgeqrf", err)) return false;
    (void)LAPACKE_sgeqrf_work(LAPACK_COL_MAJOR, rows, columns, a, rows, tau, &best, -1);
    size = (lapack_int)best;
    float *work = bl_alloc((size_t)size, sizeof *work, err);
    bool ok = work && !bl_lapack_failed(LAPACKE_sgeqrf_work(LAPACK_COL_MAJOR, rows, columns, a, rows, tau,
                                                            work, size),
                                        "sgeqrf", err);
    free(work);
    return ok;
}

bool bl_dorgqr(size_t m, size_t n, double *a, const double *tau, bl_error *err) {
    lapack_int rows = (lapack_int)m, columns = (lapack_int)n, size;
    double best = 1;
    (void)LAPACKE_dorgqr_work(LAPACK_COL_MAJOR, rows, columns, columns, a, rows, tau, &best, -1);
    size = (lapack_int)best;
    double *work = bl_alloc((size_t)size, sizeof *work, err);
    bool ok = work && !bl_lapack_failed(LAPACKE_dorgqr_work(LAPACK_COL_MAJOR, rows, columns, columns, a, rows,
                                                            tau, work, size),
                                        "dorgqr", err);
    free(work);
    return ok;
}

bool bl_dgesdd_values(size_t n, double *a, double *out, bl_error *err) {
    lapack_int size = (lapack_int)n, length;
    double best = 1, none;
    if (!no_nan(n * n, a, "dgesdd", err)) return false;
    lapack_int *iwork = bl_alloc(8 * n, sizeof *iwork, err);
    if (!iwork) return false;
    (void)LAPACKE_dgesdd_work(LAPACK_COL_MAJOR, 'N', size, size, a, size, out, &none, 1, &none, 1, &best, -1,
                              iwork);
    length = (lapack_int)best;
    double *work = bl_alloc((size_t)length, sizeof *work, err);
    bool ok = work && !bl_lapack_failed(LAPACKE_dgesdd_work(LAPACK_COL_MAJOR, 'N', size, size, a, size, out,
                                                            &none, 1, &none, 1, work, length, iwork),
                                        "dgesdd", err);
    free(work);
    free(iwork);
    return ok;
}

bool bl_dposv(size_t n, size_t columns, double *a, double *b, bl_error *err) {
    lapack_int size = (lapack_int)n;
    if (!no_nan(n * n, a, "dposv", err) || !no_nan(n * columns, b, "dposv", err)) return false;
    return !bl_lapack_failed(LAPACKE_dposv_work(LAPACK_COL_MAJOR, 'U', size, (lapack_int)columns, a, size, b,
                                                size),
                             "dposv", err);
}
