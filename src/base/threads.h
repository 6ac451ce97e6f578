/* Threads and progress. */
#ifndef BL_BASE_THREADS_H
#define BL_BASE_THREADS_H
#include <bilens/base.h>

/* Makes OpenMP's settings of the calling thread such that a parallel region has as many threads as
 * omp_get_max_threads() says, whatever OMP_DYNAMIC, OMP_THREAD_LIMIT, OMP_MAX_ACTIVE_LEVELS and the system's
 * limits are. To be called before a product or a parallel region; costs nothing the second time.
 *
 * A region with few threads says num_threads(share ? n : 1), never num_threads(n) if (share): clang's OpenMP
 * gives the n of a region that is not shared to the next region inside it, which is OpenBLAS's, and OpenBLAS
 * then waits for ever for the threads that it did not get. */
void bl_threads_ready(void);

/* The number of threads that a parallel region will have. */
int bl_threads(void);

/* One item of a parallel loop: item i, computed by thread `thread` (0 … bl_threads() - 1). */
typedef bool (*bl_item_fn)(void *context, size_t i, size_t thread, bl_error *err);

/* Calls work(context, i, thread, …) for i = 0 … n - 1, threads over items in any order; the one parallel
 * loop of work that can fail. After a failure the remaining items are skipped; the error is that of the
 * lowest item that failed. Works with whatever number of threads OpenMP gives, one included. */
bool bl_parallel(size_t n, bl_item_fn work, void *context, bl_error *err);

/* False with BL_ERR_CANCELLED when bl_set_stop's function wants the work to end, or a SIGINT came that is
 * watched for (bl_interrupt_watch). */
bool bl_go_on(bl_error *err);

/* Reports progress; false with BL_ERR_CANCELLED when the callback asks to stop. `progress` may be NULL. */
bool bl_progress_step(const bl_progress *progress, const char *phase, uint64_t done, uint64_t total,
                      bl_error *err);
#endif
