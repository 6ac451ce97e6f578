/* A section for each eigenvector: its table of virtual tokens and its top inputs. */
#include "report/colour.h"
#include "report/html.h"
#include "report/plot.h"
#include "base/visible.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BEFORE = 20 };

/* "head 3" -> "Head 3"; with `value` "Value 3"; "direct" -> "Direct", "Value". */
static void put_heading(bl_buffer *out, const char *name, bool value) {
    bool head = strncmp(name, "head ", 5) == 0;
    if (value) {
        bl_buffer_text(out, head ? "Value " : "Value");
        if (head) bl_visible_html(out, name + 5);
        return;
    }
    char first[2] = {(char)toupper((unsigned char)name[0]), '\0'};
    bool ascii = (unsigned char)name[0] < 0x80 && name[0] != '\0';
    if (ascii) bl_visible_html(out, first);
    bl_visible_html(out, ascii ? name + 1 : name);
}

/* The next entry of one end, from its inner side. */
static void put_rows(bl_buffer *out, const bl_doc_entry *entries, size_t n, bool low, double largest) {
    for (size_t i = 0; i < n; i++) {
        const bl_doc_entry *entry = &entries[low ? n - 1 - i : i];
        bl_buffer_text(out, low && i == 0 ? "<tr class=\"low\"><td class=\"t\">" : "<tr><td class=\"t\">");
        bl_visible_html(out, entry->token);
        bl_buffer_print(out, "</td><td class=\"v c%u\">", bl_rdbu_level(entry->value, largest));
        bl_html_number(out, entry->value, largest);
        bl_buffer_text(out, "</td></tr>\n");
    }
}

/* How many of the lowest are not among the highest as well, as they are of few vectors. */
static size_t own_bottom(const bl_doc_source *source) {
    size_t n = source->n_bottom, i = 0;
    while (n > 0 && i < source->n_top) {
        const bl_doc_entry *high = &source->top[i++], *low = &source->bottom[n - 1];
        if (high->value != low->value || strcmp(high->token, low->token) != 0) continue;
        n--;
    }
    return n;
}

/* A small table per source, the highest above the lowest; as many stand side by side as the page is wide. */
void bl_html_sources(bl_buffer *out, const bl_doc_source *sources, size_t n, double largest) {
    bl_buffer_text(out, "<div class=\"vts\">");
    for (size_t i = 0; i < n; i++) {
        bl_buffer_text(out, "<table class=\"vt\"><thead><tr><th class=\"t\" scope=\"col\">");
        put_heading(out, sources[i].name, false);
        bl_buffer_text(out, "</th><th class=\"v\" scope=\"col\">");
        put_heading(out, sources[i].name, true);
        bl_buffer_text(out, "</th></tr></thead><tbody>\n");
        put_rows(out, sources[i].top, sources[i].n_top, false, largest);
        put_rows(out, sources[i].bottom, own_bottom(&sources[i]), true, largest);
        bl_buffer_text(out, "</tbody></table>\n");
    }
    bl_buffer_text(out, "</div>\n");
}

static void put_single(bl_buffer *out, const bl_doc_source *source, double largest) {
    bl_buffer_text(out, "<p class=\"note\"><b>");
    put_heading(out, source->name, false);
    bl_buffer_print(out, "</b> (the constant 1) <span class=\"single c%u\">",
                    bl_rdbu_level(source->value, largest));
    bl_html_number(out, source->value, largest);
    bl_buffer_text(out, "</span></p>\n");
}

/* The weak sources, folded. */
static void put_weak(bl_buffer *out, const bl_doc_vector *vector) {
    enum { NAMED = 8 };
    size_t n = vector->n_sources - vector->n_single, strong = vector->n_strong;
    bl_buffer_print(out, "<details class=\"weak\"><summary>%zu more, weaker: ", n - strong);
    for (size_t i = strong; i < n && i < strong + NAMED; i++) {
        if (i > strong) bl_buffer_text(out, ", ");
        bl_visible_html(out, vector->strongest[i].name);
    }
    bl_buffer_text(out, n > strong + NAMED ? ", \xE2\x80\xA6</summary>\n" : "</summary>\n");
    bl_html_sources(out, vector->strongest + strong, n - strong, vector->largest);
    bl_buffer_text(out, "</details>\n");
}

/* The strong sources, the weak ones folded; above them the scale, one for all. */
void bl_html_virtual_tokens(bl_buffer *out, const bl_doc_vector *vector) {
    size_t n = vector->n_sources - vector->n_single, strong = vector->n_strong;
    if (!vector->oriented) bl_buffer_text(out, "<div class=\"unsigned\">");
    bl_buffer_text(out, "<div class=\"over\"><h3>Virtual tokens</h3><div class=\"legend\"><span>");
    bl_html_number(out, -vector->largest, vector->largest);
    bl_buffer_text(out, "</span><span class=\"ramp\"></span><span>");
    bl_html_number(out, vector->largest, vector->largest);
    bl_buffer_text(out, "</span></div></div>\n");
    bl_html_sources(out, vector->strongest, strong, vector->largest);
    for (size_t i = n; i < vector->n_sources; i++) put_single(out, &vector->strongest[i], vector->largest);
    if (strong < n) put_weak(out, vector);
    if (!vector->oriented)
        bl_buffer_text(out,
                       "<p class=\"note\">An eigenvector\xE2\x80\x99s sign is arbitrary; without top inputs "
                       "nothing says which end it is at, so its values are grey.</p></div>\n");
}

