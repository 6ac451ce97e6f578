/* Whole files: one array of floats from a file of any kind (the suffixes .npy and .csv decide; everything
 * else
 * is taken for safetensors), and texts. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/csv_array.h"
#include "format/safetensors.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

/* FILE:TENSOR split at the last colon before which a file exists; a file whose own name has colons stays
 * whole. *tensor is NULL without one. Free the result. */
static char *split_source(const char *source, const char **tensor, bl_error *err) {
    char *path = bl_strdup(source, err);
    *tensor = NULL;
    if (!path || bl_file_exists(path)) return path;
    for (char *colon = strrchr(path, ':'); colon; colon = strrchr(path, ':')) {
        *colon = '\0';
        if (!bl_file_exists(path)) continue;
        *tensor = source + (colon - path) + 1;
        return path;
    }
    memcpy(path, source, strlen(source) + 1); /* a missing file is named as it was given */
    return path;
}

/* The tensor that is meant, or NULL with the list of those that could be. */
static const bl_stored_tensor *choose(const bl_safetensors *file, const char *name, bl_error *err) {
    enum { SHOWN = 12 };
    size_t n = file->tensors ? file->n : 0;
    const bl_stored_tensor *tensor = name ? bl_safetensors_find(file, name) : n == 1 ? file->tensors : NULL;
    if (tensor && tensor->type) return tensor;
    if (tensor)
        return bl_fail_null(err, BL_ERR_INPUT, "%s: tensor '%s' is %s; F32, F16, BF16 or F64 is expected",
                            file->path, tensor->name, tensor->dtype_name);
    bl_buffer names = {0};
    for (size_t i = 0; i < n && i < SHOWN; i++)
        bl_buffer_print(&names, "%s%.80s", i ? ", " : "", file->tensors[i].name);
    if (n > SHOWN) bl_buffer_print(&names, " and %zu more", n - SHOWN);
    char *list = bl_buffer_take(&names, err);
    if (list && name)
        bl_fail(err, BL_ERR_INPUT, "%s: there is no tensor '%s' in it, only: %s", file->path, name,
                n ? list : "none");
    else if (list && n)
        bl_fail(err, BL_ERR_INPUT, "%s: which of its %zu tensors? Say %s:NAME, NAME being one of %s",
                file->path, n, file->path, list);
    else if (list) bl_fail(err, BL_ERR_INPUT, "%s: holds no tensor", file->path);
    free(list);
    return NULL;
}

/* As of .npy: a float64 that float32 cannot hold would be another number. */
static bool check_range(const bl_stored_tensor *tensor, const char *source, bl_error *err) {
    for (size_t i = 0; tensor->type == &bl_type_f64 && i < tensor->count; i++) {
        double value;
        memcpy(&value, tensor->data + 8 * i, sizeof value);
        if (isfinite(value) && (fabs(value) > (double)FLT_MAX || (value != 0 && (float)value == 0)))
            return bl_fail(err, BL_ERR_INPUT, "%s: element %zu is %g, which a float32 cannot hold", source, i,
                           value);
    }
    return true;
}

static bool read_safetensors(const char *path, const char *name, const char *source, bl_named_array *array,
                             float **data, bl_error *err) {
    bl_safetensors *file = bl_safetensors_open(path, err);
    const bl_stored_tensor *tensor = file ? choose(file, name, err) : NULL;
    bool fits = tensor && check_range(tensor, source, err);
    *data = fits ? bl_alloc(tensor->count, sizeof **data, err) : NULL;
    if (*data) {
        bl_stored_tensor_read(tensor, *data);
        *array = (bl_named_array){.data = *data, .n_dims = tensor->n_dims};
        memcpy(array->shape, tensor->shape, sizeof array->shape);
    }
    bl_safetensors_free(file);
    return *data != NULL;
}

bool bl_array_read(const char *source, bl_named_array *array, float **data, bl_error *err) {
    const char *tensor = NULL;
    bool ok;
    *array = (bl_named_array){0};
    *data = NULL;
    bl_error_clear(err);
    char *path = split_source(source, &tensor, err);
    if (!path) return false;
    bool csv = ends_with(path, ".csv");
    if (!csv && !ends_with(path, ".npy")) ok = read_safetensors(path, tensor, source, array, data, err);
    else if (tensor)
        ok = bl_fail(err, BL_ERR_INPUT, "%s: a %s file holds one array without a name; '%s' is not in it",
                     path, csv ? ".csv" : ".npy", tensor);
    else if (csv) ok = bl_csv_array_read(path, array, data, err);
    else ok = bl_npy_read(path, array, data, err);
    free(path);
    return ok;
}

bool bl_text_write(const char *path, const char *text, bl_error *err) {
    return bl_file_write(path, text, strlen(text), err);
}

char *bl_text_read(const char *path, size_t limit, bl_error *err) {
    return bl_file_read(path, limit, NULL, err);
}
