/** @file format.h  Array files: numpy's .npy and safetensors. */
#ifndef BILENS_FORMAT_H
#define BILENS_FORMAT_H

#include <bilens/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BL_MAX_DIMS 8

/** A named n-dimensional row-major float32 array that somebody else owns. */
typedef struct bl_named_array {
    const char *name;
    const float *data;
    size_t n_dims;
    size_t shape[BL_MAX_DIMS];
} bl_named_array;

/** Writes one array as a version 1.0 .npy file ("<f4", C order), atomically. */
BL_API bool bl_npy_write(const char *path, const bl_named_array *array, bl_error *err);

/** Reads a .npy file into float32: floats of 2, 4 or 8 bytes, integers, booleans, of either byte order, in C
 * or Fortran order (the result is in C order). On success `*data` is to be freed with bl_free; name is NULL.
 * BL_ERR_INPUT names another type, and an element that a float32 cannot hold. */
BL_API bool bl_npy_read(const char *path, bl_named_array *array, float **data, bl_error *err);

/** Reads one array from `source`: FILE.npy; FILE.csv, a matrix with one row per line, with or without a
 * line of
 * names above it; FILE.safetensors that holds one tensor; FILE.safetensors:TENSOR. Any float type, to
 * float32. On success `*data` is to be freed with bl_free; name is NULL. BL_ERR_INPUT
 * lists the tensors when it is unclear which is meant. */
BL_API bool bl_array_read(const char *source, bl_named_array *array, float **data, bl_error *err);

/** Writes a text file atomically: a temporary name beside it, fsync, rename. A pipe or device is written
 * directly. */
BL_API bool bl_text_write(const char *path, const char *text, bl_error *err);

/** The whole of a text file, at most `limit` bytes. Free with bl_free. */
BL_API char *bl_text_read(const char *path, size_t limit, bl_error *err);

/** True when `data` [n], read from `path`, may be text. BL_ERR_INPUT where its first bytes show something
 * else (a Git LFS pointer, an HTML page, an archive, an array …), with what to do, and where it holds
 * NUL. */
BL_API bool bl_text_check(const void *data, size_t n, const char *path, bl_error *err);

/** Writes arrays as one safetensors file (F32), atomically. */
BL_API bool bl_safetensors_write(const char *path, const bl_named_array *arrays, size_t n, bl_error *err);

/** How numbers are stored in a file: 32 bits, IEEE half precision, or the upper half of 32 bits. Rounding is
 * to nearest, ties to even. I32: the array's memory holds 32-bit integers, written as they are. */
typedef enum bl_store { BL_STORE_F32, BL_STORE_F16, BL_STORE_BF16, BL_STORE_I32 } bl_store;

/** The same in another precision. BL_ERR_NUMERIC when a number is too large for it. */
BL_API bool bl_safetensors_write_as(const char *path, const bl_named_array *arrays, size_t n, bl_store store,
                                    bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
