/* Similarities split by source token (docs/specification.md, 6). */
#ifndef BL_SCAN_CONTRIBUTIONS_H
#define BL_SCAN_CONTRIBUTIONS_H
#include "model/forward.h"

/* A match of one vector at one position of a story. */
typedef struct bl_cause {
    const float *v; /* [d] or longer */
    size_t position;
    float *c; /* [position + 1] out: contributions, unsigned; with the vector's constant they sum to the
                     similarity */
    float
        *heads; /* [1 + H, position + 1] out, or NULL: the same split further, row 0 the word itself, without
                     attention, row 1 + h what head h carried; the rows sum to c */
} bl_cause;

/* Fills c and heads of `count` matches in the story ids [n], by one thread and one forward pass up to the
 * layer's mlp_in. */
bool bl_contributions(const bl_model *model, bl_workspace *workspace, size_t layer, const int32_t *ids,
                      size_t n, const bl_cause *causes, size_t count, bl_error *err);
#endif
