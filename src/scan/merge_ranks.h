/* Lists of best matches that several ranks made, each from its own stories, become one. All ranks call these
 * together. */
#ifndef BL_SCAN_MERGE_RANKS_H
#define BL_SCAN_MERGE_RANKS_H
#include "base/ranks.h"
#include "scan/top.h"

/* tops [J] becomes, on every rank, what one process would have found (without contributions). */
bool bl_tops_merge(const bl_ranks *ranks, bl_top *tops, size_t J, bl_error *err);
/* Contributions and bias of list j, which rank j mod size has made, to every rank; by head, too, in `rows`
 * rows (1 + H, or 0). The lists are the same on all. */
bool bl_tops_share_contributions(const bl_ranks *ranks, bl_top *tops, size_t J, size_t rows, bl_error *err);
#endif
