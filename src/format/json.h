/* JSON in, with errors that name the file and the place; JSON out. */
#ifndef BL_FORMAT_JSON_H
#define BL_FORMAT_JSON_H
#include <bilens/base.h>
#include <jansson.h>

/* json_loadb, but running out of memory is always noticed: json_error_code(where) is then
 * json_error_out_of_memory. */
json_t *bl_json_load(const char *text, size_t length, size_t flags, json_error_t *where);
/* Parses `length` bytes; duplicate keys are refused, nesting is limited (by jansson, to 2048). `path` is for
 * messages. A new reference, or NULL with BL_ERR_INPUT. */
json_t *bl_json_parse(const char *text, size_t length, const char *path, bl_error *err);
/* The same with more of jansson's flags: JSON_ALLOW_NUL. */
json_t *bl_json_parse_with(const char *text, size_t length, size_t flags, const char *path, bl_error *err);
/* The whole file; at most `limit` bytes. */
json_t *bl_json_read(const char *path, size_t limit, bl_error *err);
/* A number for json_pack's "o": null where it is not finite, as JSON has no such numbers. NULL without
 * memory. */
json_t *bl_json_number(double value);
/* Puts `value` (taken; NULL: there was no memory for it) under `key`. False with BL_ERR_MEMORY. */
bool bl_json_put(json_t *object, const char *key, json_t *value, bl_error *err);
/* The same at an array's end. */
bool bl_json_push(json_t *array, json_t *value, bl_error *err);
/* A copy of all of it, or NULL with BL_ERR_MEMORY; jansson's own leaves out what it has no memory for. */
json_t *bl_json_copy(const json_t *json, bl_error *err);
/* `json` as text, with jansson's JSON_… flags; free with bl_free. NULL with BL_ERR_MEMORY, for json NULL
 * too. */
char *bl_json_text(const json_t *json, size_t flags, bl_error *err);
#endif
