/* Eigenvectors of a tridiagonal matrix at the ends of its spectrum (LAPACK's MRRR). */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/lapack.h"
#include "linear/tridiagonal.h"
#include <stdlib.h>
#include <string.h>

/* Eigenvectors first … last (0-based) of T, given in float64, into `vectors`, one a row. */
static bool solve_range(size_t size, const double *diagonal, const double *off, size_t first, size_t last,
                        float *vectors, bl_error *err) {
    size_t count = (last - first + 1) * size;
    double *work = bl_alloc(3 * size + count, sizeof *work, err), *d = work, *e = work + size,
           *values = work + 2 * size, *z = work + 3 * size;
    if (!work) return false;
    memcpy(d, diagonal, size * sizeof *d); /* overwritten */
    memcpy(e, off, size * sizeof *e);
    bool ok = bl_dstemr(size, d, e, first, last, values, z, err);
    for (size_t i = 0; ok && i < count; i++) vectors[i] = (float)z[i];
    free(work);
    return ok;
}

typedef struct ends {
    size_t n, low, high;
    const double *diagonal, *off;
    float *vectors;
} ends;

static bool solve_end(void *context, size_t end, size_t thread, bl_error *err) {
    const ends *t = context;
    (void)thread;
    if (end == 0)
        return t->low == 0 || solve_range(t->n, t->diagonal, t->off, 0, t->low - 1, t->vectors, err);
    return t->high == 0 ||
           solve_range(t->n, t->diagonal, t->off, t->n - t->high, t->n - 1, t->vectors + t->low * t->n, err);
}

/* MRRR loses a digit and more in float32; on T, which is only 2n numbers, float64 costs nothing. */
bool bl_tridiagonal_ends(const bl_tridiagonal *t, size_t low, size_t high, float *vectors, bl_error *err) {
    size_t n = t->n;
    double *d = bl_alloc(2 * n, sizeof *d, err), *e;
    if (!d) return false;
    e = d + n;
    for (size_t i = 0; i < n; i++) {
        d[i] = (double)t->diagonal[i];
        e[i] = i + 1 < n ? (double)t->off[i] : 0;
    }
    ends task = {n, low, high, d, e, NULL};
    task.vectors = vectors;
    bool ok = bl_parallel(2, solve_end, &task, err);
    free(d);
    return ok;
}
