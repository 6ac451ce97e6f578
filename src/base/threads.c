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

bool bl_progress_step(const bl_progress *progress, const char *phase, uint64_t done, uint64_t total,
                      bl_error *err) {
    if (!progress || !progress->report || progress->report(progress->context, phase, done, total))
        return true;
    return bl_fail(err, BL_ERR_CANCELLED, "interrupted");
}
