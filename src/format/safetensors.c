#include "format/safetensors.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/json.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "array files are little-endian and are mapped as they are");

#define HEADER_LIMIT ((size_t)100 << 20) /* the format's own limit */

static const struct {
    const char *name;
    bl_dtype dtype;
    size_t size;
} dtypes[] = {
    {"F32", BL_F32, 4},          {"F16", BL_F16, 2},         {"BF16", BL_BF16, 2},
    {"F64", BL_F64, 8},          {"I64", BL_OTHER_DTYPE, 8}, {"U64", BL_OTHER_DTYPE, 8},
    {"I32", BL_OTHER_DTYPE, 4},  {"U32", BL_OTHER_DTYPE, 4}, {"I16", BL_OTHER_DTYPE, 2},
    {"U16", BL_OTHER_DTYPE, 2},  {"I8", BL_OTHER_DTYPE, 1},  {"U8", BL_OTHER_DTYPE, 1},
    {"BOOL", BL_OTHER_DTYPE, 1},
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
            tensor->dtype = dtypes[i].dtype;
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
        if (strcmp(name, "__metadata__") == 0) continue;
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
    if (size < 8 || length > size - 8 || length > HEADER_LIMIT) {
        bl_fail(err, BL_ERR_INPUT,
                "%s: not a whole safetensors file: the header needs %" PRIu64
                " bytes, the file has %zu (limit %zu)",
                path, length, size, HEADER_LIMIT);
        goto fail;
    }
    header = bl_json_parse((const char *)data + 8, (size_t)length, path, err);
    if (!header) goto fail;
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

bl_safetensors *bl_safetensors_open(const char *path, bl_error *err) {
    bl_map map;
    if (!bl_map_open(path, &map, err)) return NULL;
    bl_safetensors *file = bl_safetensors_parse(map.data, map.size, path, err);
    if (!file) {
        bl_map_close(&map);
        return NULL;
    }
    file->map = map;
    return file;
}

void bl_safetensors_free(bl_safetensors *file) {
    if (!file) return;
    for (size_t i = 0; i < file->n; i++) free(file->tensors[i].name);
    free(file->tensors);
    free(file->path);
    bl_map_close(&file->map);
    free(file);
}

const bl_stored_tensor *bl_safetensors_find(const bl_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->n; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

static float from_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 1023, bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000 | mantissa << 13;
    } else if (exponent) {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    } else { /* subnormal: mantissa * 2^-24, exact in float32 */
        float value = (float)mantissa * 0x1p-24F;
        memcpy(&bits, &value, 4);
        bits |= sign;
    }
    float out;
    memcpy(&out, &bits, 4);
    return out;
}

void bl_stored_tensor_read(const bl_stored_tensor *tensor, float *out) {
    const unsigned char *data = tensor->data;
    if (tensor->count == 0) return;
    if (tensor->dtype == BL_F32) memcpy(out, data, tensor->count * 4);
    for (size_t i = 0; i < tensor->count && tensor->dtype != BL_F32; i++) {
        if (tensor->dtype == BL_F64) {
            double value;
            memcpy(&value, data + 8 * i, 8);
            out[i] = (float)value;
        } else {
            uint16_t half;
            memcpy(&half, data + 2 * i, 2);
            uint32_t bits = (uint32_t)half << 16;
            if (tensor->dtype == BL_F16) out[i] = from_half(half);
            else memcpy(&out[i], &bits, 4);
        }
    }
}

const float *bl_stored_tensor_view(const bl_stored_tensor *tensor) {
    bool aligned = (uintptr_t)tensor->data % _Alignof(float) == 0;
    return tensor->dtype == BL_F32 && aligned ? (const float *)(const void *)tensor->data : NULL;
}
