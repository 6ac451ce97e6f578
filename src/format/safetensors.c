#include "format/safetensors.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/kind.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_LIMIT ((size_t)100 << 20) /* the format's own limit */

static const struct {
    const char *name;
    const bl_number_type *type;
    size_t size;
} dtypes[] = {
    {"F32", &bl_type_f32, 4}, {"F16", &bl_type_f16, 2}, {"BF16", &bl_type_bf16, 2}, {"F64", &bl_type_f64, 8},
    {"U8", &bl_type_u8, 1},   {"I64", NULL, 8},         {"U64", NULL, 8},           {"I32", NULL, 4},
    {"U32", NULL, 4},         {"I16", NULL, 2},         {"U16", NULL, 2},           {"I8", NULL, 1},
    {"BOOL", NULL, 1},
};

static bool read_shape(const json_t *shape, bl_stored_tensor *tensor, const char *path, bl_error *err) {
    if (!json_is_array(shape) || json_array_size(shape) > BL_MAX_DIMS)
        return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s': \"shape\" must be a list of at most %d sizes",
                       path, tensor->name, BL_MAX_DIMS);
    tensor->n_dims = json_array_size(shape);
    tensor->count = 1;
    for (size_t i = 0; i < tensor->n_dims; i++) {
        const json_t *size = json_array_get(shape, i);
        json_int_t value = json_integer_value(size);
        if (!json_is_integer(size) || value < 0 || !bl_mul_size(tensor->count, (size_t)value, &tensor->count))
            return bl_fail(
                err, BL_ERR_INPUT,
                "%s: tensor '%s': size %zu of its shape is not a number of elements that memory can hold",
                path, tensor->name, i);
        tensor->shape[i] = (size_t)value;
    }
    return true;
}

static bool read_entry(const json_t *entry, bl_stored_tensor *tensor, size_t data_size, const char *path,
                       bl_error *err) {
    if (!json_is_object(entry))
        return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s': its header entry is no object", path,
                       tensor->name);
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!dtype)
        return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s': \"dtype\" is missing or no string", path,
                       tensor->name);
    size_t size = 0;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtype, dtypes[i].name) == 0) {
            tensor->type = dtypes[i].type;
            size = dtypes[i].size;
        }
    if (!size)
        return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s': unknown dtype '%.40s'", path, tensor->name,
                       dtype);
    snprintf(tensor->dtype_name, sizeof tensor->dtype_name, "%s", dtype);
    if (!read_shape(json_object_get(entry, "shape"), tensor, path, err)) return false;

    const json_t *offsets = json_object_get(entry, "data_offsets"), *begin = json_array_get(offsets, 0),
                 *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: tensor '%s': \"data_offsets\" must be [begin, end] with 0 <= begin <= end", path,
                       tensor->name);
    tensor->begin = (size_t)json_integer_value(begin);
    tensor->end = (size_t)json_integer_value(end);
    if (tensor->end > data_size)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: tensor '%s' ends at byte %zu, but the file's data has only %zu bytes: the file "
                       "was cut short or is damaged",
                       path, tensor->name, tensor->end, data_size);
    size_t bytes;
    if (!bl_mul_size(tensor->count, size, &bytes) || bytes != tensor->end - tensor->begin)
        return bl_fail(
            err, BL_ERR_INPUT,
            "%s: tensor '%s': its shape needs %zu elements of %zu bytes, its data_offsets hold %zu bytes",
            path, tensor->name, tensor->count, size, tensor->end - tensor->begin);
    return true;
}

static int by_offset(const void *a, const void *b) {
    const bl_stored_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Tensors must tile the data part exactly, as the format demands. */
static bool check_tiling(bl_safetensors *file, size_t data_size, bl_error *err) {
    qsort(file->tensors, file->n, sizeof *file->tensors, by_offset);
    size_t at = 0;
    for (size_t i = 0; i < file->n; i++) {
        const bl_stored_tensor *tensor = &file->tensors[i];
        if (tensor->begin < at)
            return bl_fail(err, BL_ERR_INPUT,
                           "%s: tensor '%s' begins at byte %zu, inside tensor '%s': their data overlap",
                           file->path, tensor->name, tensor->begin, file->tensors[i - 1].name);
        if (tensor->begin > at)
            return bl_fail(
                err, BL_ERR_INPUT,
                "%s: tensor '%s' begins at byte %zu, but the data before it ends at %zu: there is a hole",
                file->path, tensor->name, tensor->begin, at);
        at = tensor->end;
    }
    if (at != data_size)
        return bl_fail(
            err, BL_ERR_INPUT,
            "%s: the tensors end at byte %zu of the data, the file has %zu: bytes that belong to no tensor",
            file->path, at, data_size);
    return true;
}

static bool read_header(bl_safetensors *file, const json_t *header, const unsigned char *data,
                        size_t data_size, bl_error *err) {
    file->tensors = bl_alloc_zero(json_object_size(header), sizeof *file->tensors, err);
    if (!file->tensors) return false;
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)(uintptr_t)header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            file->metadata = json_incref(entry);
            continue;
        }
        bl_stored_tensor *tensor = &file->tensors[file->n];
        tensor->name = bl_strdup(name, err);
        if (!tensor->name) return false;
        file->n++;
        if (!read_entry(entry, tensor, data_size, file->path, err)) return false;
        tensor->data = data + tensor->begin;
    }
    return check_tiling(file, data_size, err);
}

