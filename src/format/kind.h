/* What a file is that is not what its name says: the first bytes tell. */
#ifndef BL_FORMAT_KIND_H
#define BL_FORMAT_KIND_H
#include <bilens/base.h>

/* A kind of file that bilens meets under other names and does not read there. */
typedef struct bl_kind {
    const char *name; /* "a zip archive", for a sentence */
    const char *next; /* what to do about it, for a corpus or any file: "unpack it first (unzip)" */
} bl_kind;

enum { BL_KIND_BYTES = 512 }; /* as many first bytes tell every kind */

/* The kind that the first n bytes of a file show, or NULL when they show none of the table's. */
const bl_kind *bl_kind_of(const void *first, size_t n);
/* For a file that is not what it should be, `wanted` ("JSON"; NULL: not said): true when its first bytes do
 * not tell what it is, otherwise fails with a message that names it and what to do. */
bool bl_kind_unknown(const void *first, size_t n, const char *path, const char *wanted, bl_error *err);
/* The same of the file `path`; true also when it cannot be read. */
bool bl_kind_unknown_file(const char *path, const char *wanted, bl_error *err);
#endif
