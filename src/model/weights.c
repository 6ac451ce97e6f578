#include "model/weights.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "model/architecture/gguf.h"
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_LIMIT ((size_t)64 << 20)

static bool add_file(bl_weights *weights, const char *directory, const char *name, bl_error *err) {
    char *path = bl_path_join(directory, name, err);
    if (!path) return false;
    bl_safetensors *file = bl_safetensors_open(path, err);
    free(path);
    if (!file) return false;
    weights->files[weights->n_files++] = file;
    return true;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add_shard(bl_weights *weights, const char *directory, const char *name, const char *index_path,
                      bl_error *err) {
    char *path = bl_path_join(directory, name, err);
    if (!path) return false;
    bool there = bl_file_exists(path);
    free(path);
    return there ? add_file(weights, directory, name, err)
                 : bl_fail(err, BL_ERR_INPUT, "%s: names the shard %.200s, which is not there: fetch it, too",
                           index_path, name);
}

/* The shards that the index names. */
static bool open_shards(bl_weights *weights, const char *directory, const char *index_path, bl_error *err) {
    json_t *index = bl_json_read(index_path, INDEX_LIMIT, err);
    if (!index) return false;
    json_t *map = json_object_get(index, "weight_map"), *value;
    const char *key, **names = NULL;
    size_t n = 0;
    bool ok = false;
    if (!json_is_object(map) || json_object_size(map) == 0) {
        bl_fail(err, BL_ERR_INPUT, "%s: \"weight_map\" is missing, empty or no object", index_path);
        goto done;
    }
    names = bl_alloc(json_object_size(map), sizeof *names, err);
    if (!names) goto done;
    json_object_foreach(map, key, value) {
        const char *name = json_string_value(value);
        if (!name || !*name || strchr(name, '/')) {
            bl_fail(err, BL_ERR_INPUT, "%s: \"weight_map\": '%s' must name a file of the same folder",
                    index_path, key);
            goto done;
        }
        names[n++] = name;
    }
    qsort(names, n, sizeof *names, by_text);
    weights->files = bl_alloc_zero(n, sizeof(bl_safetensors *), err);
    if (!weights->files) goto done;
    for (size_t i = 0; i < n; i++)
        if ((i == 0 || strcmp(names[i], names[i - 1]) != 0) &&
            !add_shard(weights, directory, names[i], index_path, err))
            goto done;
    ok = true;
done:
    free(names);
    json_decref(index);
    return ok;
}

/* What a directory holds in place of the weights that are read, and what to do. */
static const struct {
    const char *pattern, *next;
} strangers[] = {
    {"model-*-of-*.safetensors", "shards without their model.safetensors.index.json: fetch that file, too"},
    {"adapter_model.*", "an adapter (LoRA), not a whole model: merge it into its base model first"},
    {"pytorch_model*.bin", "PyTorch's own format: save the model with safe_serialization=True"},
    {"*.pt", "PyTorch's own format: save the weights with safetensors.torch.save_file"},
    {"*.pth", "PyTorch's own format: save the weights with safetensors.torch.save_file"},
    {"*.bin", "not safetensors: save the model with safe_serialization=True"},
    {"*.h5", "TensorFlow's format: save the model from PyTorch with safe_serialization=True"},
    {"*.msgpack", "Flax's format: save the model from PyTorch with safe_serialization=True"},
    {"*.gguf", "a GGUF file: name it itself as MODEL"},
    {"*.safetensors", "weights under another name: call them model.safetensors if they are the model's"},
};

/* There is neither model.safetensors nor an index. */
static bool fail_without(const char *directory, bl_error *err) {
    enum { N = sizeof strangers / sizeof *strangers };
    char found[256] = ""; /* no name is longer */
    size_t best = N;
    DIR *folder = opendir(directory);
    if (!folder) return bl_fail(err, BL_ERR_INPUT, "%s: cannot be read: %s", directory, strerror(errno));
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        for (size_t i = 0; i < best; i++) {
            if (fnmatch(strangers[i].pattern, entry->d_name, FNM_PERIOD) != 0) continue;
            snprintf(found, sizeof found, "%s", entry->d_name);
            best = i;
        }
    closedir(folder);
    bl_fail(err, BL_ERR_INPUT, "%s: there is no model.safetensors in it%s%.100s%s%s", directory,
            *found ? "; " : "", found, *found ? " is " : "", *found ? strangers[best].next : "");
    return false;
}

static bool open_files(bl_weights *weights, const char *directory, bl_error *err) {
    char *index = bl_path_join(directory, "model.safetensors.index.json", err),
         *single = bl_path_join(directory, "model.safetensors", err);
    bool ok = false;
    if (index && single) {
        bool whole = bl_file_exists(single), shards = bl_file_exists(index);
        if (!whole && !shards) {
            ok = fail_without(directory, err);
        } else if (!whole) {
            ok = open_shards(weights, directory, index, err);
        } else {
            weights->files = bl_alloc_zero(1, sizeof(bl_safetensors *), err);
            ok = weights->files && add_file(weights, directory, "model.safetensors", err);
        }
    }
    free(index);
    free(single);
    return ok;
}

/* No tensor may be in two shards. */
static bool check_twice(const bl_weights *weights, const char *name, bl_error *err) {
    for (size_t f = 1; f < weights->n_files; f++)
        for (size_t i = 0; i < weights->files[f]->n; i++)
            for (size_t g = 0; g < f; g++)
                if (bl_safetensors_find(weights->files[g], weights->files[f]->tensors[i].name))
                    return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s' is in two shards", name,
                                   weights->files[f]->tensors[i].name);
    return true;
}