bl_safetensors *bl_safetensors_parse(const unsigned char *data, size_t size, const char *path,
                                     bl_error *err) {
    bl_safetensors *file = bl_alloc_zero(1, sizeof *file, err);
    json_t *header = NULL;
    if (!file) return NULL;
    file->path = bl_strdup(path, err);
    if (!file->path) goto fail;
    uint64_t length = 0;
    if (size >= 8) memcpy(&length, data, 8);
    bool whole = size >= 8 && length <= size - 8 && length <= HEADER_LIMIT;
    bl_error failure = {0};
    if (whole)
        header = bl_json_parse_with((const char *)data + 8, (size_t)length, JSON_ALLOW_NUL, path, &failure);
    /* A sound header may begin like something else. */
    if (!header && failure.code != BL_ERR_MEMORY && !bl_kind_unknown(data, size, path, "safetensors", err))
        goto fail;
    if (!whole) {
        bl_fail(err, BL_ERR_INPUT,
                "%s: not a whole safetensors file: the header needs %" PRIu64
                " bytes, the file has %zu (limit %zu)",
                path, length, size, HEADER_LIMIT);
        goto fail;
    }
    if (!header) {
        bl_fail(err, failure.code, "%s", failure.message);
        goto fail;
    }
    if (!json_is_object(header)) {
        bl_fail(err, BL_ERR_INPUT, "%s: the safetensors header is no JSON object", path);
        goto fail;
    }
    if (!read_header(file, header, data + 8 + length, size - 8 - (size_t)length, err)) goto fail;
    json_decref(header);
    return file;
fail:
    json_decref(header);
    bl_safetensors_free(file);
    return NULL;
}

/* The whole file in memory, so that what happens to it afterwards does not matter. Its data part begins at a
 * multiple of 64 bytes: F32 tensors can be used where they lie. */
static unsigned char *read_whole(const char *path, unsigned char **data, size_t *size, bl_error *err) {
    unsigned char length[8], *memory = NULL;
    FILE *stream = fopen(path, "rbe");
    struct stat status;
    bool ok = stream && fstat(fileno(stream), &status) == 0;
    if (!ok) {
        bl_fail(err, BL_ERR_INPUT, "%s: cannot open: %s", path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        ok = bl_fail(err, BL_ERR_INPUT, "%s: not a regular file", path);
    } else {
        uint64_t header = 0;
        *size = (size_t)status.st_size;
        size_t got = fread(length, 1, sizeof length, stream);
        if (got == sizeof length) memcpy(&header, length, sizeof header);
        size_t gap = (64 - (8 + (size_t)header) % 64) % 64;
        memory = bl_alloc(*size + 64, 1, err);
        ok = memory != NULL;
        if (ok) {
            *data = memory + gap;
            memcpy(*data, length, got);
            got += fread(*data + got, 1, *size - got, stream);
            if (got < *size)
                ok = ferror(stream)
                       ? bl_fail(err, BL_ERR_INPUT, "%s: cannot read: %s", path, strerror(errno))
                       : bl_fail(err, BL_ERR_INPUT, "%s: became shorter while it was read", path);
        }
    }
    if (stream) fclose(stream);
    if (ok) return memory;
    free(memory);
    return NULL;
}

bl_safetensors *bl_safetensors_open(const char *path, bl_error *err) {
    unsigned char *data, *memory;
    size_t size;
    if (!(memory = read_whole(path, &data, &size, err))) return NULL;
    bl_safetensors *file = bl_safetensors_parse(data, size, path, err);
    if (file) file->memory = memory;
    else free(memory);
    return file;
}

void bl_safetensors_free(bl_safetensors *file) {
    if (!file) return;
    for (size_t i = 0; i < file->n; i++) free(file->tensors[i].name);
    free(file->tensors);
    free(file->path);
    json_decref(file->metadata);
    free(file->memory);
    free(file);
}

const bl_stored_tensor *bl_safetensors_find(const bl_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->n; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

void bl_stored_tensor_read(const bl_stored_tensor *tensor, float *out) {
    if (tensor->count) tensor->type->read(tensor->data, tensor->count, out);
}

const float *bl_stored_tensor_view(const bl_stored_tensor *tensor) {
    bool aligned = (uintptr_t)tensor->data % _Alignof(float) == 0;
    return tensor->type == &bl_type_f32 && aligned ? (const float *)(const void *)tensor->data : NULL;
}
