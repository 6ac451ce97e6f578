/* Losses before and after an edit, summed story by story, and their intervals by the bootstrap over stories.
 * */
#ifndef BL_EVIDENCE_TALLY_H
#define BL_EVIDENCE_TALLY_H
#include <bilens/ablate.h>

/* Sums over one story's predictions; of `own` over those whose target is the token. */
typedef struct bl_tally {
    double n, before, after, own_n, own_before, own_after, kl, changed;
} bl_tally;

/* One prediction. */
typedef struct bl_outcome {
    double before, after, kl;
    bool own, changed;
} bl_outcome;

void bl_tally_add(bl_tally *tally, const bl_outcome *outcome);
/* Means over `stories` tallies that lie `stride` apart, and percentile intervals (2.5, 97.5) of `resamples`
 * resamples of whole stories. The same seed draws the same stories. */
bool bl_tally_summary(const bl_tally *tallies, size_t stories, size_t stride, size_t resamples, uint64_t seed,
                      bl_ablated *out, bl_error *err);
#endif
