/* Evidence on a terminal: what was found in a sentence or two, then its table. */
#include <bilens/evidence.h>
#include "base/error.h"
#include "report/plot.h"
#include "report/terminal.h"
#include <bilens/report.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

static void put_quality(bl_page *page, const bl_tree *tree) {
    const bl_tree *quality = json_object_get(tree, "surrogate");
    bl_page_quality(page, quality != NULL, bl_tree_real(quality, "r2"), bl_tree_real(quality, "r2_linear"),
                    bl_tree_real(quality, "recovered"));
}

static void put_heading(bl_page *page, const bl_tree *tree) {
    bl_page_token(page, bl_doc_short_name(bl_tree_string(tree, "model")), 0);
    bl_page_print(page, ", layer %.0f: ", bl_tree_real(tree, "layer"));
    bl_page_token(page, bl_tree_string(tree, "direction"), 0);
    bl_page_newline(page);
    put_quality(page, tree);
}

/* The page's text, then a table (taken). */
static char *with_table(bl_page *page, bl_table *rows, const bl_terminal *terminal, bl_error *err) {
    char *text = bl_table_shown(rows, terminal, err);
    bl_table_free(rows);
    if (!text) {
        bl_buffer_free(&page->text);
        return NULL;
    }
    bl_page_text(page, text);
    bl_free(text);
    return bl_buffer_take(&page->text, err);
}

/* ---- explain ---- */

static bl_table *predictions_of(const bl_tree *tree, bl_error *err) {
    bl_table *rows = bl_table_new("next token,probability,logit", err);
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(tree, "predictions"), i, item) {
        bl_table_text(rows, bl_tree_string(item, "token"));
        bl_table_real(rows, bl_tree_real(item, "probability"));
        bl_table_real(rows, bl_tree_real(item, "logit"));
    }
    return rows;
}

/* Which layers to look at first: those whose MLPs add most, by magnitude. */
static void put_first_layers(bl_page *page, const bl_tree *layers) {
    enum { FIRST = 5 };
    size_t n = json_array_size(layers), shown[FIRST];
    for (size_t k = 0; k < FIRST && k < n; k++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++) {
            bool taken = false;
            for (size_t j = 0; j < k; j++) taken = taken || shown[j] == i;
            double value = fabs(bl_tree_real(json_array_get(layers, i), "mlp"));
            if (!taken && (best == n || value > fabs(bl_tree_real(json_array_get(layers, best), "mlp"))))
                best = i;
        }
        const bl_tree *layer = json_array_get(layers, best);
        double r2 = bl_tree_real(layer, "r2");
        shown[k] = best;
        bl_page_print(page, k ? ", %zu (%+.3g" : "MLPs that add most: layer %zu (%+.3g", best,
                      bl_tree_real(layer, "mlp"));
        if (isfinite(r2)) bl_page_print(page, "; R\xC2\xB2 %.2f", r2);
        bl_page_text(page, ")");
    }
    if (n) bl_page_newline(page);
}

/* The predictions' own accounts, side by side: embedding, heads and MLP of each layer in sum, their largest
 * terms. */
static void put_accounts(bl_page *page, const bl_tree *tree) {
    const json_t *item, *part, *term;
    size_t i, j;
    json_array_foreach(json_object_get(tree, "predictions"), i, item) {
        const json_t *account = json_object_get(item, "account"), *mlp = json_object_get(account, "mlp");
        double heads = 0, embedding = 0, mlps = 0, rest = 0;
        if (!account) return;
        json_array_foreach(json_object_get(account, "parts"), j, part) {
            const char *name = bl_tree_string(part, "name");
            double value = bl_tree_real(part, "value"), *sum = strcmp(name, "embedding") == 0 ? &embedding
                                                             : strstr(name, " head ")         ? &heads
                                                             : strstr(name, " mlp")           ? &mlps
                                                                                              : &rest;
            *sum += value;
        }
        if (i == 0) bl_page_text(page, "\naccounts of the predictions:\n");
        bl_page_text(page, "  ");
        bl_page_token(page, bl_tree_string(item, "token"), 16);
        bl_page_print(page, " %8.4g = embedding %+.4g, heads %+.4g, MLPs %+.4g", bl_tree_real(item, "logit"),
                      embedding, heads, mlps);
        if (rest != 0) bl_page_print(page, ", biases %+.4g", rest);
        bl_page_text(page, "; eigenvectors");
        json_array_foreach(json_object_get(mlp, "terms"), j, term) {
            if (j == 3) break;
            bl_page_print(page, "%s %.0f %+.3g", j ? "," : "", bl_tree_real(term, "index"),
                          bl_tree_real(term, "value"));
        }
        bl_page_newline(page);
    }
}

