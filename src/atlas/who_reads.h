/* Who reads a token: the eigenvectors among whose virtual tokens it is, through one source or any. */
#ifndef BL_ATLAS_WHO_READS_H
#define BL_ATLAS_WHO_READS_H
#include "atlas/database.h"
#include <bilens/tree.h>

/* "reads": the token's text, "total", "readers": [{"token", "index", "eigenvalue", "source", "side", "rank",
 * "value", "activation", "ratio", "q", "effect", "layer", "direction"}], by falling |activation| =
 * |eigenvalue value^2|, what
 * the token alone would add to the score if that source brought it fully; ties: the earlier pair.
 * `source` -1: any, 0: direct, 1 + h: head h. Of one `layer`, or -1: of all. */
void bl_atlas_put_who_reads(bl_builder *b, bl_tree *at, sqlite3 *db, int64_t token, int64_t source,
                            int64_t layer, size_t limit);
/* "direct", "head 3" or "" as a source; false for another text. */
bool bl_atlas_source(const char *text, int64_t *source);
#endif
