/* The layout, all numbers little-endian:
 *
 *   "GGUF", u32 version, u64 tensors, u64 values
 *   values:  string key, u32 kind, then the value; an array is u32 kind, u64 n, n values
 *   tensors: string name, u32 n_dims, u64 dims[n_dims] innermost first, u32 type, u64 offset
 *   padding to general.alignment (default 32), then the data, from which the offsets count
 *
 * A string is u64 length and so many bytes. */
#include "format/gguf.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "format/numbers.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value takes at least a key of no byte, a kind and one byte; a tensor a name of no byte, no dims, type,
 * offset. */
enum { LEAST_VALUE = 8 + 4 + 1, LEAST_TENSOR = 8 + 4 + 4 + 8, LONGEST_NAME = 1024, MOST_ALIGNMENT = 1 << 16 };

static const struct kind {
    const char *name;
    size_t bytes; /* 0: not of one size */
} kinds[] = {
    [BL_GGUF_U8] = {"an integer", 1},  [BL_GGUF_I8] = {"an integer", 1},  [BL_GGUF_U16] = {"an integer", 2},
    [BL_GGUF_I16] = {"an integer", 2}, [BL_GGUF_U32] = {"an integer", 4}, [BL_GGUF_I32] = {"an integer", 4},
    [BL_GGUF_F32] = {"a fraction", 4}, [BL_GGUF_BOOL] = {"a boolean", 1}, [BL_GGUF_STRING] = {"a string", 0},
    [BL_GGUF_ARRAY] = {"an array", 0}, [BL_GGUF_U64] = {"an integer", 8}, [BL_GGUF_I64] = {"an integer", 8},
    [BL_GGUF_F64] = {"a fraction", 8},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static uint64_t little(const unsigned char *at, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value |= (uint64_t)at[i] << 8 * i;
    return value;
}

/* ---- A cursor that never leaves the file ---- */

typedef struct reader {
    const char *path;
    const unsigned char *data;
    size_t size, at;
    bl_error *err;
} reader;

static bool ends_early(const reader *self, const char *within) {
    return bl_fail(self->err, BL_ERR_INPUT, "%s: not a whole GGUF file: it ends within %s, at byte %zu",
                   self->path, within, self->size);
}

static bool read_number(reader *self, size_t bytes, const char *within, uint64_t *out) {
    if (self->size - self->at < bytes) return ends_early(self, within);
    *out = little(self->data + self->at, bytes);
    self->at += bytes;
    return true;
}

/* A string's bytes in the file. */
static bool skip_string(reader *self, const char *within, const char **text, size_t *length) {
    uint64_t n = 0;
    if (!read_number(self, 8, within, &n)) return false;
    if (n > self->size - self->at)
        return bl_fail(self->err, BL_ERR_INPUT,
                       "%s: %s: a string of %" PRIu64 " bytes at byte %zu, beyond the file's end at byte %zu",
                       self->path, within, n, self->at, self->size);
    *text = (const char *)self->data + self->at;
    *length = (size_t)n;
    self->at += (size_t)n;
    return true;
}

/* A key or a tensor's name: short, valid UTF-8, without NULs. */
static bool read_name(reader *self, const char *within, char **out) {
    const char *text = "";
    size_t n = 0, bad;
    if (!skip_string(self, within, &text, &n)) return false;
    if (n == 0 || n > LONGEST_NAME || memchr(text, '\0', n) || !bl_utf8_check(text, n, &bad))
        return bl_fail(self->err, BL_ERR_INPUT,
                       "%s: %s: expected a name of 1 to %d bytes of UTF-8 at byte %zu, found another string",
                       self->path, within, LONGEST_NAME, self->at - n);
    *out = bl_strndup(text, n, self->err);
    return *out != NULL;
}

/* ---- Values ---- */

static bool read_kind(reader *self, const char *key, bl_gguf_kind *out) {
    uint64_t kind = 0;
    if (!read_number(self, 4, key, &kind)) return false;
    if (kind >= N_KINDS)
        return bl_fail(self->err, BL_ERR_INPUT,
                       "%s: %s: expected a kind of value from 0 to %d, found %" PRIu64, self->path, key,
                       N_KINDS - 1, kind);
    *out = (bl_gguf_kind)kind;
    return true;
}

/* The n elements of a value; leaves the cursor behind them. */
static bool skip_elements(reader *self, const bl_gguf_value *value) {
    size_t bytes = kinds[value->kind].bytes, room = self->size - self->at;
    if (value->n > room / (bytes ? bytes : 8))
        return bl_fail(self->err, BL_ERR_INPUT,
                       "%s: %s: %" PRIu64
                       " elements of at least %zu bytes do not fit in the %zu bytes that are left",
                       self->path, value->key, value->n, bytes ? bytes : 8, room);
    if (bytes) {
        self->at += (size_t)value->n * bytes;
        return true;
    }
    for (uint64_t i = 0; i < value->n; i++) {
        const char *text = "";
        size_t length = 0;
        if (!skip_string(self, value->key, &text, &length)) return false;
    }
    return true;
}

static bool read_value(reader *self, bl_gguf_value *out) {
    if (!read_name(self, "a key", &out->key) || !read_kind(self, out->key, &out->kind)) return false;
    out->n = 1;
    out->is_array = out->kind == BL_GGUF_ARRAY;
    if (out->is_array) {
        if (!read_kind(self, out->key, &out->kind) || !read_number(self, 8, out->key, &out->n)) return false;
        if (out->kind == BL_GGUF_ARRAY)
            return bl_fail(self->err, BL_ERR_UNSUPPORTED, "%s: %s: an array of arrays is not supported",
                           self->path, out->key);
    }
    out->data = self->data + self->at;
    if (!skip_elements(self, out)) return false;
    if (out->kind == BL_GGUF_BOOL && !out->is_array && *out->data > 1)
        return bl_fail(self->err, BL_ERR_INPUT, "%s: %s: expected 0 or 1 for a boolean, found %u", self->path,
                       out->key, *out->data);
    if (out->kind != BL_GGUF_STRING || out->is_array) return true;
    size_t length = (size_t)(self->data + self->at - out->data) - 8;
    out->text = bl_strndup((const char *)out->data + 8, length, self->err);
    return out->text != NULL;
}

/* ---- Tensors ---- */

/* All types that there are, so that one that is not supported is refused by its name. */
static const struct type {
    const char *name;
    const bl_number_type *type;
} types[] = {
    [0] = {"F32", &bl_type_f32},
    [1] = {"F16", &bl_type_f16},
    [2] = {"Q4_0", &bl_type_q4_0},
    [3] = {"Q4_1", &bl_type_q4_1},
    [6] = {"Q5_0", &bl_type_q5_0},
    [7] = {"Q5_1", &bl_type_q5_1},
    [8] = {"Q8_0", &bl_type_q8_0},
    [9] = {"Q8_1", NULL},
    [10] = {"Q2_K", &bl_type_q2_k},
    [11] = {"Q3_K", &bl_type_q3_k},
    [12] = {"Q4_K", &bl_type_q4_k},
    [13] = {"Q5_K", &bl_type_q5_k},
    [14] = {"Q6_K", &bl_type_q6_k},
    [15] = {"Q8_K", NULL},
    [16] = {"IQ2_XXS", NULL},
    [17] = {"IQ2_XS", NULL},
    [18] = {"IQ3_XXS", NULL},
    [19] = {"IQ1_S", NULL},
    [20] = {"IQ4_NL", &bl_type_iq4_nl},
    [21] = {"IQ3_S", NULL},
    [22] = {"IQ2_S", NULL},
    [23] = {"IQ4_XS", NULL},
    [24] = {"I8", NULL},
    [25] = {"I16", NULL},
    [26] = {"I32", NULL},
    [27] = {"I64", NULL},
    [28] = {"F64", &bl_type_f64},
    [29] = {"IQ1_M", NULL},
    [30] = {"BF16", &bl_type_bf16},
    [34] = {"TQ1_0", NULL},
    [35] = {"TQ2_0", NULL},
    [39] = {"MXFP4", NULL},
};

static bool read_type(reader *self, bl_gguf_tensor *tensor) {
    uint64_t id = 0;
    char number[32];
    if (!read_number(self, 4, tensor->name, &id)) return false;
    const struct type *type = id < sizeof types / sizeof *types ? &types[id] : NULL;
    if (type && type->type) return tensor->type = type->type, true;
    snprintf(number, sizeof number, "number %" PRIu64, id);
    return bl_fail(
        self->err, BL_ERR_UNSUPPORTED,
        "%s: %s: the tensor type %s is not supported; supported: F32, F16, BF16, F64, Q4_0, Q4_1, Q5_0, "
        "Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL",
        self->path, tensor->name, type && type->name ? type->name : number);
}

static bool read_shape(reader *self, bl_gguf_tensor *tensor) {
    uint64_t n_dims = 0;
    if (!read_number(self, 4, tensor->name, &n_dims)) return false;
    if (n_dims < 1 || n_dims > 4)
        return bl_fail(self->err, BL_ERR_INPUT, "%s: %s: expected 1 to 4 dimensions, found %" PRIu64,
                       self->path, tensor->name, n_dims);
    tensor->n_dims = (size_t)n_dims;
    tensor->count = 1;
    for (size_t i = tensor->n_dims; i-- > 0;) {
        uint64_t size = 0;
        if (!read_number(self, 8, tensor->name, &size)) return false;
        if (size < 1 || size > SIZE_MAX || !bl_mul_size(tensor->count, (size_t)size, &tensor->count))
            return bl_fail(self->err, BL_ERR_INPUT, "%s: %s: a dimension of %" PRIu64 " is not possible",
                           self->path, tensor->name, size);
        tensor->shape[i] = (size_t)size;
    }
    return true;
}

/* `data` becomes the offset into the data part, which is known when all tensors have been read. */
static bool read_tensor(reader *self, bl_gguf_tensor *tensor, uint64_t *offset) {
    if (!read_name(self, "a tensor's name", &tensor->name) || !read_shape(self, tensor) ||
        !read_type(self, tensor) || !read_number(self, 8, tensor->name, offset))
        return false;
    size_t row = tensor->shape[tensor->n_dims - 1];
    if (row % tensor->type->block != 0)
        return bl_fail(self->err, BL_ERR_INPUT,
                       "%s: %s: rows of %zu numbers are not whole blocks of %s, which are %zu", self->path,
                       tensor->name, row, tensor->type->name, tensor->type->block);
    if (!bl_mul_size(tensor->count / tensor->type->block, tensor->type->bytes, &tensor->bytes))
        return bl_fail(self->err, BL_ERR_INPUT, "%s: %s: %zu numbers are too many", self->path, tensor->name,
                       tensor->count);
    return true;
}

static bool place_tensors(const reader *self, bl_gguf *file, const uint64_t *offsets, size_t alignment) {
    size_t begin = (self->at + alignment - 1) / alignment * alignment;
    size_t room = begin < self->size ? self->size - begin : 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        bl_gguf_tensor *tensor = &file->tensors[i];
        if (offsets[i] % alignment != 0)
            return bl_fail(self->err, BL_ERR_INPUT, "%s: %s: the offset %" PRIu64 " is not a multiple of %zu",
                           self->path, tensor->name, offsets[i], alignment);
        if (offsets[i] > room || tensor->bytes > room - offsets[i])
            return bl_fail(self->err, BL_ERR_INPUT,
                           "%s: %s: %zu bytes at offset %" PRIu64 " are beyond the %zu bytes of data",
                           self->path, tensor->name, tensor->bytes, offsets[i], room);
        tensor->data = self->data + begin + (size_t)offsets[i];
    }
    return true;
}

