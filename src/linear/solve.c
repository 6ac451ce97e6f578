#include "linear/solve.h"
#include "base/threads.h"
#include "linear/tridiagonal.h"
#include <lapacke.h>

bool bl_solve_positive(double *a, size_t n, double *b, size_t columns, bl_error *err) {
    bl_threads_ready();
    lapack_int info = LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', (lapack_int)n, (lapack_int)columns, a,
                                    (lapack_int)n, b, (lapack_int)columns);
    return !bl_lapack_failed(info, "dposv", err);
}
