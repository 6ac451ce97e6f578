/* The spectrum as inline SVG. Line and dots are one path each, so that a thousand eigenvalues stay light; the
 * page's script finds the nearest one from data-values. Without the script the marked ones still tell their
 * numbers and lead to their sections. */
#include "base/memory.h"
#include "report/html.h"
#include "report/plot.h"
#include <math.h>
#include <stdlib.h>

#define WIDTH 1000.0
#define HEIGHT 400.0

static void put_axes(bl_buffer *out, const bl_plot *plot) {
    char text[BL_NUMBER_SIZE];
    for (size_t i = 0; i < plot->y.n; i++) {
        double value = plot->y.first + (double)i * plot->y.step, y = bl_plot_y(plot, value);
        bl_buffer_print(out,
                        "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                        "text-anchor=\"end\">%s</text>\n",
                        plot->left, y, plot->right, plot->left - 8, y + 4.5,
                        bl_number(text, value, plot->y.decimals, BL_MINUS));
    }
    for (size_t i = 0; i < plot->x.n; i++) {
        double value = plot->x.first + (double)i * plot->x.step, x = bl_plot_x(plot, value);
        bl_buffer_print(out,
                        "<path class=\"zero\" d=\"M%.1f %.1fv5\"/><text x=\"%.1f\" y=\"%.1f\" "
                        "text-anchor=\"middle\">%s</text>\n",
                        x, plot->bottom, x, plot->bottom + 22,
                        bl_number(text, value, plot->x.decimals, BL_MINUS));
    }
    bl_buffer_print(out,
                    "<path class=\"zero\" d=\"M%.1f %.1fH%.1f\"/><rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" "
                    "width=\"%.1f\" height=\"%.1f\"/>\n",
                    plot->left, bl_plot_y(plot, 0), plot->right, plot->left, plot->top,
                    plot->right - plot->left, plot->bottom - plot->top);
    bl_buffer_print(
        out,
        "<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">Index</text>"
        "<text class=\"name\" transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">"
        "Eigenvalue</text>\n",
        (plot->left + plot->right) / 2, HEIGHT - 10, (plot->top + plot->bottom) / 2);
}

static void put_curve(bl_buffer *out, const bl_plot *plot, const bl_doc_eigen *eigen) {
    for (size_t i = 0; i < eigen->n_runs; i++) {
        double from = bl_plot_x(plot, (double)eigen->runs[i].first - 0.5),
               to = bl_plot_x(plot, (double)eigen->runs[i].last + 0.5);
        bl_buffer_print(out, "<rect class=\"band\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"7\"/>", from,
                        plot->bottom - 7, fmax(2, to - from));
    }
    bl_buffer_text(out, "<path class=\"line\" d=\"");
    for (size_t i = 0; i < eigen->size; i++)
        bl_buffer_print(out, "%s%.2f %.2f", i > 0 ? " " : "M", bl_plot_x(plot, (double)i),
                        bl_plot_y(plot, eigen->values[i]));
    bl_buffer_text(out, "\"/>\n<path class=\"dots\" d=\"");
    for (size_t i = 0; i < eigen->size; i++)
        bl_buffer_print(out, "M%.2f %.2fh0", bl_plot_x(plot, (double)i), bl_plot_y(plot, eigen->values[i]));
    bl_buffer_text(out, "\"/>\n");
}

static void put_mark(bl_buffer *out, const bl_doc_vector *vector, const bl_mark *mark, double largest) {
    char index[BL_NUMBER_SIZE];
    double side = mark->right ? -1 : 1;
    bl_number(index, (double)vector->index, 0, BL_MINUS);
    if (mark->labelled && !mark->middle)
        bl_buffer_print(out, "<path class=\"lead\" d=\"M%.1f %.1fL%.1f %.1fH%.1f\"/>", mark->x, mark->y,
                        mark->label_x - side * 22, mark->label_y, mark->label_x - side * 5);
    bl_buffer_print(out, "<a class=\"mark %s\" href=\"#", vector->eigenvalue < 0 ? "neg" : "pos");
    bl_html_vector_id(out, vector->index);
    bl_buffer_print(out, "\" aria-label=\"eigenvector %s, eigenvalue ", index);
    bl_html_number(out, vector->eigenvalue, largest);
    bl_buffer_print(out, "\"><title>eigenvector %s, eigenvalue ", index);
    bl_html_number(out, vector->eigenvalue, largest);
    bl_buffer_print(out, "</title><circle cx=\"%.2f\" cy=\"%.2f\" r=\"5\"/>", mark->x, mark->y);
    if (mark->labelled)
        bl_buffer_print(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", mark->label_x,
                        mark->label_y + 4.5,
                        mark->middle  ? "middle"
                        : mark->right ? "end"
                                      : "start",
                        index);
    bl_buffer_text(out, "</a>\n");
}