/* "+0.0123". */
static void put_share(bl_buffer *out, double value, double largest) {
    if (value >= 0) bl_buffer_text(out, "+");
    bl_html_number(out, value, largest);
}

static void put_words(bl_buffer *out, const bl_doc_match *match) {
    size_t first = match->position > BEFORE ? match->position - BEFORE : 0;
    if (first > 0) {
        double sum = 0;
        for (size_t i = 0; i < first; i++) sum += match->contributions[i];
        bl_buffer_print(out, "<span class=\"more\" title=\"%zu earlier tokens, ", first);
        put_share(out, sum, match->largest);
        bl_buffer_text(out, " together\">\xE2\x80\xA6 </span>");
    }
    for (size_t i = first; i <= match->position; i++) {
        bool here = i == match->position;
        bl_buffer_print(out, "<span class=\"%sc%u\" title=\"", here ? "at " : "",
                        bl_rdbu_level(match->contributions[i], match->largest));
        put_share(out, match->contributions[i], match->largest);
        bl_buffer_text(out, here ? "\">[" : "\">");
        bl_visible_html(out, match->tokens[i]);
        bl_buffer_text(out, here ? "]</span>" : " </span>");
    }
    bl_buffer_text(out, "<span class=\"next\">");
    for (size_t i = 0; i < match->n_next; i++) {
        bl_buffer_text(out, " ");
        bl_visible_html(out, match->next[i]);
    }
    bl_buffer_text(out, "</span>");
    if (match->bias != 0) {
        bl_buffer_print(out, "<span class=\"share c%u\">constant ",
                        bl_rdbu_level(match->bias, match->largest));
        put_share(out, match->bias, match->largest);
        bl_buffer_text(out, "</span>");
    }
}

/* What the model says there: the token's probability and rank, and what all eigenvectors together say. */
static void put_told(bl_buffer *out, const bl_doc_match *match, const char *token) {
    char percent[BL_NUMBER_SIZE], total[BL_NUMBER_SIZE];
    if (match->rank == 0) return;
    bl_number(percent, 100 * match->probability, match->probability >= 0.1 ? 0 : 2, BL_MINUS);
    bl_number(total, match->total, 2, BL_MINUS);
    bl_buffer_text(out,
                   "<span title=\"how probable it is as the next word here, and its place in that list\">");
    bl_visible_html(out, token);
    bl_buffer_print(out, " next: %s\xC2\xA0%%, rank %lld</span>",
                    match->probability < 1e-4 ? "&lt;\xC2\xA0"
                                                "0.01"
                                              : percent,
                    (long long)match->rank);
    bl_buffer_print(out,
                    "<span title=\"u\xC2\xB7MLP(x): what all eigenvectors together add to the score here\">"
                    "all together %s</span>",
                    total);
}

/* The inputs of one end: those of negative similarity, or the others. */
static void put_list(bl_buffer *out, const bl_doc_hits *hits, const char *token, bool negative) {
    bl_buffer_text(out, "<ol class=\"inputs\">\n");
    for (size_t i = 0; i < hits->n_matches; i++) {
        const bl_doc_match *match = &hits->matches[i];
        if ((match->similarity < 0) != negative) continue;
        char text[BL_NUMBER_SIZE];
        double size = fabs(match->activation);
        bl_number(text, match->activation, size >= 0.1 ? 2 : bl_decimals(size), BL_MINUS);
        bl_buffer_print(out, "<li><div class=\"act\"><b>%s</b><span>story %zu, position %zu</span>", text,
                        match->story, match->position);
        put_told(out, match, token);
        bl_buffer_text(out, "</div><p class=\"words\">");
        put_words(out, match);
        bl_buffer_text(out, "</p></li>\n");
    }
    bl_buffer_text(out, "</ol>\n");
}

static void put_end(bl_buffer *out, const char *name, double share) {
    bl_buffer_print(out,
                    "<p class=\"end\"><b>%s</b> %.0f\xC2\xA0%% of these inputs\xE2\x80\x99 activation</p>\n",
                    name, 100 * share);
}

void bl_html_inputs(bl_buffer *out, const bl_doc_hits *hits, const char *token) {
    bl_buffer_text(out, "<div class=\"over\"><h3>Top inputs</h3>"
                        "<div class=\"legend\"><span>against</span><span "
                        "class=\"ramp\"></span><span>towards</span></div></div>\n");
    if (!hits || hits->n_matches == 0) {
        bl_buffer_text(out, "<p class=\"none\">None were looked for.</p>\n");
        return;
    }
    bool both = false;
    for (size_t i = 0; i < hits->n_matches; i++) both = both || hits->matches[i].similarity < 0;
    if (!both) {
        put_list(out, hits, token, false);
        return;
    }
    put_end(out, "This end", hits->share);
    put_list(out, hits, token, false);
    put_end(out, "The other end", 1 - hits->share);
    put_list(out, hits, token, true);
}

