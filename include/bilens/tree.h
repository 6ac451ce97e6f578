/** @file tree.h  Results as trees of JSON values and as tables; the one writer of JSON and the one of CSV. */
#ifndef BILENS_TREE_H
#define BILENS_TREE_H

#include <bilens/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A JSON value: jansson's json_t. Include <jansson.h> to look into one. A tree may be read by several
 * threads at once. */
typedef struct json_t bl_tree;

/** Builds a tree: `{&err, false}`. After a failure every call does nothing, and bl_tree_built returns NULL
 * with the first error. */
typedef struct bl_builder {
    bl_error *err;
    bool failed;
} bl_builder;

/** Puts a new, empty object or array into `at` and returns it (it belongs to `at`). In all functions below,
 * `at` is an object, with a key, or an array, with key NULL. `at` NULL: a root, to be given to
 * bl_tree_built. */
BL_API bl_tree *bl_put_object(bl_builder *builder, bl_tree *at, const char *key);
/** A new, empty array, likewise. */
BL_API bl_tree *bl_put_array(bl_builder *builder, bl_tree *at, const char *key);
/** A text of any bytes: what is not UTF-8 becomes U+FFFD. NULL becomes null. */
BL_API void bl_put_text(bl_builder *builder, bl_tree *at, const char *key, const char *text);
/** The same of `n` bytes, which may hold NUL. */
BL_API void bl_put_bytes(bl_builder *builder, bl_tree *at, const char *key, const char *text, size_t n);
/** A number. One that is not finite is kept in the tree; it is null in JSON text. */
BL_API void bl_put_real(bl_builder *builder, bl_tree *at, const char *key, double value);
/** A whole number, exact. */
BL_API void bl_put_integer(bl_builder *builder, bl_tree *at, const char *key, int64_t value);
/** A size or a count. */
BL_API void bl_put_count(bl_builder *builder, bl_tree *at, const char *key, uint64_t value);
/** true or false. */
BL_API void bl_put_flag(bl_builder *builder, bl_tree *at, const char *key, bool value);
/** null. */
BL_API void bl_put_null(bl_builder *builder, bl_tree *at, const char *key);
/** An array of numbers: values [n]. */
BL_API void bl_put_reals(bl_builder *builder, bl_tree *at, const char *key, const float *values, size_t n);
/** An array of whole numbers: values [n]. */
BL_API void bl_put_integers(bl_builder *builder, bl_tree *at, const char *key, const int32_t *values,
                            size_t n);
/** A finished tree, which it takes. NULL: a failure, of which `builder->err` tells already. */
BL_API void bl_put_tree(bl_builder *builder, bl_tree *at, const char *key, bl_tree *value);
/** Fails with a message of the caller's own, unless something failed before. Returns false. */
BL_API bool bl_builder_fail(bl_builder *builder, bl_code code, const char *format, ...) BL_PRINTF(3, 4);
/** The finished root, to be freed with bl_tree_free; NULL (and `root` is freed) when anything failed. */
BL_API bl_tree *bl_tree_built(bl_builder *builder, bl_tree *root);

/** Compact JSON that ends with a newline: UTF-8, nine significant digits (a float32 survives), a decimal
 * point whatever the locale. `tree` NULL gives NULL and leaves `err` as it is. Free with bl_free. */
BL_API char *bl_tree_text(const bl_tree *tree, bl_error *err);
/** Reads JSON text; `name` is for messages. Duplicate keys are refused. BL_ERR_INPUT, BL_ERR_MEMORY. */
BL_API bl_tree *bl_tree_parse(const char *text, const char *name, bl_error *err);
/** Whether a value is a number, finite or not. */
BL_API bool bl_tree_is_number(const bl_tree *value);
/** A value as a number: NaN when it is null, or not a number. */
BL_API double bl_tree_number(const bl_tree *value);
/** A key's value as a number: NaN when it is absent. */
BL_API double bl_tree_real(const bl_tree *object, const char *key);
/** A key's value as text: "" when it is absent or not a text. */
BL_API const char *bl_tree_string(const bl_tree *object, const char *key);
/** Frees `tree` and all that it holds. NULL is allowed. */
BL_API void bl_tree_free(bl_tree *tree);

/** A table: named columns, cells row by row. */
typedef struct bl_table bl_table;

/** `columns` are names separated by commas. NULL with BL_ERR_MEMORY. The functions below accept a table that
 * is NULL and then do nothing; failures while cells are added are told by bl_table_csv. */
BL_API bl_table *bl_table_new(const char *columns, bl_error *err);
/** Adds the next cell: rows are filled from left to right. `text` NULL: an empty cell. */
BL_API void bl_table_text(bl_table *table, const char *text);
/** A cell with a number; one that is not finite is empty in CSV. */
BL_API void bl_table_real(bl_table *table, double value);
/** A cell with a whole number. */
BL_API void bl_table_integer(bl_table *table, int64_t value);
/** A cell without a value. */
BL_API void bl_table_empty(bl_table *table);
/** A cell with the JSON text of `value`, as "[2, 16]". */
BL_API void bl_table_json(bl_table *table, const bl_tree *value);
/** Makes a table that could not be filled: writing it fails with BL_ERR_MEMORY. NULL is allowed. */
BL_API void bl_table_fail(bl_table *table);
/** CSV as RFC 4180 has it: a header line, CRLF, text always in quotes, numbers never. Nine significant
 * digits, a decimal point whatever the locale; a number that is not finite is an empty field. In pandas read
 * it with keep_default_na=False, otherwise a token "nan" or "NA" is taken as missing. With BL_CSV_SAFE a
 * text that a spreadsheet would run as a formula (it begins with = + - @ tab or CR) gets an apostrophe
 * before it; BL_CSV_HEADLESS leaves the header line out. Free with bl_free. */
enum { BL_CSV_SAFE = 1, BL_CSV_HEADLESS = 2 };
BL_API char *bl_table_csv(const bl_table *table, unsigned flags, bl_error *err);
/** A list of objects as a table, a row per object: the columns are the first object's keys whose values are
 * neither objects nor lists. */
BL_API bl_table *bl_table_of(const bl_tree *list, bl_error *err);
/** Frees `table` and all that it holds. NULL is allowed. */
BL_API void bl_table_free(bl_table *table);

#ifdef __cplusplus
}
#endif
#endif
