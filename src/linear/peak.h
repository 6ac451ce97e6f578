/* What the machine's BLAS can do at best. */
#ifndef BL_LINEAR_PEAK_H
#define BL_LINEAR_PEAK_H
#include <stdbool.h>

/* Floating-point operations per second of sgemm: every thread multiplies its own 1024 x 1024 matrices, the
 * best of a few rounds (about a fifth of a second). 0 when there is no memory for it. */
double bl_sgemm_peak(void);
/* The same of bfloat16 products with float32 sums; 0 where the processor has none. */
double bl_product16_peak(void);
/* Whether products of bfloat16 are faster here than those of float32, and the speed of both on one thread,
 * flop/s (0: there are none). Short rounds in turn, the best of a hundred: others that use the machine do
 * not matter. */
bool bl_product16_faster(double *full, double *half);
#endif
