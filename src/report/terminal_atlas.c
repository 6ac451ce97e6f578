/* What an atlas answers, on a terminal: a list of directions, or everything about one. */
#include "base/error.h"
#include "report/plot.h"
#include "report/terminal.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

static void title(bl_page *page, const bl_tree *tree) {
    bl_page_token(page, bl_tree_string(tree, "atlas"), 0);
    bl_page_text(page, ": ");
    bl_page_token(page, bl_doc_short_name(bl_tree_string(tree, "model")), 0);
    const json_t *layers = json_object_get(tree, "layers");
    bool listed = json_object_get(tree, "directions") || json_object_get(tree, "eigenpairs");
    if (listed && json_array_size(layers) > 1) bl_page_print(page, ", %zu layers", json_array_size(layers));
    else bl_page_print(page, ", layer %.0f", bl_tree_real(tree, "layer"));
    if (!json_is_true(json_object_get(tree, "complete")))
        bl_page_words(page, " (unfinished: run the command that made it again)");
    bl_page_newline(page);
    const bl_tree *quality = json_object_get(tree, "surrogate");
    bl_page_quality(page, quality != NULL, bl_tree_real(quality, "r2"), bl_tree_real(quality, "r2_linear"),
                    bl_tree_real(quality, "recovered"));
}

/* A list's columns: a key of the tree, and its name in the table. */
typedef struct column {
    const char *key, *name;
} column;
enum { MOST_COLUMNS = 20 };

static const column direction_columns[] = {{"token", "token"},
                                           {"layer", "layer"},
                                           {"count", "count"},
                                           {"largest", "largest"},
                                           {"null_largest", "by chance"},
                                           {"excess", "excess"},
                                           {"q", "q"},
                                           {"effect", "effect"},
                                           {"effective_rank", "eff. rank"},
                                           {"null_effective_rank", "by chance"},
                                           {"share", "share"},
                                           {"null_share", "by chance"},
                                           {0}};
static const column reader_columns[] = {{"token", "token"},
                                        {"layer", "layer"},
                                        {"index", "index"},
                                        {"eigenvalue", "eigenvalue"},
                                        {"source", "source"},
                                        {"value", "value"},
                                        {"activation", "activation"},
                                        {"ratio", "ratio"},
                                        {"q", "q"},
                                        {"effect", "effect"},
                                        {0}};
static const column pair_columns[] = {{"token", "token"},
                                      {"layer", "layer"},
                                      {"index", "index"},
                                      {"eigenvalue", "eigenvalue"},
                                      {"ratio", "ratio"},
                                      {"p", "p"},
                                      {"q", "q"},
                                      {"own", "own"},
                                      {"effect", "effect"},
                                      {"effect_error", "+-"},
                                      {"effect_others", "others"},
                                      {"null_effect", "by chance"},
                                      {"share", "share"},
                                      {"ends", "ends"},
                                      {0}};

/* Whether a column says anything: of an atlas of one layer the layer does not, of directions that are no
 * tokens what only tokens have. */
static bool says_something(const json_t *answer, const column *c) {
    static const char *const of_tokens[] = {"count",        "own",           "effect",
                                            "effect_error", "effect_others", "null_effect"};
    bool own = json_is_string(json_object_get(answer, "source"));
    if (strcmp(c->key, "layer") == 0) return json_array_size(json_object_get(answer, "layers")) > 1;
    for (size_t i = 0; own && i < sizeof of_tokens / sizeof *of_tokens; i++)
        if (strcmp(c->key, of_tokens[i]) == 0) return false;
    return true;
}

/* The columns of `all` that say something, ended by one without a key. */
static void choose_columns(const json_t *answer, const column *all, column chosen[MOST_COLUMNS]) {
    size_t n = 0;
    for (; all->key; all++)
        if (n + 1 < MOST_COLUMNS && says_something(answer, all)) chosen[n++] = *all;
    /* A vector of one's own is no token. */
    if (json_is_string(json_object_get(answer, "source"))) chosen[0].name = "direction";
    chosen[n] = (column){0};
}

static bl_table *empty_table(const column *columns, bl_error *err) {
    char names[256] = "";
    for (size_t c = 0; columns[c].key; c++) {
        if (c) strncat(names, ",", sizeof names - strlen(names) - 1);
        strncat(names, columns[c].name, sizeof names - strlen(names) - 1);
    }
    return bl_table_new(names, err);
}

static void add_cell(bl_table *rows, const json_t *value) {
    if (json_is_string(value)) bl_table_text(rows, json_string_value(value));
    else if (json_is_integer(value)) bl_table_integer(rows, json_integer_value(value));
    else if (json_is_null(value)) bl_table_empty(rows);
    else bl_table_real(rows, bl_tree_number(value));
}

static char *list_table(const bl_tree *list, const column *columns, const bl_terminal *terminal,
                        bl_error *err) {
    bl_table *rows = empty_table(columns, err);
    const json_t *row;
    size_t i;
    json_array_foreach(list, i, row)
        for (size_t c = 0; columns[c].key; c++) add_cell(rows, json_object_get(row, columns[c].key));
    char *text = bl_table_shown(rows, terminal, err);
    bl_table_free(rows);
    return text;
}

