/* All eigenpairs of a symmetric tridiagonal T by divide and conquer (Cuppen 1981), its first cut made here so
 * that the halves, each a sstedc of its own, run on two threads; LAPACK's slaed1 joins them:
 *
 *   T = diag(T1, T2) + rho (e_m ± e_m+1)(e_m ± e_m+1)^T,   rho = |T[m+1, m]|
 *
 * The cut is made whatever the number of threads, so that the result does not depend on it. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/tridiagonal.h"
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE 256 /* below this size T is not cut */

/* LAPACK's auxiliary routine that joins two solved halves. D [n], Q [n, n] block diagonal on entry, INDXQ
 * sorts each half and, on exit, all.
 *
 * lapacke.h does not declare it, and nothing that it declares can join halves that were solved apart:
 * sstedc by itself runs on one thread (twice the time at n = 1024). The prototype is that of the reference
 * SLAED1 (integers are lapack_int, which the assertion checks); tests/linear/test_tridiagonal.c holds the
 * results to LAPACK's own. */
_Static_assert(sizeof(lapack_int) == sizeof(int), "LAPACK's integers are Fortran's default ones");
extern void slaed1_(const lapack_int *n, float *d, float *q, const lapack_int *ldq, lapack_int *indxq,
                    float *rho, const lapack_int *cutpnt, float *work, lapack_int *iwork, lapack_int *info);

/* Solves the halves of the scaled, cut T in place: d becomes eigenvalues, blocks of q [n, n] eigenvectors. */
static lapack_int solve_halves(size_t n, size_t cut, float *d, float *e, float *q) {
    lapack_int info[2] = {0, 0};
#pragma omp parallel for num_threads(2) schedule(static, 1) if (bl_threads() > 1)
    for (int half = 0; half < 2; half++) {
        size_t begin = half ? cut : 0, size = half ? n - cut : cut;
        info[half] = LAPACKE_sstedc(LAPACK_COL_MAJOR, 'I', (lapack_int)size, d + begin, e + begin,
                                    q + begin * n + begin, (lapack_int)n);
    }
    return info[0] ? info[0] : info[1];
}

/* Joins them; order [n] sorts d and q's columns. */
static lapack_int join(size_t n, size_t cut, float rho, float *d, float *q, lapack_int *order, float *work,
                       lapack_int *iwork) {
    lapack_int size = (lapack_int)n, at = (lapack_int)cut, info;
    for (size_t i = 0; i < n; i++) order[i] = (lapack_int)(i < cut ? i : i - cut) + 1;
    slaed1_(&size, d, q, &size, order, &rho, &at, work, iwork, &info);
    return info;
}

static bool solve_cut(const bl_tridiagonal *t, float *values, float *vectors, bl_error *err) {
    size_t n = t->n, cut = n / 2;
    float norm = 0, *d = bl_alloc(2 * n, sizeof *d, err), *e = d ? d + n : NULL;
    float *q = bl_alloc_zero(n * n, sizeof *q, err), *work = bl_alloc(n * n + 4 * n, sizeof *work, err);
    lapack_int *iwork = bl_alloc(5 * n, sizeof *iwork, err), info = 0;
    bool ok = d && q && work && iwork;
    for (size_t i = 0; ok && i < n; i++)
        norm = fmaxf(norm, fmaxf(fabsf(t->diagonal[i]), i + 1 < n ? fabsf(t->off[i]) : 0));
    float scale =
        norm > 0 ? 1.0F / norm : 1.0F; /* slaed1 compares eigenvalues with components of unit vectors */
    for (size_t i = 0; ok && i < n; i++) {
        d[i] = scale * t->diagonal[i];
        e[i] = i + 1 < n ? scale * t->off[i] : 0;
    }
    if (ok) {
        float rho = e[cut - 1];
        d[cut - 1] -= fabsf(rho);
        d[cut] -= fabsf(rho);
        info = solve_halves(n, cut, d, e, q);
        if (info == 0) info = join(n, cut, rho, d, q, iwork + 4 * n, work, iwork);
        ok = !bl_lapack_failed(info, "slaed1", err);
    }
    for (size_t i = 0; ok && i < n; i++) {
        size_t from = (size_t)iwork[4 * n + i] - 1;
        values[i] = d[from] / scale;
        memcpy(vectors + i * n, q + from * n, n * sizeof *vectors);
    }
    free(d);
    free(q);
    free(work);
    free(iwork);
    return ok;
}

bool bl_tridiagonal_solve(const bl_tridiagonal *t, float *values, float *vectors, bl_error *err) {
    bl_threads_ready();
    if (t->n >= WHOLE) return solve_cut(t, values, vectors, err);
    float *off = bl_alloc(t->n, sizeof *off, err);
    if (!off) return false;
    memcpy(values, t->diagonal, t->n * sizeof *values);
    memcpy(off, t->off, (t->n - 1) * sizeof *off);
    lapack_int info =
        LAPACKE_sstedc(LAPACK_COL_MAJOR, 'I', (lapack_int)t->n, values, off, vectors, (lapack_int)t->n);
    free(off);
    return !bl_lapack_failed(info, "sstedc", err);
}
