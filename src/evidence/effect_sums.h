/* What the second pass of evidence/effect.c adds up, and the effect that it comes to. */
#ifndef BL_EVIDENCE_EFFECT_SUMS_H
#define BL_EVIDENCE_EFFECT_SUMS_H
#include "evidence/effect.h"

/* Sums over positions; of the null draw's pairs those before `own` are over the sample. */
typedef struct bl_effect_sums {
    double rise, own_rise;               /* sum a; of own positions */
    double term, square, with_f;         /* sum term, term^2, term f */
    double energy, positive;             /* sum (v.x)^2, and of those with v.x > 0 */
    double own, own_squares, own_counts; /* own positions; over stories: a_j^2, a_j n_j */
} bl_effect_sums;

/* Of a direction. */
typedef struct bl_direction_sums {
    double n, n_squares;                /* sum n_j, n_j^2 over stories */
    double stories;                     /* that have any own position */
    double f, ff;                       /* sum u.y, (u.y)^2 */
    double sample, f_sample, ff_sample; /* n, f and ff over the sample */
} bl_direction_sums;

/* The effect (docs/specification.md, 12) of a pair among `all` predictions; a null draw met `sample` of
 * them. NaN where something is not defined. */
bl_effect bl_effect_of_sums(const bl_effect_sums *s, const bl_direction_sums *d, double all, double sample,
                            bool null_draw);
#endif
