#include "text/tokenizer/component.h"
#include "base/error.h"
#include "base/utf8.h"
#include <string.h>

const char *bl_component_type(const bl_place *place, bl_error *err) {
    const char *type = NULL;
    if (!bl_place_is_object(place, err)) return NULL;
    return bl_place_string(place, "type", &type, err) ? type : NULL;
}

bool bl_component_refuse(const bl_place *place, const char *what, const char *type, const char *supported,
                         bl_error *err) {
    char shortened[64];
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: the %s \"%s\" is not supported; supported: %s",
                   place->file, place->where, what, bl_shorten(type, shortened), supported);
}

bool bl_each_component(const bl_place *place, const char *list, void *to,
                       bool (*one)(const bl_place *place, const char *type, void *to, bl_error *err),
                       bl_error *err) {
    if (!place->json || json_is_null(place->json)) return true;
    const char *type = bl_component_type(place, err);
    if (!type) return false;
    if (strcmp(type, "Sequence") != 0) return one(place, type, to, err);
    bl_place parts = bl_place_member(place, list);
    if (!bl_place_is_array(&parts, err)) return false;
    for (size_t i = 0; i < json_array_size(parts.json); i++) {
        bl_place part = bl_place_element(&parts, i);
        if (!bl_each_component(&part, list, to, one, err)) return false;
    }
    return true;
}

bool bl_too_many_components(const bl_place *place, bl_error *err) {
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: more than %d components in sequence are not supported",
                   place->file, place->where, BL_MAX_STEPS);
}

bool bl_component_text(const bl_place *place, const char *key, bl_short_text *out, bl_error *err) {
    const char *text;
    bl_place member = bl_place_member(place, key);
    if (!bl_place_string(place, key, &text, err)) return false;
    out->n = strlen(text);
    if (out->n > BL_SHORT_TEXT)
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: %s: a string of %zu bytes is not supported here, at most %d are", place->file,
                       member.where, out->n, BL_SHORT_TEXT);
    memcpy(out->data, text, out->n);
    return true;
}

bool bl_component_character(const bl_place *place, const char *key, bl_short_text *out, bl_error *err) {
    bl_place member = bl_place_member(place, key);
    if (!bl_component_text(place, key, out, err)) return false;
    if (bl_utf8_count(out->data, out->n) == 1) return true;
    return bl_fail(err, BL_ERR_INPUT, "%s: %s: expected one character, found %zu", place->file, member.where,
                   bl_utf8_count(out->data, out->n));
}

bool bl_component_replace(const bl_place *place, bl_short_text *pattern, bl_short_text *content,
                          bl_error *err) {
    bl_place member = bl_place_member(place, "pattern"), string = bl_place_member(&member, "String");
    if (!bl_place_is_object(&member, err)) return false;
    if (!string.json && json_object_get(member.json, "Regex"))
        return bl_component_refuse(&member, "pattern", "Regex", "String", err);
    if (!bl_component_text(&member, "String", pattern, err) ||
        !bl_component_text(place, "content", content, err))
        return false;
    return pattern->n > 0 || bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: an empty pattern is not supported",
                                     string.file, string.where);
}

bool bl_component_flag(const bl_place *place, const char *key, bool *out, bl_error *err) {
    return !json_object_get(place->json, key) || bl_place_bool(place, key, out, err);
}

bool bl_component_metaspace(const bl_place *place, bl_short_text *sign, bl_prepend *prepend, bool *split,
                            bl_error *err) {
    static const char *const schemes[] = {"never", "always", "first"};
    bl_place scheme = bl_place_member(place, "prepend_scheme");
    bool prefix_space = true;
    const char *name = "always";
    *split = true;
    if (!bl_component_character(place, "replacement", sign, err) ||
        !bl_component_flag(place, "add_prefix_space", &prefix_space, err) ||
        !bl_component_flag(place, "split", split, err))
        return false;
    if (scheme.json && !bl_place_string(place, "prepend_scheme", &name, err)) return false;
    int found = 2;
    while (found >= 0 && strcmp(name, schemes[found]) != 0) found--;
    if (found < 0) return bl_component_refuse(&scheme, "scheme", name, "never, always, first", err);
    *prepend = (bl_prepend)found;
    if (!prefix_space && *prepend != BL_PREPEND_NEVER)
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: add_prefix_space is false, but prepend_scheme \"%s\"",
                       place->file, place->where, name);
    return true;
}
