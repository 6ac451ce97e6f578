#include "report/canvas.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "base/visible.h"
#include "report/colour.h"
#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#define PNG_SCALE 3.0
#define POINTS_PER_MM (72 / 25.4)

static const cairo_user_data_key_t page_of;

bool bl_figure_check(const bl_figure_options *o, bl_error *err) {
    const struct {
        const char *name, *unit;
        double value, least, most;
    } numbers[] = {{"width", "millimetres", o->width, 10, 1000},
                   {"height", "millimetres", o->height, 10, 1000},
                   {"text size", "points", o->size, 3, 72}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value != 0 &&
            !(numbers[i].value >= numbers[i].least && numbers[i].value <= numbers[i].most))
            return bl_fail(err, BL_ERR_USAGE, "a figure's %s is from %g to %g %s, not %g", numbers[i].name,
                           numbers[i].least, numbers[i].most, numbers[i].unit, numbers[i].value);
    size_t bad;
    if (o->font && (!*o->font || !bl_utf8_check(o->font, strlen(o->font), &bad)))
        return bl_fail(err, BL_ERR_USAGE, "a figure's font needs a name, such as serif or DejaVu Sans");
    return true;
}

bl_canvas bl_canvas_new(double width, double height, const char *name, const char *heading,
                        const bl_figure_options *options) {
    bl_canvas page = {.own_width = width, .own_height = height, .name = name};
    if (options) page.how = *options;
    if (page.how.title) heading = page.how.title;
    if (heading) bl_visible_copy(page.heading, sizeof page.heading, heading, 0);
    double wide = page.how.width * POINTS_PER_MM, high = page.how.height * POINTS_PER_MM;
    page.width = wide != 0 ? wide : high != 0 ? width * high / height : width;
    page.height = high != 0 ? high : wide != 0 ? height * wide / width : height;
    page.text = page.how.size != 0 ? page.how.size : 10;
    page.unit = page.text / 10;
    page.left = 58 * page.unit;
    page.right = page.width - 14 * page.unit;
    page.top = (page.heading[0] ? 32 : 14) * page.unit;
    page.bottom = page.height - 44 * page.unit;
    return page;
}

/* A colour's counterpart on a dark page: the same hue at the reverse lightness, white being the page's
 * colour. */
static void on_dark(int *r, int *g, int *b) {
    const bl_rgb paper = bl_rdbu_dark(BL_RDBU_NEUTRAL);
    int most = *r > *g ? *r : *g, least = *r < *g ? *r : *g;
    if (*b > most) most = *b;
    if (*b < least) least = *b;
    int shift = 255 - most - least;
    *r = paper.r + (*r + shift) * (255 - paper.r) / 255;
    *g = paper.g + (*g + shift) * (255 - paper.g) / 255;
    *b = paper.b + (*b + shift) * (255 - paper.b) / 255;
}

void bl_ink(cairo_t *on, int r, int g, int b) {
    const bl_canvas *page = cairo_get_user_data(on, &page_of);
    if (page->how.dark) on_dark(&r, &g, &b);
    cairo_set_source_rgb(on, r / 255.0, g / 255.0, b / 255.0);
}

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

void bl_text_within(cairo_t *on, const char *text, double x, double y, double share, double most) {
    cairo_text_extents_t size;
    cairo_matrix_t font;
    cairo_save(on);
    cairo_text_extents(on, text, &size);
    cairo_get_font_matrix(on, &font);
    if (size.x_advance > most) cairo_set_font_size(on, font.xx * most / size.x_advance);
    bl_text_at(on, text, x, y, share);
    cairo_restore(on);
}

void bl_axis_names(const bl_canvas *page, cairo_t *on, const char *below, const char *beside) {
    double air = 8 * page->unit;
    bl_text_within(on, below, (page->left + page->right) / 2, page->height - 12 * page->unit, 0.5,
                   2 * fmin((page->left + page->right) / 2, page->width - (page->left + page->right) / 2) -
                       air);
    cairo_save(on);
    cairo_translate(on, 13 * page->unit, (page->top + page->bottom) / 2);
    cairo_rotate(on, -acos(0));
    bl_text_within(on, beside, 0, 0, 0.5,
                   2 * fmin((page->top + page->bottom) / 2, page->height - (page->top + page->bottom) / 2) -
                       air);
    cairo_restore(on);
}

