/* Ranks over Open MPI. Who fails says so at the next agreement, where all ranks learn why and stop alike; a
 * rank that dies is noticed by mpirun, which ends the others. MPI is called by the main thread only and
 * counts in int, so long messages go in pieces. */
#include "base/ranks.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

#ifdef BILENS_MPI
#include <mpi.h>

#define PIECE ((size_t)1 << 28) /* elements or bytes in one call */

bool bl_ranks_possible(void) { return true; }

static bool check(int code, const char *what, bl_error *err) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    if (code == MPI_SUCCESS) return true;
    MPI_Error_string(code, text, &length);
    return bl_fail(err, BL_ERR_IO, "MPI: %s: %s", what, text);
}

static void part(void) {
    int ended;
    MPI_Finalized(&ended);
    if (!ended) MPI_Finalize();
}

bool bl_ranks_join(bl_ranks *ranks, bool distributed, bl_error *err) {
    *ranks = (bl_ranks){0, 1};
    if (!distributed) return true;
    int given, started;
    MPI_Initialized(&started);
    if (!started) {
        if (!check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given), "starting", err)) return false;
        atexit(part);
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &ranks->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks->size);
    return true;
}

bool bl_ranks_agree(const bl_ranks *ranks, bool ok, bl_error *err) {
    int first = ok ? ranks->size : ranks->rank;
    bl_error failure = {BL_ERR_IO, "unknown failure"};
    if (ranks->size == 1) return ok;
    if (!ok && err && err->code) failure = *err;
    if (!check(MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD), "agreeing", err))
        return false;
    if (first == ranks->size) return true;
    if (!check(MPI_Bcast(&failure, (int)sizeof failure, MPI_BYTE, first, MPI_COMM_WORLD), "agreeing", err))
        return false;
    if (first == ranks->rank) return bl_fail(err, failure.code, "%s", failure.message);
    failure.message[sizeof failure.message - 1] = '\0';
    return bl_fail(err, failure.code, "rank %d: %.*s", first, (int)sizeof failure.message - 32,
                   failure.message);
}

bool bl_ranks_sum(const bl_ranks *ranks, float *x, size_t n, bl_error *err) {
    bool ok = true;
    for (size_t i = 0; ranks->size > 1 && ok && i < n; i += PIECE)
        ok = check(MPI_Allreduce(MPI_IN_PLACE, x + i, (int)(n - i < PIECE ? n - i : PIECE), MPI_FLOAT,
                                 MPI_SUM, MPI_COMM_WORLD),
                   "adding gradients", err);
    return ok;
}

bool bl_ranks_sum_double(const bl_ranks *ranks, double *x, size_t n, bl_error *err) {
    if (ranks->size == 1) return true;
    return check(MPI_Allreduce(MPI_IN_PLACE, x, (int)n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD), "adding losses",
                 err);
}

bool bl_ranks_share_from(const bl_ranks *ranks, int from, void *data, size_t bytes, bl_error *err) {
    bool ok = true;
    for (size_t i = 0; ranks->size > 1 && ok && i < bytes; i += PIECE)
        ok = check(MPI_Bcast((char *)data + i, (int)(bytes - i < PIECE ? bytes - i : PIECE), MPI_BYTE, from,
                             MPI_COMM_WORLD),
                   "sharing the state", err);
    return ok;
}

/* Where each rank's bytes will stand. */
static bool set_begins(const bl_ranks *ranks, size_t bytes, bl_gathered *out, bl_error *err) {
    size_t n = (size_t)ranks->size;
    uint64_t mine = bytes, *sizes = bl_alloc_zero(n, sizeof *sizes, err);
    out->begin = bl_alloc_zero(n + 1, sizeof *out->begin, err);
    bool ok = bl_ranks_agree(ranks, sizes && out->begin, err) && sizes &&
              check(MPI_Allgather(&mine, 1, MPI_UINT64_T, sizes, 1, MPI_UINT64_T, MPI_COMM_WORLD),
                    "gathering sizes", err);
    for (size_t r = 0; ok && r < n; r++) out->begin[r + 1] = out->begin[r] + (size_t)sizes[r];
    free(sizes);
    return ok;
}

