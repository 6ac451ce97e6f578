/* Threads and progress. */
#ifndef BL_BASE_THREADS_H
#define BL_BASE_THREADS_H
#include <bilens/base.h>

/* The number of threads that a parallel region will have. */
int bl_threads(void);

/* Reports progress; false with BL_ERR_CANCELLED when the callback asks to stop. `progress` may be NULL. */
bool bl_progress_step(const bl_progress *progress, const char *phase, uint64_t done, uint64_t total,
                      bl_error *err);
#endif
