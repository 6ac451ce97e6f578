/* .npy: "\x93NUMPY", version, a 2-byte (version 2 and 3: 4-byte) header length, a Python dict in ASCII, then
 * the data. Read are floats of 2, 4 and 8 bytes, integers and booleans, of either byte order, in C or
 * Fortran order; all become float32. What has no such meaning (complex numbers, dates, records, objects,
 * text) is refused by its name. Version 1.0 is written. */
#include "format/npy.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/kind.h"
#include "format/numbers.h"
#include <float.h>
#include <math.h>
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
    const char *at = NULL;
    for (const char *quote = "'\""; *quote && !at; quote++) {
        snprintf(quoted, sizeof quoted, "%c%s%c", *quote, key, *quote);
        at = strstr(header, quoted);
    }
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
        if (*at == 'L') at++; /* a long integer of Python 2 */
        array->shape[array->n_dims++] = value;
        if (!bl_mul_size(*count, value, count)) return false;
    }
}

/* How one number is stored. */
typedef struct number_type {
    char kind; /* 'f', 'i', 'u', 'b' */
    size_t bytes;
    bool swapped; /* big-endian */
} number_type;

/* "'<f4'": byte order, kind, bytes. */
static bool read_type(const char *descr, const char *path, number_type *type, bl_error *err) {
    static const struct {
        char kind;
        const char *name;
    } strangers[] = {{'c', "complex numbers"}, {'M', "dates"},        {'m', "time differences"},
                     {'O', "Python objects"},  {'S', "byte strings"}, {'U', "text"},
                     {'V', "raw bytes"},       {'a', "byte strings"}};
    if (!descr) return bl_fail(err, BL_ERR_INPUT, "%s: 'descr' is missing", path);
    if (*descr == 'u' && descr[1]) descr++; /* a text of Python 2 */
    char quote = *descr;
    int shown = (int)(1 + strcspn(descr + (quote != '\0'), "'\"") + 1);
    if (shown > 24) shown = 24;
    if (*descr == '[')
        return bl_fail(err, BL_ERR_INPUT, "%s: holds records (a structured array); save one field of it",
                       path);
    if (!strchr("'\"", quote) || quote == '\0' || !strchr("<>|=", descr[1]) || descr[1] == '\0')
        return bl_fail(err, BL_ERR_INPUT, "%s: 'descr' %.*s is not known", path, shown, descr);
    *type = (number_type){descr[2], 0, descr[1] == '>'};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        if (type->kind == strangers[i].kind)
            return bl_fail(err, BL_ERR_INPUT, "%s: holds %s ('descr' %.*s); real numbers are expected", path,
                           strangers[i].name, shown, descr);
    size_t digits = 0;
    while (type->kind && descr[3 + digits] >= '0' && descr[3 + digits] <= '9' && digits < 3)
        type->bytes = 10 * type->bytes + (size_t)(descr[3 + digits++] - '0');
    bool known = type->kind && descr[3 + digits] == quote &&
                 (type->bytes == 1 || type->bytes == 2 || type->bytes == 4 || type->bytes == 8);
    if (known && type->kind == 'f') known = type->bytes > 1;
    if (known && type->kind == 'b') known = type->bytes == 1;
    if (known && strchr("fiub", type->kind)) return true;
    return bl_fail(err, BL_ERR_INPUT,
                   "%s: 'descr' is %.*s; floats of 2, 4 or 8 bytes, integers and booleans are read", path,
                   shown, descr);
}

static double read_number(const unsigned char *from, const number_type *type) {
    unsigned char bytes[8] = {0};
    uint64_t word = 0;
    for (size_t i = 0; i < type->bytes; i++) bytes[i] = from[type->swapped ? type->bytes - 1 - i : i];
    memcpy(&word, bytes, 8);
    if (type->kind == 'f' && type->bytes == 8) {
        double value;
        memcpy(&value, &word, 8);
        return value;
    }
    if (type->kind == 'f' && type->bytes == 4) {
        float value;
        memcpy(&value, bytes, 4);
        return (double)value;
    }
    if (type->kind == 'f') {
        float value;
        bl_type_f16.read(bytes, 1, &value);
        return (double)value;
    }
    unsigned unused = 64 - 8 * (unsigned)type->bytes;
    if (type->kind == 'i') return (double)((int64_t)(word << unused) >> unused);
    return (double)word;
}

