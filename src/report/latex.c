/* Results for a paper written in LaTeX: tables with booktabs, colours with xcolor.
 *
 * Any table as a tabular; an eigenvector's virtual tokens as one, each value on its colour; top inputs as
 * running text, each word on its colour. Weak sources are left out as on a page, and named in a comment. */
#include "base/error.h"
#include "base/visible.h"
#include "report/colour.h"
#include "report/latex.h"
#include "report/plot.h"
#include "result/document.h"
#include <bilens/report.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BEFORE = 20 };

void bl_latex_text(bl_buffer *out, const char *text) {
    static const char special[] = "\\{}$&#^_~%\"<>-";
    static const char *const written[] = {"\\textbackslash{}",
                                          "\\{",
                                          "\\}",
                                          "\\$",
                                          "\\&",
                                          "\\#",
                                          "\\textasciicircum{}",
                                          "\\_",
                                          "\\textasciitilde{}",
                                          "\\%",
                                          "\\symbol{34}",
                                          "\\textless{}",
                                          "\\textgreater{}",
                                          "{-}"};
    bl_buffer seen = {0};
    bl_visible_add(&seen, text, 0);
    bl_buffer_add(&seen, "", 1);
    for (const char *at = seen.failed ? "" : seen.data; *at; at++) {
        const char *found = strchr(special, *at);
        if (found) bl_buffer_text(out, written[found - special]);
        else bl_buffer_add(out, at, 1);
    }
    out->failed |= seen.failed;
    bl_buffer_free(&seen);
}

/* "-0.12" as mathematics writes it. */
static void put_number(bl_buffer *out, double value, int decimals) {
    char text[BL_NUMBER_SIZE];
    bl_buffer_print(out, "$%s$", bl_number(text, value, decimals, "-"));
}

static void put_colour(bl_buffer *out, const char *command, bl_rgb colour) {
    bl_buffer_print(out, "\\%s[HTML]{%02X%02X%02X}", command, colour.r, colour.g, colour.b);
}

/* ---- virtual tokens ---- */

static void put_entry(bl_buffer *out, const bl_doc_entry *entry, const bl_doc_vector *vector) {
    double largest = vector->largest;
    if (!entry) {
        bl_buffer_text(out, " & & ");
        return;
    }
    bl_rgb colour = bl_rdbu(bl_rdbu_level(entry->value, largest));
    if (!vector->oriented) colour = bl_grey(colour);
    bl_buffer_text(out, " & ");
    bl_latex_text(out, entry->token);
    bl_buffer_text(out, " & ");
    put_colour(out, "cellcolor", colour);
    if (bl_wants_white_text(colour)) bl_buffer_text(out, "\\color{white}");
    put_number(out, entry->value, bl_decimals(largest));
}

/* Rows `first` … of one end: the highest downwards, or the lowest, down to the lowest of all. */
static void put_rows(bl_buffer *out, const bl_doc_vector *vector, size_t first, size_t n, bool low) {
    for (size_t row = 0; row < n; row++) {
        bl_buffer_print(out, "%zu", first + row);
        for (size_t i = 0; i < vector->n_strong; i++) {
            const bl_doc_source *source = &vector->strongest[i];
            size_t at = low ? n - 1 - row : row, have = low ? source->n_bottom : source->n_top;
            const bl_doc_entry *list = low ? source->bottom : source->top;
            put_entry(out, at < have ? &list[at] : NULL, vector);
        }
        bl_buffer_text(out, " \\\\\n");
    }
}

static void put_vector(bl_buffer *out, const bl_doc_eigen *eigen, const bl_doc_vector *vector) {
    size_t tops = 0, bottoms = 0;
    bl_buffer_print(out, "\n%% eigenvector %ld, eigenvalue ", vector->index);
    bl_buffer_real(out, vector->eigenvalue, 6);
    for (size_t i = vector->n_strong; i < vector->n_sources; i++)
        bl_buffer_print(out, "%s%.60s", i == vector->n_strong ? "; left out as weaker: " : ", ",
                        vector->strongest[i].name);
    if (vector->last > vector->first && !eigen->plain)
        bl_buffer_print(out, "; degenerate with %zu-%zu", vector->first, vector->last);
    if (!vector->oriented) bl_buffer_text(out, "; its sign is arbitrary (grey)");
    bl_buffer_text(out, "\n\\begin{tabular}{r");
    for (size_t i = 0; i < vector->n_strong; i++) {
        bl_buffer_text(out, " lr");
        if (vector->strongest[i].n_top > tops) tops = vector->strongest[i].n_top;
        if (vector->strongest[i].n_bottom > bottoms) bottoms = vector->strongest[i].n_bottom;
    }
    bl_buffer_text(out, "}\n\\toprule\n");
    for (size_t i = 0; i < vector->n_strong; i++) {
        bl_buffer_text(out, " & \\multicolumn{2}{l}{");
        bl_latex_text(out, vector->strongest[i].name);
        bl_buffer_text(out, "}");
    }
    bl_buffer_text(out, " \\\\\n\\midrule\n");
    put_rows(out, vector, 0, tops, false);
    if (tops && bottoms) bl_buffer_text(out, "\\midrule\n");
    put_rows(out, vector, tops, bottoms, true);
    bl_buffer_text(out, "\\bottomrule\n\\end{tabular}\n");
}