void bl_canvas_fit(const bl_canvas *page, cairo_t *on) {
    double above = page->heading[0] ? 26 * page->unit : 0;
    double scale = fmin(page->width / page->own_width, (page->height - above) / page->own_height);
    cairo_translate(on, (page->width - scale * page->own_width) / 2, above);
    cairo_scale(on, scale, scale);
    if (page->how.size != 0) cairo_set_font_size(on, page->text / scale);
}

/* Smaller where it would be wider than the page. */
static void draw_heading(const bl_canvas *page, cairo_t *on) {
    if (!page->heading[0]) return;
    cairo_set_font_size(on, page->text * 1.2);
    bl_ink(on, 30, 34, 40);
    bl_text_within(on, page->heading, page->width / 2, 17 * page->unit, 0.5, page->width - 20 * page->unit);
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

/* The title that a reader's screen reader says, which cairo leaves out: behind <svg …>. */
static bool add_title(bl_buffer *svg, const bl_canvas *page) {
    bl_buffer out = {0};
    const char *tag = svg->n ? strstr(svg->data, "<svg") : NULL, *end = tag ? strchr(tag, '>') : NULL;
    if (!end) return false;
    bl_buffer_add(&out, svg->data, (size_t)(end + 1 - svg->data));
    bl_buffer_text(&out, "\n<title>");
    bl_visible_html(&out, page->heading[0] ? page->heading : page->name);
    bl_buffer_text(&out, "</title>");
    bl_buffer_add(&out, end + 1, svg->n - (size_t)(end + 1 - svg->data));
    bl_buffer_free(svg);
    *svg = out;
    return !out.failed;
}

static cairo_surface_t *surface_for(const bl_canvas *canvas, const char *suffix, bl_buffer *out) {
    if (strcmp(suffix, ".svg") == 0)
        return cairo_svg_surface_create_for_stream(into_buffer, out, canvas->width, canvas->height);
    if (strcmp(suffix, ".png") == 0) {
        cairo_surface_t *image =
            cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)lround(canvas->width * PNG_SCALE),
                                       (int)lround(canvas->height * PNG_SCALE));
        cairo_surface_set_device_scale(image, PNG_SCALE, PNG_SCALE);
        return image;
    }
    cairo_surface_t *pdf =
        cairo_pdf_surface_create_for_stream(into_buffer, out, canvas->width, canvas->height);
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_CREATE_DATE,
                                   "2024-06-06T00:00:00Z"); /* fixed: the same bytes every time */
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_TITLE,
                                   canvas->how.title && canvas->heading[0] ? canvas->heading : canvas->name);
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

static bool draw_page(const bl_canvas *canvas, cairo_surface_t *surface, bl_draw_fn draw, const void *context,
                      const char *path, bl_error *err) {
    cairo_t *on = cairo_create(surface);
    cairo_set_user_data(on, &page_of, (void *)(uintptr_t)canvas, NULL);
    bl_ink(on, 255, 255, 255);
    cairo_paint(on);
    cairo_select_font_face(on, canvas->how.font ? canvas->how.font : "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           CAIRO_FONT_WEIGHT_NORMAL);
    errno = 0;
    draw_heading(canvas, on);
    cairo_set_font_size(on, canvas->text);
    bool ok = draw(canvas, on, context, err);
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
    if (!bl_figure_check(&canvas->how, err)) return false;
    if (canvas->right - canvas->left < 6 * canvas->text || canvas->bottom - canvas->top < 6 * canvas->text)
        return bl_fail(err, BL_ERR_USAGE,
                       "a figure of %.0f x %.0f mm has no room for text of %g points: make the figure larger "
                       "or the text smaller",
                       canvas->width / POINTS_PER_MM, canvas->height / POINTS_PER_MM, canvas->text);
    bl_buffer out = {0};
    cairo_surface_t *surface = surface_for(canvas, suffix, &out);
    bool ok = draw_page(canvas, surface, draw, context, path, err);
    cairo_status_t status = CAIRO_STATUS_SUCCESS;
    if (ok && strcmp(suffix, ".png") == 0)
        status = cairo_surface_write_to_png_stream(surface, into_buffer, &out);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (ok && status != CAIRO_STATUS_SUCCESS) ok = drawing_failed(path, status, out.failed, err);
    if (ok && strcmp(suffix, ".svg") == 0) {
        steady_ids(&out);
        ok = add_title(&out, canvas) || bl_fail(err, BL_ERR_MEMORY, "%s: out of memory", path);
    }
    ok = ok && bl_file_write(path, out.data, out.n, err);
    bl_buffer_free(&out);
    return ok;
}
