/* Reading safetensors: 8 bytes little-endian header length, a JSON header {name: {dtype, shape,
 * data_offsets}}, then the data. The file is hostile input: every size is checked before it is used, tensors
 * must tile the data without holes or overlaps. */
#ifndef BL_FORMAT_SAFETENSORS_H
#define BL_FORMAT_SAFETENSORS_H
#include "base/file.h"
#include <bilens/format.h>

typedef enum bl_dtype { BL_F32, BL_F16, BL_BF16, BL_F64, BL_OTHER_DTYPE } bl_dtype;

typedef struct bl_stored_tensor {
    char *name;
    bl_dtype dtype;
    char dtype_name[12];
    size_t n_dims, shape[BL_MAX_DIMS];
    size_t count;              /* product of shape */
    size_t begin, end;         /* in the file's data part */
    const unsigned char *data; /* into the map, any alignment */
} bl_stored_tensor;

typedef struct bl_safetensors {
    bl_map map;
    char *path;
    bl_stored_tensor *tensors; /* in order of their offsets */
    size_t n;
} bl_safetensors;

bl_safetensors *bl_safetensors_open(const char *path, bl_error *err);
/* The same from memory, which must outlive the result; `path` is for messages. */
bl_safetensors *bl_safetensors_parse(const unsigned char *data, size_t size, const char *path, bl_error *err);
void bl_safetensors_free(bl_safetensors *file);
const bl_stored_tensor *bl_safetensors_find(const bl_safetensors *file, const char *name);
/* Writes arrays, each as its `stores` [n] says, atomically; see bl_safetensors_write_as. */
bool bl_safetensors_write_each(const char *path, const bl_named_array *arrays, const bl_store *stores,
                               size_t n, bl_error *err);
/* Converts to float32: out [count]. Only for F32, F16, BF16, F64. */
void bl_stored_tensor_read(const bl_stored_tensor *tensor, float *out);
/* The data itself when it is F32 and aligned, else NULL. */
const float *bl_stored_tensor_view(const bl_stored_tensor *tensor);
#endif
