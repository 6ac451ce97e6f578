/* The spectrum as a drawing in Braille characters (each holds 2 x 4 dots), and in numbers. */
#include "base/memory.h"
#include "report/plot.h"
#include "report/terminal.h"
#include "base/visible.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 9 };

/* Dots of a page of cells; `sign` is +1 or -1 where a shown eigenvector stands. */
typedef struct canvas {
    size_t columns;
    unsigned char *dots;
    signed char *sign;
} canvas;

static void dot(canvas *on, size_t x, size_t y) {
    static const unsigned char bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (x < on->columns * 2 && y < ROWS * 4) on->dots[y / 4 * on->columns + x / 2] |= bits[y % 4][x % 2];
}

static size_t rounded(double at) { return at < 0 ? 0 : (size_t)(at + 0.5); }

/* Joins each eigenvalue with the next by a line of dots. */
static void draw(canvas *on, const bl_doc_eigen *eigen, const bl_plot *plot) {
    for (size_t i = 0; i < eigen->size; i++) {
        size_t next = i + 1 < eigen->size ? i + 1 : i;
        double x0 = bl_plot_x(plot, (double)i), y0 = bl_plot_y(plot, eigen->values[i]);
        double x1 = bl_plot_x(plot, (double)next), y1 = bl_plot_y(plot, eigen->values[next]);
        size_t steps = (size_t)fmax(1, fmax(fabs(x1 - x0), fabs(y1 - y0)));
        for (size_t k = 0; k <= steps; k++) {
            double share = (double)k / (double)steps;
            dot(on, rounded(x0 + share * (x1 - x0)), rounded(y0 + share * (y1 - y0)));
        }
    }
    for (size_t i = 0; i < eigen->n_vectors; i++) {
        size_t x = rounded(bl_plot_x(plot, (double)eigen->vectors[i].position)),
               y = rounded(bl_plot_y(plot, eigen->vectors[i].eigenvalue));
        dot(on, x, y);
        if (x / 2 < on->columns && y / 4 < ROWS)
            on->sign[y / 4 * on->columns + x / 2] = eigen->vectors[i].eigenvalue < 0 ? -1 : 1;
    }
}

static void print_cell(bl_page *page, const canvas *on, size_t cell, bool zero) {
    unsigned char dots = on->dots[cell];
    char braille[] = {(char)0xE2, (char)(0xA0 | dots >> 6), (char)(0x80 | (dots & 0x3F)), '\0'};
    if (on->sign[cell]) bl_page_sign(page, on->sign[cell] > 0);
    else if (!dots && zero) bl_page_dim(page);
    bl_page_text(page, dots ? braille : zero ? "\xE2\x94\x88" : " ");
    if (on->sign[cell] || (!dots && zero)) bl_page_plain(page);
}

static void print_canvas(bl_page *page, const canvas *on, const bl_doc_eigen *eigen, const bl_plot *plot,
                         size_t margin) {
    double largest = fmax(fabs(eigen->values[0]), fabs(eigen->values[eigen->size - 1]));
    size_t zero = rounded(bl_plot_y(plot, 0)) / 4,
           top = rounded(bl_plot_y(plot, eigen->values[eigen->size - 1])) / 4;
    size_t bottom = rounded(bl_plot_y(plot, eigen->values[0])) / 4;
    for (size_t row = 0; row < ROWS; row++) {
        bool labelled = row == top || row == zero || row == bottom;
        if (row == zero) bl_page_number(page, 0, largest, margin);
        else if (row == top) bl_page_number(page, eigen->values[eigen->size - 1], largest, margin);
        else if (row == bottom) bl_page_number(page, eigen->values[0], largest, margin);
        else bl_page_spaces(page, margin);
        bl_page_text(page, labelled ? " \xE2\x94\xA4" : " \xE2\x94\x82");
        for (size_t x = 0; x < on->columns; x++) print_cell(page, on, row * on->columns + x, row == zero);
        bl_page_newline(page);
    }
    bl_page_spaces(page, margin + 1);
    bl_page_text(page, "\xE2\x94\x94");
    for (size_t x = 0; x < on->columns; x++) bl_page_text(page, "\xE2\x94\x80");
    bl_page_newline(page);
    char last[32];
    int length = snprintf(last, sizeof last, "%zu", eigen->size - 1);
    bl_page_spaces(page, margin + 2);
    bl_page_text(page, "0");
    bl_page_spaces(page, (on->columns - 5) / 2 - 1);
    bl_page_text(page, "Index");
    bl_page_spaces(page, margin + 2 + on->columns - page->column - (size_t)length);
    bl_page_text(page, last);
    bl_page_newline(page);
}

