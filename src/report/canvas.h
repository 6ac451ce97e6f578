/* What the figures share: a page that becomes svg, png or pdf, its heading and frame, and strokes of the
 * pen. */
#ifndef BL_REPORT_CANVAS_H
#define BL_REPORT_CANVAS_H
#include <bilens/report.h>
#include <cairo.h>

/* A page and how it is to be drawn; lengths in points. */
typedef struct bl_canvas {
    double width, height;
    double own_width, own_height;    /* what the figure has when nothing else is asked for */
    double text, unit;               /* size of text; what 1 is at text of 10 */
    double left, top, right, bottom; /* frame of a diagram with axes */
    char heading[512];               /* above the frame; "": none */
    const char *name;                /* of the kind of figure */
    bl_figure_options how;
} bl_canvas;

/* A page of that size and heading (NULL: none), unless the options (NULL: none) ask for others. Of a width
 * without a height, or the reverse, the other is in proportion. */
bl_canvas bl_canvas_new(double width, double height, const char *name, const char *heading,
                        const bl_figure_options *options);

/* Draws on a page that has its background, font, text size and heading. False with the error filled in to
 * give up. */
typedef bool (*bl_draw_fn)(const bl_canvas *page, cairo_t *on, const void *context, bl_error *err);

/* The suffix of `path` decides: .svg, .png or .pdf; the same strokes give the same bytes. BL_ERR_USAGE for
 * another suffix, for bad options, and where the text leaves no room. Atomic. */
bool bl_canvas_write(const bl_canvas *canvas, const char *path, bl_draw_fn draw, const void *context,
                     bl_error *err);

/* Colour of what comes next, 0 … 255, as it is on white; a dark page gets its counterpart. */
void bl_ink(cairo_t *on, int r, int g, int b);
void bl_line(cairo_t *on, double x0, double y0, double x1, double y1);
/* Text with its anchor at `share` of its width (0 left, 0.5 middle, 1 right) and, vertically, in the middle
 * of its digits. */
void bl_text_at(cairo_t *on, const char *text, double x, double y, double share);
/* The same, in smaller letters where it would be wider than `most`. */
void bl_text_within(cairo_t *on, const char *text, double x, double y, double share, double most);
/* The names of the axes, below and beside the frame. */
void bl_axis_names(const bl_canvas *page, cairo_t *on, const char *below, const char *beside);
/* From here on the own width and height are what fits below the heading: for figures of one layout. */
void bl_canvas_fit(const bl_canvas *page, cairo_t *on);
#endif
