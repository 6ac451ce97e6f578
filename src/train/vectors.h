/* The vectors of one trace point over a corpus, in the order in which a run learns from them.
 *
 * What fits into memory is held there, and every epoch is a permutation of all. Of a larger corpus an epoch
 * falls into parts: stories in an order of the epoch's own, as many as fit; each part is a permutation of its
 * vectors (a shuffled buffer). Either way everything follows from the seed and the step. */
#ifndef BL_TRAIN_VECTORS_H
#define BL_TRAIN_VECTORS_H
#include "base/ranks.h"
#include "evidence/point_source.h"

/* A part of an epoch: the stories at places first … first + n - 1 of the epoch's order. */
typedef struct bl_vector_part {
    uint64_t epoch, step; /* the first step that it serves */
    size_t first, n;
    uint64_t rows; /* vectors; those below a whole batch are dropped */
} bl_vector_part;

typedef struct bl_vectors {
    bl_point_source *source; /* its samples are called stories here, whatever they are */
    const bl_ranks *ranks;
    uint64_t total, seed; /* vectors of all stories */
    size_t batch, epochs;
    size_t capacity; /* vectors in memory at most */
    bool whole;      /* all of them are */
    bl_vector_part *parts;
    size_t n_parts, parts_capacity;
    uint64_t steps;
    float *rows;     /* [capacity, d] of the part at hand */
    uint32_t *order; /* [capacity] of its vectors */
    uint32_t *story; /* [stories] order of the epoch at hand; all in file order where it is whole */
    size_t *begin;   /* [stories + 1] rows of the part's stories */
    size_t at;       /* the part that is in memory; SIZE_MAX: none */
    uint64_t sorted; /* the epoch whose order `story` is; UINT64_MAX: none */
} bl_vectors;

/* `buffer` vectors are held at most (0: as many as 2 GB hold). The source and the ranks must
 * outlive it. BL_ERR_USAGE when there are fewer vectors than a batch, or a buffer is smaller than that.
 * bl_vectors_free is due even when it fails. */
bool bl_vectors_init(bl_vectors *v, bl_point_source *source, const bl_ranks *ranks, size_t batch,
                     size_t epochs, size_t buffer, uint64_t seed, bl_error *err);
void bl_vectors_free(bl_vectors *v);

/* The batch of step `step` (from 0): rows of v->rows [batch]. All ranks call it for the same steps; when
 * another part is needed each computes its share. NULL with the error. */
const uint32_t *bl_vectors_batch(bl_vectors *v, uint64_t step, const bl_progress *progress, bl_error *err);

/* mean [d] of all vectors, *spread = sum |x - mean|^2, and the vectors at the `n` ascending places `picks`
 * in file order into out [n, d]. */
bool bl_vectors_survey(bl_vectors *v, const uint64_t *picks, size_t n, float *out, float *mean,
                       double *spread, const bl_progress *progress, bl_error *err);
#endif