static void put_meaning(bl_buffer *out, const bl_doc_eigen *eigen, const bl_doc_vector *vector,
                        const bl_doc_hits *hits) {
    const char *verb = vector->eigenvalue > 0 ? "raises" : vector->eigenvalue < 0 ? "lowers" : "leaves alone";
    bl_buffer_print(out, "<p class=\"note\">Whatever excites this eigenvector, in either sense, %s the %s ",
                    verb, eigen->subject.vector ? "MLP\xE2\x80\x99s output along" : "score of");
    bl_html_token(out, eigen->subject.token);
    if (eigen->subject.n_minus > 0) bl_buffer_text(out, " against the others");
    bl_buffer_print(out, ". Index %zu of the ascending spectrum", vector->position);
    if (eigen->total > 0)
        bl_buffer_print(out, "; %.1f\xC2\xA0%% of \xCE\xA3|\xCE\xBB|",
                        100 * fabs(vector->eigenvalue) / eigen->total);
    if (hits && hits->n_matches)
        bl_buffer_print(
            out,
            ". In the corpus it is the <b>blue</b> end that is excited: %.0f\xC2\xA0%% of the top "
            "inputs\xE2\x80\x99 activation",
            100 * hits->share);
    bl_buffer_text(out, ".</p>\n");
    if (vector->last > vector->first)
        bl_buffer_print(
            out,
            "<p class=\"note warn\">Degenerate with indices %zu\xE2\x80\x93%zu: only the span of this group "
            "means anything, not this vector by itself.</p>\n",
            vector->first, vector->last);
}

void bl_html_vector_title(bl_buffer *out, const bl_doc_subject *subject, long index, double eigenvalue,
                          double largest) {
    char text[BL_NUMBER_SIZE];
    const char *tone = eigenvalue < 0 ? "against-ink" : "for";
    bl_buffer_print(out, "Eigenvector %s <span class=\"lambda %s\">\xCE\xBB = ",
                    bl_number(text, (double)index, 0, BL_MINUS), tone);
    bl_html_number(out, eigenvalue, largest);
    bl_buffer_print(out, "</span><span class=\"badge %s\">", tone);
    bl_buffer_text(out, eigenvalue > 0   ? "evidence for "
                        : eigenvalue < 0 ? "evidence against "
                                         : "no evidence about ");
    bl_html_token(out, subject->token);
    bl_buffer_text(out, "</span>");
}

static void put_vector(bl_buffer *out, const bl_doc *doc, const bl_doc_vector *vector) {
    bl_buffer_text(out, "<section class=\"vector\" id=\"");
    bl_html_vector_id(out, vector->index);
    bl_buffer_text(out, "\">\n<h2>");
    bl_html_vector_title(out, &doc->eigen->subject, vector->index, vector->eigenvalue,
                         fmax(fabs(doc->eigen->values[0]), fabs(doc->eigen->values[doc->eigen->size - 1])));
    bl_buffer_text(out, "</h2>\n");
    put_meaning(out, doc->eigen, vector, bl_doc_find_hits(doc->scan, vector->index));
    bl_html_verdict(out, doc, vector->index);
    bool deep = doc->eigen->subject.layer >= BL_DEEP; /* inputs first */
    if (!deep) bl_html_virtual_tokens(out, vector);
    bl_html_inputs(out, bl_doc_find_hits(doc->scan, vector->index), doc->eigen->subject.token);
    if (deep) bl_html_virtual_tokens(out, vector);
    bl_buffer_text(out, "</section>\n\n");
}

/* A surrogate's linear part as one more direction. */
static void put_linear(bl_buffer *out, const bl_doc_eigen *eigen) {
    bool deep = eigen->subject.layer >= BL_DEEP; /* little to be read there: folded */
    bl_buffer_text(out, "<section class=\"vector\" id=\"linear\">\n<h2>Linear part "
                        "<span class=\"lambda for\">|\xE2\x84\x93| = ");
    bl_html_number(out, eigen->linear->eigenvalue, eigen->linear->eigenvalue);
    bl_buffer_text(out, "</span></h2>\n<p class=\"note\">What the surrogate adds in proportion to <i>z</i>: "
                        "\xE2\x84\x93 \xC2\xB7 <i>z</i>, beside the constant <i>k</i> = ");
    bl_html_number(out, eigen->constant, fabs(eigen->constant));
    bl_buffer_text(out, " at the mean input. Blue tokens raise the score, red ones lower it.</p>\n");
    if (deep) bl_buffer_text(out, "<details><summary>Virtual tokens of the linear part</summary>\n");
    bl_html_virtual_tokens(out, eigen->linear);
    bl_buffer_text(out, deep ? "</details></section>\n\n" : "</section>\n\n");
}

void bl_html_vectors(bl_buffer *out, const bl_doc *doc) {
    if (doc->eigen->linear) put_linear(out, doc->eigen);
    for (size_t i = 0; i < doc->eigen->n_vectors; i++) put_vector(out, doc, &doc->eigen->vectors[i]);
}
