/* Pieces of the report for a notebook: the page's own tables and coloured words, each in one <div
 * class="bilens"> that brings its style. Every rule of notebook.css begins with .bilens, so that the notebook
 * around it keeps its look; of the 256 levels of RdBu a piece brings those that it uses. */
#include "report/colour.h"
#include "report/html.h"
#include "report/plot.h"
#include "base/visible.h"
#include <bilens/report.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const unsigned char bl_notebook_css[]; /* embedded, NUL-terminated */

/* Marks the levels whose class (c0 … c255, the last in its attribute) stands in `html`. Text of a token
 * cannot look like one: its quotes are escaped. */
static void find_levels(const char *html, bool used[BL_RDBU_LEVELS]) {
    for (const char *at = html; (at = strstr(at, "c")) != NULL; at++) {
        char *end;
        if (at[1] < '0' || at[1] > '9') continue;
        unsigned long level = strtoul(at + 1, &end, 10);
        if (level < BL_RDBU_LEVELS && *end == '"') used[level] = true;
    }
}

/* The finished piece around `body`, which is emptied. */
static char *wrap(bl_buffer *body, bl_error *err) {
    bool used[BL_RDBU_LEVELS] = {false};
    bl_buffer out = {0};
    char *html = bl_buffer_take(body, err);
    if (!html) return NULL;
    find_levels(html, used);
    bl_buffer_text(&out, "<div class=\"bilens\"><style>\n");
    bl_buffer_text(&out, (const char *)bl_notebook_css);
    for (unsigned i = 0; i < BL_RDBU_LEVELS; i++) {
        bl_rgb light = bl_rdbu(i), dark = bl_rdbu_dark(i);
        const char *on_light = bl_wants_white_text(light) ? "fff" : "000",
                   *on_dark = bl_wants_white_text(dark) ? "fff" : "000";
        if (!used[i]) continue;
        bl_buffer_print(&out, ".bilens .c%u{background:#%02x%02x%02x;color:#%s;", i, light.r, light.g,
                        light.b, on_light); /* for browsers without light-dark */
        bl_buffer_print(&out,
                        "background:light-dark(#%02x%02x%02x,#%02x%02x%02x);color:light-dark(#%s,#%s)}\n",
                        light.r, light.g, light.b, dark.r, dark.g, dark.b, on_light, on_dark);
    }
    bl_buffer_text(&out, "</style>\n");
    bl_buffer_text(&out, html);
    bl_buffer_text(&out, "</div>\n");
    free(html);
    return bl_buffer_take(&out, err);
}

/* "swim" against run, climb: what this piece is about. */
static void put_subject(bl_buffer *out, const bl_doc_subject *subject) {
    bl_buffer_text(out, "\xE2\x80\x9C");
    bl_html_token(out, subject->token);
    bl_buffer_text(out, "\xE2\x80\x9D");
    for (size_t i = 0; i < subject->n_minus && i < 40; i++) {
        bl_buffer_text(out, i ? ", " : " against ");
        bl_visible_html(out, subject->minus[i]);
    }
    if (subject->n_minus > 40) bl_buffer_print(out, " and %zu more", subject->n_minus - 40);
    bl_buffer_print(out, ", layer %zu of ", subject->layer);
    bl_visible_html(out, bl_doc_short_name(subject->model));
}

char *bl_info_html(const bl_tree *tree, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_INFO, err);
    bl_buffer body = {0};
    if (!doc) return NULL;
    bl_html_model(&body, doc);
    bl_doc_free(doc);
    return wrap(&body, err);
}

char *bl_spectrum_html(const bl_tree *tree, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_EIGEN, err);
    bl_buffer body = {0};
    if (!doc) return NULL;
    const bl_doc_eigen *eigen = doc->eigen;
    double lowest = eigen->values[0], highest = eigen->values[eigen->size - 1],
           largest = fmax(fabs(lowest), fabs(highest));
    char rank[BL_NUMBER_SIZE];
    bl_buffer_text(&body, "<p class=\"title\">Eigenvalues for ");
    put_subject(&body, &eigen->subject);
    bl_buffer_text(&body, "</p>\n<div class=\"spectrum\">");
    bl_html_spectrum_figure(&body, eigen, false);
    bl_buffer_print(&body, "</div>\n<p class=\"note\">%zu eigenvalues, from ", eigen->size);
    bl_html_number(&body, lowest, largest);
    bl_buffer_text(&body, " to ");
    bl_html_number(&body, highest, largest);
    bl_buffer_print(&body, "; effective rank %s</p>\n", bl_number(rank, eigen->effective_rank, 1, BL_MINUS));
    bl_html_runs(&body, eigen);
    bl_doc_free(doc);
    return wrap(&body, err);
}

char *bl_virtual_tokens_html(const bl_tree *tree, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_EIGEN, err);
    bl_buffer body = {0};
    if (!doc) return NULL;
    const bl_doc_eigen *eigen = doc->eigen;
    double largest = fmax(fabs(eigen->values[0]), fabs(eigen->values[eigen->size - 1]));
    for (size_t i = 0; i < eigen->n_vectors; i++) {
        bl_buffer_text(&body, "<p class=\"title\">");
        bl_html_vector_title(&body, &eigen->subject, eigen->vectors[i].index, eigen->vectors[i].eigenvalue,
                             largest);
        bl_buffer_text(&body, "</p>\n");
        bl_html_virtual_tokens(&body, &eigen->vectors[i]);
    }
    bl_doc_free(doc);
    return wrap(&body, err);
}

char *bl_scan_html(const bl_tree *tree, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_SCAN, err);
    bl_buffer body = {0};
    char stories[40], positions[40];
    if (!doc) return NULL;
    const bl_doc_scan *scan = doc->scan;
    bl_buffer_print(&body, "<p class=\"note\">%s stories, %s positions scanned for ",
                    bl_grouped(stories, scan->stories), bl_grouped(positions, scan->positions));
    put_subject(&body, &scan->subject);
    bl_buffer_text(&body, "</p>\n");
    for (size_t i = 0; i < scan->n_vectors; i++) {
        const bl_doc_hits *hits = &scan->vectors[i];
        bl_buffer_text(&body, "<p class=\"title\">");
        bl_html_vector_title(&body, &scan->subject, hits->index, hits->eigenvalue, fabs(hits->eigenvalue));
        bl_buffer_text(&body, "</p>\n");
        bl_html_inputs(&body, hits, doc->scan->subject.token);
    }
    bl_doc_free(doc);
    return wrap(&body, err);
}
