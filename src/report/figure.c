/* The spectrum as a figure for a paper: one drawing function, three kinds of file (cairo).
 *
 * As the seed's: ascending eigenvalues, dots joined by a line, "Index" below, "Eigenvalue" beside, the direction in the title. Added: the
 * zero line, and the eigenvectors that are shown, with their indices (blue = evidence for the token, red = against). */
#include "report/figure.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "report/plot.h"
#include "report/visible.h"
#include <bilens/report.h>
#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In points. */
#define WIDTH 460.0
#define HEIGHT 330.0
#define LEFT 58.0
#define RIGHT (WIDTH - 14.0)
#define TOP 32.0
#define BOTTOM (HEIGHT - 44.0)
#define TEXT 10.0
#define PNG_SCALE 3.0

static cairo_status_t into_buffer(void *closure, const unsigned char *data, unsigned int length) {
    bl_buffer *out = closure;
    bl_buffer_add(out, (const char *)data, length);
    return out->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

static void ink(cairo_t *on, int r, int g, int b) { cairo_set_source_rgb(on, r / 255.0, g / 255.0, b / 255.0); }

static void line(cairo_t *on, double x0, double y0, double x1, double y1) {
    cairo_move_to(on, x0, y0);
    cairo_line_to(on, x1, y1);
    cairo_stroke(on);
}

/* Text with its anchor at `share` of its width (0 left, 0.5 middle, 1 right) and, vertically, in the middle of its digits. */
static void text_at(cairo_t *on, const char *text, double x, double y, double share) {
    cairo_text_extents_t size, digit;
    cairo_text_extents(on, text, &size);
    cairo_text_extents(on, "0", &digit);
    cairo_move_to(on, x - share * size.x_advance, y - digit.y_bearing / 2);
    cairo_show_text(on, text);
    cairo_new_path(on); /* or the next line would begin at the text's end */
}

static void draw_axes(cairo_t *on, const bl_plot *plot) {
    char text[BL_NUMBER_SIZE];
    cairo_set_line_width(on, 0.5);
    ink(on, 225, 228, 232);
    for (size_t i = 0; i < plot->y.n; i++) {
        double y = bl_plot_y(plot, plot->y.first + (double)i * plot->y.step);
        line(on, plot->left, y, plot->right, y);
    }
    ink(on, 120, 126, 134);
    line(on, plot->left, bl_plot_y(plot, 0), plot->right, bl_plot_y(plot, 0));
    ink(on, 30, 34, 40);
    cairo_set_line_width(on, 0.8);
    cairo_rectangle(on, plot->left, plot->top, plot->right - plot->left, plot->bottom - plot->top);
    cairo_stroke(on);
    for (size_t i = 0; i < plot->x.n; i++) {
        double value = plot->x.first + (double)i * plot->x.step, x = bl_plot_x(plot, value);
        line(on, x, plot->bottom, x, plot->bottom + 3.5);
        text_at(on, bl_number(text, value, plot->x.decimals, BL_MINUS), x, plot->bottom + 12, 0.5);
    }
    for (size_t i = 0; i < plot->y.n; i++) {
        double value = plot->y.first + (double)i * plot->y.step, y = bl_plot_y(plot, value);
        line(on, plot->left - 3.5, y, plot->left, y);
        text_at(on, bl_number(text, value, plot->y.decimals, BL_MINUS), plot->left - 6.5, y, 1);
    }
    text_at(on, "Index", (plot->left + plot->right) / 2, HEIGHT - 12, 0.5);
    cairo_save(on);
    cairo_translate(on, 13, (plot->top + plot->bottom) / 2);
    cairo_rotate(on, -acos(0));
    text_at(on, "Eigenvalue", 0, 0, 0.5);
    cairo_restore(on);
}

static void draw_curve(cairo_t *on, const bl_plot *plot, const bl_doc_eigen *eigen) {
    double space = (plot->right - plot->left) / (double)eigen->size, radius = fmin(1.7, fmax(1.0, space * 1.2));
    ink(on, 84, 110, 136);
    cairo_set_line_width(on, 0.9);
    cairo_set_line_join(on, CAIRO_LINE_JOIN_ROUND);
    for (size_t i = 0; i < eigen->size; i++) cairo_line_to(on, bl_plot_x(plot, (double)i), bl_plot_y(plot, eigen->values[i]));
    cairo_stroke(on);
    cairo_set_line_cap(on, CAIRO_LINE_CAP_ROUND); /* dots: lines of no length */
    cairo_set_line_width(on, 2 * radius);
    for (size_t i = 0; i < eigen->size; i++) {
        cairo_move_to(on, bl_plot_x(plot, (double)i), bl_plot_y(plot, eigen->values[i]));
        cairo_close_path(on);
    }
    cairo_stroke(on);
}

static void draw_marks(cairo_t *on, const bl_plot *plot, const bl_doc_eigen *eigen, bl_mark *marks) {
    char text[BL_NUMBER_SIZE];
    bl_plot_marks(plot, eigen, 12.5, 26, marks);
    for (size_t i = 0; i < eigen->n_vectors; i++) {
        const bl_mark *mark = &marks[i];
        double side = mark->right ? -1 : 1;
        bool negative = eigen->vectors[i].eigenvalue < 0;
        if (mark->labelled && !mark->middle) {
            ink(on, 160, 166, 174);
            cairo_set_line_width(on, 0.5);
            cairo_move_to(on, mark->x, mark->y);
            cairo_line_to(on, mark->label_x - side * 12, mark->label_y);
            cairo_line_to(on, mark->label_x - side * 3, mark->label_y);
            cairo_stroke(on);
        }
        ink(on, negative ? 178 : 33, negative ? 24 : 102, negative ? 43 : 172);
        cairo_arc(on, mark->x, mark->y, 2.4, 0, 4 * acos(0));
        cairo_fill(on);
        if (!mark->labelled) continue;
        bl_number(text, (double)eigen->vectors[i].index, 0, BL_MINUS);
        text_at(on, text, mark->label_x, mark->label_y, mark->middle ? 0.5 : mark->right ? 1 : 0);
    }
}

/* Eigenvalues for "token" interaction matrix; smaller if the token is long. */
static void draw_title(cairo_t *on, const bl_doc_eigen *eigen, bl_error *err) {
    bl_buffer title = {0};
    cairo_text_extents_t size;
    bl_buffer_text(&title, "Eigenvalues for \"");
    bl_visible_add(&title, eigen->subject.token, 60);
    bl_buffer_text(&title, "\" interaction matrix");
    char *text = bl_buffer_take(&title, err);
    if (!text) return;
    double most = WIDTH - 20, height = TEXT * 1.2;
    cairo_set_font_size(on, height);
    cairo_text_extents(on, text, &size);
    if (size.x_advance > most) cairo_set_font_size(on, height * most / size.x_advance);
    ink(on, 30, 34, 40);
    text_at(on, text, WIDTH / 2, 17, 0.5);
    free(text);
}

static bool draw(cairo_surface_t *surface, const bl_doc_eigen *eigen, bl_error *err) {
    bl_mark *marks = bl_alloc_zero(eigen->n_vectors, sizeof *marks, err);
    if (!marks) return false;
    cairo_t *on = cairo_create(surface);
    bl_plot plot = bl_plot_new(eigen, LEFT, TOP, RIGHT, BOTTOM);
    ink(on, 255, 255, 255);
    cairo_paint(on);
    cairo_select_font_face(on, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    draw_title(on, eigen, err);
    cairo_set_font_size(on, TEXT);
    draw_axes(on, &plot);
    draw_curve(on, &plot, eigen);
    draw_marks(on, &plot, eigen, marks);
    cairo_show_page(on);
    cairo_status_t status = cairo_status(on);
    cairo_destroy(on);
    free(marks);
    if (status == CAIRO_STATUS_SUCCESS) return true;
    return bl_fail(err, status == CAIRO_STATUS_NO_MEMORY ? BL_ERR_MEMORY : BL_ERR_IO, "drawing the spectrum failed: %s", cairo_status_to_string(status));
}

/* cairo 1.16 numbers an SVG's surfaces through the whole process; the same figure shall give the same bytes. */
static void steady_ids(bl_buffer *svg) {
    static const char word[] = "id=\"surface";
    size_t to = 0, length = sizeof word - 1;
    for (size_t from = 0; from < svg->n;) {
        bool found = svg->n - from > length && memcmp(svg->data + from, word, length) == 0;
        if (!found) {
            svg->data[to++] = svg->data[from++];
            continue;
        }
        memmove(svg->data + to, word, length);
        to += length;
        from += length;
        while (from < svg->n && svg->data[from] >= '0' && svg->data[from] <= '9') from++;
    }
    svg->n = to;
}

static cairo_surface_t *surface_for(const char *suffix, bl_buffer *out) {
    if (strcmp(suffix, ".svg") == 0) return cairo_svg_surface_create_for_stream(into_buffer, out, WIDTH, HEIGHT);
    if (strcmp(suffix, ".png") == 0) {
        cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(WIDTH * PNG_SCALE), (int)(HEIGHT * PNG_SCALE));
        cairo_surface_set_device_scale(image, PNG_SCALE, PNG_SCALE);
        return image;
    }
    cairo_surface_t *pdf = cairo_pdf_surface_create_for_stream(into_buffer, out, WIDTH, HEIGHT);
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_CREATE_DATE, "2024-06-06T00:00:00Z"); /* fixed: the same bytes every time */
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_TITLE, "Eigenvalues of an interaction matrix");
    return pdf;
}

