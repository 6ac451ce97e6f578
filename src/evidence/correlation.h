/* Correlations between two lists of numbers. */
#ifndef BL_EVIDENCE_CORRELATION_H
#define BL_EVIDENCE_CORRELATION_H
#include <stdbool.h>
#include <stddef.h>

/* Pearson's correlation of a and z [N] over the positions where `on` (NULL: all); NaN without two points or
 * without variance. */
double bl_pearson(const double *a, const double *z, const bool *on, size_t N);

/* Probability that a position where `on` has a larger z than one where it has not, equal ones counting half,
 * among those that are `counted`; NaN where one kind is missing. work [N]. */
double bl_auc(const double *z, const bool *on, const bool *counted, size_t N, double *work);
#endif
