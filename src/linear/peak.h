/* What the machine's BLAS can do at best. */
#ifndef BL_LINEAR_PEAK_H
#define BL_LINEAR_PEAK_H

/* Floating-point operations per second of sgemm: every thread multiplies its own 1024 x 1024 matrices, the
 * best of a few rounds (about a fifth of a second). 0 when there is no memory for it. */
double bl_sgemm_peak(void);
#endif
