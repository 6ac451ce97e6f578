/* The index of a report on many directions: a table of all of them, those first that stand out from chance,
 * each with a link to its page where it has one. */
#include "base/error.h"
#include "report/html.h"
#include "report/plot.h"
#include "base/visible.h"
#include <bilens/report.h>
#include <jansson.h>
#include <math.h>

extern const unsigned char bl_look_css[], bl_look_js[];

static const char style[] = "table.rank { font-size: .9rem; line-height: 1.6; width: 100%; }"
                            ".rank th, .rank td { padding: .1rem .9rem .1rem 0; text-align: right; }"
                            ".rank tr > :first-child { padding-left: .9rem; }"
                            ".rank th:nth-child(2), .rank td:nth-child(2) { text-align: left; width: 40%; }";

static void put_head(bl_buffer *out, const bl_tree *tree) {
    const char *source = bl_doc_short_name(bl_tree_string(tree, "source"));
    bl_buffer_print(out,
                    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                    "'unsafe-inline'; script-src 'unsafe-inline'\">"
                    "<meta name=\"generator\" content=\"bilens %s\"><title>",
                    bl_version());
    bl_visible_html(out, source);
    bl_buffer_text(out, " \xC2\xB7 bilens report</title><style>\n");
    bl_buffer_text(out, (const char *)bl_look_css);
    bl_buffer_text(out, style);
    bl_buffer_text(out, "</style></head><body>\n<nav class=\"bar\" aria-label=\"This report\"><div "
                        "class=\"bar-in\"><a class=\"home\" href=\"#main\">");
    bl_visible_html(out, source);
    bl_buffer_text(out, "</a><div class=\"parts\"></div><button id=\"theme\" type=\"button\" hidden "
                        "aria-label=\"Switch between light and dark\">\xE2\x97\x90</button></div></nav>"
                        "<main id=\"main\"><header class=\"head\"><p class=\"kicker\">");
    bl_visible_html(out, bl_doc_short_name(bl_tree_string(tree, "model")));
    bl_buffer_print(out, " \xC2\xB7 layer %.0f</p><h1>", bl_tree_real(tree, "layer"));
    bl_visible_html(out, source);
    bl_buffer_text(out, "</h1>\n");
}

static void put_lede(bl_buffer *out, const bl_tree *tree, size_t pages) {
    char total[40], shown[40], draws[40];
    bl_buffer_print(
        out,
        "<p class=\"lede\">%s directions, those first whose largest |\xCE\xBB| stands out most from the one "
        "that a null model gives them: the same weights with every alignment shuffled away. p says how "
        "often the clearer end of a spectrum is as large in %s such draw%s, q how many of the discoveries "
        "at that p would be chance.</p>\n",
        bl_grouped(total, (size_t)bl_tree_real(tree, "total")),
        bl_grouped(draws, (size_t)bl_tree_real(tree, "null_draws")),
        bl_tree_real(tree, "null_draws") == 1 ? "" : "s");
    if (bl_tree_real(tree, "dead") > 0)
        bl_buffer_print(out,
                        "<p class=\"note\">Hidden units that are dead, which the draws leave in place: "
                        "%.0f.</p>\n",
                        bl_tree_real(tree, "dead"));
    bl_buffer_print(out, "<p class=\"note\">%s of them have a page, their names lead there.",
                    bl_grouped(shown, pages));
    bl_buffer_text(out, " The table as JSON: <a href=\"ranking.json\">ranking.json</a>, as CSV: <a "
                        "href=\"ranking.csv\">ranking.csv</a>.</p></header>\n");
}

/* A number, or a dash. */
static void put_number(bl_buffer *out, const json_t *row, const char *key, int decimals, const char *unit) {
    const json_t *value = json_object_get(row, key);
    char text[BL_NUMBER_SIZE];
    bl_buffer_text(out, "<td>");
    if (json_is_number(value)) {
        bl_buffer_text(out, bl_number(text, json_number_value(value), decimals, BL_MINUS));
        bl_buffer_text(out, unit);
    } else bl_buffer_text(out, "\xE2\x80\x93");
    bl_buffer_text(out, "</td>");
}

static void put_row(bl_buffer *out, const json_t *row, size_t rank) {
    const char *page = json_string_value(json_object_get(row, "page")),
               *name = json_string_value(json_object_get(row, "name"));
    bl_buffer_print(out, "<tr><td>%zu</td><th scope=\"row\">", rank);
    if (page) {
        bl_buffer_text(out, "<a href=\"");
        bl_visible_html(out, page);
        bl_buffer_text(out, "\">");
    }
    if (name) bl_visible_html(out, name);
    else bl_buffer_print(out, "row %.0f", bl_tree_real(row, "row"));
    bl_buffer_text(out, page ? "</a></th>" : "</th>");
    put_number(out, row, "excess", 2, "\xC3\x97");
    put_number(out, row, "p", 3, "");
    put_number(out, row, "q", 3, "");
    put_number(out, row, "index", 0, "");
    put_number(out, row, "highest", 3, "");
    put_number(out, row, "lowest", 3, "");
    put_number(out, row, "effective_rank", 1, "");
    bl_buffer_text(out, "</tr>\n");
}

char *bl_rank_html(const bl_tree *ranking, bl_error *err) {
    static const char *const heads[][2] = {{"", "place"},
                                           {"Direction", ""},
                                           {"Beside chance", "largest |\xCE\xBB| over the null model's"},
                                           {"p", "how often chance makes the clearer end as large"},
                                           {"q", "false discovery rate among both ends of all directions"},
                                           {"Clearer end", "\xE2\x88\x92"
                                                           "1: the highest eigenvalue, 0: the lowest"},
                                           {"Highest", "the largest eigenvalue"},
                                           {"Lowest", "the smallest eigenvalue"},
                                           {"Effective rank",
                                            "how many equally large eigenvalues would weigh as much"}};
    const json_t *list = json_object_get(ranking, "directions"), *row;
    bl_buffer out = {0};
    size_t i, pages = 0;
    bl_error_clear(err);
    if (!json_is_array(list)) return bl_fail_null(err, BL_ERR_INPUT, "the ranking has no directions");
    json_array_foreach(list, i, row) pages += json_is_string(json_object_get(row, "page"));
    put_head(&out, ranking);
    put_lede(&out, ranking, pages);
    bl_buffer_text(&out,
                   "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Directions\"><table "
                   "class=\"rank\"><thead><tr>");
    for (i = 0; i < sizeof heads / sizeof *heads; i++)
        bl_buffer_print(&out, i ? "<th scope=\"col\" title=\"%s\">%s</th>" : "<td title=\"%s\">%s</td>",
                        heads[i][1], heads[i][0]);
    bl_buffer_text(&out, "</tr></thead><tbody>\n");
    json_array_foreach(list, i, row) put_row(&out, row, i + 1);
    bl_buffer_text(&out, "</tbody></table></div></main><footer><p>Made by bilens ");
    bl_visible_html(&out, bl_version());
    bl_buffer_text(&out, ".</p></footer>\n<div id=\"tip\" role=\"status\" hidden></div>\n<script>\n");
    bl_buffer_text(&out, (const char *)bl_look_js);
    bl_buffer_text(&out, "</script></body></html>\n");
    return bl_buffer_take(&out, err);
}
