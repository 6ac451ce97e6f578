#include "text/tokenizer/json_node.h"
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

bl_node bl_node_member(const bl_node *node, const char *key) {
    char shortened[64];
    bl_node member = {.file = node->file, .json = json_object_get(node->json, key)};
    snprintf(member.where, sizeof member.where, "%.90s%s%s", node->where, node->where[0] ? "." : "",
             bl_shorten(key, shortened));
    return member;
}

bl_node bl_node_element(const bl_node *node, size_t index) {
    bl_node element = {.file = node->file, .json = json_array_get(node->json, index)};
    snprintf(element.where, sizeof element.where, "%.130s[%zu]", node->where, index);
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

bool bl_node_expected(const bl_node *node, const char *what, bl_error *err) {
    return bl_fail(err, BL_ERR_INPUT, "%s: %s%sexpected %s, found %s", node->file, node->where,
                   node->where[0] ? ": " : "", what, found_kind(node->json));
}

bool bl_node_is_object(const bl_node *node, bl_error *err) {
    return json_is_object(node->json) || bl_node_expected(node, "an object", err);
}

bool bl_node_is_array(const bl_node *node, bl_error *err) {
    return json_is_array(node->json) || bl_node_expected(node, "an array", err);
}

bool bl_node_bool(const bl_node *node, const char *key, bool *out, bl_error *err) {
    bl_node member = bl_node_member(node, key);
    if (!json_is_boolean(member.json)) return bl_node_expected(&member, "true or false", err);
    *out = json_is_true(member.json);
    return true;
}

bool bl_node_string(const bl_node *node, const char *key, const char **out, bl_error *err) {
    bl_node member = bl_node_member(node, key);
    if (!json_is_string(member.json)) return bl_node_expected(&member, "a string", err);
    *out = json_string_value(member.json);
    return true;
}

bool bl_node_integer(const bl_node *node, int64_t limit, int64_t *out, bl_error *err) {
    if (!json_is_integer(node->json)) return bl_node_expected(node, "an integer", err);
    int64_t value = json_integer_value(node->json);
    if (value < 0 || value >= limit)
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: expected an integer from 0 to %lld, found %lld",
                       node->file, node->where, (long long)limit - 1, (long long)value);
    *out = value;
    return true;
}

const char *bl_node_type(const bl_node *node, bl_error *err) {
    const char *type = NULL;
    if (!bl_node_is_object(node, err)) return NULL;
    return bl_node_string(node, "type", &type, err) ? type : NULL;
}

bool bl_node_refuse(const bl_node *node, const char *what, const char *type, const char *supported,
                    bl_error *err) {
    char shortened[64];
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: the %s \"%s\" is not supported; supported: %s",
                   node->file, node->where, what, bl_shorten(type, shortened), supported);
}

static bool unknown_type(const bl_node *node, const char *what, const char *type, const bl_component *kinds,
                         size_t n_kinds, bl_error *err) {
    char supported[400] = "null, ";
    for (size_t i = 0, used = strlen(supported); i < n_kinds && used < sizeof supported; i++)
        used += (size_t)snprintf(supported + used, sizeof supported - used, "%s, ", kinds[i].type);
    strncat(supported, "Sequence", sizeof supported - strlen(supported) - 1);
    return bl_node_refuse(node, what, type, supported, err);
}

bool bl_node_components(const bl_node *node, const char *what, const char *list, const bl_component *kinds,
                        size_t n_kinds, void *steps, size_t size, size_t *n, bl_error *err) {
    if (!node->json || json_is_null(node->json)) return true;
    const char *type = bl_node_type(node, err);
    if (!type) return false;
    if (strcmp(type, "Sequence") == 0) {
        bl_node parts = bl_node_member(node, list);
        if (!bl_node_is_array(&parts, err)) return false;
        for (size_t i = 0; i < json_array_size(parts.json); i++) {
            bl_node part = bl_node_element(&parts, i);
            if (!bl_node_components(&part, what, list, kinds, n_kinds, steps, size, n, err)) return false;
        }
        return true;
    }
    for (size_t i = 0; i < n_kinds; i++) {
        if (strcmp(type, kinds[i].type) != 0) continue;
        if (*n == BL_MAX_STEPS)
            return bl_fail(err, BL_ERR_UNSUPPORTED,
                           "%s: %s: more than %d components in sequence are not supported", node->file,
                           node->where, BL_MAX_STEPS);
        void *step = (char *)steps + (*n)++ * size;
        memset(step, 0, size);
        return kinds[i].read(node, step, err);
    }
    return unknown_type(node, what, type, kinds, n_kinds, err);
}

