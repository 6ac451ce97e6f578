/* info: {"model", "generation", "config": {…}, "parameters", "tensors": [{"name", "shape", "dtype"}]},
 * optionally "architecture": {…}. */
#include "base/error.h"
#include "format/json.h"
#include "result/document_parts.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SETTINGS 10000
#define MAX_TENSORS 1000000

static char *setting_text(bl_reader *reader, const json_t *value) {
    char *dumped =
        json_is_string(value)
            ? NULL
            : bl_json_text(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9), reader->err);
    const char *text = json_is_string(value) ? json_string_value(value) : dumped;
    size_t size = text ? strlen(text) + 1 : 0;
    char *copy = text ? bl_reader_alloc(reader, size, 1) : NULL;
    if (copy) memcpy(copy, text, size);
    free(dumped);
    return copy;
}

/* An object's keys with their values as text. */
static const bl_doc_setting *read_settings(bl_reader *reader, const json_t *json, const char *key,
                                           size_t *n) {
    const json_t *object = bl_reader_object(reader, json, key);
    if (!object) return NULL;
    size_t size = json_object_size(object);
    if (size > MAX_SETTINGS) {
        bl_reader_fail(reader, "%s: %zu keys, at most %d are expected", key, size, MAX_SETTINGS);
        return NULL;
    }
    bl_doc_setting *settings = bl_reader_alloc(reader, size, sizeof *settings);
    if (!settings) return NULL;
    *n = 0;
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        char *text = setting_text(reader, json_object_iter_value(at));
        if (!text) return NULL;
        settings[(*n)++] = (bl_doc_setting){json_object_iter_key(at), text};
    }
    return settings;
}

static bool read_tensor(bl_reader *reader, const json_t *json, bl_doc_tensor *tensor) {
    const double *shape;
    if (!json_is_object(json)) return bl_reader_fail(reader, "an object is expected");
    if (!bl_reader_text(reader, json, "name", &tensor->name) ||
        !bl_reader_text(reader, json, "dtype", &tensor->dtype))
        return false;
    if (!bl_reader_numbers(reader, json, "shape", 8, &shape, &tensor->n_dims)) return false;
    for (size_t i = 0; i < tensor->n_dims; i++) {
        if (!(shape[i] >= 0 && shape[i] <= 1e15))
            return bl_reader_fail(reader, "shape[%zu]: %g is no length of an axis", i, shape[i]);
        tensor->shape[i] = (uint64_t)shape[i];
        if ((double)tensor->shape[i] != shape[i])
            return bl_reader_fail(reader, "shape[%zu]: %g is no whole number", i, shape[i]);
    }
    return true;
}

static bool read_tensors(bl_reader *reader, const json_t *json, bl_doc_info *info) {
    const json_t *array = bl_reader_array(reader, json, "tensors", MAX_TENSORS, &info->n_tensors);
    bl_doc_tensor *tensors = array ? bl_reader_alloc(reader, info->n_tensors, sizeof *tensors) : NULL;
    if (!tensors) return false;
    size_t before = bl_reader_enter(reader, "tensors");
    for (size_t i = 0; i < info->n_tensors; i++) {
        size_t inner = bl_reader_enter_element(reader, i);
        if (!read_tensor(reader, json_array_get(array, i), &tensors[i])) return false;
        bl_reader_leave(reader, inner);
    }
    bl_reader_leave(reader, before);
    info->tensors = tensors;
    return true;
}

const bl_doc_info *bl_doc_read_info(bl_reader *reader, const json_t *json) {
    bl_doc_info *info = bl_reader_alloc(reader, 1, sizeof *info);
    json_int_t parameters = 0;
    if (!info || !bl_reader_text(reader, json, "model", &info->model) ||
        (json_object_get(json, "generation") &&
         !bl_reader_text(reader, json, "generation", &info->generation)))
        return NULL;
    if (!(info->settings = read_settings(reader, json, "config", &info->n_settings))) return NULL;
    if (json_object_get(json, "architecture") &&
        !(info->facts = read_settings(reader, json, "architecture", &info->n_facts)))
        return NULL;
    for (size_t i = 0; i < info->n_facts; i++)
        if (strcmp(info->facts[i].key, "kind") == 0) info->kind = info->facts[i].value;
    if (!info->generation && !info->kind && !bl_reader_text(reader, json, "generation", &info->generation))
        return NULL;
    if (!bl_reader_integer(reader, json, "parameters", 0, INT64_MAX, &parameters) ||
        !read_tensors(reader, json, info))
        return NULL;
    info->parameters = (uint64_t)parameters;
    return info;
}