bool bl_weights_open(bl_weights *weights, const char *directory, const char *name, bl_error *err) {
    *weights = (bl_weights){0};
    if (!open_files(weights, directory, err) || !check_twice(weights, name, err)) return false;
    size_t n = 0;
    for (size_t f = 0; f < weights->n_files; f++) n += weights->files[f]->n;
    weights->list = bl_alloc_zero(n, sizeof *weights->list, err);
    if (!weights->list) return false;
    for (size_t f = 0; f < weights->n_files; f++)
        for (size_t i = 0; i < weights->files[f]->n; i++) {
            const bl_stored_tensor *t = &weights->files[f]->tensors[i];
            bl_weight *weight = &weights->list[weights->n++];
            *weight = (bl_weight){.name = t->name,
                                  .stored_name = t->name,
                                  .type_name = t->dtype_name,
                                  .type = t->type,
                                  .n_dims = t->n_dims,
                                  .count = t->count,
                                  .data = t->data};
            memcpy(weight->shape, t->shape, sizeof weight->shape);
        }
    return true;
}

bool bl_weights_open_gguf(bl_weights *weights, const char *path, bl_error *err) {
    enum { NAME = 128 };
    *weights = (bl_weights){.gguf = bl_gguf_open(path, err)};
    if (!weights->gguf) return false;
    size_t n = weights->gguf->n_tensors;
    weights->names = bl_alloc_zero(n, NAME, err);
    weights->list = weights->names ? bl_alloc_zero(n, sizeof *weights->list, err) : NULL;
    if (!weights->list) return false;
    for (size_t i = 0; i < n; i++) {
        const bl_gguf_tensor *t = &weights->gguf->tensors[i];
        bl_weight *weight = &weights->list[weights->n++];
        *weight = (bl_weight){.name = weights->names + i * NAME,
                              .stored_name = t->name,
                              .type_name = t->type->name,
                              .type = t->type,
                              .n_dims = t->n_dims,
                              .count = t->count,
                              .data = t->data};
        memcpy(weight->shape, t->shape, sizeof t->shape);
        bl_gguf_rename(weights->gguf, t->name, weights->names + i * NAME, NAME);
    }
    return true;
}

void bl_weights_free(bl_weights *weights) {
    for (size_t i = 0; i < weights->n_files; i++) bl_safetensors_free(weights->files[i]);
    bl_gguf_free(weights->gguf);
    free(weights->names);
    free(weights->files);
    free(weights->list);
    *weights = (bl_weights){0};
}

static const bl_weight *stored(const bl_weights *weights, const char *name) {
    for (size_t i = 0; i < weights->n; i++)
        if (strcmp(weights->list[i].name, name) == 0) return &weights->list[i];
    return NULL;
}

const bl_weight *bl_weights_find(const bl_weights *weights, const char *name) {
    const bl_weight *found = *name ? stored(weights, name) : NULL;
    for (size_t f = 0; !found && *name && f < weights->n_files; f++) {
        const char *other = json_string_value(json_object_get(weights->files[f]->metadata, name));
        if (other) found = stored(weights, other);
    }
    return found;
}

bool bl_weights_any(const bl_weights *weights, const char *part) {
    for (size_t i = 0; i < weights->n; i++)
        if (strstr(weights->list[i].name, part)) return true;
    return false;
}

void bl_weight_read(const bl_weight *weight, float *out) {
    if (weight->count) weight->type->read(weight->data, weight->count, out);
}

const float *bl_weight_view(const bl_weight *weight) {
    bool aligned = (uintptr_t)weight->data % _Alignof(float) == 0;
    return weight->type == &bl_type_f32 && aligned ? (const float *)(const void *)weight->data : NULL;
}
