/* RdBu as matplotlib's `plt.cm.RdBu` has it: ColorBrewer's eleven colours (Cynthia Brewer), joined linearly
 * and sampled at 256 levels
 *
 *     level(x) = floor(256 x),  x = (value + largest) / (2 largest) in [0, 1];  colour(i) = between anchors
 * at 10 i / 255
 *
 * and made whole numbers by truncation, as the paper's notebook does: the middle is therefore (246, 246, 246)
 * at level 128. */
#include "report/colour.h"
#include <math.h>

static const unsigned char anchors[11][3] = {{103, 0, 31},    {178, 24, 43},   {214, 96, 77},
                                             {244, 165, 130}, {253, 219, 199}, {247, 247, 247},
                                             {209, 229, 240}, {146, 197, 222}, {67, 147, 195},
                                             {33, 102, 172},  {5, 48, 97}};

unsigned bl_rdbu_level(double value, double largest) {
    if (!(largest > 0) || !isfinite(value)) return BL_RDBU_NEUTRAL;
    double x = (value / largest + 1) / 2 * BL_RDBU_LEVELS; /* divided first: value + largest may overflow */
    if (!(x > 0)) return 0;
    return x >= BL_RDBU_LEVELS ? BL_RDBU_LEVELS - 1 : (unsigned)x;
}

/* One channel in [0, 1], in the very operations of numpy's linspace and matplotlib's table: truncation shows
 * the last bit. */
static double channel(unsigned level, int which) {
    unsigned left = level * 10 / 255;
    if (left >= 10) return anchors[10][which] / 255.0;
    double at = level * (1 / 255.0), from = left * 0.1, to = (left + 1) * 0.1;
    at *= 255;
    from *= 255;
    to *= 255;
    double share = (at - from) / (to - from);
    double low = anchors[left][which] / 255.0, high = anchors[left + 1][which] / 255.0;
    double step = share * (high - low); /* its own statement: never fused into a multiply-add */
    return step + low;
}

bl_rgb bl_rdbu(unsigned level) {
    if (level >= BL_RDBU_LEVELS) level = BL_RDBU_LEVELS - 1;
    return (bl_rgb){(unsigned char)(255 * channel(level, 0)), (unsigned char)(255 * channel(level, 1)),
                    (unsigned char)(255 * channel(level, 2))};
}

/* The scale on a dark page: from bright red through the page's own colour, which is zero, to bright blue. */
static const unsigned char dark_anchors[5][3] = {
    {255, 158, 138}, {170, 58, 48}, {26, 30, 35}, {38, 98, 158}, {140, 205, 255}};

bl_rgb bl_rdbu_dark(unsigned level) {
    if (level >= BL_RDBU_LEVELS) level = BL_RDBU_LEVELS - 1;
    /* Both halves end in the middle: level 128 is zero, as of bl_rdbu. */
    double at = level <= BL_RDBU_NEUTRAL
                  ? 2.0 * level / BL_RDBU_NEUTRAL
                  : 2 + 2.0 * (level - BL_RDBU_NEUTRAL) / (BL_RDBU_LEVELS - 1 - BL_RDBU_NEUTRAL);
    unsigned left = at >= 4 ? 3 : (unsigned)at;
    double share = at - left;
    unsigned char out[3];
    for (int c = 0; c < 3; c++)
        out[c] = (unsigned char)lround(dark_anchors[left][c] +
                                       share * (dark_anchors[left + 1][c] - dark_anchors[left][c]));
    return (bl_rgb){out[0], out[1], out[2]};
}

bl_rgb bl_grey(bl_rgb colour) {
    double luma = 0.2126 * colour.r + 0.7152 * colour.g + 0.0722 * colour.b;
    unsigned char grey = (unsigned char)lround(luma);
    return (bl_rgb){grey, grey, grey};
}

/* The notebook's linearisation: exponent 2 where sRGB has 2.4. */
static double linear(unsigned char value) {
    double c = value / 255.0;
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2);
}

double bl_lightness(bl_rgb colour) {
    double y = 0.2126 * linear(colour.r) + 0.7152 * linear(colour.g) + 0.0722 * linear(colour.b);
    return y <= 0.008856 ? 903.3 * y : 116 * cbrt(y) - 16;
}

/* The six steps of xterm's colour cube. */
static const unsigned char steps[6] = {0, 95, 135, 175, 215, 255};

bl_rgb bl_xterm256_colour(unsigned index) {
    if (index < 16) index = 16;
    if (index >= 232) {
        unsigned char grey = (unsigned char)(8 + 10 * ((index > 255 ? 255 : index) - 232));
        return (bl_rgb){grey, grey, grey};
    }
    index -= 16;
    return (bl_rgb){steps[index / 36], steps[index / 6 % 6], steps[index % 6]};
}

/* CIE L*a*b* of an sRGB colour (D65). */
typedef struct lab {
    double l, a, b;
} lab;

static double srgb_linear(unsigned char value) {
    double c = value / 255.0;
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

/* WCAG 2: contrast (L1 + 0.05) / (L2 + 0.05) of relative luminances; white's is 1, black's 0. One of the two
 * is always at least sqrt(21) = 4.58. */
bool bl_wants_white_text(bl_rgb background) {
    double y = 0.2126 * srgb_linear(background.r) + 0.7152 * srgb_linear(background.g) +
               0.0722 * srgb_linear(background.b);
    return 1.05 / (y + 0.05) >= (y + 0.05) / 0.05;
}

static double lab_root(double t) { return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116; }

static lab lab_of(bl_rgb colour) {
    double r = srgb_linear(colour.r), g = srgb_linear(colour.g), b = srgb_linear(colour.b);
    double x = lab_root((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047),
           y = lab_root(0.2126729 * r + 0.7151522 * g + 0.0721750 * b);
    double z = lab_root((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883);
    return (lab){116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

unsigned bl_xterm256(bl_rgb colour) {
    lab wanted = lab_of(colour);
    unsigned best = 16;
    double least = INFINITY;
    for (unsigned i = 16; i < 256; i++) {
        lab have = lab_of(bl_xterm256_colour(i));
        double l = have.l - wanted.l, a = have.a - wanted.a, b = have.b - wanted.b,
               distance = l * l + a * a + b * b;
        if (distance < least) {
            least = distance;
            best = i;
        }
    }
    return best;
}
