/* Means of squares over a corpus, without its positions: the mean of (v . x)^2 is v^T M v, M the mean of
 * x x^T. */
#ifndef BL_EVIDENCE_MOMENT_H
#define BL_EVIDENCE_MOMENT_H
#include "base/error.h"
#include <stddef.h>

typedef struct bl_moment bl_moment;

/* M = sum [n, n] / count; 0 where count is 0. */
bl_moment *bl_moment_new(const double *sum, size_t n, double count, bl_error *err);
void bl_moment_free(bl_moment *moment);

/* mean [count] = v^T M v of the rows of v [count, n]; scratch [count, n]. May be called by several threads at
 * once. */
void bl_moment_means(const bl_moment *moment, const float *v, size_t count, float *scratch, float *mean);
#endif
