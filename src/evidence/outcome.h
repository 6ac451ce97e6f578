/* What a change of the logits does to one prediction (outcome.c); losses before and after it, summed story by
 * story, and their intervals by the bootstrap over stories (tally.c). */
#ifndef BL_EVIDENCE_OUTCOME_H
#define BL_EVIDENCE_OUTCOME_H
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

/* One prediction before the edit. Logits are read where they lie. */
typedef struct bl_before {
    const float *logits; /* [V] */
    size_t V;
    int32_t target;
    double lse;        /* log sum exp of the logits */
    size_t best;       /* the most probable token, the lowest id of equals */
    double expected;   /* sum_t p_t logit_t */
    double expected_g; /* sum_t p_t g_t, where g was given */
} bl_before;

/* g [V] or NULL. */
bl_before bl_before_of(const float *logits, size_t V, int32_t target, const float *g);
/* Any new logits [V]. */
bl_outcome bl_outcome_of(const bl_before *before, const float *after);
/* Logits r (logit_t - c g_t): what an edit along one direction behind the last layer comes to. scratch [V].
 * */
bl_outcome bl_outcome_along(const bl_before *before, double r, double c, const float *g, float *scratch);
/* The logit of `token` alone falls by delta. */
bl_outcome bl_outcome_own(const bl_before *before, size_t token, double delta);
/* log(1 + p (e^-delta - 1)) of a token of log probability log_p, where log_other = log(1 - p): how log Z
 * changes when the token's logit falls by delta. By log1p where that is exact, else as a sum of
 * exponentials. */
double bl_log_rest(double log_p, double log_other, double delta);
/* log(1 - p) of `token`, from the other tokens' logits where p is near 1. */
double bl_log_other(const float *logits, size_t V, double lse, size_t token);
#endif