/* The <svg> tag; of a page with what its script needs to map an index to a place. */
static void put_opening(bl_buffer *out, const bl_doc_eigen *eigen, const bl_plot *plot, bool page) {
    double dx = eigen->size > 1 ? bl_plot_x(plot, 1) - bl_plot_x(plot, 0) : 1;
    bl_buffer_print(out, "<svg%s viewBox=\"0 0 %.0f %.0f\" role=\"group\" aria-label=\"Eigenvalues for ",
                    page ? " id=\"plot\"" : "", WIDTH, HEIGHT);
    bl_html_number(out, (double)eigen->size, 1e4);
    bl_buffer_text(out, " indices, ascending\"");
    if (!page) {
        bl_buffer_text(out, ">\n");
        return;
    }
    bl_buffer_print(out, " data-x0=\"%.6g\" data-dx=\"%.9g\" data-y0=\"%.6g\" data-dy=\"%.9g\" data-runs=\"",
                    bl_plot_x(plot, 0), dx, bl_plot_y(plot, 0),
                    (plot->bottom - plot->top) / (plot->high - plot->low));
    for (size_t i = 0; i < eigen->n_runs; i++)
        bl_buffer_print(out, "%s%zu-%zu", i > 0 ? " " : "", eigen->runs[i].first, eigen->runs[i].last);
    bl_buffer_text(out, "\" data-values=\"");
    for (size_t i = 0; i < eigen->size; i++)
        bl_buffer_print(out, "%s%.9g", i > 0 ? " " : "", eigen->values[i]);
    bl_buffer_text(out, "\">\n");
}

void bl_html_runs(bl_buffer *out, const bl_doc_eigen *eigen) {
    enum { SHOWN = 12 };
    if (eigen->plain) return;
    if (eigen->n_runs == 0) {
        bl_buffer_text(
            out, "<p class=\"note\">No two eigenvalues are degenerate: each lies at least 10<sup>\xE2\x88\x92"
                 "5</sup> of the largest from its neighbours.</p>");
        return;
    }
    bl_buffer_print(
        out,
        "<p class=\"note warn\">%zu group%s of <b>degenerate</b> eigenvalues (small amber bars at the foot): "
        "closer to their neighbours than 10<sup>\xE2\x88\x92"
        "5</sup> of the "
        "largest. Within a group any rotation of the eigenvectors is as good as any other, so only their "
        "span means anything. Indices ",
        eigen->n_runs, eigen->n_runs == 1 ? "" : "s");
    for (size_t i = 0; i < eigen->n_runs && i < SHOWN; i++)
        bl_buffer_print(out, "%s<span class=\"range\">%zu\xE2\x80\x93%zu</span>", i > 0 ? ", " : "",
                        eigen->runs[i].first, eigen->runs[i].last);
    bl_buffer_text(out, eigen->n_runs > SHOWN ? ", \xE2\x80\xA6</p>" : ".</p>");
}

void bl_html_spectrum_figure(bl_buffer *out, const bl_doc_eigen *eigen, bool page) {
    bl_mark *marks = bl_alloc_zero(eigen->n_vectors, sizeof *marks, NULL);
    if (!marks) {
        out->failed = true;
        return;
    }
    bl_plot plot = bl_plot_new(eigen, 96, 16, WIDTH - 16, HEIGHT - 52);
    double largest = fmax(fabs(eigen->values[0]), fabs(eigen->values[eigen->size - 1]));
    bl_plot_marks(&plot, eigen, 19, 52, marks);
    put_opening(out, eigen, &plot, page);
    put_axes(out, &plot);
    put_curve(out, &plot, eigen);
    for (size_t i = 0; i < eigen->n_vectors; i++) put_mark(out, &eigen->vectors[i], &marks[i], largest);
    bl_buffer_print(out,
                    "<path d=\"M0 0\"/><line class=\"hair\" y1=\"%.1f\" y2=\"%.1f\" visibility=\"hidden\"/>"
                    "<circle class=\"spot\" r=\"6\" visibility=\"hidden\"/>\n</svg>\n",
                    plot.top, plot.bottom);
    free(marks);
}

void bl_html_spectrum(bl_buffer *out, const bl_doc *doc) {
    const bl_doc_eigen *eigen = doc->eigen;
    bl_buffer_text(out, "<div class=\"spectrum\">\n");
    bl_html_spectrum_figure(out, eigen, true);
    bl_buffer_print(
        out,
        "<div id=\"probe\" class=\"probe\" tabindex=\"0\" role=\"slider\" aria-label=\"Eigenvalue by index\" "
        "aria-valuemin=\"0\" aria-valuemax=\"%zu\" aria-valuenow=\"0\" hidden>"
        "<b>Point at the curve</b><span>or focus this line and use the arrow keys</span></div>\n</div>\n",
        eigen->size - 1);
    bl_html_runs(out, eigen);
}
