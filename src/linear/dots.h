/* Products of a weight matrix with a few vectors. Not a GEMM of BLAS, because that may add up in another
 * order when the number of vectors differs, and what is generated must not depend on what else is. */
#ifndef BL_LINEAR_DOTS_H
#define BL_LINEAR_DOTS_H
#include <bilens/base.h>

/* sum a[i] b[i], always added up in the same order. */
float bl_dot(const float *a, const float *b, size_t n);
/* out [n, rows] = in [n, cols] . weight^T + bias (may be NULL), weight [rows, cols], in and out without gaps.
 * Every entry is the bl_dot of its rows. Outside of a parallel region a large weight's rows are shared among
 * threads. */
void bl_dots(float *out, const float *in, size_t n, bl_view weight, const float *bias);
#endif
