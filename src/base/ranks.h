/* Several processes, started by mpirun, that work as one (Open MPI), or the one process that works alone. */
#ifndef BL_BASE_RANKS_H
#define BL_BASE_RANKS_H
#include <bilens/base.h>

typedef struct bl_ranks {
    int rank, size; /* 0, 1 without MPI */
} bl_ranks;

/* Whether MPI was built in. */
bool bl_ranks_possible(void);
/* With `distributed`, joins the other ranks (BL_ERR_UNSUPPORTED when MPI was not built in); else stands
 * alone. Joining again is free; the ranks part when the process exits. */
bool bl_ranks_join(bl_ranks *ranks, bool distributed, bl_error *err);

/* Every function below is called by all ranks, in the same order. */

/* True on all ranks if `ok` is on all; otherwise false on all, with the error of the lowest rank that failed.
 */
bool bl_ranks_agree(const bl_ranks *ranks, bool ok, bl_error *err);
/* x [n] becomes the sum over ranks, the same on all of them. */
bool bl_ranks_sum(const bl_ranks *ranks, float *x, size_t n, bl_error *err);
bool bl_ranks_sum_double(const bl_ranks *ranks, double *x, size_t n, bl_error *err);
/* `bytes` bytes from rank 0, or from rank `from`, to all. */
bool bl_ranks_share(const bl_ranks *ranks, void *data, size_t bytes, bl_error *err);
bool bl_ranks_share_from(const bl_ranks *ranks, int from, void *data, size_t bytes, bl_error *err);

/* What each rank gave, one behind the other: rank r's bytes are data[begin[r]] … data[begin[r + 1] - 1]. */
typedef struct bl_gathered {
    char *data;
    size_t *begin; /* [size + 1] */
} bl_gathered;

/* Rank 0 gets the `bytes` bytes of every rank; the others get nothing. Fails on all ranks or on none. */
bool bl_ranks_gather(const bl_ranks *ranks, const void *data, size_t bytes, bl_gathered *out, bl_error *err);
/* The same for every rank. */
bool bl_ranks_gather_all(const bl_ranks *ranks, const void *data, size_t bytes, bl_gathered *out,
                         bl_error *err);
void bl_gathered_free(bl_gathered *gathered);
#endif
