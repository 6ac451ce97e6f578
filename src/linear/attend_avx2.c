/* attend_kernel.h for AVX2 with FMA (compiled with their flags, called only where the processor has them). */
#if defined(__x86_64__)
#define LANES 8
#define ROWS 4
#define RUN bl_attend_avx2
#include "linear/attend_kernel.h"
#endif
