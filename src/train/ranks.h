/* Several processes that train one model together (Open MPI), or the one process that trains alone. */
#ifndef BL_TRAIN_RANKS_H
#define BL_TRAIN_RANKS_H
#include <bilens/base.h>

typedef struct bl_ranks {
    int rank, size; /* 0, 1 without MPI */
} bl_ranks;

/* With `distributed`, joins the other ranks (BL_ERR_UNSUPPORTED when MPI was not built in); else stands alone. */
bool bl_ranks_join(bl_ranks *ranks, bool distributed, bl_error *err);
/* Leaves; all ranks have to. Nothing can be joined after it. */
void bl_ranks_leave(const bl_ranks *ranks);

/* x [n] becomes the sum over ranks, the same on all of them. */
bool bl_ranks_sum(const bl_ranks *ranks, float *x, size_t n, bl_error *err);
bool bl_ranks_sum_double(const bl_ranks *ranks, double *x, size_t n, bl_error *err);
/* `bytes` bytes from rank 0 to all. */
bool bl_ranks_share(const bl_ranks *ranks, void *data, size_t bytes, bl_error *err);
/* True on all ranks if `ok` is on all; otherwise false on all, with an error where there was none yet. */
bool bl_ranks_agree(const bl_ranks *ranks, bool ok, bl_error *err);
#endif