bool bl_figure_write(const bl_doc_eigen *eigen, const char *path, bl_error *err) {
    const char *suffix = strrchr(path, '.');
    if (!suffix || (strcmp(suffix, ".svg") != 0 && strcmp(suffix, ".png") != 0 && strcmp(suffix, ".pdf") != 0))
        return bl_fail(err, BL_ERR_USAGE, "%s: a figure's name ends in .svg, .png or .pdf", path);
    bl_buffer out = {0};
    cairo_surface_t *surface = surface_for(suffix, &out);
    bool ok = draw(surface, eigen, err);
    cairo_status_t status = CAIRO_STATUS_SUCCESS;
    if (ok && strcmp(suffix, ".png") == 0) status = cairo_surface_write_to_png_stream(surface, into_buffer, &out);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (ok && status != CAIRO_STATUS_SUCCESS)
        ok = bl_fail(err, out.failed ? BL_ERR_MEMORY : BL_ERR_IO, "%s: drawing failed: %s", path, cairo_status_to_string(status));
    if (ok && strcmp(suffix, ".svg") == 0) steady_ids(&out);
    ok = ok && bl_file_write(path, out.data, out.n, err);
    bl_buffer_free(&out);
    return ok;
}

bool bl_spectrum_figure(const char *json, const char *path, bl_error *err) {
    bl_doc *doc = bl_doc_read(json, BL_DOC_EIGEN, err);
    if (!doc) return false;
    bool ok = bl_figure_write(doc->eigen, path, err);
    bl_doc_free(doc);
    return ok;
}