char *bl_explain_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_page page = bl_page_new(terminal);
    put_heading(&page, tree);
    bl_page_print(&page, "position %.0f of the text: logit %.4g", bl_tree_real(tree, "position"),
                  bl_tree_real(tree, "logit"));
    if (json_is_string(json_object_get(tree, "token"))) {
        bl_page_text(&page, "; ");
        bl_page_token(&page, bl_tree_string(tree, "token"), 0);
        bl_page_print(&page, " has probability %.4g, rank %.0f", bl_tree_real(tree, "probability"),
                      bl_tree_real(tree, "rank"));
    }
    if (bl_tree_real(tree, "scale") != 1)
        bl_page_print(&page, "; the final norm's scale %.4g is frozen", bl_tree_real(tree, "scale"));
    bl_page_newline(&page);
    put_first_layers(&page, json_object_get(tree, "layers"));
    bl_page_newline(&page);
    char *parts = with_table(&page, bl_explain_rows(tree, err), terminal, err);
    if (!parts) return NULL;
    page = bl_page_new(terminal);
    bl_page_text(&page, parts);
    bl_free(parts);
    bl_page_newline(&page);
    char *predicted = with_table(&page, predictions_of(tree, err), terminal, err);
    if (!predicted) return NULL;
    page = bl_page_new(terminal);
    bl_page_text(&page, predicted);
    bl_free(predicted);
    put_accounts(&page, tree);
    return bl_buffer_take(&page.text, err);
}

/* ---- diff ---- */

static void put_side(bl_page *page, const char *side, const json_t *list) {
    size_t i;
    const json_t *item;
    bl_page_print(page, "  %s:", side);
    json_array_foreach(list, i, item) {
        bl_page_text(page, i ? ", " : " ");
        bl_page_token(page, json_string_value(json_array_get(item, 0)), 0);
    }
}

/* The comparison, and with a token the eigenvectors of the difference of its forms. */
char *bl_diff_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_page page = bl_page_new(terminal);
    const json_t *vectors = json_object_get(json_object_get(tree, "difference"), "vectors"), *vector;
    size_t i;
    char *text = with_table(&page, bl_diff_rows(tree, err), terminal, err);
    if (!text || !vectors) return text;
    page = bl_page_new(terminal);
    bl_page_text(&page, text);
    bl_free(text);
    bl_page_text(&page, "\neigenvectors of the difference of the two forms\n");
    json_array_foreach(vectors, i, vector) {
        bl_page_print(&page, "%4.0f  %+9.4f", bl_tree_real(vector, "index"),
                      bl_tree_real(vector, "eigenvalue"));
        put_side(&page, "highest", json_object_get(vector, "top"));
        put_side(&page, "lowest", json_object_get(vector, "bottom"));
        bl_page_newline(&page);
    }
    return bl_buffer_take(&page.text, err);
}

/* ---- truncate ---- */

char *bl_truncate_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_page page = bl_page_new(terminal);
    if (json_object_get(tree, "own")) {
        put_heading(&page, tree);
        const json_t *own = json_object_get(tree, "own");
        bl_page_print(&page, "%.0f predictions; the token ", bl_tree_real(tree, "predictions"));
        if (bl_tree_real(own, "positions") > 0)
            bl_page_print(&page, "comes next in %.0f of them, at a loss of %.4f nats\n\n",
                          bl_tree_real(own, "positions"), bl_tree_real(own, "full"));
        else
            bl_page_text(&page, "comes next in none of them, so that it has no loss of its own: read "
                                "correlation and R2, or give more stories\n\n");
        return with_table(&page, bl_truncate_rows(tree, err), terminal, err);
    }
    bl_page_token(&page, bl_doc_short_name(bl_tree_string(tree, "model")), 0);
    bl_page_print(&page, ", layer %.0f, all tokens, %.0f predictions\n", bl_tree_real(tree, "layer"),
                  bl_tree_real(tree, "predictions"));
    put_quality(&page, tree);
    bl_page_print(&page, "loss of the model %.4f nats per token; without this MLP %.4f\n\n",
                  bl_tree_real(tree, "full"), bl_tree_real(tree, "without_mlp"));
    const json_t *ranks = json_object_get(tree, "ranks"), *controls = json_object_get(tree, "controls"),
                 *item;
    bl_table *rows = bl_table_new(controls ? "rank,loss,kept,random,lowest first" : "rank,loss,kept", err);
    size_t i;
    json_array_foreach(ranks, i, item) {
        bl_table_integer(rows, (int64_t)bl_tree_real(item, "rank"));
        bl_table_real(rows, bl_tree_real(item, "loss"));
        bl_table_real(rows, bl_tree_real(item, "kept"));
        if (!controls) continue;
        bl_table_real(rows, bl_tree_real(json_array_get(json_object_get(controls, "random"), i), "loss"));
        bl_table_real(rows, bl_tree_real(json_array_get(json_object_get(controls, "lowest"), i), "loss"));
    }
    return with_table(&page, rows, terminal, err);
}

