/* Vectors of as many floats as the processor has in a register. */
#ifndef BL_LINEAR_LANES_H
#define BL_LINEAR_LANES_H
#include <stdint.h>

#if defined(__AVX512F__)
#define BL_LANES_N 16
#elif defined(__AVX__)
#define BL_LANES_N 8
#else
#define BL_LANES_N 4
#endif

/* Both may be laid over floats in memory that begin at a multiple of their size. */
typedef float bl_lanes __attribute__((vector_size(4 * BL_LANES_N), may_alias));
typedef int32_t bl_lanes_mask __attribute__((vector_size(4 * BL_LANES_N))); /* -1 true, 0 false */
#endif
