#include "base/threads.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/processors.h"
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>

/* What bl_set_threads said last, and how often it was called; 0: never, then each thread's own OpenMP setting
 * counts. */
static atomic_int chosen, calls;

/* libgomp's pool of threads does not survive a fork: the child would wait for threads that it does not have.
 * So the pool is dissolved before a fork; the next parallel region makes a new one, in parent and child. */
static void before_fork(void) {
    if (!omp_in_parallel()) omp_pause_resource_all(omp_pause_soft);
}

static void at_first_use(void) { pthread_atfork(before_fork, NULL, NULL); }

void bl_threads_ready(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static _Thread_local int seen = -1; /* the call that this thread's settings come from */
    int call = atomic_load(&calls);
    if (seen == call || omp_in_parallel()) return;
    pthread_once(&once, at_first_use);
    int wanted = atomic_load(&chosen), now = omp_get_max_threads();
    if (!wanted) wanted = bl_threads_possible(now == omp_get_num_procs() ? bl_processors() : now);
    /* OpenBLAS's OpenMP build takes its number of threads from OpenMP, divides its work by it, and waits for
     * ever for a thread that OpenMP does not give: so the number must be true. It runs on one inside a
     * parallel region. */
    omp_set_dynamic(0);
    if (omp_get_max_active_levels() < 1) omp_set_max_active_levels(1);
    omp_set_num_threads(wanted);
    seen = call;
}

int bl_set_threads(int threads) {
    atomic_store(&chosen, bl_threads_possible(threads > 0 ? threads : bl_processors()));
    atomic_fetch_add(&calls, 1);
    bl_threads_ready();
    return omp_get_max_threads();
}

int bl_threads(void) {
    bl_threads_ready();
    return omp_get_max_threads();
}

bool bl_parallel(size_t n, bl_item_fn work, void *context, bl_error *err) {
    bl_error first = {0};
    size_t failed = SIZE_MAX; /* the lowest item that failed so far */
    if (n == 0) return true;
    bl_threads_ready();
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < n; i++) {
        size_t stop;
        bl_error failure = {0};
#pragma omp atomic read
        stop = failed;
        if (stop < i || (bl_go_on(&failure) && work(context, i, (size_t)omp_get_thread_num(), &failure)))
            continue;
#pragma omp critical(bl_parallel_failure)
        if (i < failed) {
            first = failure;
#pragma omp atomic write
            failed = i;
        }
    }
    return failed == SIZE_MAX || bl_fail(err, first.code, "%s", first.message);
}

static bool (*_Atomic stop_asked)(void);

void bl_set_stop(bl_stop_fn asked) { atomic_store(&stop_asked, asked); }

bool bl_go_on(bl_error *err) {
    bool (*asked)(void) = atomic_load(&stop_asked);
    return (!bl_interrupted() && (!asked || !asked())) || bl_fail(err, BL_ERR_CANCELLED, "interrupted");
}

bool bl_progress_step(const bl_progress *progress, const char *phase, uint64_t done, uint64_t total,
                      bl_error *err) {
    if (!bl_go_on(err)) return false;
    if (!progress || !progress->report || progress->report(progress->context, phase, done, total))
        return true;
    return bl_fail(err, BL_ERR_CANCELLED, "interrupted");
}
