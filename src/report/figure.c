/* The spectrum as a figure for a paper: one drawing function, three kinds of file (cairo).
 *
 * As the paper's: ascending eigenvalues, dots joined by a line, "Index" below, "Eigenvalue" beside, the
 * direction in the title. Added: the zero line, the eigenvectors that are shown, with their indices (blue =
 * evidence for the token, red = against), and amber bars at the foot under degenerate eigenvalues. */
#include "base/memory.h"
#include "report/axes.h"
#include "base/visible.h"
#include <bilens/report.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* In points. */
#define WIDTH 460.0
#define HEIGHT 330.0

static void draw_axes(const bl_canvas *page, cairo_t *on, const bl_plot *plot) {
    double last = plot->n > 1 ? (double)(plot->n - 1) : 1, air = last * BL_PLOT_AIR / (1 - 2 * BL_PLOT_AIR);
    bl_axes axes = {page, -air, last + air, plot->low, plot->high, plot->x, plot->y};
    bl_axes_grid(&axes, on);
    bl_ink(on, 120, 126, 134);
    bl_line(on, plot->left, bl_plot_y(plot, 0), plot->right, bl_plot_y(plot, 0));
    bl_axes_frame(&axes, on, "Index", "Eigenvalue");
}

static void draw_curve(cairo_t *on, const bl_plot *plot, const bl_doc_eigen *eigen) {
    double space = (plot->right - plot->left) / (double)eigen->size,
           radius = fmin(1.7, fmax(1.0, space * 1.2));
    bl_ink(on, 84, 110, 136);
    cairo_set_line_width(on, 0.9);
    cairo_set_line_join(on, CAIRO_LINE_JOIN_ROUND);
    for (size_t i = 0; i < eigen->size; i++)
        cairo_line_to(on, bl_plot_x(plot, (double)i), bl_plot_y(plot, eigen->values[i]));
    cairo_stroke(on);
    cairo_set_line_cap(on, CAIRO_LINE_CAP_ROUND); /* dots: lines of no length */
    cairo_set_line_width(on, 2 * radius);
    for (size_t i = 0; i < eigen->size; i++) {
        cairo_move_to(on, bl_plot_x(plot, (double)i), bl_plot_y(plot, eigen->values[i]));
        cairo_close_path(on);
    }
    cairo_stroke(on);
}

static void draw_marks(const bl_canvas *page, cairo_t *on, const bl_plot *plot, const bl_doc_eigen *eigen,
                       bl_mark *marks) {
    char text[BL_NUMBER_SIZE];
    bl_plot_marks(plot, eigen, 12.5 * page->unit, 26 * page->unit, marks);
    for (size_t i = 0; i < eigen->n_vectors; i++) {
        const bl_mark *mark = &marks[i];
        double side = mark->right ? -1 : 1;
        bool negative = eigen->vectors[i].eigenvalue < 0;
        if (mark->labelled && !mark->middle) {
            bl_ink(on, 160, 166, 174);
            cairo_set_line_width(on, 0.5);
            cairo_move_to(on, mark->x, mark->y);
            cairo_line_to(on, mark->label_x - side * 12, mark->label_y);
            cairo_line_to(on, mark->label_x - side * 3, mark->label_y);
            cairo_stroke(on);
        }
        bl_ink(on, negative ? 178 : 33, negative ? 24 : 102, negative ? 43 : 172);
        cairo_arc(on, mark->x, mark->y, 2.4, 0, 4 * acos(0));
        cairo_fill(on);
        if (!mark->labelled) continue;
        bl_number(text, (double)eigen->vectors[i].index, 0, BL_MINUS);
        bl_text_at(on, text, mark->label_x, mark->label_y, mark->middle ? 0.5 : mark->right ? 1 : 0);
    }
}

static void draw_groups(const bl_canvas *page, cairo_t *on, const bl_plot *plot, const bl_doc_eigen *eigen) {
    if (eigen->n_runs == 0) return;
    bl_ink(on, 217, 119, 6);
    cairo_set_line_cap(on, CAIRO_LINE_CAP_BUTT);
    cairo_set_line_width(on, 3);
    for (size_t i = 0; i < eigen->n_runs; i++) {
        const bl_doc_run *run = &eigen->runs[i];
        bl_line(on, bl_plot_x(plot, (double)run->first - 0.5), plot->bottom - 2.5,
                bl_plot_x(plot, (double)run->last + 0.5), plot->bottom - 2.5);
    }
    bl_text_at(on, "amber: degenerate, only their span has a meaning", plot->right,
               page->height - 12 * page->unit, 1);
}

static bool draw(const bl_canvas *page, cairo_t *on, const void *context, bl_error *err) {
    const bl_doc_eigen *eigen = context;
    bl_mark *marks = bl_alloc_zero(eigen->n_vectors, sizeof *marks, err);
    if (!marks) return false;
    bl_plot plot = bl_plot_new(eigen, page->left, page->top, page->right, page->bottom);
    draw_axes(page, on, &plot);
    draw_curve(on, &plot, eigen);
    if (!page->how.no_marks) {
        draw_groups(page, on, &plot, eigen);
        draw_marks(page, on, &plot, eigen, marks);
    }
    free(marks);
    return true;
}

bool bl_figure_write(const bl_doc_eigen *eigen, const bl_figure_options *options, const char *path,
                     bl_error *err) {
    char heading[400], token[300];
    bl_visible_copy(token, sizeof token, eigen->subject.token, 60);
    snprintf(heading, sizeof heading, "Eigenvalues for \"%s\" interaction matrix", token);
    bl_canvas page = bl_canvas_new(WIDTH, HEIGHT, "Eigenvalues of an interaction matrix", heading, options);
    return bl_canvas_write(&page, path, draw, eigen, err);
}

bool bl_spectrum_figure(const bl_tree *tree, const bl_figure_options *options, const char *path,
                        bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_EIGEN, err);
    if (!doc) return false;
    if (options && options->plain) bl_doc_plain(doc);
    bool ok = bl_figure_write(doc->eigen, options, path, err);
    bl_doc_free(doc);
    return ok;
}
