/* Writing arrays where -o says, and telling what was written. */
#ifndef BL_CLI_ARRAYS_H
#define BL_CLI_ARRAYS_H
#include "cli/options.h"
#include <jansson.h>

/* By the path: FILE.safetensors; FILE.npy (then n must be 1); anything else is a folder that gets NAME.npy
 * files. */
bool arrays_write(const char *path, const bl_named_array *arrays, size_t n, bl_error *err);
/* True if -o PATH means arrays: FILE.npy or FILE.safetensors; the second, that it holds one only. `path` may
 * be NULL. */
bool arrays_named(const char *path);
bool arrays_single(const char *path);
/* What was written to -o, on standard output: lines, or with --format json {"file", "arrays": [{"name",
 * "shape"}]}. The exit status. */
int arrays_tell(const verb *self, const common *c, const bl_named_array *arrays, size_t n);
/* {"name", "shape"} */
json_t *array_json(const bl_named_array *array);
/* "name [shape]" lines and where they went; freed with free. */
char *array_lines(const char *path, const bl_named_array *arrays, size_t n);
/* One line of compact JSON with its line end; freed with free. */
char *json_line(const json_t *json);
#endif
