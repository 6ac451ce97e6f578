/* The figures of merit of a dictionary over samples that are in memory, by one rank of several. */
#ifndef BL_EVIDENCE_DICTIONARY_SCORE_H
#define BL_EVIDENCE_DICTIONARY_SCORE_H
#include "base/ranks.h"
#include "evidence/point_source.h"
#include <bilens/dictionary_eval.h>

/* Called by all ranks, each of which takes its part of the samples; all get the same score. `mean` [d] as in
 * bl_dictionary_eval_options; of several ranks it must be given. */
bool bl_dictionary_score_of(bl_point_source *source, const bl_dictionary *dictionary, const float *mean,
                            const bl_ranks *ranks, const bl_progress *progress, bl_dictionary_score *score,
                            bl_error *err);
#endif
