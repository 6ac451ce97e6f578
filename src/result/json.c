/* Building trees and writing them. A number that is not finite has no place in jansson's numbers; it is one
 * of three texts, known by their address, so that a terminal can still say which it was. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/utf8.h"
#include "format/json.h"
#include "format/kind.h"
#include <bilens/tree.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_JSON ((size_t)1 << 30)

enum { PLUS, MINUS, NAN_, SPECIALS };
static json_t *specials[SPECIALS];
static const double special_values[SPECIALS] = {INFINITY, -INFINITY, NAN};

static void make_specials(void) {
    static const char *const names[SPECIALS] = {"inf", "-inf", "nan"};
    for (int i = 0; i < SPECIALS; i++) {
        specials[i] = json_string(names[i]);
        if (specials[i]) specials[i]->refcount = (size_t)-1; /* jansson's mark of values that live for ever */
    }
}

static json_t *special(double value) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_specials);
    return specials[isnan(value) ? NAN_ : value > 0 ? PLUS : MINUS];
}

static bool is_special(const json_t *value) {
    return value && (value == specials[PLUS] || value == specials[MINUS] || value == specials[NAN_]);
}

bool bl_builder_fail(bl_builder *b, bl_code code, const char *format, ...) {
    char message[sizeof((bl_error *)0)->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (!b->failed) bl_fail(b->err, code, "%s", message);
    b->failed = true;
    return false;
}

static bool no_memory(bl_builder *b) {
    return bl_builder_fail(b, BL_ERR_MEMORY, "out of memory while a result was made");
}

/* Takes `value`. Returns it, or NULL after a failure. */
static json_t *put(bl_builder *b, json_t *at, const char *key, json_t *value) {
    bool ok = value && !b->failed;
    if (!ok) {
        json_decref(value);
    } else if (at && key) {
        ok = json_object_set_new(at, key, value) == 0;
    } else if (at) {
        ok = json_array_append_new(at, value) == 0;
    }
    if (!ok) no_memory(b);
    return ok ? value : NULL;
}

bl_tree *bl_put_object(bl_builder *b, bl_tree *at, const char *key) { return put(b, at, key, json_object()); }

bl_tree *bl_put_array(bl_builder *b, bl_tree *at, const char *key) { return put(b, at, key, json_array()); }

void bl_put_bytes(bl_builder *b, bl_tree *at, const char *key, const char *text, size_t n) {
    put(b, at, key, json_stringn(text, n));
}

void bl_put_text(bl_builder *b, bl_tree *at, const char *key, const char *text) {
    json_t *value = text ? json_string(text) : json_null();
    if (!value) { /* not UTF-8, or no memory */
        char *repaired = bl_utf8_repair(text, NULL);
        value = repaired ? json_string(repaired) : NULL;
        free(repaired);
    }
    put(b, at, key, value);
}

void bl_put_real(bl_builder *b, bl_tree *at, const char *key, double value) {
    put(b, at, key, isfinite(value) ? json_real(value) : special(value));
}

void bl_put_integer(bl_builder *b, bl_tree *at, const char *key, int64_t value) {
    put(b, at, key, json_integer(value));
}

void bl_put_count(bl_builder *b, bl_tree *at, const char *key, uint64_t value) {
    put(b, at, key, json_integer((json_int_t)value));
}

void bl_put_flag(bl_builder *b, bl_tree *at, const char *key, bool value) {
    put(b, at, key, json_boolean(value));
}

void bl_put_null(bl_builder *b, bl_tree *at, const char *key) { put(b, at, key, json_null()); }

void bl_put_reals(bl_builder *b, bl_tree *at, const char *key, const float *values, size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; list && i < n; i++) bl_put_real(b, list, NULL, (double)values[i]);
}

void bl_put_integers(bl_builder *b, bl_tree *at, const char *key, const int32_t *values, size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; list && i < n; i++) bl_put_integer(b, list, NULL, values[i]);
}

void bl_put_tree(bl_builder *b, bl_tree *at, const char *key, bl_tree *value) {
    if (!value) b->failed = true;
    put(b, at, key, value);
}

bl_tree *bl_tree_built(bl_builder *b, bl_tree *root) {
    if (root && !b->failed) return root;
    no_memory(b);
    json_decref(root);
    return NULL;
}

void bl_tree_free(bl_tree *tree) { json_decref(tree); }

static bool holds_special(const json_t *tree) {
    const char *key;
    json_t *value;
    size_t i;
    if (is_special(tree)) return true;
    json_object_foreach((json_t *)(uintptr_t)tree, key, value)
        if (holds_special(value)) return true;
    json_array_foreach(tree, i, value)
        if (holds_special(value)) return true;
    return false;
}

/* A copy with null for every number that is not finite; NULL without memory. */
static json_t *with_nulls(const json_t *tree) {
    const char *key;
    json_t *value, *out = is_special(tree)     ? json_null()
                        : json_is_object(tree) ? json_object()
                        : json_is_array(tree)  ? json_array()
                                               : json_incref((json_t *)(uintptr_t)tree);
    size_t i;
    int failed = out == NULL;
    json_object_foreach((json_t *)(uintptr_t)tree, key, value)
        failed |= json_object_set_new(out, key, with_nulls(value));
    json_array_foreach(tree, i, value) failed |= json_array_append_new(out, with_nulls(value));
    if (!failed) return out;
    json_decref(out);
    return NULL;
}

char *bl_tree_text(const bl_tree *tree, bl_error *err) {
    if (!tree) return NULL;
    json_t *copy = holds_special(tree) ? with_nulls(tree) : NULL;
    char *text =
        !copy && holds_special(tree)
            ? bl_fail_null(err, BL_ERR_MEMORY, "out of memory while JSON was written")
            : bl_json_text(copy ? copy : tree, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9), err);
    json_decref(copy);
    if (!text) return NULL;
    bl_buffer line = {.data = text, .n = strlen(text), .capacity = strlen(text) + 1};
    bl_buffer_text(&line, "\n");
    return bl_buffer_take(&line, err);
}

bl_tree *bl_tree_parse(const char *text, const char *name, bl_error *err) {
    json_error_t where;
    size_t length = strlen(text);
    if (length > MAX_JSON)
        return bl_fail_null(err, BL_ERR_INPUT, "%s: %zu bytes, at most %zu are read", name, length, MAX_JSON);
    json_t *root = bl_json_load(text, length, JSON_REJECT_DUPLICATES, &where);
    if (root) return root;
    if (json_error_code(&where) == json_error_out_of_memory)
        return bl_fail_null(err, BL_ERR_MEMORY, "%s: out of memory while it was parsed", name);
    if (!bl_kind_unknown(text, length, name, "JSON", err)) return NULL;
    return bl_fail_null(err, BL_ERR_INPUT, "%s: line %d, column %d: %s", name, where.line, where.column,
                        where.text);
}

bool bl_tree_is_number(const bl_tree *value) { return json_is_number(value) || is_special(value); }

double bl_tree_number(const bl_tree *value) {
    for (int i = 0; i < SPECIALS; i++)
        if (value && value == specials[i]) return special_values[i];
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

double bl_tree_real(const bl_tree *object, const char *key) {
    return bl_tree_number(json_object_get(object, key));
}

const char *bl_tree_string(const bl_tree *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}
