/* A table on a terminal: texts to the left and made visible, numbers to the right; a column of numbers has
 * one number of decimals, unless it spans too many powers of ten. When the lines are wider than the
 * terminal, the widest column of texts is cut. For LaTeX the same columns, of the same numbers, whole. */
#include "result/table.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/visible.h"
#include "report/latex.h"
#include "report/plot.h"
#include "report/terminal.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2
#define LEAST 8 /* columns that are left of a text */

typedef struct column {
    const char *name;
    size_t width;
    bool texts;   /* holds a text: aligned to the left */
    int decimals; /* of real numbers; -1: each with its own */
} column;

/* A number as the column has it, appended. */
static void write_number(bl_buffer *out, const bl_cell *cell, int decimals) {
    if (cell->kind == BL_CELL_INTEGER) bl_buffer_print(out, "%" PRId64, cell->integer);
    else if (cell->kind != BL_CELL_REAL) return;
    else if (!isfinite(cell->real) || decimals < 0) bl_buffer_real(out, cell->real, 4);
    else {
        char text[BL_NUMBER_SIZE];
        bl_buffer_text(out, bl_number(text, cell->real, decimals, "-"));
    }
}

static int decimals_of(const bl_table *table, size_t c) {
    double largest = 0, smallest = INFINITY;
    for (size_t i = c; i < table->n_cells; i += table->n_columns) {
        double size = table->cells[i].kind == BL_CELL_REAL ? fabs(table->cells[i].real) : NAN;
        if (!isfinite(size)) continue;
        largest = fmax(largest, size);
        if (size > 0) smallest = fmin(smallest, size);
    }
    int decimals = bl_decimals(largest);
    return decimals >= 0 && smallest < pow(10, -decimals) ? -1 : decimals;
}

/* False when there is no memory for a number's text. */
static bool measure(const bl_table *table, column *columns) {
    const char *name = table->columns;
    for (size_t c = 0; c < table->n_columns; c++, name += strlen(name) + 1) {
        columns[c] =
            (column){.name = name, .width = bl_visible_width(name), .decimals = decimals_of(table, c)};
        for (size_t i = c; i < table->n_cells; i += table->n_columns) {
            const bl_cell *cell = &table->cells[i];
            bl_buffer number = {0};
            columns[c].texts |= cell->kind == BL_CELL_TEXT;
            write_number(&number, cell, columns[c].decimals);
            size_t width =
                cell->kind == BL_CELL_TEXT ? bl_visible_width(table->texts.data + cell->text) : number.n;
            bool failed = number.failed;
            if (width > columns[c].width) columns[c].width = width;
            bl_buffer_free(&number);
            if (failed) return false;
        }
    }
    return true;
}

/* Cuts texts until a line fits into `width`, or nothing is left to cut. */
static void fit(column *columns, size_t n, size_t width) {
    size_t line = 0;
    for (size_t c = 0; c < n; c++) line += columns[c].width + (c ? GAP : 0);
    while (width && line > width) {
        column *widest = NULL;
        for (size_t c = 0; c < n; c++)
            if (columns[c].texts && (!widest || columns[c].width > widest->width)) widest = &columns[c];
        if (!widest || widest->width <= LEAST) return;
        widest->width--;
        line--;
    }
}

static void write_cell(bl_page *page, const bl_table *table, const bl_cell *cell, const column *at,
                       bool last) {
    bl_buffer number = {0};
    size_t used;
    if (cell->kind == BL_CELL_TEXT) {
        used = bl_page_token(page, table->texts.data + cell->text, at->width);
        if (!last) bl_page_spaces(page, at->width - used);
        return;
    }
    write_number(&number, cell, at->decimals);
    bool right = !at->texts;
    if (right) bl_page_spaces(page, at->width - number.n);
    bl_page_text(page, number.data ? number.data : "");
    if (!right && !last) bl_page_spaces(page, at->width - number.n);
    if (number.failed) page->text.failed = true;
    bl_buffer_free(&number);
}

/* The table's columns, measured; NULL: no memory, or a table that could not be filled. */
static column *columns_of(const bl_table *table, bl_error *err) {
    bool failed = table->failed || table->texts.failed;
    column *columns = failed ? NULL : bl_alloc(table->n_columns, sizeof *columns, err);
    if (columns && measure(table, columns)) return columns;
    free(columns);
    return bl_fail_null(err, BL_ERR_MEMORY, "out of memory while a table was made");
}

char *bl_table_shown(const bl_table *table, const bl_terminal *terminal, bl_error *err) {
    if (!table) return NULL;
    size_t n = table->n_columns;
    column *columns = columns_of(table, err);
    if (!columns) return NULL;
    bl_page page = bl_page_new(terminal);
    fit(columns, n, page.width);
    bl_page_bold(&page);
    for (size_t c = 0; c < n; c++) {
        size_t used = bl_visible_width(columns[c].name);
        if (c) bl_page_spaces(&page, GAP);
        if (!columns[c].texts) bl_page_spaces(&page, columns[c].width - used);
        bl_page_token(&page, columns[c].name, columns[c].width);
        if (columns[c].texts && c + 1 < n && columns[c].width > used)
            bl_page_spaces(&page, columns[c].width - used);
    }
    bl_page_newline(&page);
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t c = i % n;
        if (c) bl_page_spaces(&page, GAP);
        write_cell(&page, table, &table->cells[i], &columns[c], c + 1 == n);
        if (c + 1 == n) bl_page_newline(&page);
    }
    free(columns);
    return bl_buffer_take(&page.text, err);
}

static void write_latex(bl_buffer *out, const bl_table *table, const bl_cell *cell, const column *at) {
    if (cell->kind == BL_CELL_TEXT) {
        bl_latex_text(out, table->texts.data + cell->text);
    } else if (cell->kind != BL_CELL_EMPTY) {
        bl_buffer_text(out, "$");
        write_number(out, cell, at->decimals);
        bl_buffer_text(out, "$");
    }
}

char *bl_table_latex(const bl_table *table, bl_error *err) {
    if (!table) return NULL;
    size_t n = table->n_columns;
    column *columns = columns_of(table, err);
    if (!columns) return NULL;
    bl_buffer out = {0};
    bl_buffer_text(&out, "% needs \\usepackage{booktabs}\n\\begin{tabular}{");
    for (size_t c = 0; c < n; c++) bl_buffer_text(&out, columns[c].texts ? "l" : "r");
    bl_buffer_text(&out, "}\n\\toprule\n");
    for (size_t c = 0; c < n; c++) {
        if (c) bl_buffer_text(&out, " & ");
        bl_latex_text(&out, columns[c].name);
    }
    bl_buffer_text(&out, " \\\\\n\\midrule\n");
    for (size_t i = 0; i < table->n_cells; i++) {
        write_latex(&out, table, &table->cells[i], &columns[i % n]);
        bl_buffer_text(&out, (i + 1) % n ? " & " : " \\\\\n");
    }
    bl_buffer_text(&out, "\\bottomrule\n\\end{tabular}\n");
    free(columns);
    return bl_buffer_take(&out, err);
}
