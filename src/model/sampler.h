/* Choosing the next token from its logits. */
#ifndef BL_MODEL_SAMPLER_H
#define BL_MODEL_SAMPLER_H
#include "base/random.h"
#include <bilens/generate_model.h>

/* Zero-initialise, then bl_sampler_init; one per thread. */
typedef struct bl_sampler {
    const bl_generate_options *options;
    const bool *allowed; /* [V] ids that stand for a token */
    size_t V;
    struct bl_choice {
        float value; /* logit, then weight */
        int32_t id;
    } * choices; /* [V] */
} bl_sampler;

bool bl_sampler_init(bl_sampler *sampler, const bl_generate_options *options, const bool *allowed, size_t V,
                     bl_error *err);
void bl_sampler_free(bl_sampler *sampler);
/* An id with probability softmax(logits / temperature), among the top_k most probable of the allowed ones,
 * and of these among the fewest that together have top_p. Temperature 0: the most probable (the lowest id of
 * equals). -1 when the logits are not finite. */
int32_t bl_sampler_draw(bl_sampler *sampler, const float *logits, bl_random *random);
#endif
