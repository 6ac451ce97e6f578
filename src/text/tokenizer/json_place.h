/* Reading members of a JSON file with errors that name the file, the key, what was expected and what stands
 * there. */
#ifndef BL_TEXT_JSON_PLACE_H
#define BL_TEXT_JSON_PLACE_H
#include <bilens/base.h>
#include <jansson.h>

/* An object within a file. `where` is its path, e.g. "normalizer.normalizers[1]", empty for the whole file.
 */
typedef struct bl_place {
    const char *file;
    char where[160];
    json_t *json;
} bl_place;

/* The place of member `key`, or of element `index`, of `place`; `json` is NULL when it is missing. */
bl_place bl_place_member(const bl_place *place, const char *key);
bl_place bl_place_element(const bl_place *place, size_t index);

/* Fails with BL_ERR_INPUT: "FILE: WHERE: expected WHAT, found a string". */
bool bl_place_expected(const bl_place *place, const char *what, bl_error *err);

bool bl_place_is_object(const bl_place *place, bl_error *err);
bool bl_place_is_array(const bl_place *place, bl_error *err);
bool bl_place_bool(const bl_place *place, const char *key, bool *out, bl_error *err);
/* A string; it belongs to the JSON. */
bool bl_place_string(const bl_place *place, const char *key, const char **out, bl_error *err);
/* The place's own value: an integer from 0 to `limit` - 1. */
bool bl_place_integer(const bl_place *place, int64_t limit, int64_t *out, bl_error *err);

/* Copies `text`, cut to at most 60 bytes at a code point, into out[64] and returns that: for messages. */
const char *bl_shorten(const char *text, char *out);
#endif