/* The direction's figures beside those of the null model. */
static void figures(bl_page *page, const bl_tree *tree) {
    static const char *const keys[2][5] = {{"largest", "highest", "lowest", "effective_rank", "share"},
                                           {"null_largest", "null_highest", "null_lowest",
                                            "null_effective_rank", "null_share"}};
    bool own = json_is_string(json_object_get(tree, "source"));
    bl_page_text(page, own ? "direction " : "token ");
    bl_page_token(page, bl_tree_string(tree, "token"), 0);
    if (own) {
        bl_page_text(page, ", ");
        bl_page_token(page, bl_tree_string(tree, "direction"), 0);
        bl_page_text(page, "; no token, so that it has no positions of its own\n");
    } else {
        bl_page_print(page, " (#%.0f), %.0f times in the corpus\n", bl_tree_real(tree, "id"),
                      bl_tree_real(tree, "count"));
    }
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

/* What the loss at the token's own positions, and elsewhere, gains without the pair. */
static void effect(bl_page *page, const json_t *tree) {
    const json_t *own = json_object_get(tree, "own"), *others = json_object_get(tree, "others");
    if (json_is_null(own) && json_is_real(json_object_get(tree, "share")))
        bl_page_print(page, "  %.3g of the variance of u.MLP(x)\n", bl_tree_real(tree, "share"));
    if (!json_is_object(own) || json_is_null(json_object_get(own, "mean"))) return;
    bl_page_print(page, "  effect %+.4g", bl_tree_real(own, "mean"));
    if (!json_is_null(json_object_get(own, "error")))
        bl_page_print(page, " +- %.2g", bl_tree_real(own, "error"));
    bl_page_print(page, " at its own %.0f positions, %+.3g at others", bl_tree_real(own, "positions"),
                  bl_tree_real(others, "mean"));
    if (!json_is_null(json_object_get(tree, "share")))
        bl_page_print(page, "; %.3g of the variance of u.MLP(x)", bl_tree_real(tree, "share"));
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
    if (!json_is_null(json_object_get(tree, "p")))
        bl_page_print(page, "  p %.3g  q %.3g", bl_tree_real(tree, "p"), bl_tree_real(tree, "q"));
    bl_page_newline(page);
    effect(page, json_object_get(tree, "effect"));
    words(page, direct, "direct, highest", hits->orientation > 0 ? "top" : "bottom");
    words(page, direct, "direct, lowest", hits->orientation > 0 ? "bottom" : "top");
    bl_page_matches(page, hits, SIZE_MAX);
}

/* The largest distance of a draw's p-values from uniform; whether effects were left out. */
static void calibration(bl_page *page, const bl_tree *tree) {
    const json_t *place;
    size_t i;
    double most = -1;
    if (json_is_false(json_object_get(tree, "effects")))
        bl_page_print(page, "effects on the loss were left out (--no-effects)\n");
    if (bl_tree_real(tree, "dead") > 0)
        bl_page_print(page, "%.0f hidden units are dead: null draws leave them in place\n",
                      bl_tree_real(tree, "dead"));
    json_array_foreach(json_object_get(tree, "calibration"), i, place)
        most = fmax(most, bl_tree_real(place, "distance"));
    if (most < 0) return;
    bl_page_print(page, "p: %.0f null draw(s); another draw's p-values are at most %.2g from uniform\n",
                  bl_tree_real(tree, "null_draws"), most);
}

static char *token_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_SCAN, err);
    if (!doc) return NULL;
    bl_page page = bl_page_new(terminal);
    title(&page, tree);
    calibration(&page, tree);
    figures(&page, tree);
    if (doc->scan->n_vectors) bl_page_match_legend(&page);
    for (size_t i = 0; i < doc->scan->n_vectors; i++)
        vector(&page, doc->scan, i, json_array_get(json_object_get(tree, "vectors"), i));
    bl_doc_free(doc);
    return bl_buffer_take(&page.text, err);
}

char *bl_atlas_table(const bl_tree *answer, const bl_terminal *terminal, bl_error *err) {
    const bl_tree *directions = json_object_get(answer, "directions"),
                  *pairs = json_object_get(answer, "eigenpairs");
    const bl_tree *readers = json_object_get(answer, "readers");
    if (!directions && !pairs && !readers) return token_table(answer, terminal, err);
    bl_page page = bl_page_new(terminal);
    title(&page, answer);
    calibration(&page, answer);
    column columns[MOST_COLUMNS];
    choose_columns(answer, readers ? reader_columns : directions ? direction_columns : pair_columns, columns);
    char *rows = list_table(readers ? readers : directions ? directions : pairs, columns, terminal, err);
    if (rows) bl_buffer_text(&page.text, rows);
    bl_free(rows);
    if (rows) return bl_buffer_take(&page.text, err);
    bl_buffer_free(&page.text);
    return NULL;
}
