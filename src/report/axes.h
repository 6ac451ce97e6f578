/* A diagram with two linear axes on a canvas: the frame, ticks with their numbers, the names, a key. */
#ifndef BL_REPORT_AXES_H
#define BL_REPORT_AXES_H
#include "report/canvas.h"
#include "report/plot.h"

/* The data's range, which fills the canvas's frame, and ticks (n = 0: none). The canvas is borrowed. */
typedef struct bl_axes {
    const bl_canvas *page;
    double x_low, x_high, y_low, y_high;
    bl_ticks x, y;
} bl_axes;

double bl_axes_x(const bl_axes *axes, double value);
double bl_axes_y(const bl_axes *axes, double value);

/* Pale lines at the vertical axis's ticks. */
void bl_axes_grid(const bl_axes *axes, cairo_t *on);
/* The frame, both axes' ticks and their names. */
void bl_axes_frame(const bl_axes *axes, cairo_t *on, const char *below, const char *beside);
/* One more tick of the horizontal axis, at x = `value`, that says `label`. */
void bl_axes_tick(const bl_axes *axes, cairo_t *on, double value, double label);
/* A dot at (x, y) of the data. */
void bl_axes_dot(const bl_axes *axes, cairo_t *on, double x, double y, double radius);
/* What comes next is drawn inside the frame only, until cairo_restore. */
void bl_axes_clip(const bl_axes *axes, cairo_t *on);

/* Row `row` of the key in the frame's right upper corner: a line, or a dot, of the ink that is set, and its
 * name. */
void bl_axes_key(const bl_axes *axes, cairo_t *on, size_t row, const char *name, bool dot);
/* By which part of itself the vertical range must grow upwards, so that a key of so many rows stands above
 * the data. */
double bl_axes_key_room(const bl_axes *axes, size_t rows);
#endif
