/* The extreme entries of a table over V x V pairs that is given by factors, without the table.
 *
 *   one factor:   T[a, b] = left[a] . right[b]
 *   two:          T[a, b] = (left[a] . right[b]) (left2[a] . right2[b]) weight[b] */
#ifndef BL_DECOMPOSE_PAIR_SEARCH_H
#define BL_DECOMPOSE_PAIR_SEARCH_H
#include <bilens/pairs.h>

typedef struct bl_pair_search {
    bl_view left, right;         /* [V, r] both */
    bl_view left2, right2;       /* [V, r'] both, or data NULL: one factor */
    const float *weight;         /* [V] of the second token; NULL: 1 */
    const bool *words;           /* [V] only pairs of these tokens; NULL: all */
    bool symmetric;              /* only a <= b */
    size_t k;                    /* entries kept at each end */
    const bl_progress *progress; /* NULL: silent; phase "pairs" */
} bl_pair_search;

/* out: the k largest and the k lowest entries; ties: lower a, then lower b. Threads over blocks of rows; the
 * lists depend on neither. `out` is the caller's to free, also after a failure. */
bool bl_pair_search_run(const bl_pair_search *search, bl_token_pairs *out, bl_error *err);
#endif
