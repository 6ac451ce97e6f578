/* Contributions of many matches of one story (docs/specification.md, 6). */
#ifndef BL_ATLAS_EXPLAIN_H
#define BL_ATLAS_EXPLAIN_H
#include "model/forward.h"

/* A match of one vector in the story. */
typedef struct bl_cause {
    const float *v; /* [n] */
    uint32_t position;
    float *c; /* [position + 1] out: contributions, unsigned; with the vector's constant they sum to the
                 similarity */
} bl_cause;

/* Fills c of `count` matches in the story ids [T], by one thread and one forward pass up to the layer's
 * mlp_in. */
bool bl_explain(const bl_model *model, bl_workspace *workspace, size_t layer, const int32_t *ids, size_t T,
                const bl_cause *causes, size_t count, bl_error *err);
#endif
