/* Reading safetensors: 8 bytes little-endian header length, a JSON header {name: {dtype, shape,
 * data_offsets}}, then the data. The file is hostile input: every size is checked before it is used, tensors
 * must tile the data without holes or overlaps. */
#ifndef BL_FORMAT_SAFETENSORS_H
#define BL_FORMAT_SAFETENSORS_H
#include "format/numbers.h"
#include <bilens/format.h>
#include <jansson.h>

typedef struct bl_stored_tensor {
    char *name;
    const bl_number_type *type; /* NULL: integers, which are no weights */
    char dtype_name[12];
    size_t n_dims, shape[BL_MAX_DIMS];
    size_t count;              /* product of shape */
    size_t begin, end;         /* in the file's data part */
    const unsigned char *data; /* into the file's copy, any alignment */
} bl_stored_tensor;

typedef struct bl_safetensors {
    unsigned char *memory; /* the whole file; NULL: somebody else's */
    char *path;
    bl_stored_tensor *tensors; /* in order of their offsets */
    size_t n;
    json_t *metadata; /* __metadata__ as it stands there, or NULL */
} bl_safetensors;

bl_safetensors *bl_safetensors_open(const char *path, bl_error *err);
/* The same from memory, which must outlive the result; `path` is for messages. */
bl_safetensors *bl_safetensors_parse(const unsigned char *data, size_t size, const char *path, bl_error *err);
void bl_safetensors_free(bl_safetensors *file);
const bl_stored_tensor *bl_safetensors_find(const bl_safetensors *file, const char *name);
/* Writes arrays, each as its `stores` [n] says, atomically; see bl_safetensors_write_as. */
bool bl_safetensors_write_each(const char *path, const bl_named_array *arrays, const bl_store *stores,
                               size_t n, bl_error *err);
/* The same with another __metadata__, an object of texts. */
bool bl_safetensors_write_with(const char *path, const bl_named_array *arrays, const bl_store *stores,
                               size_t n, json_t *metadata, bl_error *err);
/* Converts to float32: out [count]. Only where there is a type. */
void bl_stored_tensor_read(const bl_stored_tensor *tensor, float *out);
/* The data itself when it is F32 and aligned, else NULL. */
const float *bl_stored_tensor_view(const bl_stored_tensor *tensor);
#endif
