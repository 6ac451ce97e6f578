/* Numpy's .npy from memory, for the reader and its fuzzer. */
#ifndef BL_FORMAT_NPY_H
#define BL_FORMAT_NPY_H
#include <bilens/format.h>

/* Parses a whole .npy file in memory; see bl_npy_read. `path` is for messages. *kind (NULL allowed) is 'f'
 * for floats, 'i' and 'u' for integers, 'b' for booleans. */
bool bl_npy_parse(const unsigned char *file, size_t size, const char *path, bl_named_array *array,
                  float **data, char *kind, bl_error *err);
/* bl_npy_read that tells the kind, too. */
bool bl_npy_read_kind(const char *path, bl_named_array *array, float **data, char *kind, bl_error *err);
#endif
