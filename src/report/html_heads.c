/* The section of heads of bilinear attention: what each moves from which token to which, from the weights. */
#include "report/html.h"
#include "base/visible.h"
#include <math.h>

static void put_title(bl_buffer *out, const bl_doc_head *head) {
    bl_buffer_print(out, "<h3>Head %zu</h3>\n", head->head);
}

static void put_table(bl_buffer *out, const char *title, const bl_doc_vector *vector) {
    bl_buffer_print(out, "<div class=\"heads-part\"><p class=\"note\">%s</p>\n", title);
    bl_html_sources(out, vector->sources, vector->n_sources, vector->largest);
    bl_buffer_text(out, "</div>\n");
}

static void put_query(bl_buffer *out, const bl_doc_head *head) {
    double largest = fmax(fabs(head->values[0]), fabs(head->values[1]));
    if (!head->query) return;
    bl_buffer_text(out, "<div class=\"heads-part\"><p class=\"note\">As a query ");
    bl_html_token(out, head->query);
    bl_buffer_text(out, " raises keys along one eigenvector (eigenvalue ");
    bl_html_number(out, head->values[0], largest);
    bl_buffer_text(out, ") and lowers keys along another (");
    bl_html_number(out, head->values[1], largest);
    bl_buffer_text(out, ")</p>\n");
    bl_html_sources(out, head->keys.sources, head->keys.n_sources, head->keys.largest);
    bl_buffer_text(out, "</div>\n");
}

void bl_html_heads(bl_buffer *out, const bl_doc *doc) {
    if (!doc->heads) return;
    bl_buffer_print(
        out,
        "<section id=\"heads\">\n<h2>The heads</h2>\n"
        "<p class=\"read\"><b>How to read it.</b> This model\xE2\x80\x99s attention has no softmax: the "
        "pattern is a product of two scores, so that what a head of the first layer does to a pair of "
        "tokens depends on nothing else in the text. The tables are exact and come from the weights "
        "alone, for a query %zu position%s behind its key. <i>key \xE2\x80\xA6 query</i>: the pattern "
        "says how much of the key the query takes; the direction, what that adds to the score of ",
        doc->heads->distance, doc->heads->distance == 1 ? "" : "s");
    bl_html_token(out, doc->eigen->subject.token);
    bl_buffer_text(out, ".</p>\n");
    for (size_t i = 0; i < doc->heads->n; i++) {
        const bl_doc_head *head = &doc->heads->heads[i];
        put_title(out, head);
        bl_buffer_text(out, "<div class=\"heads-of\">\n");
        put_table(out, "Pattern: key \xE2\x80\xA6 query", &head->pattern);
        put_table(out, "Added to the direction: key \xE2\x80\xA6 query", &head->direction);
        put_query(out, head);
        bl_buffer_text(out, "</div>\n");
    }
    bl_buffer_text(out, "</section>\n");
}