char *bl_eigen_latex(const bl_tree *tree, const bl_terminal *how, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_EIGEN, err);
    if (!doc) return NULL;
    if (how && how->plain) bl_doc_plain(doc);
    bl_buffer out = {0};
    bl_buffer_text(&out, "% needs \\usepackage{booktabs} and \\usepackage[table]{xcolor}\n% ");
    bl_latex_text(&out, doc->eigen->subject.token);
    bl_buffer_print(&out, ", layer %zu: %zu eigenvalues, effective rank %.1f\n", doc->eigen->subject.layer,
                    doc->eigen->size, doc->eigen->effective_rank);
    for (size_t i = 0; i < doc->eigen->n_vectors; i++) put_vector(&out, doc->eigen, &doc->eigen->vectors[i]);
    bl_doc_free(doc);
    return bl_buffer_take(&out, err);
}

/* ---- top inputs ---- */

static void put_word(bl_buffer *out, const bl_doc_match *match, size_t i) {
    bl_rgb colour = bl_rdbu(bl_rdbu_level(match->contributions[i], match->largest));
    bool here = i == match->position;
    put_colour(out, "colorbox", colour);
    bl_buffer_text(out, here ? "{\\strut\\bfseries" : "{\\strut");
    bl_buffer_text(out, bl_wants_white_text(colour) ? "\\color{white}" : here ? " " : "{}");
    if (here) bl_buffer_text(out, "[");
    bl_latex_text(out, match->tokens[i]);
    bl_buffer_text(out, here ? "]}\n" : "}\n");
}

static void put_match(bl_buffer *out, const bl_doc_match *match) {
    double size = fabs(match->activation);
    size_t first = match->position > BEFORE ? match->position - BEFORE : 0;
    bl_buffer_print(out, "\\noindent %% story %zu, position %zu\n", match->story, match->position);
    put_number(out, match->activation, size >= 0.1 ? 2 : bl_decimals(size));
    bl_buffer_text(out, first ? "\\quad\\ldots\n" : "\\quad\n");
    for (size_t i = first; i <= match->position; i++) put_word(out, match, i);
    bl_buffer_text(out, "\\textcolor{gray}{");
    for (size_t i = 0; i < match->n_next; i++) {
        if (i) bl_buffer_text(out, " ");
        bl_latex_text(out, match->next[i]);
    }
    bl_buffer_text(out, "}\\par\n");
}

static void put_matches(bl_buffer *out, const bl_doc_hits *hits, bool other, bool both) {
    if (both)
        bl_buffer_print(out, "\\noindent\\emph{%s: %.0f\\,\\%% of these inputs' activation}\\par\n",
                        other ? "the other end" : "this end", 100 * (other ? 1 - hits->share : hits->share));
    for (size_t i = 0; i < hits->n_matches; i++)
        if ((hits->matches[i].similarity < 0) == other) put_match(out, &hits->matches[i]);
}

char *bl_scan_latex(const bl_tree *tree, const bl_terminal *how, bl_error *err) {
    (void)how;
    bl_doc *doc = bl_doc_read(tree, BL_DOC_SCAN, err);
    if (!doc) return NULL;
    bl_buffer out = {0};
    bl_buffer_text(&out,
                   "% needs \\usepackage{xcolor}; blue: towards, red: against, each line by its strongest "
                   "word\n{\\setlength{\\fboxsep}{0pt}\\raggedright\n");
    for (size_t i = 0; i < doc->scan->n_vectors; i++) {
        const bl_doc_hits *hits = &doc->scan->vectors[i];
        bool both = false;
        for (size_t k = 0; k < hits->n_matches; k++) both |= hits->matches[k].similarity < 0;
        bl_buffer_print(&out, "\n\\noindent\\textbf{Eigenvector $%ld$ of ``", hits->index);
        bl_latex_text(&out, doc->scan->subject.token);
        bl_buffer_text(&out, "''}, $\\lambda = ");
        bl_buffer_real(&out, hits->eigenvalue, 4);
        bl_buffer_text(&out, "$\\par\n");
        put_matches(&out, hits, false, both);
        if (both) put_matches(&out, hits, true, both);
    }
    bl_buffer_text(&out, "}\n");
    bl_doc_free(doc);
    return bl_buffer_take(&out, err);
}
