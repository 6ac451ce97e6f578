/* The components outside S whose removal hurts the token most. */
#ifndef BL_EVIDENCE_WORST_H
#define BL_EVIDENCE_WORST_H
#include "evidence/edit.h"

typedef struct bl_worst {
    size_t n;       /* components of a subset */
    size_t *places; /* [1 + R, n]: the worst subset, in the order of choice; then R random ones */
} bl_worst;

/* Chooses greedily among the eigenpairs that are not in `s` [k], at most options->worst of them and as long
 * as the token's own loss rises, judged by its own logit alone; and draws `subsets` random subsets of the
 * same size. `base` says model, options, map, direction, token. */
bool bl_worst_find(const bl_edits *base, const bl_eigen *eigen, bl_layer_run *sites,
                   const bl_story_ids *stories, const size_t *s, size_t k, size_t subsets, bl_worst *out,
                   bl_error *err);
void bl_worst_free(bl_worst *worst);
#endif
