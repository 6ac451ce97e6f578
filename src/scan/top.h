/* The best matches of one eigenvector: at most one per story, largest sim^2 first; equal ones: lower story.
 * */
#ifndef BL_SCAN_TOP_H
#define BL_SCAN_TOP_H
#include "base/ranks.h"
#include "linear/best.h"
#include <bilens/base.h>

typedef struct bl_candidate {
    uint64_t story;
    size_t position;
    float similarity;
    int32_t *ids; /* [n_ids] owned */
    size_t n_ids;
    float *contributions; /* [position + 1] owned, made at the end */
    float *heads;         /* [1 + H, position + 1] owned, or NULL */
    float bias;
} bl_candidate;

typedef struct bl_top {
    bl_candidate *list; /* [n] in any order until bl_top_sort; then best first */
    size_t n, most;
    bl_best best;      /* (sim^2, story): which candidates these are */
    bl_scored *scored; /* [most] */
} bl_top;

bool bl_top_init(bl_top *top, size_t most, bl_error *err);
void bl_top_free(bl_top *top);
/* Offers a story's best position; keeps a copy of ids if it is good enough. The order of the offers does not
 * matter. */
bool bl_top_offer(bl_top *top, uint64_t story, size_t position, float similarity, const int32_t *ids,
                  size_t n_ids, bl_error *err);
/* Best first, when all has been offered. */
bool bl_top_sort(bl_top *top, bl_error *err);
/* Instead of offers: puts a match behind the others, good or not; there must be room for it. */
bool bl_top_append(bl_top *top, uint64_t story, size_t position, float similarity, const int32_t *ids,
                   size_t n_ids, bl_error *err);

/* Lists that several ranks made, each from its own stories, become one (merge_ranks.c). All ranks call these
 * together. */
/* tops [J] becomes, on every rank, what one process would have found (without contributions). */
bool bl_tops_merge(const bl_ranks *ranks, bl_top *tops, size_t J, bl_error *err);
/* Contributions and bias of list j, which rank j mod size has made, to every rank; by head, too, in `rows`
 * rows (1 + H, or 0). The lists are the same on all. */
bool bl_tops_share_contributions(const bl_ranks *ranks, bl_top *tops, size_t J, size_t rows, bl_error *err);
#endif
