#include "text/tokenizer/json_place.h"
#include "base/error.h"
#include "base/utf8.h"
#include <stdio.h>

const char *bl_shorten(const char *text, char *out) {
    size_t n = strlen(text);
    bool cut = n > 60;
    if (cut) n = bl_utf8_clip(text, 57);
    memcpy(out, text, n);
    memcpy(out + n, cut ? "..." : "", cut ? 4 : 1);
    return out;
}

bl_place bl_place_member(const bl_place *place, const char *key) {
    char shortened[64];
    bl_place member = {.file = place->file, .json = json_object_get(place->json, key)};
    snprintf(member.where, sizeof member.where, "%.90s%s%s", place->where, place->where[0] ? "." : "",
             bl_shorten(key, shortened));
    return member;
}

bl_place bl_place_element(const bl_place *place, size_t index) {
    bl_place element = {.file = place->file, .json = json_array_get(place->json, index)};
    snprintf(element.where, sizeof element.where, "%.130s[%zu]", place->where, index);
    return element;
}

static const char *found_kind(const json_t *json) {
    if (!json) return "nothing: it is missing";
    switch (json_typeof(json)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: break;
    }
    return "null";
}

bool bl_place_expected(const bl_place *place, const char *what, bl_error *err) {
    return bl_fail(err, BL_ERR_INPUT, "%s: %s%sexpected %s, found %s", place->file, place->where,
                   place->where[0] ? ": " : "", what, found_kind(place->json));
}

bool bl_place_is_object(const bl_place *place, bl_error *err) {
    return json_is_object(place->json) || bl_place_expected(place, "an object", err);
}

bool bl_place_is_array(const bl_place *place, bl_error *err) {
    return json_is_array(place->json) || bl_place_expected(place, "an array", err);
}

bool bl_place_bool(const bl_place *place, const char *key, bool *out, bl_error *err) {
    bl_place member = bl_place_member(place, key);
    if (!json_is_boolean(member.json)) return bl_place_expected(&member, "true or false", err);
    *out = json_is_true(member.json);
    return true;
}

bool bl_place_string(const bl_place *place, const char *key, const char **out, bl_error *err) {
    bl_place member = bl_place_member(place, key);
    if (!json_is_string(member.json)) return bl_place_expected(&member, "a string", err);
    *out = json_string_value(member.json);
    return true;
}

bool bl_place_integer(const bl_place *place, int64_t limit, int64_t *out, bl_error *err) {
    if (!json_is_integer(place->json)) return bl_place_expected(place, "an integer", err);
    int64_t value = json_integer_value(place->json);
    if (value < 0 || value >= limit)
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: expected an integer from 0 to %lld, found %lld",
                       place->file, place->where, (long long)limit - 1, (long long)value);
    *out = value;
    return true;
}
