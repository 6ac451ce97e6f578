/* The effects of an atlas's eigenpairs, made while the stories are swept for top inputs
 * (docs/specification.md, 12), of the last layer only: behind another one there is no closed form. */
#ifndef BL_ATLAS_EFFECTS_H
#define BL_ATLAS_EFFECTS_H
#include "atlas/chunks.h"

typedef struct bl_atlas_effects bl_atlas_effects;
/* All ranks: what the search needs, after one pass over the stories for the means. v [J, n] are the vectors,
 * kept by pointer. *out stays NULL for another layer. */
bool bl_atlas_effects_open(bl_atlas *atlas, const float *v, bl_atlas_effects **out, bl_error *err);
void bl_atlas_effects_free(bl_atlas_effects *effects);
/* A chunk, instead of bl_best_inputs_run: its top inputs to `hits`, its sums kept. */
bool bl_atlas_effects_run(bl_atlas_effects *effects, const bl_chunk *chunk, bl_hits *hits, bl_error *err);
/* All ranks: the sums of the round's chunks to rank 0, which adds them in the order of the stories. */
bool bl_atlas_effects_gather(bl_atlas_effects *effects, bl_error *err);
/* Rank 0, within a transaction: the sums so far; or the tables, when all stories were there. */
bool bl_atlas_effects_save(bl_atlas_effects *effects, bool complete, bl_error *err);
/* Rank 0: the sums that were saved. */
bool bl_atlas_effects_restore(bl_atlas_effects *effects, bl_error *err);
#endif