bool bl_node_choice(const bl_node *node, const char *key, const char *const *names, size_t n, int *out,
                    bl_error *err) {
    bl_node member = bl_node_member(node, key);
    const char *name = "";
    char supported[200] = "";
    if (!bl_node_string(node, key, &name, err)) return false;
    for (size_t i = 0, used = 0; i < n; i++) {
        if (strcmp(name, names[i]) == 0) return *out = (int)i, true;
        used += (size_t)snprintf(supported + used, sizeof supported - used, "%s%s", i ? ", " : "", names[i]);
    }
    return bl_node_refuse(&member, key, name, supported, err);
}

bool bl_node_text(const bl_node *node, const char *key, bl_short_text *out, bl_error *err) {
    const char *text = "";
    bl_node member = bl_node_member(node, key);
    if (!bl_node_string(node, key, &text, err)) return false;
    out->n = strlen(text);
    if (out->n > BL_SHORT_TEXT)
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: %s: a string of %zu bytes is not supported here, at most %d are", node->file,
                       member.where, out->n, BL_SHORT_TEXT);
    memcpy(out->data, text, out->n);
    return true;
}

bool bl_node_character(const bl_node *node, const char *key, bl_short_text *out, bl_error *err) {
    bl_node member = bl_node_member(node, key);
    if (!bl_node_text(node, key, out, err)) return false;
    if (bl_utf8_count(out->data, out->n) == 1) return true;
    return bl_fail(err, BL_ERR_INPUT, "%s: %s: expected one character, found %zu", node->file, member.where,
                   bl_utf8_count(out->data, out->n));
}

bool bl_node_replace(const bl_node *node, bl_short_text *pattern, bl_short_text *content, bl_error *err) {
    bl_node member = bl_node_member(node, "pattern"), string = bl_node_member(&member, "String");
    if (!bl_node_is_object(&member, err)) return false;
    if (!string.json && json_object_get(member.json, "Regex"))
        return bl_node_refuse(&member, "pattern", "Regex", "String", err);
    if (!bl_node_text(&member, "String", pattern, err) || !bl_node_text(node, "content", content, err))
        return false;
    return pattern->n > 0 || bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: an empty pattern is not supported",
                                     string.file, string.where);
}

bool bl_node_flag(const bl_node *node, const char *key, bool *out, bl_error *err) {
    return !json_object_get(node->json, key) || bl_node_bool(node, key, out, err);
}

bool bl_node_metaspace(const bl_node *node, bl_short_text *sign, bl_prepend *prepend, bool *split,
                       bl_error *err) {
    static const char *const schemes[] = {"never", "always", "first"};
    bool prefix_space = true;
    int scheme = BL_PREPEND_ALWAYS;
    *split = true;
    if (!bl_node_character(node, "replacement", sign, err) ||
        !bl_node_flag(node, "add_prefix_space", &prefix_space, err) ||
        !bl_node_flag(node, "split", split, err))
        return false;
    if (json_object_get(node->json, "prepend_scheme") &&
        !bl_node_choice(node, "prepend_scheme", schemes, 3, &scheme, err))
        return false;
    *prepend = (bl_prepend)scheme;
    if (!prefix_space && *prepend != BL_PREPEND_NEVER)
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: add_prefix_space is false, but prepend_scheme \"%s\"",
                       node->file, node->where, schemes[scheme]);
    return true;
}
