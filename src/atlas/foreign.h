/* An atlas is a foreign file: whoever reads one opens it here. */
#ifndef BL_ATLAS_FOREIGN_H
#define BL_ATLAS_FOREIGN_H
#include "atlas/database.h"
#include <bilens/atlas.h>

/* An atlas that is open to be read. */
typedef struct bl_foreign_atlas {
    sqlite3 *db;
    uint64_t device, inode, size, changed; /* the file as it was when it was opened */
} bl_foreign_atlas;

/* Opens an atlas of this format to be read. BL_ERR_INPUT for anything else: its tables, views and indices
 * must be exactly those that bilens writes, and nothing besides (no trigger, no view in a table's place);
 * its facts must be numbers that belong together, and those that were written. Close with bl_foreign_close.
 * */
bool bl_foreign_open(bl_foreign_atlas *atlas, const char *path, bl_error *err);
void bl_foreign_close(bl_foreign_atlas *atlas);
/* False with BL_ERR_IO when the file is another one than it was when it was opened. */
bool bl_foreign_unchanged(const bl_foreign_atlas *atlas, const char *path, bl_error *err);

/* The layers that an atlas is of, ascending: layers [BL_ATLAS_LAYERS], *n of them. */
bool bl_foreign_layers(sqlite3 *db, size_t *layers, size_t *n, bl_error *err);
/* Which of its parts `layer` is; BL_ERR_USAGE, naming those that there are, when it is none. */
bool bl_foreign_part(sqlite3 *db, const char *path, size_t layer, size_t *part, bl_error *err);

/* Whether an open database's schema is this format's. */
bool bl_foreign_check_schema(sqlite3 *db, const char *path, bl_error *err);

/* The facts (table meta) are sealed by a digest under the key "seal", the contents of all tables by one under
 * "content". They tell damage and accidents, not malice: whoever changes an atlas can seal it again. */
bool bl_seal_facts(sqlite3 *db, bl_error *err);
bool bl_seal_content(sqlite3 *db, bl_error *err);
/* Reads everything and compares. False with BL_ERR_INPUT when it differs, or when there is no seal because
 * the atlas is not finished. */
bool bl_foreign_verify(const bl_foreign_atlas *atlas, const char *path, bl_error *err);
#endif
