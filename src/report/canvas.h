/* What the figures share: a page that becomes svg, png or pdf, and three strokes of the pen. */
#ifndef BL_REPORT_CANVAS_H
#define BL_REPORT_CANVAS_H
#include <bilens/base.h>
#include <cairo.h>

/* A page, in points. */
typedef struct bl_canvas {
    double width, height;
    const char *title; /* of a pdf */
} bl_canvas;

/* Draws on white paper with a sans-serif font. False with the error filled in to give up. */
typedef bool (*bl_draw_fn)(cairo_t *on, const void *context, bl_error *err);

/* The suffix of `path` decides: .svg, .png or .pdf; the same strokes give the same bytes. BL_ERR_USAGE for
 * another suffix. Atomic. */
bool bl_canvas_write(const bl_canvas *canvas, const char *path, bl_draw_fn draw, const void *context,
                     bl_error *err);

/* Colour of what comes next, 0 … 255. */
void bl_ink(cairo_t *on, int r, int g, int b);
void bl_line(cairo_t *on, double x0, double y0, double x1, double y1);
/* Text with its anchor at `share` of its width (0 left, 0.5 middle, 1 right) and, vertically, in the middle
 * of its digits. */
void bl_text_at(cairo_t *on, const char *text, double x, double y, double share);
#endif
