#include "cli/arrays.h"
#include "cli/common.h"
#include <errno.h>
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

json_t *array_json(const bl_named_array *array) {
    json_t *shape = json_array();
    for (size_t i = 0; i < array->n_dims; i++)
        json_array_append_new(shape, json_integer((json_int_t)array->shape[i]));
    return json_pack("{s:s, s:o}", "name", array->name, "shape", shape);
}

char *array_lines(const char *path, const bl_named_array *arrays, size_t n) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out) return NULL;
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "%-14s [", arrays[i].name);
        for (size_t j = 0; j < arrays[i].n_dims; j++)
            fprintf(out, "%s%zu", j ? ", " : "", arrays[i].shape[j]);
        fprintf(out, "]\n");
    }
    fprintf(out, "%s is written\n", path);
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
}

char *json_line(const json_t *json) {
    char *compact = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL, *line = NULL;
    if (compact && asprintf(&line, "%s\n", compact) < 0) line = NULL;
    free(compact);
    return line;
}

int arrays_tell(const verb *self, const common *c, const bl_named_array *arrays, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, array_json(&arrays[i]));
    json_t *json = json_pack("{s:s, s:o}", "file", c->output, "arrays", list);
    char *text = c->format == FORMAT_JSON ? json_line(json) : array_lines(c->output, arrays, n);
    int status = text ? write_stdout(self, text) : 1;
    json_decref(json);
    free(text);
    return status;
}
