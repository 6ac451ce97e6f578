/* IDX files, the format of MNIST: 00 00, a type, the rank, big-endian sizes, then the data. Plain or gzip. */
#ifndef BL_FORMAT_IDX_H
#define BL_FORMAT_IDX_H
#include <bilens/format.h>

/* An array of unsigned bytes, row-major. */
typedef struct bl_idx {
    unsigned char *data; /* [product of shape], owned */
    size_t n_dims, shape[BL_MAX_DIMS];
    size_t count; /* product of shape */
} bl_idx;

/* Reads `path`; the first bytes decide whether it is gzip. BL_ERR_INPUT: not an IDX file of unsigned bytes,
 * a rank of 0 or above BL_MAX_DIMS, a length that is not that of its sizes, damaged gzip. */
bool bl_idx_read(const char *path, bl_idx *idx, bl_error *err);
/* The same from memory; `path` is for messages. */
bool bl_idx_parse(const unsigned char *file, size_t size, const char *path, bl_idx *idx, bl_error *err);
/* Its shape and count from its header alone; data stays NULL, and the rest of the file is not looked at. */
bool bl_idx_read_shape(const char *path, bl_idx *idx, bl_error *err);
void bl_idx_free(bl_idx *idx);
#endif
