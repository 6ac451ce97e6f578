/* A stream of bytes: a file, standard input or memory, plain or compressed by gzip or zstd. */
#ifndef BL_TEXT_SOURCE_H
#define BL_TEXT_SOURCE_H
#include <bilens/base.h>

typedef struct bl_source bl_source;

/* Opens `path`, "-" for standard input. The first bytes decide about compression; a name that ends in .gz or
 * .zst demands it. `path` must outlive the source. */
bl_source *bl_source_open(const char *path, bl_error *err);
/* The same over memory that outlives the source; `name` is for messages and its suffix. */
bl_source *bl_source_memory(const char *name, const void *data, size_t size, bl_error *err);
void bl_source_close(bl_source *source);

/* Reads up to `capacity` > 0 uncompressed bytes; *got is 0 only at the end. Damaged or cut compressed data is
 * BL_ERR_INPUT with the offset in the compressed file, a failing read BL_ERR_IO. */
bool bl_source_read(bl_source *source, void *out, size_t capacity, size_t *got, bl_error *err);

/* Bytes taken from the file so far, compressed as they are. */
uint64_t bl_source_consumed(const bl_source *source);
#endif
