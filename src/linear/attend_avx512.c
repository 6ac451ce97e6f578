/* attend_kernel.h for AVX-512 (compiled with its flags, called only where the processor has it). */
#if defined(__x86_64__)
#define LANES 16
#define ROWS 12
#define RUN bl_attend_avx512
#include "linear/attend_kernel.h"
#endif
