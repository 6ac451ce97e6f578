#include "linear/solve.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/lapack.h"
#include <stdlib.h>

bool bl_solve_positive(double *a, size_t n, double *b, size_t columns, bl_error *err) {
    bl_threads_ready();
    double *x = bl_alloc(n * columns, sizeof *x, err); /* b by columns */
    if (!x) return false;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < columns; j++) x[j * n + i] = b[i * columns + j];
    bool ok = bl_dposv(n, columns, a, x, err); /* a's lower triangle by rows is its upper one by columns */
    for (size_t i = 0; ok && i < n; i++)
        for (size_t j = 0; j < columns; j++) b[i * columns + j] = x[j * n + i];
    free(x);
    return ok;
}
