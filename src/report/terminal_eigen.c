/* The table of virtual tokens as the paper's notebook shows it:
 *
 *         Direct    Value    Head 0    Value 0 …
 *      0  [BOS]    0.7737    tree      1.5653        ten highest, descending,
 *     …                                              then ten lowest, down to the lowest of all,
 *     19  ##ome   -0.3843    swim     -3.3870        values on one RdBu scale, symmetric about 0 over the
 * whole table
 *
 * Sources stand by strength; the weak ones may be folded into a line. A table wider than the terminal is
 * split into blocks of whole sources. */
#include "base/error.h"
#include "report/plot.h"
#include "report/terminal.h"
#include "base/visible.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LABEL = 3, GAP = 2, LONGEST_TOKEN = 16 };

/* Some of a vector's sources side by side. */
typedef struct block {
    const bl_doc_source *sources;
    size_t n;
    double largest;
    size_t value;         /* columns of a value */
    size_t tops, bottoms; /* rows of each part */
} block;

static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

/* "head 3" -> "Head 3" and "Value 3"; "direct" -> "Direct" and "Value". */
static void headings(const char *name, char token[64], char value[64]) {
    bl_visible_copy(token, 64, name, LONGEST_TOKEN);
    token[0] = (char)toupper((unsigned char)token[0]);
    bool head = strncmp(token, "Head ", 5) == 0;
    snprintf(value, 64, "Value%s%.50s", head ? " " : "", head ? token + 5 : "");
}

static size_t token_columns(const bl_doc_source *source) {
    char token[64], value[64];
    headings(source->name, token, value);
    size_t columns = bl_visible_width(token);
    for (size_t i = 0; i < source->n_top; i++)
        columns = max_size(columns, bl_visible_width(source->top[i].token));
    for (size_t i = 0; i < source->n_bottom; i++)
        columns = max_size(columns, bl_visible_width(source->bottom[i].token));
    return columns > LONGEST_TOKEN ? LONGEST_TOKEN : columns;
}

static size_t value_columns(const bl_doc_vector *vector) {
    char text[BL_NUMBER_SIZE], token[64], value[64];
    size_t columns = strlen(bl_number(text, -vector->largest, bl_decimals(vector->largest), "-"));
    for (size_t i = 0; i < vector->n_sources; i++) {
        headings(vector->sources[i].name, token, value);
        columns = max_size(columns, bl_visible_width(value));
    }
    return columns;
}

/* Entry of row r: the highest, then the lowest ones down to the lowest of all. NULL where this source has
 * fewer. */
static const bl_doc_entry *entry(const block *shown, const bl_doc_source *source, size_t row) {
    if (row < shown->tops) return row < source->n_top ? &source->top[row] : NULL;
    size_t from_end = shown->tops + shown->bottoms - 1 - row;
    return from_end < source->n_bottom ? &source->bottom[from_end] : NULL;
}

/* A token cell and a value cell, the value on its colour with a space at either side. */
static void print_cells(bl_page *page, const block *shown, const bl_doc_entry *cell, size_t width) {
    if (!cell) {
        bl_page_spaces(page, width + shown->value + 2);
        return;
    }
    bl_page_spaces(page, width - bl_page_token(page, cell->token, width));
    bl_page_level(page, bl_rdbu_level(cell->value, shown->largest), false);
    bl_page_spaces(page, 1);
    bl_page_number(page, cell->value, shown->largest, shown->value);
    bl_page_spaces(page, 1);
    bl_page_plain(page);
}

static void print_block(bl_page *page, const block *shown) {
    bl_page_spaces(page, LABEL);
    bl_page_bold(page);
    for (size_t i = 0; i < shown->n; i++) {
        char token[64], value[64];
        headings(shown->sources[i].name, token, value);
        bl_page_spaces(page, i > 0 ? GAP : 1);
        bl_page_text(page, token);
        bl_page_spaces(page, token_columns(&shown->sources[i]) - bl_visible_width(token) + 1);
        bl_page_spaces(page, shown->value - bl_visible_width(value));
        bl_page_text(page, value);
        bl_page_spaces(page, 1);
    }
    bl_page_plain(page);
    bl_page_newline(page);
    for (size_t row = 0; row < shown->tops + shown->bottoms; row++) {
        bl_page_dim(page);
        bl_page_print(page, "%*zu", LABEL, row);
        bl_page_plain(page);
        for (size_t i = 0; i < shown->n; i++) {
            bl_page_spaces(page, i > 0 ? GAP : 1);
            print_cells(page, shown, entry(shown, &shown->sources[i], row),
                        token_columns(&shown->sources[i]));
        }
        bl_page_newline(page);
    }
}

