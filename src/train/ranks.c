#include "train/ranks.h"
#include "base/error.h"
#include <bilens/train.h>

#ifdef BILENS_MPI
#include <mpi.h>

#define PIECE ((size_t)1 << 28) /* elements or bytes in one call: MPI counts in int */

bool bl_train_has_mpi(void) { return true; }

static bool check(int code, const char *what, bl_error *err) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    if (code == MPI_SUCCESS) return true;
    MPI_Error_string(code, text, &length);
    return bl_fail(err, BL_ERR_IO, "MPI: %s: %s", what, text);
}

bool bl_ranks_join(bl_ranks *ranks, bool distributed, bl_error *err) {
    *ranks = (bl_ranks){0, 1};
    if (!distributed) return true;
    int given, started;
    MPI_Initialized(&started);
    if (!started && !check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given), "starting", err)) return false;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &ranks->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks->size);
    return true;
}

void bl_ranks_leave(const bl_ranks *ranks) {
    int started, ended;
    (void)ranks;
    MPI_Initialized(&started);
    MPI_Finalized(&ended);
    if (started && !ended) MPI_Finalize();
}

bool bl_ranks_sum(const bl_ranks *ranks, float *x, size_t n, bl_error *err) {
    bool ok = true;
    for (size_t i = 0; ranks->size > 1 && ok && i < n; i += PIECE)
        ok = check(MPI_Allreduce(MPI_IN_PLACE, x + i, (int)(n - i < PIECE ? n - i : PIECE), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD),
                   "adding gradients", err);
    return ok;
}

bool bl_ranks_sum_double(const bl_ranks *ranks, double *x, size_t n, bl_error *err) {
    if (ranks->size == 1) return true;
    return check(MPI_Allreduce(MPI_IN_PLACE, x, (int)n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD), "adding losses", err);
}

bool bl_ranks_share(const bl_ranks *ranks, void *data, size_t bytes, bl_error *err) {
    bool ok = true;
    for (size_t i = 0; ranks->size > 1 && ok && i < bytes; i += PIECE)
        ok = check(MPI_Bcast((char *)data + i, (int)(bytes - i < PIECE ? bytes - i : PIECE), MPI_BYTE, 0, MPI_COMM_WORLD),
                   "sharing the state", err);
    return ok;
}

bool bl_ranks_agree(const bl_ranks *ranks, bool ok, bl_error *err) {
    int all = ok;
    if (ranks->size == 1) return ok;
    if (MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD) != MPI_SUCCESS) all = 0;
    if (ok && !all) bl_fail(err, BL_ERR_IO, "rank %d stops because another rank failed", ranks->rank);
    return all;
}

#else

bool bl_train_has_mpi(void) { return false; }

bool bl_ranks_join(bl_ranks *ranks, bool distributed, bl_error *err) {
    *ranks = (bl_ranks){0, 1};
    return !distributed || bl_fail(err, BL_ERR_UNSUPPORTED,
                                   "this bilens was built without MPI: install Open MPI's development files (Debian: libopenmpi-dev) "
                                   "and build it again, or start it without mpirun");
}

void bl_ranks_leave(const bl_ranks *ranks) { (void)ranks; }

bool bl_ranks_sum(const bl_ranks *ranks, float *x, size_t n, bl_error *err) {
    (void)ranks, (void)x, (void)n, (void)err;
    return true;
}

bool bl_ranks_sum_double(const bl_ranks *ranks, double *x, size_t n, bl_error *err) {
    (void)ranks, (void)x, (void)n, (void)err;
    return true;
}

bool bl_ranks_share(const bl_ranks *ranks, void *data, size_t bytes, bl_error *err) {
    (void)ranks, (void)data, (void)bytes, (void)err;
    return true;
}

bool bl_ranks_agree(const bl_ranks *ranks, bool ok, bl_error *err) {
    (void)ranks, (void)err;
    return ok;
}
#endif
