#include "cli/arrays.h"
#include "base/error.h"
#include "base/file.h"
#include "base/staging.h"
#include "cli/common.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

bool arrays_single(const char *path) { return path && ends_with(path, ".npy"); }

bool arrays_named(const char *path) {
    return path && (ends_with(path, ".npy") || ends_with(path, ".safetensors"));
}

static bool write_all(const char *folder, const bl_named_array *arrays, size_t n, bl_error *err) {
    for (size_t i = 0; i < n; i++) {
        char *file = NULL;
        if (asprintf(&file, "%s/%s.npy", folder, arrays[i].name) < 0)
            return bl_fail(err, BL_ERR_MEMORY, "out of memory");
        bool ok = bl_npy_write(file, &arrays[i], err);
        free(file);
        if (!ok) return false;
    }
    return true;
}

/* The finished files to their place in a folder that is there. */
static bool move_all(const char *staging, const char *folder, const bl_named_array *arrays, size_t n,
                     bl_error *err) {
    for (size_t i = 0; i < n; i++) {
        char *from = NULL, *to = NULL;
        if (asprintf(&from, "%s/%s.npy", staging, arrays[i].name) < 0) from = NULL;
        if (asprintf(&to, "%s/%s.npy", folder, arrays[i].name) < 0) to = NULL;
        bool ok = from && to;
        if (!ok) bl_fail(err, BL_ERR_MEMORY, "out of memory");
        else if (rename(from, to) != 0)
            ok = bl_fail(err, BL_ERR_IO, "%s: cannot be replaced: %s", to, strerror(errno));
        free(from);
        free(to);
        if (!ok) return false;
    }
    return true;
}

/* All arrays or none: they are written apart and moved when all are there. */
static bool write_folder(const char *directory, const bl_named_array *arrays, size_t n, bl_error *err) {
    bl_staging staging = {0};
    char *path = bl_trim_slashes(directory, "the arrays", err);
    bool ok = false, exists = path && bl_is_directory(path);
    if (!path) return false;
    if (!exists && bl_file_exists(path))
        bl_fail(err, BL_ERR_INPUT, "%s: is a file; name a folder, FILE.npy or FILE.safetensors", path);
    else if (bl_staging_make(&staging, path, exists, "the arrays", err) &&
             write_all(staging.path, arrays, n, err))
        ok = exists ? move_all(staging.path, path, arrays, n, err)
                    : rename(staging.path, path) == 0 ||
                          bl_fail(err, BL_ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
    bl_staging_free(&staging, exists || !ok);
    free(path);
    return ok;
}

bool arrays_write(const char *path, const bl_named_array *arrays, size_t n, bl_error *err) {
    if (ends_with(path, ".safetensors")) return bl_safetensors_write(path, arrays, n, err);
    if (!ends_with(path, ".npy")) return write_folder(path, arrays, n, err);
    if (n == 1) return bl_npy_write(path, arrays, err);
    return bl_fail(err, BL_ERR_USAGE,
                   "%s: a .npy file holds one array, %zu were asked for: name a folder or FILE.safetensors",
                   path, n);
}

bl_tree *put_arrays(bl_builder *b, bl_tree *at, const char *key, const bl_named_array *arrays, size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; i < n; i++) {
        bl_tree *item = bl_put_object(b, list, NULL), *shape;
        bl_put_text(b, item, "name", arrays[i].name);
        shape = bl_put_array(b, item, "shape");
        for (size_t k = 0; k < arrays[i].n_dims; k++) bl_put_count(b, shape, NULL, arrays[i].shape[k]);
    }
    return list;
}

static bl_table *rows_of(const bl_tree *tree, bl_error *err) {
    bl_table *rows = bl_table_new("array,shape", err);
    size_t i;
    const json_t *array;
    json_array_foreach(json_object_get(tree, "arrays"), i, array) {
        bl_table_text(rows, bl_tree_string(array, "name"));
        bl_table_json(rows, json_object_get(array, "shape"));
    }
    return rows;
}

int arrays_tell(const verb *self, const common *c, const bl_named_array *arrays, size_t n) {
    static const view how = {.rows = rows_of};
    bl_error err = {0};
    bl_builder b = {&err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "file", c->output);
    put_arrays(&b, root, "arrays", arrays, n);
    int status = tell_tree(self, c, bl_tree_built(&b, root), &how, &err);
    if (status == 0) note(c, "%s is written", c->output);
    return status;
}
