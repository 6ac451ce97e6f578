/* A = L Q with orthonormal rows of Q, in float64 (LAPACK's QR of the transpose). */
#ifndef BL_LINEAR_LQ_H
#define BL_LINEAR_LQ_H
#include <bilens/base.h>

/* a [rows, cols], rows <= cols, becomes Q; l [rows, rows] is lower triangular. */
bool bl_lq(double *a, size_t rows, size_t cols, double *l, bl_error *err);
/* Singular values of a [n, n], descending, into out [n]; a is destroyed. */
bool bl_singular_values(double *a, size_t n, double *out, bl_error *err);
#endif
