/* Which layer to look at first, on a terminal: the table of what each adds, and which stand out. */
#include "base/error.h"
#include "report/terminal.h"
#include <bilens/evidence.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

enum { FIRST = 5 };

/* By what the token's own positions get more than others, or where there are none by spread. */
static double size_of(const bl_tree *layer) {
    double own = bl_tree_real(layer, "mlp_own");
    return isfinite(own) ? fabs(own) : bl_tree_real(layer, "mlp_spread");
}

static bool taken(const size_t *shown, size_t n, size_t i) {
    for (size_t k = 0; k < n; k++)
        if (shown[k] == i) return true;
    return false;
}

size_t bl_first_layers(const bl_tree *layers, size_t *shown, size_t most) {
    size_t n = json_array_size(layers), found = 0;
    while (found < most && found < n) {
        size_t best = n;
        for (size_t i = 0; i < n; i++) {
            double size = size_of(json_array_get(layers, i));
            if (taken(shown, found, i) || !isfinite(size)) continue;
            if (best == n || size > size_of(json_array_get(layers, best))) best = i;
        }
        if (best == n) break;
        shown[found++] = best;
    }
    return found;
}

/* Whether any layer has a number under the key. */
static bool has(const bl_tree *layers, const char *key) {
    size_t i;
    const json_t *layer;
    json_array_foreach(layers, i, layer) {
        if (json_is_number(json_object_get(layer, key))) return true;
    }
    return false;
}

/* The columns that are there, under short names. */
static bl_table *rows_of(const bl_tree *layers, bl_error *err) {
    static const char *const keys[] = {"layer", "mlp_own",  "mlp_spread", "heads_own", "heads_spread",
                                       "head",  "head_own", "r2",         "r2_linear", "recovered"};
    static const char *const names[] = {"layer",     "MLP own",      "MLP spread",
                                        "heads own", "heads spread", "of them head",
                                        "its own",   "R\xC2\xB2",    "linear R\xC2\xB2",
                                        "recovered"};
    bl_buffer columns = {0};
    size_t i;
    const json_t *layer;
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        if (has(layers, keys[k])) bl_buffer_print(&columns, "%s%s", columns.n ? "," : "", names[k]);
    char *head = bl_buffer_take(&columns, err);
    bl_table *table = head ? bl_table_new(head, err) : NULL;
    bl_free(head);
    json_array_foreach(layers, i, layer) {
        for (size_t k = 0; table && k < sizeof keys / sizeof *keys; k++) {
            const json_t *value = json_object_get(layer, keys[k]);
            if (!has(layers, keys[k])) continue;
            if (json_is_integer(value)) bl_table_integer(table, json_integer_value(value));
            else if (json_is_real(value)) bl_table_real(table, json_real_value(value));
            else bl_table_empty(table);
        }
    }
    return table;
}

static void put_sentence(bl_page *page, const bl_tree *layers, const bl_tree *over) {
    double own = bl_tree_real(over, "own");
    size_t shown[FIRST], n;
    if (!over) return;
    bl_page_print(page, "What each layer adds to the logit by itself, over %.0f positions of %.0f stories. ",
                  bl_tree_real(over, "positions"), bl_tree_real(over, "stories"));
    if (own > 0)
        bl_page_print(
            page, "own: how much more at the %.0f where the token comes next; spread: standard deviation.",
            own);
    else bl_page_text(page, "spread: standard deviation; the token comes next nowhere there.");
    bl_page_newline(page);
    n = bl_first_layers(layers, shown, FIRST);
    for (size_t k = 0; k < n; k++)
        bl_page_print(page, "%s%.0f", k ? ", " : "MLPs that add most: layers ",
                      bl_tree_real(json_array_get(layers, shown[k]), "layer"));
    if (n) bl_page_newline(page);
}

char *bl_layers_text(const bl_tree *layers, const bl_tree *over, const bl_terminal *terminal, bl_error *err) {
    bl_page page = bl_page_new(terminal);
    put_sentence(&page, layers, over);
    bl_table *rows = rows_of(layers, err);
    char *table = bl_table_shown(rows, terminal, err);
    bl_table_free(rows);
    if (!table) {
        bl_buffer_free(&page.text);
        return NULL;
    }
    bl_page_text(&page, table);
    bl_free(table);
    return bl_buffer_take(&page.text, err);
}

char *bl_layers_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_page page = bl_page_new(terminal);
    char *text = bl_layers_text(json_object_get(tree, "layers"), tree, terminal, err);
    if (!text) return NULL;
    bl_page_token(&page, bl_tree_string(tree, "model"), 0);
    bl_page_text(&page, ": ");
    bl_page_token(&page, bl_tree_string(tree, "direction"), 0);
    bl_page_newline(&page);
    bl_page_text(&page, text);
    bl_free(text);
    return bl_buffer_take(&page.text, err);
}

char *bl_quality_line(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    const bl_tree *quality = json_object_get(tree, "surrogate");
    bl_page page = bl_page_new(terminal);
    bl_page_quality(&page, quality != NULL, bl_tree_real(quality, "r2"), bl_tree_real(quality, "r2_linear"),
                    bl_tree_real(quality, "recovered"));
    bl_page_text(&page, "");
    return bl_buffer_take(&page.text, err);
}
