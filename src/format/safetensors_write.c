/* Writing safetensors in 32 or 16 bits. Tensors follow each other in the order given; the header is padded so
 * that the data is aligned. "__metadata__": {"format": "pt"} is what Python's transformers asks for before it
 * loads a model's weights. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/safetensors.h"
#include <bilens/format.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)4096) /* numbers converted at a time */

/* The upper half of a float32, rounded. NaN keeps a bit of its mantissa. */
static uint16_t to_bfloat(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x)) return (uint16_t)(bits >> 16 | 64);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* IEEE binary16. |x| >= 65520 becomes infinity. */
static uint16_t to_half(float x) {
    uint32_t bits, sign;
    memcpy(&bits, &x, sizeof bits);
    sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (bits >= 0x47800000) return (uint16_t)(sign | 0x7c00); /* from 65536 */
    if (bits < 0x38800000) { /* below 2^-14: adding 2^-1 rounds to multiples of 2^-24 */
        float magnitude;
        memcpy(&magnitude, &bits, sizeof bits);
        magnitude += 0.5F;
        memcpy(&bits, &magnitude, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000));
    }
    bits += 0xfff + (bits >> 13 & 1) - 0x38000000; /* rounding may carry into the exponent, up to infinity */
    return (uint16_t)(sign | bits >> 13);
}

static bool write_data(bl_writer *writer, const float *data, size_t count, bl_store store) {
    uint16_t piece[PIECE];
    if (store == BL_STORE_F32 || store == BL_STORE_I32) {
        bl_writer_write(writer, data, count * sizeof *data);
        return true;
    }
    bool fits = true;
    for (size_t i = 0; i < count; i += PIECE) {
        size_t n = count - i < PIECE ? count - i : PIECE;
        for (size_t j = 0; j < n; j++) {
            piece[j] = store == BL_STORE_F16 ? to_half(data[i + j]) : to_bfloat(data[i + j]);
            bool infinite =
                store == BL_STORE_F16 ? (piece[j] & 0x7fff) == 0x7c00 : (piece[j] & 0x7fff) == 0x7f80;
            fits = fits && (!infinite || isinf(data[i + j]));
        }
        bl_writer_write(writer, piece, n * sizeof *piece);
    }
    return fits;
}

/* The header's entry of one array; *offset moves to its end. */
static bool add_entry(json_t *header, const bl_named_array *array, bl_store store, size_t *offset,
                      const char *path, bl_error *err) {
    static const char *const names[] = {"F32", "F16", "BF16", "I32"};
    json_t *shape = json_array();
    size_t bytes = store == BL_STORE_F32 || store == BL_STORE_I32 ? 4 : 2, end = 0;
    bool fits = true, made = shape != NULL;
    for (size_t j = 0; j < array->n_dims; j++) {
        fits = fits && bl_mul_size(bytes, array->shape[j], &bytes);
        made = made && json_array_append_new(shape, json_integer((json_int_t)array->shape[j])) == 0;
    }
    fits = fits && bl_add_size(*offset, bytes, &end);
    if (!made || !fits) {
        json_decref(shape);
        return bl_fail(err, made ? BL_ERR_INPUT : BL_ERR_MEMORY,
                       made ? "%s: array '%s' is too large" : "%s: out of memory at the header's array '%s'",
                       path, array->name);
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", names[store], "shape", shape, "data_offsets",
                              (json_int_t)*offset, (json_int_t)end);
    *offset = end;
    if (entry && json_object_set_new(header, array->name, entry) == 0) return true;
    return bl_fail(err, BL_ERR_MEMORY, "%s: out of memory while the header was built", path);
}

bool bl_safetensors_write_each(const char *path, const bl_named_array *arrays, const bl_store *stores,
                               size_t n, bl_error *err) {
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    bool ok = bl_safetensors_write_with(path, arrays, stores, n, metadata, err);
    json_decref(metadata);
    return ok;
}

bool bl_safetensors_write_with(const char *path, const bl_named_array *arrays, const bl_store *stores,
                               size_t n, json_t *metadata, bl_error *err) {
    json_t *header = metadata ? json_pack("{s:O}", "__metadata__", metadata) : NULL;
    char *text = NULL;
    bool ok = false;
    size_t offset = 0;
    if (!header) bl_fail(err, BL_ERR_MEMORY, "%s: out of memory while the header was built", path);
    if (!header) goto done;
    for (size_t i = 0; i < n; i++)
        if (!add_entry(header, &arrays[i], stores[i], &offset, path, err)) goto done;
    text = bl_json_text(header, JSON_COMPACT, err);
    if (!text) goto done;
    size_t length = strlen(text), padded = (length + 7) / 8 * 8; /* so that the data is aligned */
    bl_writer *writer = bl_writer_open(path, err);
    if (!writer) goto done;
    uint64_t prefix = padded;
    bl_writer_write(writer, &prefix, 8);
    bl_writer_write(writer, text, length);
    bl_writer_write(writer, "        ", padded - length);
    for (size_t i = 0; i < n; i++) {
        size_t count = 1;
        for (size_t j = 0; j < arrays[i].n_dims; j++) count *= arrays[i].shape[j];
        if (write_data(writer, arrays[i].data, count, stores[i])) continue;
        bl_writer_abort(writer);
        bl_fail(err, BL_ERR_NUMERIC, "%s: '%s' holds numbers that are too large for 16 bits: store it in 32",
                path, arrays[i].name);
        goto done;
    }
    ok = bl_writer_commit(writer, err);
done:
    free(text);
    json_decref(header);
    return ok;
}

bool bl_safetensors_write_as(const char *path, const bl_named_array *arrays, size_t n, bl_store store,
                             bl_error *err) {
    bl_store *stores = bl_alloc(n, sizeof *stores, err);
    if (!stores) return false;
    for (size_t i = 0; i < n; i++) stores[i] = store;
    bool ok = bl_safetensors_write_each(path, arrays, stores, n, err);
    free(stores);
    return ok;
}

bool bl_safetensors_write(const char *path, const bl_named_array *arrays, size_t n, bl_error *err) {
    return bl_safetensors_write_as(path, arrays, n, BL_STORE_F32, err);
}
