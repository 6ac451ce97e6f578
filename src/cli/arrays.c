#include "cli/arrays.h"
#include "cli/common.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool ends_with(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

bool arrays_single(const char *path) { return path && ends_with(path, ".npy"); }

bool arrays_named(const char *path) {
    return path && (ends_with(path, ".npy") || ends_with(path, ".safetensors"));
}

static bool write_folder(const char *path, const bl_named_array *arrays, size_t n, bl_error *err) {
    struct stat status;
    if (mkdir(path, 0777) != 0 && !(errno == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))) {
        err->code = BL_ERR_INPUT;
        snprintf(err->message, sizeof err->message, "%s: cannot make this folder: %s", path, strerror(errno));
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char *file = NULL;
        if (asprintf(&file, "%s/%s.npy", path, arrays[i].name) < 0) return false;
        bool ok = bl_npy_write(file, &arrays[i], err);
        free(file);
        if (!ok) return false;
    }
    return true;
}

bool arrays_write(const char *path, const bl_named_array *arrays, size_t n, bl_error *err) {
    if (ends_with(path, ".safetensors")) return bl_safetensors_write(path, arrays, n, err);
    if (!ends_with(path, ".npy")) return write_folder(path, arrays, n, err);
    if (n == 1) return bl_npy_write(path, arrays, err);
    err->code = BL_ERR_USAGE;
    snprintf(err->message, sizeof err->message,
             "%s: a .npy file holds one array, %zu were asked for: name a folder or FILE.safetensors", path,
             n);
    return false;
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
        char *shape = json_dumps(json_object_get(array, "shape"), 0);
        bl_table_text(rows, bl_tree_string(array, "name"));
        bl_table_text(rows, shape);
        free(shape);
    }
    return rows;
}

int arrays_tell(const verb *self, const common *c, const bl_named_array *arrays, size_t n) {
    static const view how = {NULL, rows_of};
    bl_error err = {0};
    bl_builder b = {&err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "file", c->output);
    put_arrays(&b, root, "arrays", arrays, n);
    int status = tell_tree(self, c, bl_tree_built(&b, root), &how, &err);
    if (status == 0) note(c, "%s is written", c->output);
    return status;
}
