#include "base/threads.h"
#include "base/error.h"
#include <omp.h>

const char *bl_version(void) { return BILENS_VERSION; }

int bl_set_threads(int threads) {
    /* OpenBLAS's OpenMP build takes its number of threads from OpenMP, and runs on one inside a parallel
     * region. */
    omp_set_num_threads(threads > 0 ? threads : omp_get_num_procs());
    return omp_get_max_threads();
}

int bl_threads(void) { return omp_get_max_threads(); }

bool bl_parallel(size_t n, bl_item_fn work, void *context, bl_error *err) {
    bl_error first = {0};
    size_t failed = SIZE_MAX; /* the lowest item that failed so far */
    if (n == 0) return true;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < n; i++) {
        size_t stop;
        bl_error failure = {0};
#pragma omp atomic read
        stop = failed;
        if (stop < i || work(context, i, (size_t)omp_get_thread_num(), &failure)) continue;
#pragma omp critical(bl_parallel_failure)
        if (i < failed) {
            first = failure;
#pragma omp atomic write
            failed = i;
        }
    }
    return failed == SIZE_MAX || bl_fail(err, first.code, "%s", first.message);
}

bool bl_progress_step(const bl_progress *progress, const char *phase, uint64_t done, uint64_t total,
                      bl_error *err) {
    if (!progress || !progress->report || progress->report(progress->context, phase, done, total))
        return true;
    return bl_fail(err, BL_ERR_CANCELLED, "interrupted");
}
