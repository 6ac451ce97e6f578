/* The figures of merit of a dictionary over stories that are in memory, by one rank of several. */
#ifndef BL_EVIDENCE_DICTIONARY_SCORE_H
#define BL_EVIDENCE_DICTIONARY_SCORE_H
#include "base/ranks.h"
#include "evidence/point_rows.h"
#include <bilens/dictionary_eval.h>

/* Called by all ranks, each of which takes its part of the stories; all get the same score. `mean` [d] as in
 * bl_dictionary_eval_options; of several ranks it must be given. */
bool bl_dictionary_score_of(const bl_site_point *site, const bl_dictionary *dictionary,
                            const bl_samples *stories, const float *mean, const bl_ranks *ranks,
                            const bl_progress *progress, bl_dictionary_score *score, bl_error *err);
#endif