/* How many of these sources fit the page; at least one. */
static size_t fitting(const bl_page *page, const bl_doc_source *sources, size_t left, size_t value) {
    size_t columns = LABEL, n = 0;
    while (n < left) {
        columns += (n > 0 ? GAP : 1) + token_columns(&sources[n]) + value + 2;
        if (n > 0 && page->width > 0 && columns > page->width) break;
        n++;
    }
    return n;
}

/* The sources of the next block: as few blocks as fit the page, of about equal numbers of sources. */
static size_t next_block(const bl_page *page, const bl_doc_source *sources, size_t left, size_t value) {
    size_t blocks = 0;
    for (size_t at = 0; at < left; blocks++) at += fitting(page, sources + at, left - at, value);
    size_t fit = fitting(page, sources, left, value), share = (left + blocks - 1) / blocks;
    return fit < share ? fit : share;
}

static void print_single(bl_page *page, const bl_doc_vector *vector, const bl_doc_source *source) {
    bl_page_spaces(page, LABEL + 1);
    bl_page_token(page, source->name, LONGEST_TOKEN);
    bl_page_text(page, " ");
    bl_page_level(page, bl_rdbu_level(source->value, vector->largest), false);
    bl_page_spaces(page, 1);
    bl_page_number(page, source->value, vector->largest, 0);
    bl_page_spaces(page, 1);
    bl_page_plain(page);
    bl_page_newline(page);
}

static void print_vector(bl_page *page, const bl_doc_eigen *eigen, const bl_doc_vector *vector) {
    bl_page_newline(page);
    if (eigen->linear && vector == eigen->linear) {
        bl_page_linear_title(page, vector);
    } else {
        bl_page_vector_title(page, &eigen->subject, vector->index, vector->eigenvalue);
        bl_page_newline(page);
        bl_page_group(page, vector->first, vector->last);
    }
    page->grey = !vector->oriented;
    size_t value = value_columns(vector), n = vector->n_sources - vector->n_single,
           most = page->fold ? vector->n_strong : n;
    for (size_t first = 0; first < most;) {
        const bl_doc_source *source = &vector->strongest[first];
        block shown = {.sources = source,
                       .n = next_block(page, source, most - first, value),
                       .largest = vector->largest,
                       .value = value};
        for (size_t i = 0; i < shown.n; i++) {
            shown.tops = max_size(shown.tops, source[i].n_top);
            shown.bottoms = max_size(shown.bottoms, source[i].n_bottom);
        }
        print_block(page, &shown);
        first += shown.n;
    }
    for (size_t i = n; i < vector->n_sources; i++) print_single(page, vector, &vector->strongest[i]);
    bl_page_folded(page, vector);
    if (page->colour != BL_COLOUR_NONE) {
        char low[BL_NUMBER_SIZE], high[BL_NUMBER_SIZE];
        bl_page_spaces(page, LABEL + 1);
        bl_page_legend(page, bl_number(low, -vector->largest, bl_decimals(vector->largest), "-"),
                       bl_number(high, vector->largest, bl_decimals(vector->largest), "-"));
        bl_page_newline(page);
    }
    page->grey = false;
}

/* What the signs of the tables below mean. */
static void print_signs(bl_page *page, const bl_doc_eigen *eigen) {
    if (!eigen->n_vectors) return;
    bool oriented = true;
    for (size_t i = 0; i < eigen->n_vectors; i++) oriented &= eigen->vectors[i].oriented;
    bl_page_words(page, oriented ? "an eigenvector's sign is arbitrary: the end that the corpus excites most "
                                   "is drawn positive"
                                 : "an eigenvector's sign is arbitrary, hence no red and blue: with --corpus "
                                   "FILE the end that it excites most is drawn positive");
    bl_page_newline(page);
}

char *bl_eigen_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_EIGEN, err);
    if (!doc) return NULL;
    bl_page page = bl_page_new(terminal);
    if (page.plain) bl_doc_plain(doc);
    bl_page_spectrum(&page, doc->eigen);
    print_signs(&page, doc->eigen);
    if (doc->eigen->linear) print_vector(&page, doc->eigen, doc->eigen->linear);
    for (size_t i = 0; i < doc->eigen->n_vectors; i++)
        print_vector(&page, doc->eigen, &doc->eigen->vectors[i]);
    bl_doc_free(doc);
    return bl_buffer_take(&page.text, err);
}
