/* Every verb, in the order of the help. */
#ifndef BL_CLI_VERBS_H
#define BL_CLI_VERBS_H
#include "cli/options.h"
extern const verb verb_report, verb_info, verb_eigen, verb_scan, verb_describe, verb_trace, verb_export,
    verb_tokenize, verb_eval, verb_train, verb_tokenizer, verb_generate, verb_atlas, verb_serve, verb_fetch,
    verb_explain, verb_truncate, verb_ablate, verb_null, verb_pairs, verb_hosvd, verb_diff, verb_similar,
    verb_mask, verb_study, verb_fourier, verb_excite;
#endif
