/* What an atlas knows of an eigenpair beyond what the weights say: chance and effects, as a tree. */
#ifndef BL_ATLAS_EVIDENCE_H
#define BL_ATLAS_EVIDENCE_H
#include "atlas/database.h"
#include <bilens/tree.h>

/* "statistic", "ratio", "p", "q" (null while the null model is not there yet), "effect" and "null_effect"
 * (null in an atlas of another layer than the last) of a row of eigenpair (docs/specification.md, 12 and
 * 13). */
void bl_atlas_put_evidence(bl_builder *b, bl_tree *at, sqlite3 *db, int64_t pair);
/* "calibration": [{"layer", "index", "pool", "judged", "distance"}], by place; of one layer, or -1: of all.
 */
void bl_atlas_put_calibration(bl_builder *b, bl_tree *at, sqlite3 *db, int64_t layer);
#endif