/* ---- ablate ---- */

static void ablated_row(bl_table *rows, const char *what, const json_t *loss) {
    const json_t *interval = json_object_get(loss, "interval");
    double positions = bl_tree_real(loss, "positions");
    bl_table_text(rows, what);
    if (isnan(positions)) bl_table_empty(rows);
    else bl_table_integer(rows, (int64_t)positions);
    bl_table_real(rows, bl_tree_real(loss, "before"));
    bl_table_real(rows, bl_tree_real(loss, "after"));
    bl_table_real(rows, bl_tree_real(loss, "after") - bl_tree_real(loss, "before"));
    bl_table_real(rows, bl_tree_number(json_array_get(interval, 0)));
    bl_table_real(rows, bl_tree_number(json_array_get(interval, 1)));
}

static void ablated_rows(bl_table *rows, const char *const names[3], const json_t *of) {
    ablated_row(rows, names[0], json_object_get(of, "loss"));
    ablated_row(rows, names[1], json_object_get(of, "own"));
    ablated_row(rows, names[2], json_object_get(of, "others"));
}

static void put_control(bl_page *page, const char *what, const json_t *control) {
    if (!control) return;
    bl_page_print(page, "  %-18s mean %+.4f, largest %+.4f, p %.3g\n", what, bl_tree_real(control, "mean"),
                  bl_tree_real(control, "largest"), bl_tree_real(control, "p"));
}

char *bl_ablate_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    static const char *const names[3] = {"all predictions", "own", "others"}, *const worst_names[3] = {
                                                                                  "worst: all", "worst: own",
                                                                                  "worst: others"};
    const json_t *controls = json_object_get(tree, "controls"), *worst = json_object_get(tree, "worst"),
                 *eigs = json_object_get(tree, "eigs"), *item;
    bl_page page = bl_page_new(terminal);
    size_t i;
    put_heading(&page, tree);
    bl_page_text(&page, json_is_true(json_object_get(tree, "keep")) ? "everything but" : "eigenvectors");
    json_array_foreach(eigs, i, item)
        bl_page_print(&page, "%s%" JSON_INTEGER_FORMAT, i ? ", " : " ", json_integer_value(item));
    bl_page_print(&page, " ablated in mode %s, replaced by the %s; %.0f predictions of %.0f stories\n",
                  bl_tree_string(tree, "mode"),
                  strcmp(bl_tree_string(tree, "with"), "zero") == 0 ? "value 0" : "mean",
                  bl_tree_real(tree, "predictions"), bl_tree_real(tree, "stories"));
    bl_page_print(&page, "KL %.4g nats; %.3g %% of the most probable tokens change\n",
                  bl_tree_real(tree, "kl"), 100 * bl_tree_real(tree, "changed"));
    if (controls) {
        bl_page_print(&page, "the same effect (%s) of %.0f controls each:\n",
                      bl_tree_string(json_object_get(controls, "random"), "of"),
                      bl_tree_real(controls, "draws"));
        put_control(&page, "random directions", json_object_get(controls, "random"));
        put_control(&page, "null models", json_object_get(controls, "null"));
    }
    if (worst) {
        bl_page_text(&page, "worst subset outside:");
        json_array_foreach(json_object_get(worst, "eigs"), i, item)
            bl_page_print(&page, " %" JSON_INTEGER_FORMAT, json_integer_value(item));
        bl_page_newline(&page);
        put_control(&page, "random subsets", json_object_get(worst, "random"));
    }
    bl_page_newline(&page);
    bl_table *rows = bl_table_new("nats,positions,before,after,effect,95 % from,to", err);
    ablated_rows(rows, names, tree);
    if (worst) ablated_rows(rows, worst_names, worst);
    return with_table(&page, rows, terminal, err);
}
