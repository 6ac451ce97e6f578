/* Reading GGUF, versions 2 and 3, little-endian: a header of keys and values and of tensors' places, then
 * the tensors' data. The file is hostile input: every count, length and offset is checked against the file
 * before it is used. */
#ifndef BL_FORMAT_GGUF_H
#define BL_FORMAT_GGUF_H
#include "format/numbers.h"
#include <bilens/base.h>

/* Kinds of values, by their numbers in the file. */
typedef enum bl_gguf_kind {
    BL_GGUF_U8,
    BL_GGUF_I8,
    BL_GGUF_U16,
    BL_GGUF_I16,
    BL_GGUF_U32,
    BL_GGUF_I32,
    BL_GGUF_F32,
    BL_GGUF_BOOL,
    BL_GGUF_STRING,
    BL_GGUF_ARRAY,
    BL_GGUF_U64,
    BL_GGUF_I64,
    BL_GGUF_F64
} bl_gguf_kind;

/* A value of the metadata. */
typedef struct bl_gguf_value {
    char *key;
    bool is_array;
    bl_gguf_kind kind;         /* of the value, or of the array's elements */
    uint64_t n;                /* elements of an array; 1 otherwise */
    const unsigned char *data; /* the first one, in the file's copy, any alignment */
    char *text;                /* a string that is no element of an array: NUL-terminated; otherwise NULL */
} bl_gguf_value;

typedef struct bl_gguf_tensor {
    char *name;
    const bl_number_type *type;
    size_t n_dims, shape[4]; /* row-major, rows first: the file's order reversed; a matrix is [out, in] */
    size_t count;            /* product of shape; rows are whole blocks of the type */
    size_t bytes;
    const unsigned char *data; /* [bytes] in the file's copy, any alignment */
} bl_gguf_tensor;

/* Immutable; may be used from many threads at once. */
typedef struct bl_gguf {
    char *path;
    unsigned char *memory; /* the whole file; NULL: somebody else's */
    unsigned version;
    bl_gguf_value *values; /* in the file's order */
    size_t n_values;
    bl_gguf_tensor *tensors; /* in the file's order */
    size_t n_tensors;
} bl_gguf;

/* Whether the file begins as a GGUF file does; false also when it cannot be read. */
bool bl_gguf_is(const char *path);
/* Reads the whole file into memory. BL_ERR_UNSUPPORTED names another version, byte order or tensor type. */
bl_gguf *bl_gguf_open(const char *path, bl_error *err);
/* The same from memory, which must outlive the result; `path` is for messages. */
bl_gguf *bl_gguf_parse(const unsigned char *data, size_t size, const char *path, bl_error *err);
void bl_gguf_free(bl_gguf *file);

const bl_gguf_tensor *bl_gguf_tensor_find(const bl_gguf *file, const char *name);
/* Rows `first` to `first` + n - 1 as float32, out [n, shape[n_dims - 1]]. */
void bl_gguf_rows(const bl_gguf_tensor *tensor, size_t first, size_t n, float *out);

/* The value of a key, or NULL. */
const bl_gguf_value *bl_gguf_find(const bl_gguf *file, const char *key);
static inline bool bl_gguf_has(const bl_gguf *file, const char *key) {
    return bl_gguf_find(file, key) != NULL;
}

/* Fails with BL_ERR_INPUT: "FILE: KEY: expected WHAT, found a string". The next five use it. */
bool bl_gguf_expected(const bl_gguf *file, const char *key, const char *what, bl_error *err);
/* A whole number of any kind, from `least` to `most`. */
bool bl_gguf_integer(const bl_gguf *file, const char *key, int64_t least, int64_t most, int64_t *out,
                     bl_error *err);
/* A finite number of any kind. */
bool bl_gguf_number(const bl_gguf *file, const char *key, double *out, bl_error *err);
bool bl_gguf_bool(const bl_gguf *file, const char *key, bool *out, bl_error *err);
/* Belongs to the file. */
bool bl_gguf_string(const bl_gguf *file, const char *key, const char **out, bl_error *err);
/* An array of `kind`. */
const bl_gguf_value *bl_gguf_array(const bl_gguf *file, const char *key, bl_gguf_kind kind, bl_error *err);

/* Element i < n of an array of numbers or truth values. */
double bl_gguf_element(const bl_gguf_value *array, size_t i);
/* The strings of an array one after the other: begin with *at = array->data, call n times. Not
 * NUL-terminated. */
const char *bl_gguf_next_string(const unsigned char **at, size_t *length);
#endif
