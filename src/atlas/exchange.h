/* What ranks that make an atlas together hand each other. All ranks call these together. */
#ifndef BL_ATLAS_EXCHANGE_H
#define BL_ATLAS_EXCHANGE_H
#include "atlas/sweep.h"
#include "base/ranks.h"

/* Rank 0's `all`, made by bl_hits_init with the shape of `mine`, gets the best of all ranks' lists, whose
 * stories differ: what one process would have found. */
bool bl_hits_gather(const bl_ranks *ranks, const bl_hits *mine, bl_hits *all, bl_error *err);
/* Rank 0's lists to all. */
bool bl_hits_share(const bl_ranks *ranks, bl_hits *hits, bl_error *err);
#endif