/* One rank's bytes to rank 0. */
static bool move(const bl_ranks *ranks, int from, const char *data, char *out, size_t bytes, bl_error *err) {
    bool ok = true;
    for (size_t i = 0; ok && i < bytes; i += PIECE) {
        int count = (int)(bytes - i < PIECE ? bytes - i : PIECE);
        if (ranks->rank == 0)
            ok = check(MPI_Recv(out + i, count, MPI_BYTE, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
                       "gathering", err);
        else ok = check(MPI_Send(data + i, count, MPI_BYTE, 0, 0, MPI_COMM_WORLD), "gathering", err);
    }
    return ok;
}

static bool gather(const bl_ranks *ranks, const void *data, size_t bytes, bool all, bl_gathered *out,
                   bl_error *err) {
    size_t n = (size_t)ranks->size;
    *out = (bl_gathered){0};
    bool ok = set_begins(ranks, bytes, out, err);
    if (!ok) return false;
    if (all || ranks->rank == 0) out->data = bl_alloc(out->begin[n], 1, err);
    if (!bl_ranks_agree(ranks, out->data || (!all && ranks->rank > 0), err)) return false;
    if (ranks->rank == 0 && bytes && out->data) memcpy(out->data, data, bytes);
    for (int r = 1; ok && r < ranks->size; r++)
        if (ranks->rank == 0 || ranks->rank == r)
            ok = move(ranks, r, data, out->data ? out->data + out->begin[r] : NULL,
                      out->begin[r + 1] - out->begin[r], err);
    return bl_ranks_agree(ranks, ok, err) && (!all || bl_ranks_share(ranks, out->data, out->begin[n], err));
}

#else

bool bl_ranks_possible(void) { return false; }

bool bl_ranks_join(bl_ranks *ranks, bool distributed, bl_error *err) {
    *ranks = (bl_ranks){0, 1};
    return !distributed || bl_fail(err, BL_ERR_UNSUPPORTED,
                                   "this bilens was built without MPI: install Open MPI's development files "
                                   "(Debian: libopenmpi-dev) "
                                   "and build it again, or start it without mpirun");
}

bool bl_ranks_agree(const bl_ranks *ranks, bool ok, bl_error *err) {
    (void)ranks, (void)err;
    return ok;
}

bool bl_ranks_sum(const bl_ranks *ranks, float *x, size_t n, bl_error *err) {
    (void)ranks, (void)x, (void)n, (void)err;
    return true;
}

bool bl_ranks_sum_double(const bl_ranks *ranks, double *x, size_t n, bl_error *err) {
    (void)ranks, (void)x, (void)n, (void)err;
    return true;
}

bool bl_ranks_share_from(const bl_ranks *ranks, int from, void *data, size_t bytes, bl_error *err) {
    (void)ranks, (void)from, (void)data, (void)bytes, (void)err;
    return true;
}

static bool gather(const bl_ranks *ranks, const void *data, size_t bytes, bool all, bl_gathered *out,
                   bl_error *err) {
    (void)ranks, (void)all;
    *out = (bl_gathered){bl_alloc(bytes, 1, err), bl_alloc_zero(2, sizeof(size_t), err)};
    if (!out->data || !out->begin) return false;
    if (bytes) memcpy(out->data, data, bytes);
    out->begin[1] = bytes;
    return true;
}
#endif

bool bl_ranks_share(const bl_ranks *ranks, void *data, size_t bytes, bl_error *err) {
    return bl_ranks_share_from(ranks, 0, data, bytes, err);
}

bool bl_ranks_gather(const bl_ranks *ranks, const void *data, size_t bytes, bl_gathered *out, bl_error *err) {
    return gather(ranks, data, bytes, false, out, err);
}

bool bl_ranks_gather_all(const bl_ranks *ranks, const void *data, size_t bytes, bl_gathered *out,
                         bl_error *err) {
    return gather(ranks, data, bytes, true, out, err);
}

void bl_gathered_free(bl_gathered *gathered) {
    free(gathered->data);
    free(gathered->begin);
    *gathered = (bl_gathered){0};
}
