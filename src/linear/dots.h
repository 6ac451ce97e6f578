/* Products of a weight matrix with a few vectors. Not a GEMM of BLAS, because that may add up in another
 * order when the number of vectors differs, and what is generated must not depend on what else is. */
#ifndef BL_LINEAR_DOTS_H
#define BL_LINEAR_DOTS_H
#include <bilens/base.h>

#define BL_DOTS_ROWS ((size_t)8) /* rows that bl_dots_of makes at a time */

/* sum a[i] b[i], always added up in the same order. */
float bl_dot(const float *a, const float *b, size_t n);
/* out [n, rows], rows `ld` apart, = in [n, cols] . weight^T + bias (may be NULL), weight [rows, cols], in
 * without gaps. Every entry is the bl_dot of its rows. Outside of a parallel region a large weight's rows
 * are shared among threads. */
void bl_dots(float *out, size_t ld, const float *in, size_t n, bl_view weight, const float *bias);
/* The same of a weight whose rows begin … begin + n - 1 `read` makes, n <= BL_DOTS_ROWS; it is called by
 * several threads at once, at most `threads`. scratch [threads, BL_DOTS_ROWS, cols]. */
void bl_dots_of(float *out, size_t ld, const float *in, size_t n, size_t rows, size_t cols,
                void (*read)(void *context, size_t begin, size_t n, float *out), void *context,
                size_t threads, float *scratch);
#endif