static void print_plot(bl_page *page, const bl_doc_eigen *eigen) {
    size_t width = page->width == 0 || page->width > 100 ? 100 : page->width, margin = 9;
    if (width < margin + 24) return;
    canvas on = {.columns = width - margin - 2};
    on.dots = bl_alloc_zero(on.columns * ROWS, 1, NULL);
    on.sign = bl_alloc_zero(on.columns * ROWS, 1, NULL);
    if (on.dots && on.sign) {
        bl_plot plot = bl_plot_new(eigen, 0, 0, (double)(on.columns * 2 - 1), ROWS * 4 - 1);
        draw(&on, eigen, &plot);
        print_canvas(page, &on, eigen, &plot, margin);
    } else {
        page->text.failed = true;
    }
    free(on.dots);
    free(on.sign);
}

static void print_runs(bl_page *page, const bl_doc_eigen *eigen) {
    enum { SHOWN = 6 };
    char text[128];
    if (eigen->n_runs == 0) return;
    snprintf(text, sizeof text,
             "%zu %s of degenerate eigenvalues (in each only the span means anything): indices",
             eigen->n_runs, eigen->n_runs == 1 ? "group" : "groups");
    bl_page_words(page, text);
    for (size_t i = 0; i < eigen->n_runs && i < SHOWN; i++) {
        int n = snprintf(text, sizeof text, "%zu-%zu%s", eigen->runs[i].first, eigen->runs[i].last,
                         i + 1 < eigen->n_runs ? "," : "");
        if (!bl_page_room(page, (size_t)n + 1)) bl_page_text(page, " ");
        bl_page_text(page, text);
    }
    if (eigen->n_runs > SHOWN) bl_page_words(page, " and so on");
    bl_page_newline(page);
}

void bl_page_quality(bl_page *page, bool surrogate, double r2, double r2_linear, double recovered) {
    char text[256];
    if (!surrogate) return;
    snprintf(text, sizeof text,
             "of the quadratic that stands for this MLP: it explains %.1f %% of the MLP's output on stories "
             "held out (the best linear map %.1f %%)",
             100 * r2, 100 * r2_linear);
    bl_page_words(page, text);
    if (isfinite(recovered)) {
        snprintf(text, sizeof text, " and recovers %.1f %% of the loss", 100 * recovered);
        bl_page_words(page, text);
    }
    bl_page_newline(page);
}

void bl_page_spectrum(bl_page *page, const bl_doc_eigen *eigen) {
    char text[256], high[BL_NUMBER_SIZE], low[BL_NUMBER_SIZE];
    double largest = fmax(fabs(eigen->values[0]), fabs(eigen->values[eigen->size - 1]));
    bl_page_bold(page);
    bl_page_text(page, "Eigenvalues for \"");
    bl_page_token(page, eigen->subject.token, 0);
    bl_page_text(page, "\" interaction matrix");
    bl_page_plain(page);
    bl_page_newline(page);
    bl_page_subject(page, &eigen->subject, eigen->centred);
    bl_page_quality(page, eigen->subject.surrogate, eigen->subject.r2, eigen->subject.r2_linear,
                    eigen->subject.recovered);
    print_plot(page, eigen);
    bl_number(high, eigen->values[eigen->size - 1], bl_decimals(largest), "-");
    bl_number(low, eigen->values[0], bl_decimals(largest), "-");
    snprintf(text, sizeof text, "%zu eigenvalues: largest %s, smallest %s; effective rank %.1f", eigen->size,
             high, low, eigen->effective_rank);
    bl_page_words(page, text);
    bl_page_newline(page);
    if (eigen->constant != 0) {
        bl_number(high, eigen->constant, bl_decimals(fabs(eigen->constant)), "-");
        snprintf(text, sizeof text, "%s %s",
                 eigen->linear ? "at the mean input it is" : "whatever the input the output bias adds", high);
        bl_page_words(page, text);
        bl_page_newline(page);
    }
    print_runs(page, eigen);
}
