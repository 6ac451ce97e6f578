/* The committed report and its parts: made by hand, with biases, a degenerate group, and tokens that mean
 * harm. */
#ifndef BL_TESTS_REPORT_SUPPORT_H
#define BL_TESTS_REPORT_SUPPORT_H
#include "support.h"
#include "base/file.h"
#include "base/utf8.h"
#include "base/visible.h"
#include "result/document.h"

#define REPORT_FILE TEST_DATA "/report/report.json"

/* The whole report's text; free with free. */
static inline char *report_text(void) {
    bl_error err = {0};
    char *text = bl_file_read(REPORT_FILE, 1 << 20, NULL, &err);
    if (!text) fail_msg("%s", err.message);
    return text;
}

/* The text of its part "info", "eigen" or "scan". */
static inline char *report_part(const char *name) {
    json_t *root = support_json(REPORT_FILE);
    char *text = json_dumps(json_object_get(root, name), JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(root);
    assert_non_null(text);
    return text;
}

/* Trees of texts, freed at exit. */
static bl_tree *trees[4096];
static size_t n_trees;

static void free_trees(void) {
    while (n_trees > 0) bl_tree_free(trees[--n_trees]);
}

/* NULL, with the error, when the text is not JSON. */
static inline bl_tree *tree_or_error(const char *text, bl_error *err) {
    if (n_trees == 0) atexit(free_trees);
    if (n_trees == sizeof trees / sizeof *trees) free_trees();
    bl_tree *tree = bl_tree_parse(text, "result JSON", err);
    if (tree) trees[n_trees++] = tree;
    return tree;
}

static inline bl_tree *tree_of(const char *text) { return tree_or_error(text, NULL); }

static inline bl_doc *read_doc(const char *text, bl_doc_kind kind, bl_error *err) {
    bl_tree *tree = tree_or_error(text, err);
    return tree ? bl_doc_read(tree, kind, err) : NULL;
}

/* A result's CSV. */
static inline char *csv_of(bl_table *table) {
    char *csv = bl_table_csv(table, 0, NULL);
    bl_table_free(table);
    return csv;
}

/* `text` without escape sequences (ESC [ … m); free with free. */
static inline char *without_escapes(const char *text) {
    char *out = malloc(strlen(text) + 1), *to = out;
    assert_non_null(out);
    while (*text) {
        if (text[0] == '\033' && text[1] == '[') {
            text += 2 + strspn(text + 2, "0123456789;");
            assert_int_equal(*text, 'm');
            text++;
        } else {
            *to++ = *text++;
        }
    }
    *to = '\0';
    return out;
}

static inline size_t count_of(const char *text, const char *word) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word)) n++;
    return n;
}
#endif