/* data [count] in C order of the numbers at `values`, which lie in C or in Fortran order. */
static void convert(const unsigned char *values, const number_type *type, bool fortran,
                    const bl_named_array *array, size_t count, float *data) {
    size_t index[BL_MAX_DIMS] = {0};
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        if (fortran) { /* the first axis runs fastest there, the last one here */
            at = 0;
            for (size_t a = array->n_dims; a-- > 0;) at = at * array->shape[a] + index[a];
            for (size_t a = array->n_dims; a-- > 0;) {
                if (++index[a] < array->shape[a]) break;
                index[a] = 0;
            }
        }
        data[i] = (float)read_number(values + at * type->bytes, type);
    }
}

/* A float64 that is not 0 but becomes 0 in float32, or is finite and becomes infinite, would be another
 * number. */
static bool check_range(const unsigned char *values, const number_type *type, size_t count, const char *path,
                        bl_error *err) {
    for (size_t i = 0; type->kind == 'f' && type->bytes == 8 && i < count; i++) {
        double value = read_number(values + i * 8, type);
        if (isfinite(value) && (fabs(value) > (double)FLT_MAX || (value != 0 && (float)value == 0)))
            return bl_fail(err, BL_ERR_INPUT, "%s: element %zu is %g, which a float32 cannot hold", path, i,
                           value);
    }
    return true;
}

bool bl_npy_parse(const unsigned char *file, size_t size, const char *path, bl_named_array *array,
                  float **data, char *kind, bl_error *err) {
    *array = (bl_named_array){0};
    *data = NULL;
    bool ours = size >= 6 && memcmp(file, "\x93NUMPY", 6) == 0;
    if (ours && size < 12) return bl_fail(err, BL_ERR_INPUT, "%s: ends within its header", path);
    if (!ours && !bl_kind_unknown(file, size, path, "a .npy file", err)) return false;
    if (!ours)
        return bl_fail(err, BL_ERR_INPUT, "%s: not a .npy file (its first bytes are not \\x93NUMPY)", path);
    unsigned version = file[6];
    size_t start = version == 1 ? 10 : 12, length = (size_t)file[8] | (size_t)file[9] << 8;
    if (version > 1) length |= (size_t)file[10] << 16 | (size_t)file[11] << 24;
    if (version < 1 || version > 3)
        return bl_fail(err, BL_ERR_INPUT, "%s: .npy version %u is unknown (1, 2 and 3 are read)", path,
                       version);
    if (length > size - start || length > 65536)
        return bl_fail(err, BL_ERR_INPUT, "%s: the header needs %zu bytes, the file has %zu", path, length,
                       size);
    char *header = bl_strndup((const char *)file + start, length, err);
    if (!header) return false;
    const char *order = find_key(header, "fortran_order");
    const unsigned char *values = file + start + length;
    bool fortran = order && strncmp(order, "True", 4) == 0, ok = false;
    size_t count, bytes, have = size - start - length;
    number_type type = {0};
    if (!read_type(find_key(header, "descr"), path, &type, err)) goto done;
    if (!order || (!fortran && strncmp(order, "False", 5) != 0)) {
        bl_fail(err, BL_ERR_INPUT, "%s: 'fortran_order' must be True or False", path);
    } else if (!read_shape(find_key(header, "shape"), array, &count)) {
        bl_fail(err, BL_ERR_INPUT, "%s: 'shape' is missing, malformed or too large", path);
    } else if (!bl_mul_size(count, type.bytes, &bytes) || bytes != have) {
        bl_fail(err, BL_ERR_INPUT, "%s: its shape needs %zu numbers, the file has %zu bytes of data", path,
                count, have);
    } else if (check_range(values, &type, count, path, err)) {
        *data = bl_alloc(count, sizeof **data, err);
        ok = *data != NULL;
    }
    if (ok) convert(values, &type, fortran, array, count, *data);
    if (ok && kind) *kind = type.kind;
done:
    array->data = *data;
    free(header);
    return ok;
}

bool bl_npy_read_kind(const char *path, bl_named_array *array, float **data, char *kind, bl_error *err) {
    bl_content map;
    if (!bl_content_read(path, &map, err)) return false;
    bool ok = bl_npy_parse(map.data, map.size, path, array, data, kind, err);
    bl_content_free(&map);
    return ok;
}

bool bl_npy_read(const char *path, bl_named_array *array, float **data, bl_error *err) {
    return bl_npy_read_kind(path, array, data, NULL, err);
}
