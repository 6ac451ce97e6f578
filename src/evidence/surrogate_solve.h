/* The least squares of one layer's surrogate. */
#ifndef BL_EVIDENCE_SURROGATE_SOLVE_H
#define BL_EVIDENCE_SURROGATE_SOLVE_H
#include <bilens/surrogate.h>

enum {
    BL_UNIT_SUMS = 15 + BL_SURROGATE_TERMS
}; /* per unit: moments of g, u, and of the value with the terms */

/* What hidden units read and give at some positions. */
typedef struct bl_unit_rows {
    size_t n, h;
    bool plain;
    const float *pre;    /* [n, 2h] g beside u; plain: [n, h] g */
    const float *hidden; /* [n, h] */
    const bool *skip;    /* [n] positions that do not count */
} bl_unit_rows;

/* Adds them to sums [BL_UNIT_SUMS, h]; sums[0] is then the number of positions. Threads share the units. */
void bl_unit_sums_add(const bl_unit_rows *rows, double *sums);
/* The coefficients [BL_SURROGATE_TERMS, h] of 1, g, u, gu, g², u² that fit best. */
bool bl_unit_sums_solve(const double *sums, size_t h, bool plain, float *coefficients, bl_error *err);
/* out [d, d+1], last column the constant, of the ridge regression with s [d, d] = Σ z zᵀ and right
 * [d, d] = Σ z rᵀ, z = input - x; x [d], y [d] are the means of the inputs and of what is regressed. */
bool bl_ridge_solve(const double *s, const double *right, size_t d, const double *x, const double *y,
                    float *out, bl_error *err);
#endif
