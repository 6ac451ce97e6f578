/* Rises of the loss in float32, many positions at a time. */
#ifndef BL_EVIDENCE_RISES_H
#define BL_EVIDENCE_RISES_H
#include <bilens/base.h>

#define BL_RISE_ROWS ((size_t)128) /* positions that take the same way */

/* Positions as one token sees them: s (0 where nothing is predicted), log p and p of the token, and the
 * largest p of each BL_RISE_ROWS positions. */
typedef struct bl_rise_rows {
    const float *scale, *log_p, *p, *most;
} bl_rise_rows;

/* p [rows] = e^log_p, and `most` of it. */
void bl_rise_probabilities(const float *log_p, size_t rows, float *p, float *most);

/* delta and rise of the rows first … last - 1 (first a multiple of BL_RISE_ROWS) of an eigenpair with
 * similarities a [rows] and mean square m. Returns the largest p |e^-delta - 1| of those positions at which
 * it may be above 0.02: where it is above 0.4, the series do not hold. */
float bl_rises(const bl_rise_rows *of, const float *a, float lambda, float m, size_t first, size_t last,
               float *delta, float *rise);
#endif
