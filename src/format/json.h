/* JSON in, with errors that name the file and the place. */
#ifndef BL_FORMAT_JSON_H
#define BL_FORMAT_JSON_H
#include <bilens/base.h>
#include <jansson.h>

/* Parses `length` bytes; duplicate keys are refused, nesting is limited (by jansson, to 2048). `path` is for messages.
 * A new reference, or NULL with BL_ERR_INPUT. */
json_t *bl_json_parse(const char *text, size_t length, const char *path, bl_error *err);
/* The whole file; at most `limit` bytes. */
json_t *bl_json_read(const char *path, size_t limit, bl_error *err);
#endif
