/* Top-activating inputs in the paper's form:
 *
 *     Activation: 7.89 | the pool and had lots of fun … they were happy [to] share . [EOS]
 *
 * Background: each word's share in the similarity, on RdBu scaled by the line's largest magnitude (blue =
 * towards, red = against); the token at the position bold in brackets; 20 tokens before it and 3 after, the
 * latter uncoloured. Without colour the strongest words are listed. */
#include "report/plot.h"
#include "report/terminal.h"
#include "base/visible.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BEFORE = 20, STRONGEST = 5 };

/* Activations as the notebook prints them, two decimals, unless that would hide them. */
static const char *activation_text(char out[BL_NUMBER_SIZE], double activation) {
    return bl_number(out, activation, fabs(activation) >= 0.1 ? 2 : bl_decimals(fabs(activation)), "-");
}

/* One word on its colour with the space that follows it, as the notebook has it: a line is one band. */
static void print_word(bl_page *page, const bl_doc_match *match, size_t i) {
    const char *token = match->tokens[i];
    bool here = i == match->position;
    size_t most = page->width > page->indent + 4 ? page->width - page->indent - 4 : 0;
    size_t columns = bl_visible_width(token);
    bl_page_room(page, (most && columns > most ? most : columns) + (here ? 2 : 0));
    bl_page_level(page, bl_rdbu_level(match->contributions[i], match->largest), here);
    if (here) bl_page_text(page, "[");
    bl_page_token(page, token, most);
    if (here) bl_page_text(page, "]");
    if (here) bl_page_plain(page);
    if (page->width == 0 || page->column < page->width) bl_page_text(page, " ");
}

/* The words of largest |contribution|, with signs: what the colours would have shown. */
static void print_strongest(bl_page *page, const bl_doc_match *match) {
    size_t chosen[STRONGEST], n = 0;
    while (n < STRONGEST && n <= match->position) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i <= match->position; i++) {
            bool taken = false;
            for (size_t k = 0; k < n; k++) taken = taken || chosen[k] == i;
            if (!taken &&
                (best == SIZE_MAX || fabs(match->contributions[i]) > fabs(match->contributions[best])))
                best = i;
        }
        chosen[n++] = best;
    }
    bl_page_newline(page);
    bl_page_spaces(page, page->indent);
    bl_page_text(page, "strongest:");
    for (size_t k = 0; k < n; k++) {
        char number[BL_NUMBER_SIZE];
        double value = match->contributions[chosen[k]];
        bl_number(number, value, bl_decimals(match->largest), "-");
        if (!bl_page_room(page, bl_visible_width(match->tokens[chosen[k]]) + strlen(number) + 4))
            bl_page_text(page, " ");
        bl_page_token(page, match->tokens[chosen[k]], 24);
        bl_page_print(page, " %s%s%s", value < 0 ? "" : "+", number, k + 1 < n ? "," : "");
    }
}

/* What the model says there. */
static void print_told(bl_page *page, const bl_doc_match *match) {
    char text[96];
    snprintf(text, sizeof text, "(next: %.3g %%, rank %lld; all eigenvectors %.2f)", 100 * match->probability,
             (long long)match->rank, match->total);
    if (!bl_page_room(page, strlen(text) + 1)) bl_page_text(page, " ");
    bl_page_text(page, text);
}

static void print_match(bl_page *page, const bl_doc_match *match) {
    char number[BL_NUMBER_SIZE];
    bl_page_print(page, "Activation: %s | ", activation_text(number, match->activation));
    page->indent = page->width == 0 || page->column + 24 <= page->width ? page->column : 2;
    for (size_t i = match->position > BEFORE ? match->position - BEFORE : 0; i <= match->position; i++)
        print_word(page, match, i);
    for (size_t i = 0; i < match->n_next; i++) {
        bl_page_room(page, bl_visible_width(match->next[i]));
        bl_page_token(page, match->next[i],
                      page->width > page->indent + 4 ? page->width - page->indent - 4 : 0);
        if (i + 1 < match->n_next && (page->width == 0 || page->column < page->width))
            bl_page_text(page, " ");
    }
    if (match->bias != 0) {
        char share[BL_NUMBER_SIZE];
        bl_number(share, match->bias, bl_decimals(match->largest), "-");
        if (!bl_page_room(page, strlen(share) + 13)) bl_page_text(page, " ");
        bl_page_print(page, "(constant %s%s)", match->bias < 0 ? "" : "+", share);
    }
    if (page->colour == BL_COLOUR_NONE) print_strongest(page, match);
    if (match->rank) print_told(page, match);
    page->indent = 0;
    bl_page_newline(page);
}

/* A line above the inputs of one end of an eigenvector. */
static void print_end(bl_page *page, const char *name, double share) {
    bl_page_dim(page);
    bl_page_print(page, "%s: %.0f %% of these inputs' activation", name, 100 * share);
    bl_page_plain(page);
    bl_page_newline(page);
}

void bl_page_matches(bl_page *page, const bl_doc_hits *hits, size_t most) {
    size_t n = hits->n_matches < most ? hits->n_matches : most;
    bool both = false;
    for (size_t k = 0; k < n; k++) both = both || hits->matches[k].similarity < 0;
    if (both) print_end(page, "this end", hits->share);
    for (size_t k = 0; k < n; k++)
        if (!(hits->matches[k].similarity < 0)) print_match(page, &hits->matches[k]);
    if (both) print_end(page, "the other end", 1 - hits->share);
    for (size_t k = 0; k < n; k++)
        if (hits->matches[k].similarity < 0) print_match(page, &hits->matches[k]);
}

void bl_page_match_legend(bl_page *page) {
    if (page->colour == BL_COLOUR_NONE) {
        bl_page_words(page, "[token]: the position; strongest: the words whose signed shares in the "
                            "similarity are largest (+ towards, - against)");
    } else {
        bl_page_legend(page, "against", "towards");
        bl_page_words(page, "   each line by its strongest word; [token]: the position");
    }
    bl_page_newline(page);
}

char *bl_scan_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_SCAN, err);
    if (!doc) return NULL;
    const bl_doc_scan *scan = doc->scan;
    bl_page page = bl_page_new(terminal);
    if (page.plain) bl_doc_plain(doc);
    char text[128];
    bl_page_subject(&page, &scan->subject, false);
    snprintf(text, sizeof text, "%llu stories, %llu positions scanned", (unsigned long long)scan->stories,
             (unsigned long long)scan->positions);
    bl_page_words(&page, text);
    bl_page_newline(&page);
    bl_page_match_legend(&page);
    for (size_t i = 0; i < scan->n_vectors; i++) {
        bl_page_newline(&page);
        bl_page_vector_title(&page, &scan->subject, scan->vectors[i].index, scan->vectors[i].eigenvalue);
        bl_page_newline(&page);
        bl_page_group(&page, scan->vectors[i].first, scan->vectors[i].last);
        bl_page_newline(&page);
        bl_page_matches(&page, &scan->vectors[i], SIZE_MAX);
        if (scan->vectors[i].n_matches == 0) bl_page_text(&page, "no match\n");
    }
    bl_doc_free(doc);
    return bl_buffer_take(&page.text, err);
}
