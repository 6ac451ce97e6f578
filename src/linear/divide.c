/* All eigenpairs of a symmetric tridiagonal T by divide and conquer (Cuppen 1981), its first cut made here so
 * that the halves, each a sstedc of its own, run on two threads; LAPACK's slaed1 joins them:
 *
 *   T = diag(T1, T2) + rho (e_m ± e_m+1)(e_m ± e_m+1)^T,   rho = |T[m+1, m]|
 *
 * The cut is made whatever the number of threads, so that the result does not depend on it. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/lapack.h"
#include "linear/tridiagonal.h"
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE 256 /* below this size T is not cut */

/* LAPACK's auxiliary routine that joins two solved halves. D [n], Q [n, n] block diagonal on entry, INDXQ
 * sorts each half and, on exit, all.
 *
 * lapacke.h does not declare it, and nothing that it declares can join halves that were solved apart: sstedc
 * by itself runs on one thread (twice the time at n = 1024). The prototype is that of the reference SLAED1
 * (integers are lapack_int, which the assertion checks); tests/linear/test_tridiagonal.c holds the results to
 * LAPACK's own. */
_Static_assert(sizeof(lapack_int) == sizeof(int), "LAPACK's integers are Fortran's default ones");
extern void slaed1_(const lapack_int *n, float *d, float *q, const lapack_int *ldq, lapack_int *indxq,
                    float *rho, const lapack_int *cutpnt, float *work, lapack_int *iwork, lapack_int *info);

/* The scaled, cut T: d becomes eigenvalues, blocks of q eigenvectors. */
typedef struct halves {
    size_t n, cut;
    float *d, *e, *q; /* [n], [n], [n, n] */
} halves;

static bool solve_half(void *context, size_t half, size_t thread, bl_error *err) {
    const halves *t = context;
    size_t begin = half ? t->cut : 0, size = half ? t->n - t->cut : t->cut;
    (void)thread;
    return bl_sstedc(size, t->d + begin, t->e + begin, t->q + begin * t->n + begin, t->n, err);
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
    lapack_int *iwork = bl_alloc(5 * n, sizeof *iwork, err);
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
        halves task = {n, cut, d, e, q};
        ok = bl_parallel(2, solve_half, &task, err) &&
             !bl_lapack_failed(join(n, cut, rho, d, q, iwork + 4 * n, work, iwork), "slaed1", err);
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
    bool ok = bl_sstedc(t->n, values, off, vectors, t->n, err);
    free(off);
    return ok;
}
