/* What an atlas answers, on a terminal: a list of directions, or everything about one. */
#include "base/error.h"
#include "report/plot.h"
#include "report/terminal.h"
#include <jansson.h>
#include <string.h>

static void title(bl_page *page, const bl_tree *tree) {
    bl_page_token(page, bl_tree_string(tree, "atlas"), 0);
    bl_page_text(page, ": ");
    bl_page_token(page, bl_tree_string(tree, "model"), 0);
    bl_page_print(page, ", layer %.0f", bl_tree_real(tree, "layer"));
    if (!json_is_true(json_object_get(tree, "complete")))
        bl_page_words(page, " (unfinished: run the command that made it again)");
    bl_page_newline(page);
}

/* The list's columns: a name as the tree has it, and as the table shows it. */
static const struct {
    const char *key, *name;
} columns[] = {{"count", "count"},  {"largest", "largest"},          {"null_largest", "by chance"},
               {"excess", "ratio"}, {"effective_rank", "eff. rank"}, {"null_effective_rank", "by chance"},
               {"share", "share"},  {"null_share", "by chance"}};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

static char *list_table(const bl_tree *list, const bl_terminal *terminal, bl_error *err) {
    bl_table *rows =
        bl_table_new("token,count,largest,by chance,ratio,eff. rank,by chance,share,by chance", err);
    const json_t *row;
    size_t i;
    json_array_foreach(list, i, row) {
        bl_table_text(rows, bl_tree_string(row, "token"));
        for (size_t c = 0; c < N_COLUMNS; c++) {
            const json_t *value = json_object_get(row, columns[c].key);
            if (json_is_integer(value)) bl_table_integer(rows, json_integer_value(value));
            else if (json_is_null(value)) bl_table_empty(rows);
            else bl_table_real(rows, bl_tree_number(value));
        }
    }
    char *text = bl_table_shown(rows, terminal, err);
    bl_table_free(rows);
    return text;
}

/* The direction's figures beside those of the null model. */
static void figures(bl_page *page, const bl_tree *tree) {
    static const char *const keys[2][5] = {{"largest", "highest", "lowest", "effective_rank", "share"},
                                           {"null_largest", "null_highest", "null_lowest",
                                            "null_effective_rank", "null_share"}};
    bl_page_text(page, "token ");
    bl_page_token(page, bl_tree_string(tree, "token"), 0);
    bl_page_print(page, " (#%.0f), %.0f times in the corpus\n", bl_tree_real(tree, "id"),
                  bl_tree_real(tree, "count"));
    bl_page_print(page, "  %-12s %10s %10s %10s %10s %10s\n", "", "largest", "highest", "lowest", "eff. rank",
                  "share");
    for (int chance = 0; chance < 2; chance++) {
        if (json_is_null(json_object_get(tree, keys[chance][0]))) continue;
        bl_page_print(page, "  %-12s", chance ? "by chance" : "model");
        for (size_t k = 0; k < 5; k++) bl_page_print(page, " %10.4g", bl_tree_real(tree, keys[chance][k]));
        bl_page_newline(page);
    }
}

/* "direct, highest: a b c" of one end */
static void words(bl_page *page, const json_t *source, const char *name, const char *end) {
    const json_t *entry;
    size_t i;
    page->indent = 4;
    bl_page_print(page, "  %s:", name);
    json_array_foreach(json_object_get(source, end), i, entry) {
        const char *token = json_string_value(json_array_get(entry, 0));
        if (!bl_page_room(page, strlen(token) + 1)) bl_page_text(page, " ");
        bl_page_token(page, token, 0);
    }
    page->indent = 0;
    bl_page_newline(page);
}

/* Of an eigenvector that is turned (bl_doc_hits) the lowest are shown as the highest. */
static void vector(bl_page *page, const bl_doc_scan *scan, size_t i, const json_t *tree) {
    const bl_doc_hits *hits = &scan->vectors[i];
    const json_t *direct = json_object_get(json_object_get(tree, "sources"), "direct");
    double chance = bl_tree_real(tree, "null_eigenvalue");
    bl_page_newline(page);
    bl_page_vector_title(page, &scan->subject, hits->index, hits->eigenvalue);
    if (!json_is_null(json_object_get(tree, "null_eigenvalue")))
        bl_page_print(page, " (by chance %.4g)", chance);
    bl_page_newline(page);
    words(page, direct, "direct, highest", hits->orientation > 0 ? "top" : "bottom");
    words(page, direct, "direct, lowest", hits->orientation > 0 ? "bottom" : "top");
    bl_page_matches(page, hits, SIZE_MAX);
}

static char *token_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_SCAN, err);
    if (!doc) return NULL;
    bl_page page = bl_page_new(terminal);
    title(&page, tree);
    figures(&page, tree);
    if (doc->scan->n_vectors) bl_page_match_legend(&page);
    for (size_t i = 0; i < doc->scan->n_vectors; i++)
        vector(&page, doc->scan, i, json_array_get(json_object_get(tree, "vectors"), i));
    bl_doc_free(doc);
    return bl_buffer_take(&page.text, err);
}

char *bl_atlas_table(const bl_tree *answer, const bl_terminal *terminal, bl_error *err) {
    const bl_tree *list = json_object_get(answer, "directions");
    if (!list) return token_table(answer, terminal, err);
    bl_page page = bl_page_new(terminal);
    title(&page, answer);
    char *rows = list_table(list, terminal, err);
    if (rows) bl_buffer_text(&page.text, rows);
    bl_free(rows);
    if (rows) return bl_buffer_take(&page.text, err);
    bl_buffer_free(&page.text);
    return NULL;
}
