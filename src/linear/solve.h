/* Linear equations in float64. */
#ifndef BL_LINEAR_SOLVE_H
#define BL_LINEAR_SOLVE_H
#include <bilens/base.h>

/* Solves a x = b for symmetric positive definite a [n, n], of which the lower triangle is read and which is
 * overwritten; b [n, columns] becomes x. BL_ERR_NUMERIC when a is not positive definite. */
bool bl_solve_positive(double *a, size_t n, double *b, size_t columns, bl_error *err);
#endif
