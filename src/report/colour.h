/* Colours: the diverging scale RdBu (red = negative, blue = positive), legible text on it, and the 256
 * colours of a terminal. */
#ifndef BL_REPORT_COLOUR_H
#define BL_REPORT_COLOUR_H
#include <stdbool.h>

#define BL_RDBU_LEVELS 256
#define BL_RDBU_NEUTRAL 128 /* half of the levels */

typedef struct bl_rgb {
    unsigned char r, g, b;
} bl_rgb;

/* The level 0 (red) … 255 (blue) of `value` on a scale that is symmetric about 0 and ends at ±largest;
 * neutral when largest is 0. */
unsigned bl_rdbu_level(double value, double largest);
/* The colour of a level; higher levels give the last colour. */
bl_rgb bl_rdbu(unsigned level);
/* The same scale for dark backgrounds: zero is the background, the ends are bright. */
bl_rgb bl_rdbu_dark(unsigned level);
/* A grey of the same luminance: of a level whose sign means nothing. */
bl_rgb bl_grey(bl_rgb colour);
/* CIE lightness L*, 0 … 100, as the paper's notebook computes it. */
double bl_lightness(bl_rgb colour);
/* True where white text has more contrast than black. */
bool bl_wants_white_text(bl_rgb background);

/* The nearest to the eye (in CIE L*a*b*) of xterm's colours 16 … 255 (the first 16 depend on the user's
 * theme), and what it looks like. In RGB a dark blue would come out teal. */
unsigned bl_xterm256(bl_rgb colour);
bl_rgb bl_xterm256_colour(unsigned index);
#endif
