/* LAPACK's routines, with workspaces of our own: LAPACKE's allocate theirs, and write to standard output
 * when they cannot. Matrices are column-major, as LAPACK has them. All fail with BL_ERR_NUMERIC when the
 * input holds NaN, with which some of them would not end. */
#ifndef BL_LINEAR_LAPACK_H
#define BL_LINEAR_LAPACK_H
#include <bilens/base.h>

/* True, with BL_ERR_NUMERIC, when the routine's info is not 0. */
bool bl_lapack_failed(int info, const char *routine, bl_error *err);

/* All eigenpairs of the symmetric tridiagonal matrix d [n], e [n-1], which both are overwritten: eigenvalues,
 * ascending, into d, eigenvectors into the columns of z [n, n]. */
bool bl_sstedc(size_t n, float *d, float *e, float *z, size_t ldz, bl_error *err);
/* Its eigenpairs first … last (from 0), in float64: values [n], columns of z [n, last-first+1]; e has n
 * elements, of which the last is workspace. */
bool bl_dstemr(size_t n, double *d, double *e, size_t first, size_t last, double *values, double *z,
               bl_error *err);
/* a [m, n] = Q R: R above, reflectors below the diagonal, and in tau [min(m, n)]. */
bool bl_dgeqrf(size_t m, size_t n, double *a, double *tau, bl_error *err);
bool bl_sgeqrf(size_t m, size_t n, float *a, float *tau, bl_error *err);
/* The first n columns of Q, m rows, in the place of the reflectors. */
bool bl_dorgqr(size_t m, size_t n, double *a, const double *tau, bl_error *err);
/* Singular values of a [n, n], descending, into out [n]; a is destroyed. */
bool bl_dgesdd_values(size_t n, double *a, double *out, bl_error *err);
/* a x = b for positive definite a [n, n], of which the upper triangle is read and overwritten; b [n, columns]
 * becomes x. */
bool bl_dposv(size_t n, size_t columns, double *a, double *b, bl_error *err);
#endif
