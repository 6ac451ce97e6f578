#include "report/canvas.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <errno.h>
#include <string.h>

#define PNG_SCALE 3.0

void bl_ink(cairo_t *on, int r, int g, int b) { cairo_set_source_rgb(on, r / 255.0, g / 255.0, b / 255.0); }

void bl_line(cairo_t *on, double x0, double y0, double x1, double y1) {
    cairo_move_to(on, x0, y0);
    cairo_line_to(on, x1, y1);
    cairo_stroke(on);
}

void bl_text_at(cairo_t *on, const char *text, double x, double y, double share) {
    cairo_text_extents_t size, digit;
    cairo_text_extents(on, text, &size);
    cairo_text_extents(on, "0", &digit);
    cairo_move_to(on, x - share * size.x_advance, y - digit.y_bearing / 2);
    cairo_show_text(on, text);
    cairo_new_path(on); /* or the next line would begin at the text's end */
}

static cairo_status_t into_buffer(void *closure, const unsigned char *data, unsigned int length) {
    bl_buffer *out = closure;
    bl_buffer_add(out, (const char *)data, length);
    return out->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

/* cairo 1.16 numbers an SVG's surfaces through the whole process; the same figure shall give the same bytes.
 */
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

static cairo_surface_t *surface_for(const bl_canvas *canvas, const char *suffix, bl_buffer *out) {
    if (strcmp(suffix, ".svg") == 0)
        return cairo_svg_surface_create_for_stream(into_buffer, out, canvas->width, canvas->height);
    if (strcmp(suffix, ".png") == 0) {
        cairo_surface_t *image =
            cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(canvas->width * PNG_SCALE),
                                       (int)(canvas->height * PNG_SCALE));
        cairo_surface_set_device_scale(image, PNG_SCALE, PNG_SCALE);
        return image;
    }
    cairo_surface_t *pdf =
        cairo_pdf_surface_create_for_stream(into_buffer, out, canvas->width, canvas->height);
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_CREATE_DATE,
                                   "2024-06-06T00:00:00Z"); /* fixed: the same bytes every time */
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_TITLE, canvas->title);
    return pdf;
}

/* Cairo says "out of memory" for whatever kept it from reading a font or a file; errno knows better. */
static bool drawing_failed(const char *path, cairo_status_t status, bool no_memory, bl_error *err) {
    static const int told[] = {EACCES, EIO, EMFILE, ENFILE, ENOSPC, EROFS};
    int why = errno;
    bool memory = no_memory || status == CAIRO_STATUS_NO_MEMORY;
    for (size_t i = 0; memory && !no_memory && i < sizeof told / sizeof *told; i++)
        if (why == told[i]) return bl_fail(err, BL_ERR_IO, "%s: drawing failed: %s", path, strerror(why));
    return bl_fail(err, memory ? BL_ERR_MEMORY : BL_ERR_IO, "%s: drawing failed: %s", path,
                   cairo_status_to_string(status));
}

static bool draw_page(cairo_surface_t *surface, bl_draw_fn draw, const void *context, const char *path,
                      bl_error *err) {
    cairo_t *on = cairo_create(surface);
    bl_ink(on, 255, 255, 255);
    cairo_paint(on);
    cairo_select_font_face(on, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    errno = 0;
    bool ok = draw(on, context, err);
    cairo_show_page(on);
    cairo_status_t status = cairo_status(on);
    int why = errno;
    cairo_destroy(on);
    errno = why;
    if (!ok || status == CAIRO_STATUS_SUCCESS) return ok;
    return drawing_failed(path, status, false, err);
}

bool bl_canvas_write(const bl_canvas *canvas, const char *path, bl_draw_fn draw, const void *context,
                     bl_error *err) {
    const char *suffix = strrchr(path, '.');
    if (!suffix ||
        (strcmp(suffix, ".svg") != 0 && strcmp(suffix, ".png") != 0 && strcmp(suffix, ".pdf") != 0))
        return bl_fail(err, BL_ERR_USAGE, "%s: a figure's name ends in .svg, .png or .pdf", path);
    bl_buffer out = {0};
    cairo_surface_t *surface = surface_for(canvas, suffix, &out);
    bool ok = draw_page(surface, draw, context, path, err);
    cairo_status_t status = CAIRO_STATUS_SUCCESS;
    if (ok && strcmp(suffix, ".png") == 0)
        status = cairo_surface_write_to_png_stream(surface, into_buffer, &out);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (ok && status != CAIRO_STATUS_SUCCESS) ok = drawing_failed(path, status, out.failed, err);
    if (ok && strcmp(suffix, ".svg") == 0) steady_ids(&out);
    ok = ok && bl_file_write(path, out.data, out.n, err);
    bl_buffer_free(&out);
    return ok;
}
