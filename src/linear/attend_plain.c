/* attend_kernel.h for vectors of four, which every processor in question has. */
#define LANES 4
#define ROWS 4
#define RUN bl_attend_plain
#include "linear/attend_kernel.h"
