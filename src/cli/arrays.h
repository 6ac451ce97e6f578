/* Writing arrays where -o says, and telling what was written. */
#ifndef BL_CLI_ARRAYS_H
#define BL_CLI_ARRAYS_H
#include "cli/output.h"

/* By the path: FILE.safetensors; FILE.npy (then n must be 1); anything else is a folder that gets NAME.npy
 * files. */
bool arrays_write(const char *path, const bl_named_array *arrays, size_t n, bl_error *err);
/* True if -o PATH means arrays: FILE.npy or FILE.safetensors; the second, that it holds one only. `path` may
 * be NULL. */
bool arrays_named(const char *path);
bool arrays_single(const char *path);
/* Puts [{"name", "shape"}] into `at` and returns it. */
bl_tree *put_arrays(bl_builder *b, bl_tree *at, const char *key, const bl_named_array *arrays, size_t n);
/* What was written to -o, on standard output: lines, or with --format json {"file", "arrays": [{"name",
 * "shape"}]}. The exit status. */
int arrays_tell(const verb *self, const common *c, const bl_named_array *arrays, size_t n);
#endif
