/* Which layer to look at first: what each adds to the direction, and what its surrogate is worth. */
#include "report/colour.h"
#include "report/html.h"
#include "report/terminal.h"
#include <bilens/tree.h>
#include <jansson.h>
#include <math.h>

enum { FIRST = 5 };

/* A column of the table: its heading, its key, whether its values are drawn on their colours. */
typedef struct column {
    const char *heading, *key;
    bool coloured;
} column;

static const column columns[] = {
    {"MLP, own", "mlp_own", true},     {"MLP, spread", "mlp_spread", false},
    {"heads, own", "heads_own", true}, {"heads, spread", "heads_spread", false},
    {"strongest head", "head", false}, {"its own", "head_own", true},
    {"<i>R\xC2\xB2</i>", "r2", false}, {"linear <i>R\xC2\xB2</i>", "r2_linear", false},
    {"recovered", "recovered", false}};

/* Whether any layer has a number under the key. */
static bool has(const bl_doc *doc, const char *key) {
    for (size_t i = 0; i < doc->n_layers; i++)
        if (json_is_number(json_object_get(json_array_get(doc->layers, i), key))) return true;
    return false;
}

static double largest_own(const bl_doc *doc) {
    double largest = 0;
    for (size_t i = 0; i < doc->n_layers; i++)
        for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) {
            double value = fabs(bl_tree_real(json_array_get(doc->layers, i), columns[k].key));
            if (columns[k].coloured && isfinite(value) && value > largest) largest = value;
        }
    return largest;
}

static void put_cell(bl_buffer *out, const bl_tree *layer, const column *c, double largest) {
    const json_t *json = json_object_get(layer, c->key);
    double value = bl_tree_real(layer, c->key);
    if (json_is_integer(json))
        bl_buffer_print(out, "<td class=\"v\">%" JSON_INTEGER_FORMAT "</td>", json_integer_value(json));
    else if (!isfinite(value)) bl_buffer_text(out, "<td class=\"v\">\xE2\x80\x93</td>");
    else {
        bl_buffer_text(out, "<td class=\"v");
        if (c->coloured) bl_buffer_print(out, " c%u", bl_rdbu_level(value, largest));
        bl_buffer_text(out, "\">");
        if (c->coloured) bl_html_number(out, value, largest);
        else bl_buffer_print(out, "%.3f", value);
        bl_buffer_text(out, "</td>");
    }
}

static void put_summary(bl_buffer *out, const bl_doc *doc) {
    size_t shown[FIRST], n = bl_first_layers(doc->layers, shown, FIRST);
    bl_buffer_text(out, "<summary>Which layer? ");
    for (size_t i = 0; i < n; i++)
        bl_buffer_print(out, "%s%.0f", i ? ", " : "The MLPs that add most are those of layers ",
                        bl_tree_real(json_array_get(doc->layers, shown[i]), "layer"));
    bl_buffer_text(out, n ? "</summary>\n" : "What the surrogate is worth in each</summary>\n");
}

static void put_note(bl_buffer *out, const bl_doc *doc) {
    double own = bl_tree_real(doc->layers_over, "own");
    bl_buffer_text(out, "<p class=\"note\">");
    if (doc->layers_over) {
        bl_buffer_print(out,
                        "What each layer adds to the score by itself, over %.0f positions of %.0f stories. ",
                        bl_tree_real(doc->layers_over, "positions"),
                        bl_tree_real(doc->layers_over, "stories"));
        if (own > 0) bl_buffer_print(out, "<i>Own</i>: how much more at the %.0f where ", own);
        else bl_buffer_text(out, "In them ");
        bl_html_token(out, doc->eigen->subject.token);
        bl_buffer_text(out, own > 0 ? " comes next than over all. "
                                    : " comes next nowhere: only the spread can be told. ");
        bl_buffer_text(
            out,
            "<i>Spread</i>: the standard deviation. What later layers make of it is not in these numbers. ");
    }
    if (has(doc, "r2"))
        bl_buffer_text(
            out,
            "<i>R\xC2\xB2</i>: the share of the MLP\xE2\x80\x99s output that the surrogate explains, beside "
            "that of the best linear map; <i>recovered</i>: the share of the loss that the mean output "
            "would cost (\xE2\x80\x93: that costs hardly anything). A layer is worth a look where the MLP "
            "adds much and the surrogate describes it well.");
    bl_buffer_text(out, "</p>\n");
}

void bl_html_layers(bl_buffer *out, const bl_doc *doc) {
    size_t n = sizeof columns / sizeof *columns;
    double largest = doc->layers ? largest_own(doc) : 0;
    if (!doc->layers) return;
    bl_buffer_text(out, "<details class=\"layers\">");
    put_summary(out, doc);
    put_note(out, doc);
    bl_buffer_text(out, "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Layers\"><table "
                        "class=\"tensors\"><thead><tr><th scope=\"col\">Layer</th>");
    for (size_t k = 0; k < n; k++)
        if (has(doc, columns[k].key))
            bl_buffer_print(out, "<th scope=\"col\" class=\"v\">%s</th>", columns[k].heading);
    bl_buffer_text(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < doc->n_layers; i++) {
        const json_t *layer = json_array_get(doc->layers, i);
        double number = bl_tree_real(layer, "layer");
        bool own = number == (double)doc->eigen->subject.layer;
        bl_buffer_print(out, own ? "<tr><td><b>%.0f, this page</b></td>" : "<tr><td>%.0f</td>", number);
        for (size_t k = 0; k < n; k++)
            if (has(doc, columns[k].key)) put_cell(out, layer, &columns[k], largest);
        bl_buffer_text(out, "</tr>\n");
    }
    bl_buffer_text(out, "</tbody></table></div></details>\n");
}
