/* What the spectrum's figures share: numbers as text, axis ticks, the mapping from data to paper, and labels
 * that do not overlap. */
#ifndef BL_REPORT_PLOT_H
#define BL_REPORT_PLOT_H
#include "result/document.h"
#include <bilens/report.h>

#define BL_MINUS "\xE2\x88\x92" /* U+2212, as wide as a digit */
#define BL_NUMBER_SIZE 48

/* Digits after the point with which values up to ±largest are told apart (four or five significant ones);
 * -1: use an exponent. */
int bl_decimals(double largest);
/* `value` with that many decimals (-1: three significant digits and an exponent), the sign written as
 * `minus`; never "-0.00". */
const char *bl_number(char out[BL_NUMBER_SIZE], double value, int decimals, const char *minus);

/* 2949120 as "2,949,120". */
const char *bl_grouped(char out[40], uint64_t n);

/* Ticks first, first + step, …: n of them, round numbers within [low, high]. */
typedef struct bl_ticks {
    double first, step;
    size_t n;
    int decimals;
} bl_ticks;
/* At most `most` of them (at least 2), steps of 1, 2, 2.5 or 5 times a power of ten, whole numbers only when
 * `whole`. */
bl_ticks bl_nice_ticks(double low, double high, size_t most, bool whole);

#define BL_PLOT_AIR 0.025 /* share of the width before the first eigenvalue, and behind the last */
/* A drawing of a spectrum on a page with y downwards: the frame's corners, the data's range, ticks. */
typedef struct bl_plot {
    double left, right, top, bottom;
    double low, high; /* of the eigenvalues, with some air */
    size_t n;         /* eigenvalues */
    bl_ticks x, y;
} bl_plot;
bl_plot bl_plot_new(const bl_doc_eigen *eigen, double left, double top, double right, double bottom);
double bl_plot_x(const bl_plot *plot, double index);
double bl_plot_y(const bl_plot *plot, double value);

/* Where a shown eigenvector stands and where its label goes: those near an end of the axis have theirs in a
 * column beside the curve (right: the column's right edge at label_x, else its left edge), the others above
 * or below their points. */
typedef struct bl_mark {
    double x, y, label_x, label_y;
    bool right, middle;
    bool labelled; /* false when there is no room */
} bl_mark;
/* marks [n_vectors], labels `gap` apart, columns `reach` away from the points. */
void bl_plot_marks(const bl_plot *plot, const bl_doc_eigen *eigen, double gap, double reach, bl_mark *marks);

/* The spectrum's figure from a document that is already read. */
/* The suffix of `path` decides: .svg, .png or .pdf; the same eigenvalues give the same bytes. BL_ERR_USAGE
 * for another suffix. */
bool bl_figure_write(const bl_doc_eigen *eigen, const bl_figure_options *options, const char *path,
                     bl_error *err);
#endif