/* ---- The whole file ---- */

static int by_string(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* No name stands there twice: `first` is that of the first of n structs of `size` bytes. */
static bool check_twice(const reader *self, char *const *first, size_t n, size_t size) {
    const char *twice = NULL;
    char **names = bl_alloc(n, sizeof *names, self->err);
    if (!names) return false;
    for (size_t i = 0; i < n; i++) memcpy(&names[i], (const char *)first + i * size, sizeof *names);
    qsort(names, n, sizeof *names, by_string);
    for (size_t i = 1; i < n && !twice; i++)
        if (strcmp(names[i - 1], names[i]) == 0) twice = names[i];
    if (twice) bl_fail(self->err, BL_ERR_INPUT, "%s: %s: stands there twice", self->path, twice);
    free(names);
    return !twice;
}

static bool read_counts(reader *self, bl_gguf *file) {
    uint64_t version = 0, n_tensors = 0, n_values = 0;
    if (self->size < 4 || memcmp(self->data, "GGUF", 4) != 0)
        return bl_fail(self->err, BL_ERR_INPUT, "%s: not a GGUF file: it does not begin with \"GGUF\"",
                       self->path);
    self->at = 4;
    if (!read_number(self, 4, "the version", &version)) return false;
    if (version != 0 && (version & 0xFFFF) == 0)
        return bl_fail(self->err, BL_ERR_UNSUPPORTED, "%s: a big-endian GGUF file is not supported",
                       self->path);
    if (version != 2 && version != 3)
        return bl_fail(self->err, BL_ERR_UNSUPPORTED,
                       "%s: GGUF version %" PRIu64 " is not supported; supported: 2, 3", self->path, version);
    file->version = (unsigned)version;
    if (!read_number(self, 8, "the number of tensors", &n_tensors) ||
        !read_number(self, 8, "the number of values", &n_values))
        return false;
    if (n_values > self->size / LEAST_VALUE || n_tensors > self->size / LEAST_TENSOR)
        return bl_fail(self->err, BL_ERR_INPUT,
                       "%s: %" PRIu64 " values and %" PRIu64 " tensors do not fit in a file of %zu bytes",
                       self->path, n_values, n_tensors, self->size);
    file->values = bl_alloc_zero((size_t)n_values, sizeof *file->values, self->err);
    file->tensors = bl_alloc_zero((size_t)n_tensors, sizeof *file->tensors, self->err);
    if (!file->values || !file->tensors) return false;
    file->n_values = (size_t)n_values;
    file->n_tensors = (size_t)n_tensors;
    return true;
}

static bool read_tensors(reader *self, bl_gguf *file, uint64_t *offsets) {
    int64_t alignment = 32;
    for (size_t i = 0; i < file->n_tensors; i++)
        if (!read_tensor(self, &file->tensors[i], &offsets[i])) return false;
    if (file->n_tensors && !check_twice(self, &file->tensors[0].name, file->n_tensors, sizeof *file->tensors))
        return false;
    if (bl_gguf_has(file, "general.alignment") &&
        !bl_gguf_integer(file, "general.alignment", 1, MOST_ALIGNMENT, &alignment, self->err))
        return false;
    if (alignment & (alignment - 1))
        return bl_fail(self->err, BL_ERR_INPUT,
                       "%s: general.alignment: expected a power of two, found %" PRId64, self->path,
                       alignment);
    return place_tensors(self, file, offsets, (size_t)alignment);
}

static bool read_all(reader *self, bl_gguf *file) {
    if (!read_counts(self, file)) return false;
    for (size_t i = 0; i < file->n_values; i++)
        if (!read_value(self, &file->values[i])) return false;
    if (file->n_values && !check_twice(self, &file->values[0].key, file->n_values, sizeof *file->values))
        return false;
    uint64_t *offsets = bl_alloc(file->n_tensors, sizeof *offsets, self->err);
    bool ok = offsets && read_tensors(self, file, offsets);
    free(offsets);
    return ok;
}

bl_gguf *bl_gguf_parse(const unsigned char *data, size_t size, const char *path, bl_error *err) {
    bl_gguf *file = bl_alloc_zero(1, sizeof *file, err);
    if (!file) return NULL;
    reader self = {.path = path, .data = data, .size = size, .err = err};
    file->path = bl_strdup(path, err);
    if (file->path && read_all(&self, file)) return file;
    bl_gguf_free(file);
    return NULL;
}

bl_gguf *bl_gguf_open(const char *path, bl_error *err) {
    size_t size;
    char *memory = bl_file_read(path, SIZE_MAX / 2, &size, err);
    if (!memory) return NULL;
    bl_gguf *file = bl_gguf_parse((unsigned char *)memory, size, path, err);
    if (file) file->memory = (unsigned char *)memory;
    else free(memory);
    return file;
}

bool bl_gguf_is(const char *path) {
    char magic[4] = "";
    FILE *file = fopen(path, "rbe");
    bool is = file && fread(magic, 1, sizeof magic, file) == sizeof magic && memcmp(magic, "GGUF", 4) == 0;
    if (file) fclose(file);
    return is;
}

void bl_gguf_free(bl_gguf *file) {
    if (!file) return;
    for (size_t i = 0; i < file->n_values; i++) {
        free(file->values[i].key);
        free(file->values[i].text);
    }
    for (size_t i = 0; i < file->n_tensors; i++) free(file->tensors[i].name);
    free(file->values);
    free(file->tensors);
    free(file->memory);
    free(file->path);
    free(file);
}

/* ---- What it holds ---- */

const bl_gguf_tensor *bl_gguf_tensor_find(const bl_gguf *file, const char *name) {
    for (size_t i = 0; i < file->n_tensors; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

void bl_gguf_rows(const bl_gguf_tensor *tensor, size_t first, size_t n, float *out) {
    size_t row = tensor->shape[tensor->n_dims - 1];
    tensor->type->read(tensor->data + first * (row / tensor->type->block) * tensor->type->bytes, n * row,
                       out);
}

const bl_gguf_value *bl_gguf_find(const bl_gguf *file, const char *key) {
    for (size_t i = 0; i < file->n_values; i++)
        if (file->values[i].key && strcmp(file->values[i].key, key) == 0) return &file->values[i];
    return NULL;
}

bool bl_gguf_expected(const bl_gguf *file, const char *key, const char *what, bl_error *err) {
    const bl_gguf_value *value = bl_gguf_find(file, key);
    const char *found = !value          ? "nothing: it is missing"
                      : value->is_array ? "an array"
                                        : kinds[value->kind].name;
    return bl_fail(err, BL_ERR_INPUT, "%s: %s: expected %s, found %s", file->path, key, what, found);
}

/* A value that is no array, or NULL. */
static const bl_gguf_value *scalar(const bl_gguf *file, const char *key) {
    const bl_gguf_value *value = bl_gguf_find(file, key);
    return value && !value->is_array ? value : NULL;
}

static bool is_integer(bl_gguf_kind kind) { return strcmp(kinds[kind].name, "an integer") == 0; }
static bool is_signed(bl_gguf_kind kind) {
    return kind == BL_GGUF_I8 || kind == BL_GGUF_I16 || kind == BL_GGUF_I32 || kind == BL_GGUF_I64;
}

/* An integer of any kind; one beyond int64 becomes INT64_MAX. */
static int64_t integer_at(bl_gguf_kind kind, const unsigned char *at) {
    size_t bits = 8 * kinds[kind].bytes;
    uint64_t value = little(at, kinds[kind].bytes);
    if (!is_signed(kind)) return value > INT64_MAX ? INT64_MAX : (int64_t)value;
    if (bits < 64 && value >> (bits - 1)) value |= UINT64_MAX << bits;
    return (int64_t)value;
}

static double number_at(bl_gguf_kind kind, const unsigned char *at) {
    float single;
    double value;
    if (kind == BL_GGUF_F32) {
        memcpy(&single, at, sizeof single);
        return (double)single;
    }
    if (kind != BL_GGUF_F64) return (double)integer_at(kind, at);
    memcpy(&value, at, sizeof value);
    return value;
}

bool bl_gguf_integer(const bl_gguf *file, const char *key, int64_t least, int64_t most, int64_t *out,
                     bl_error *err) {
    const bl_gguf_value *value = scalar(file, key);
    if (!value || !is_integer(value->kind)) return bl_gguf_expected(file, key, "an integer", err);
    *out = integer_at(value->kind, value->data);
    return (*out >= least && *out <= most) ||
           bl_fail(err, BL_ERR_INPUT,
                   "%s: %s: expected an integer from %" PRId64 " to %" PRId64 ", found %" PRId64, file->path,
                   key, least, most, *out);
}

bool bl_gguf_number(const bl_gguf *file, const char *key, double *out, bl_error *err) {
    const bl_gguf_value *value = scalar(file, key);
    if (!value || !kinds[value->kind].bytes || value->kind == BL_GGUF_BOOL)
        return bl_gguf_expected(file, key, "a number", err);
    *out = number_at(value->kind, value->data);
    return isfinite(*out) ||
           bl_fail(err, BL_ERR_INPUT, "%s: %s: expected a finite number, found %g", file->path, key, *out);
}

bool bl_gguf_bool(const bl_gguf *file, const char *key, bool *out, bl_error *err) {
    const bl_gguf_value *value = scalar(file, key);
    if (!value || value->kind != BL_GGUF_BOOL) return bl_gguf_expected(file, key, "true or false", err);
    *out = *value->data != 0;
    return true;
}

bool bl_gguf_string(const bl_gguf *file, const char *key, const char **out, bl_error *err) {
    const bl_gguf_value *value = scalar(file, key);
    if (!value || value->kind != BL_GGUF_STRING) return bl_gguf_expected(file, key, "a string", err);
    *out = value->text;
    return true;
}

const bl_gguf_value *bl_gguf_array(const bl_gguf *file, const char *key, bl_gguf_kind kind, bl_error *err) {
    const bl_gguf_value *value = bl_gguf_find(file, key);
    char what[64], found[64];
    if (value && value->is_array && value->kind == kind) return value;
    snprintf(what, sizeof what, "an array, each element %s of %zu bytes", kinds[kind].name,
             kinds[kind].bytes);
    if (kind == BL_GGUF_STRING) snprintf(what, sizeof what, "an array of strings");
    if (!value || !value->is_array) {
        bl_gguf_expected(file, key, what, err);
        return NULL;
    }
    snprintf(found, sizeof found, "%s of %zu bytes", kinds[value->kind].name, kinds[value->kind].bytes);
    bl_fail(err, BL_ERR_INPUT, "%s: %s: expected %s, found one with %s", file->path, key, what,
            value->kind == BL_GGUF_STRING ? "strings" : found);
    return NULL;
}

double bl_gguf_element(const bl_gguf_value *array, size_t i) {
    return number_at(array->kind, array->data + i * kinds[array->kind].bytes);
}

const char *bl_gguf_next_string(const unsigned char **at, size_t *length) {
    const unsigned char *text = *at + 8;
    *length = (size_t)little(*at, 8);
    *at = text + *length;
    return (const char *)text;
}
