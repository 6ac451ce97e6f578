#include "report/picture.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/visible.h"
#include "report/colour.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The number at a place, channels summed. */
static double at(const bl_picture *p, size_t row, size_t column) {
    double sum = 0;
    for (size_t c = 0; c < p->shape[0]; c++) sum += p->values[(c * p->shape[1] + row) * p->shape[2] + column];
    return sum;
}

static double largest(const bl_picture *p) {
    double most = 0;
    for (size_t r = 0; r < p->shape[1]; r++)
        for (size_t c = 0; c < p->shape[2]; c++) most = fmax(most, fabs(at(p, r, c)));
    return most;
}

/* One pixel, 0xAARRGGBB with colours multiplied by alpha, as cairo has it. */
static uint32_t pixel(const bl_picture *p, size_t row, size_t column, double most, bool transparent) {
    double value = at(p, row, column);
    if (p->grey) {
        double shown = most > 0 ? value / most : 0;
        uint32_t grey = (uint32_t)lround(255 * fmin(1, fmax(0, shown)));
        return 0xFF000000U | grey << 16 | grey << 8 | grey;
    }
    if (!transparent) {
        unsigned level = bl_rdbu_level(value, most);
        bl_rgb c = p->dark ? bl_rdbu_dark(level) : bl_rdbu(level);
        return 0xFF000000U | (uint32_t)c.r << 16 | (uint32_t)c.g << 8 | c.b;
    }
    double share = most > 0 ? fmin(1, fabs(value) / most) : 0;
    static const double positive[3] = {33, 102, 172}, negative[3] = {178, 24, 43};
    const double *ink = value < 0 ? negative : positive;
    uint32_t out = (uint32_t)lround(255 * share) << 24;
    for (size_t i = 0; i < 3; i++) out |= (uint32_t)lround(ink[i] * share) << (16 - 8 * i);
    return out;
}

/* NULL when memory is short; destroy it. */
static cairo_surface_t *surface_of(const bl_picture *p, bool transparent) {
    int rows = (int)p->shape[1], columns = (int)p->shape[2];
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, columns, rows);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        cairo_surface_destroy(surface);
        return NULL;
    }
    cairo_surface_flush(surface);
    unsigned char *data = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    double most = p->grey ? 1 : largest(p);
    for (size_t r = 0; r < p->shape[1]; r++)
        for (size_t c = 0; c < p->shape[2]; c++) {
            uint32_t word = pixel(p, r, c, most, transparent);
            memcpy(data + r * stride + 4 * c, &word, 4);
        }
    cairo_surface_mark_dirty(surface);
    return surface;
}

void bl_picture_draw(cairo_t *on, const bl_picture *picture, double x, double y, double width) {
    cairo_surface_t *surface = surface_of(picture, false);
    if (!surface) return;
    double scale = width / (double)picture->shape[2];
    cairo_save(on);
    cairo_translate(on, x, y);
    cairo_scale(on, scale, scale);
    cairo_set_source_surface(on, surface, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(on), CAIRO_FILTER_NEAREST);
    cairo_paint(on);
    cairo_restore(on);
    cairo_surface_destroy(surface);
}

static cairo_status_t append(void *closure, const unsigned char *data, unsigned n) {
    bl_buffer_add(closure, (const char *)data, n);
    return CAIRO_STATUS_SUCCESS;
}

static void base64(bl_buffer *out, const unsigned char *data, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t word = (uint32_t)data[i] << 16;
        if (i + 1 < n) word |= (uint32_t)data[i + 1] << 8;
        if (i + 2 < n) word |= data[i + 2];
        char four[4] = {digits[word >> 18], digits[word >> 12 & 63], i + 1 < n ? digits[word >> 6 & 63] : '=',
                        i + 2 < n ? digits[word & 63] : '='};
        bl_buffer_add(out, four, 4);
    }
}

bool bl_picture_html(bl_buffer *out, const bl_picture *picture, const char *alt, bl_error *err) {
    bl_buffer png = {0};
    cairo_surface_t *surface = surface_of(picture, true);
    bool ok = surface && cairo_surface_write_to_png_stream(surface, append, &png) == CAIRO_STATUS_SUCCESS &&
              !png.failed;
    cairo_surface_destroy(surface);
    if (ok) {
        bl_buffer_print(out, "<img class=\"picture%s\" alt=\"", picture->grey ? "" : " ink");
        bl_visible_html(out, alt);
        bl_buffer_text(out, "\" src=\"data:image/png;base64,");
        base64(out, (const unsigned char *)png.data, png.n);
        bl_buffer_text(out, "\">");
    }
    bl_buffer_free(&png);
    return ok || bl_fail(err, BL_ERR_MEMORY, "out of memory while drawing a picture");
}

/* "▀" whose upper half is one pixel and whose lower half is the next row's. */
static void cell(bl_page *page, bl_rgb upper, bl_rgb lower) {
    if (page->colour == BL_COLOUR_24BIT)
        bl_buffer_print(&page->text, "\x1b[38;2;%u;%u;%u;48;2;%u;%u;%um", upper.r, upper.g, upper.b, lower.r,
                        lower.g, lower.b);
    else bl_buffer_print(&page->text, "\x1b[38;5;%u;48;5;%um", bl_xterm256(upper), bl_xterm256(lower));
    bl_buffer_text(&page->text, "\xE2\x96\x80");
}

void bl_picture_terminal(bl_page *page, const bl_picture *picture) {
    size_t rows = picture->shape[1], columns = picture->shape[2];
    if (page->colour == BL_COLOUR_NONE || (page->width && columns + 4 > page->width)) return;
    double most = picture->grey ? 1 : largest(picture);
    for (size_t r = 0; r < rows; r += 2) {
        bl_page_spaces(page, 4);
        for (size_t c = 0; c < columns; c++) {
            uint32_t up = pixel(picture, r, c, most, false);
            uint32_t down = r + 1 < rows ? pixel(picture, r + 1, c, most, false) : up;
            cell(page, (bl_rgb){(unsigned char)(up >> 16), (unsigned char)(up >> 8), (unsigned char)up},
                 (bl_rgb){(unsigned char)(down >> 16), (unsigned char)(down >> 8), (unsigned char)down});
        }
        bl_buffer_text(&page->text, "\x1b[0m");
        bl_page_newline(page);
    }
}
