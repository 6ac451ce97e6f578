/* Pictures of numbers: a diverging scale that is symmetric about 0, as an image surface, a PNG or a
 * terminal's cells. */
#ifndef BL_REPORT_PICTURE_H
#define BL_REPORT_PICTURE_H
#include "base/buffer.h"
#include "report/terminal.h"
#include <cairo.h>

/* Where a picture's numbers lie: `shape` is channels, rows, columns; channels are summed. */
typedef struct bl_picture {
    const double *values; /* [channels * rows * columns] */
    size_t shape[3];
    bool grey; /* 0 … 1 as dark … light instead of the diverging scale */
    bool dark; /* the diverging scale of dark pages */
} bl_picture;

/* Draws it into the square (or the rectangle of its shape) of that width. */
void bl_picture_draw(cairo_t *on, const bl_picture *picture, double x, double y, double width);
/* <img …> with the picture inside, `alt` made safe: 0 is transparent, so that it is the page's background
 * in both themes. */
bool bl_picture_html(bl_buffer *out, const bl_picture *picture, const char *alt, bl_error *err);
/* Two rows of pixels per line, in colours; nothing on a terminal without colour. */
void bl_picture_terminal(bl_page *page, const bl_picture *picture);
#endif
