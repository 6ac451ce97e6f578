#include "report/axes.h"
#include <math.h>

double bl_axes_x(const bl_axes *axes, double value) {
    const bl_canvas *page = axes->page;
    return page->left + (page->right - page->left) * (value - axes->x_low) / (axes->x_high - axes->x_low);
}

double bl_axes_y(const bl_axes *axes, double value) {
    const bl_canvas *page = axes->page;
    return page->bottom - (page->bottom - page->top) * (value - axes->y_low) / (axes->y_high - axes->y_low);
}

void bl_axes_grid(const bl_axes *axes, cairo_t *on) {
    cairo_set_line_width(on, 0.5);
    bl_ink(on, 225, 228, 232);
    for (size_t i = 0; i < axes->y.n; i++) {
        double y = bl_axes_y(axes, axes->y.first + (double)i * axes->y.step);
        bl_line(on, axes->page->left, y, axes->page->right, y);
    }
}

static void tick_below(const bl_axes *axes, cairo_t *on, double value, double label, int decimals) {
    char text[BL_NUMBER_SIZE];
    double x = bl_axes_x(axes, value), bottom = axes->page->bottom;
    bl_line(on, x, bottom, x, bottom + 3.5);
    bl_text_at(on, bl_number(text, label, decimals, BL_MINUS), x, bottom + 12 * axes->page->unit, 0.5);
}

void bl_axes_tick(const bl_axes *axes, cairo_t *on, double value, double label) {
    tick_below(axes, on, value, label, 0);
}

static void frame_path(const bl_canvas *page, cairo_t *on) {
    cairo_rectangle(on, page->left, page->top, page->right - page->left, page->bottom - page->top);
}

void bl_axes_frame(const bl_axes *axes, cairo_t *on, const char *below, const char *beside) {
    char text[BL_NUMBER_SIZE];
    double left = axes->page->left;
    bl_ink(on, 30, 34, 40);
    cairo_set_line_width(on, 0.8);
    frame_path(axes->page, on);
    cairo_stroke(on);
    for (size_t i = 0; i < axes->x.n; i++) {
        double value = axes->x.first + (double)i * axes->x.step;
        tick_below(axes, on, value, value, axes->x.decimals);
    }
    for (size_t i = 0; i < axes->y.n; i++) {
        double value = axes->y.first + (double)i * axes->y.step, y = bl_axes_y(axes, value);
        bl_line(on, left - 3.5, y, left, y);
        bl_text_at(on, bl_number(text, value, axes->y.decimals, BL_MINUS), left - 6.5, y, 1);
    }
    bl_axis_names(axes->page, on, below, beside);
}

static void dot_at(cairo_t *on, double x, double y, double radius) {
    cairo_arc(on, x, y, radius, 0, 4 * acos(0));
    cairo_fill(on);
}

void bl_axes_dot(const bl_axes *axes, cairo_t *on, double x, double y, double radius) {
    dot_at(on, bl_axes_x(axes, x), bl_axes_y(axes, y), radius);
}

void bl_axes_clip(const bl_axes *axes, cairo_t *on) {
    cairo_save(on);
    frame_path(axes->page, on);
    cairo_clip(on);
}

static const double key_row = 14;

double bl_axes_key_room(const bl_axes *axes, size_t rows) {
    double share = key_row * ((double)rows + 0.6) * axes->page->unit / (axes->page->bottom - axes->page->top);
    return fmin(share, 0.6) / (1 - fmin(share, 0.6));
}

void bl_axes_key(const bl_axes *axes, cairo_t *on, size_t row, const char *name, bool dot) {
    double unit = axes->page->unit, right = axes->page->right;
    double y = axes->page->top + key_row * (double)(row + 1) * unit;
    cairo_set_line_width(on, 1.4);
    if (dot) dot_at(on, right - 84 * unit, y, 2.6);
    else bl_line(on, right - 92 * unit, y, right - 76 * unit, y);
    bl_ink(on, 30, 34, 40);
    bl_text_at(on, name, right - 70 * unit, y, 0);
}
