/* .npy 1.0: "\x93NUMPY", version, a 2-byte (version 2 and 3: 4-byte) header length, a Python dict in ASCII,
 * then the data. Only what numpy writes for float arrays is read: "<f4" or "<f8", C order. */
#include "format/npy.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

bool bl_npy_write(const char *path, const bl_named_array *array, bl_error *err) {
    char header[512];
    size_t count = 1;
    int n = snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (size_t i = 0; i < array->n_dims; i++) {
        if (!bl_mul_size(count, array->shape[i], &count))
            return bl_fail(err, BL_ERR_INPUT, "%s: the array is too large", path);
        n += snprintf(header + n, sizeof header - (size_t)n,
                      array->n_dims == 1 ? "%zu,"
                      : i                ? ", %zu"
                                         : "%zu",
                      array->shape[i]);
    }
    n += snprintf(header + n, sizeof header - (size_t)n, "), }");
    size_t bytes;
    if (!bl_mul_size(count, 4, &bytes)) return bl_fail(err, BL_ERR_INPUT, "%s: the array is too large", path);
    while ((n + 1 + 10) % 64) header[n++] = ' '; /* the data begins at a multiple of 64 */
    header[n++] = '\n';
    unsigned char prefix[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(n & 255), (unsigned char)(n >> 8)};
    bl_writer *writer = bl_writer_open(path, err);
    if (!writer) return false;
    bl_writer_write(writer, prefix, sizeof prefix);
    bl_writer_write(writer, header, (size_t)n);
    bl_writer_write(writer, array->data, bytes);
    return bl_writer_commit(writer, err);
}

/* The value of 'key' in the dict: points just after "'key':" and blanks, or NULL. */
static const char *find_key(const char *header, const char *key) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *at = strstr(header, quoted);
    if (!at) return NULL;
    at += strlen(quoted);
    while (*at == ' ') at++;
    if (*at++ != ':') return NULL;
    while (*at == ' ') at++;
    return at;
}

static bool read_shape(const char *at, bl_named_array *array, size_t *count) {
    *count = 1;
    if (!at || *at++ != '(') return false;
    for (;;) {
        while (*at == ' ' || *at == ',') at++;
        if (*at == ')') return true;
        size_t value = 0;
        if (*at < '0' || *at > '9' || array->n_dims == BL_MAX_DIMS) return false;
        for (; *at >= '0' && *at <= '9'; at++)
            if (!bl_mul_size(value, 10, &value) || !bl_add_size(value, (size_t)(*at - '0'), &value))
                return false;
        array->shape[array->n_dims++] = value;
        if (!bl_mul_size(*count, value, count)) return false;
    }
}

bool bl_npy_parse(const unsigned char *file, size_t size, const char *path, bl_named_array *array,
                  float **data, bl_error *err) {
    *array = (bl_named_array){0};
    *data = NULL;
    if (size < 12 || memcmp(file, "\x93NUMPY", 6) != 0)
        return bl_fail(err, BL_ERR_INPUT, "%s: not a .npy file (its first bytes are not \\x93NUMPY)", path);
    unsigned version = file[6];
    size_t start = version == 1 ? 10 : 12;
    size_t length = version == 1 ? (size_t)file[8] | (size_t)file[9] << 8
                                 : (size_t)file[8] | (size_t)file[9] << 8 | (size_t)file[10] << 16 |
                                       (size_t)file[11] << 24;
    if (version < 1 || version > 3)
        return bl_fail(err, BL_ERR_INPUT, "%s: .npy version %u is unknown (1, 2 and 3 are read)", path,
                       version);
    if (length > size - start || length > 65536)
        return bl_fail(err, BL_ERR_INPUT, "%s: the header needs %zu bytes, the file has %zu", path, length,
                       size);
    char *header = bl_strndup((const char *)file + start, length, err);
    if (!header) return false;
    const char *descr = find_key(header, "descr"), *order = find_key(header, "fortran_order");
    bool f4 = descr && strncmp(descr, "'<f4'", 5) == 0, f8 = descr && strncmp(descr, "'<f8'", 5) == 0;
    size_t count, bytes, have = size - start - length;
    bool ok = false;
    if (!f4 && !f8) {
        bl_fail(err, BL_ERR_INPUT, "%s: 'descr' must be '<f4' or '<f8', found %.12s", path,
                descr ? descr : "none");
    } else if (!order || strncmp(order, "False", 5) != 0) {
        bl_fail(err, BL_ERR_INPUT, "%s: 'fortran_order' must be False (save with numpy.ascontiguousarray)",
                path);
    } else if (!read_shape(find_key(header, "shape"), array, &count)) {
        bl_fail(err, BL_ERR_INPUT, "%s: 'shape' is missing, malformed or too large", path);
    } else if (!bl_mul_size(count, f4 ? 4 : 8, &bytes) || bytes != have) {
        bl_fail(err, BL_ERR_INPUT, "%s: its shape needs %zu numbers, the file has %zu bytes of data", path,
                count, have);
    } else {
        *data = bl_alloc(count, sizeof **data, err);
        ok = *data != NULL;
    }
    const unsigned char *values = file + start + length;
    for (size_t i = 0; ok && i < count; i++) {
        if (f4) {
            memcpy(*data + i, values + 4 * i, 4);
        } else {
            double value;
            memcpy(&value, values + 8 * i, 8);
            (*data)[i] = (float)value;
        }
    }
    array->data = *data;
    free(header);
    return ok;
}

bool bl_npy_read(const char *path, bl_named_array *array, float **data, bl_error *err) {
    bl_map map;
    if (!bl_map_open(path, &map, err)) return false;
    bool ok = bl_npy_parse(map.data, map.size, path, array, data, err);
    bl_map_close(&map);
    return ok;
}
