/* Q = H T H^T: a symmetric matrix to tridiagonal form, and eigenvectors of T back to those of Q. */
#ifndef BL_LINEAR_TRIDIAGONAL_H
#define BL_LINEAR_TRIDIAGONAL_H
#include <bilens/base.h>

typedef struct bl_tridiagonal {
    size_t n;
    float *diagonal, *off; /* [n], [n - 1] */
    float *tau;            /* [n - 1] the reflectors' factors; reflector j is a[j, j+1 …] */
    float *a;              /* [n, n], rows `stride` apart */
    size_t stride;
} bl_tridiagonal;

/* Reduces q [n, n], of which the lower triangle is read. bl_tridiagonal_free is due even when it fails. */
bool bl_tridiagonal_reduce(bl_tridiagonal *t, const float *q, size_t n, bl_error *err);
/* All eigenvalues [n] of T, ascending (bisect.c). */
bool bl_tridiagonal_values(const bl_tridiagonal *t, float *values, bl_error *err);
/* The same, and its eigenvectors [n, n], one per row. */
bool bl_tridiagonal_solve(const bl_tridiagonal *t, float *values, float *vectors, bl_error *err);
/* Eigenvectors 0 … low - 1 and n - high … n - 1 of T into `vectors` [low + high, n], one a row
 * (ends.c). values [n]: what bl_tridiagonal_values has made of T. */
bool bl_tridiagonal_ends(const bl_tridiagonal *t, const float *values, size_t low, size_t high,
                         float *vectors, bl_error *err);
/* z [columns, n], one eigenvector of T a row, becomes eigenvectors of Q. */
bool bl_tridiagonal_back(const bl_tridiagonal *t, float *z, size_t columns, bl_error *err);
void bl_tridiagonal_free(bl_tridiagonal *t);
#endif
