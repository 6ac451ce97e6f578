/* Every verb, in the order of the help: one line per verb, which is all that a new one adds outside of its
 * own file. */
#ifndef BL_CLI_VERBS_H
#define BL_CLI_VERBS_H
#include "cli/options.h"

/* clang-format off */
#define VERBS(X) \
    X(report) \
    X(info) \
    X(eigen) \
    X(scan) \
    X(describe) \
    X(trace) \
    X(export) \
    X(tokenize) \
    X(eval) \
    X(train) \
    X(tokenizer) \
    X(generate) \
    X(atlas) \
    X(serve) \
    X(fetch) \
    X(excite) \
    X(layers) \
    X(explain) \
    X(truncate) \
    X(ablate) \
    X(null) \
    X(pairs) \
    X(hosvd) \
    X(diff) \
    X(similar) \
    X(rank) \
    X(surrogate) \
    X(features) \
    X(dictionary) \
    X(mask) \
    X(study) \
    X(fourier)
/* clang-format on */

#define VERB_DECLARE(name) extern const verb verb_##name;
VERBS(VERB_DECLARE)
#endif
