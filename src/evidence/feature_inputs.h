/* Every position of a corpus at a layer: what its MLP reads and writes, and which features of an output
 * dictionary are active there. */
#ifndef BL_EVIDENCE_FEATURE_INPUTS_H
#define BL_EVIDENCE_FEATURE_INPUTS_H
#include "evidence/layer_run.h"
#include <bilens/features.h>

typedef struct bl_feature_inputs {
    size_t N, n, d, k;
    float *x;         /* [N, n] the MLP's input, with its constant coordinate */
    double *size;     /* [N] |x'|^2 */
    bool *later;      /* [N] position >= 1 */
    float *y;         /* [N, d] its output */
    uint32_t *chosen; /* [N, k] TOPK: the active features of a position … */
    uint32_t *active; /* [N] … and their number */
} bl_feature_inputs;

/* Runs at most `stories` stories (0 = all); *n_stories of them. bl_feature_inputs_free is due even when it
 * fails. */
bool bl_feature_inputs_gather(const bl_model *model, const bl_bilinear *map, const bl_dictionary *out,
                              const bl_feature_options *options, bl_feature_inputs *inputs, size_t *n_stories,
                              bl_error *err);
void bl_feature_inputs_free(bl_feature_inputs *inputs);

/* pre [count, N] of `count` features, and where they are active [count, N]. */
bool bl_feature_inputs_pre(const bl_feature_inputs *inputs, const bl_dictionary *out, const size_t *features,
                           size_t count, float *pre, bool *active, bl_error *err);

/* How well a form's cut zhat [N] knows a feature; work [2, N]. Threads may call it at once. */
void bl_feature_correlate(const bl_feature_inputs *inputs, const float *pre, const bool *active_at,
                          const double *zhat, size_t active, double *work, bool *on, bl_feature_rank *out);
#endif
