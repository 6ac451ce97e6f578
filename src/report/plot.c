#include "report/plot.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

int bl_decimals(double largest) {
    if (largest == 0) return 4;
    int exponent = (int)floor(log10(largest));
    if (exponent < -4 || exponent > 6) return -1;
    int decimals = exponent >= 0 ? 4 - exponent : 3 - exponent;
    return decimals < 1 ? 1 : decimals;
}

const char *bl_number(char out[BL_NUMBER_SIZE], double value, int decimals, const char *minus) {
    char digits[BL_NUMBER_SIZE];
    if (decimals < 0 || fabs(value) >= 1e15) snprintf(digits, sizeof digits, "%.2e", fabs(value));
    else snprintf(digits, sizeof digits, "%.*f", decimals > 12 ? 12 : decimals, fabs(value));
    bool zero = strspn(digits, "0.") == strlen(digits);
    snprintf(out, BL_NUMBER_SIZE, "%.8s%.36s", value < 0 && !zero ? minus : "", digits);
    return out;
}

const char *bl_grouped(char out[40], uint64_t n) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

bl_ticks bl_nice_ticks(double low, double high, size_t most, bool whole) {
    static const double factors[] = {1, 2, 2.5, 5, 10};
    if (!(high > low)) high = low + 1;
    double rough = (high - low) / (double)(most > 1 ? most : 1);
    double power = pow(10, floor(log10(rough)));
    bl_ticks ticks = {0};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        ticks.step = factors[i] * power;
        if (whole && ticks.step != floor(ticks.step)) continue;
        ticks.first = ceil(low / ticks.step - 1e-9) * ticks.step;
        ticks.n = (size_t)floor((high - ticks.first) / ticks.step + 1e-9) + 1;
        ticks.decimals = (int)fmax(0, -floor(log10(ticks.step) + 1e-9) + (factors[i] == 2.5));
        if (ticks.n <= most) break;
    }
    if (ticks.decimals > 5 || ticks.step >= 1e7) ticks.decimals = -1;
    return ticks;
}

bl_plot bl_plot_new(const bl_doc_eigen *eigen, double left, double top, double right, double bottom) {
    bl_plot plot = {.left = left, .right = right, .top = top, .bottom = bottom, .n = eigen->size};
    double low = fmin(eigen->values[0], 0), high = fmax(eigen->values[eigen->size - 1], 0);
    double air = (high - low) * 0.06;
    if (!(air > 0)) air = 1;
    plot.low = low - air;
    plot.high = high + air;
    plot.x = bl_nice_ticks(0, plot.n > 1 ? (double)(plot.n - 1) : 1, 6, true);
    plot.y = bl_nice_ticks(plot.low, plot.high, 7, false);
    return plot;
}

double bl_plot_x(const bl_plot *plot, double index) {
    double width = plot->right - plot->left, last = plot->n > 1 ? (double)(plot->n - 1) : 1;
    return plot->left + width * (BL_PLOT_AIR + (1 - 2 * BL_PLOT_AIR) * index / last);
}

double bl_plot_y(const bl_plot *plot, double value) {
    return plot->bottom - (plot->bottom - plot->top) * (value - plot->low) / (plot->high - plot->low);
}

static bool in_column(const bl_mark *mark, bool right) {
    return mark->labelled && !mark->middle && mark->right == right;
}

/* The label without a place yet that is nearest to the curve's middle. */
static bl_mark *next_outwards(bl_mark *marks, size_t n, bool right) {
    double outwards = right ? -1 : 1;
    bl_mark *next = NULL;
    for (size_t i = 0; i < n; i++)
        if (in_column(&marks[i], right) && isnan(marks[i].label_y) &&
            (!next || outwards * marks[i].y < outwards * next->y))
            next = &marks[i];
    return next;
}

/* Heights of one column's labels. The right column goes upwards, as the spectrum does there, the left one
 * downwards: each label at its point's height or `gap` beyond the one before it. Then those beyond the frame
 * are pushed back, and others only as far as they must. */
static void spread(bl_mark *marks, size_t n, bool right, double gap, double limit) {
    enum { MOST = 64 };
    double outwards = right ? -1 : 1;
    bl_mark *order[MOST];
    size_t used = 0;
    for (bl_mark *next; used < MOST && (next = next_outwards(marks, n, right)) != NULL; used++) {
        double least = used > 0 ? outwards * order[used - 1]->label_y + gap : -INFINITY;
        next->label_y = outwards * fmax(outwards * next->y, least);
        order[used] = next;
    }
    for (double most = outwards * limit; used > 0; used--) {
        bl_mark *mark = order[used - 1];
        mark->label_y = outwards * fmin(outwards * mark->label_y, most);
        most = outwards * mark->label_y - gap;
    }
}

/* Whether labels that end (right) or begin at `x` are clear of the curve, which ascends: the right column's
 * stand above it, the left one's below. */
static bool is_clear(const bl_plot *plot, const bl_doc_eigen *eigen, const bl_mark *marks, bool right,
                     double gap, double x) {
    double unit = bl_plot_x(plot, 1) - bl_plot_x(plot, 0), index = round((x - bl_plot_x(plot, 0)) / unit);
    if (!(index >= 0 && index < (double)plot->n)) return false;
    double curve = bl_plot_y(plot, eigen->values[(size_t)index]), outwards = right ? -1 : 1;
    for (size_t i = 0; i < eigen->n_vectors; i++)
        if (in_column(&marks[i], right) && outwards * (marks[i].label_y - curve) < 0.7 * gap) return false;
    return true;
}

/* Labels of points near an end of the axis stand in one column, beside the innermost of these points, as far
 * away as keeps them clear of the curve. */
static void align(const bl_plot *plot, const bl_doc_eigen *eigen, bool right, double gap, double reach,
                  bl_mark *marks) {
    double outwards = right ? -1 : 1, inner = right ? INFINITY : -INFINITY;
    for (size_t i = 0; i < eigen->n_vectors; i++)
        if (in_column(&marks[i], right)) inner = right ? fmin(inner, marks[i].x) : fmax(inner, marks[i].x);
    double away = reach, most = 4 * reach;
    while (away < most && !is_clear(plot, eigen, marks, right, gap, inner + outwards * away))
        away += reach / 4;
    if (away >= most) away = reach;
    for (size_t i = 0; i < eigen->n_vectors; i++)
        if (in_column(&marks[i], right)) marks[i].label_x = inner + outwards * away;
}

void bl_plot_marks(const bl_plot *plot, const bl_doc_eigen *eigen, double gap, double reach, bl_mark *marks) {
    size_t fit = (size_t)fmin(40, (plot->bottom - plot->top) / gap / 2), used[2] = {0, 0};
    double near = (plot->right - plot->left) * 0.15;
    for (size_t i = 0; i < eigen->n_vectors; i++) {
        const bl_doc_vector *vector = &eigen->vectors[i];
        bl_mark *mark = &marks[i];
        *mark = (bl_mark){.x = bl_plot_x(plot, (double)vector->position),
                          .y = bl_plot_y(plot, vector->eigenvalue),
                          .label_y = NAN};
        mark->right = vector->position >= plot->n / 2;
        mark->middle = mark->x > plot->left + near && mark->x < plot->right - near;
        mark->labelled = used[mark->right]++ < fit;
        if (!mark->middle) continue;
        mark->label_x = mark->x;
        mark->label_y = mark->right ? mark->y - gap * 0.9 : mark->y + gap * 0.9;
    }
    for (int right = 0; right < 2; right++) {
        spread(marks, eigen->n_vectors, right, gap, right ? plot->top + gap * 0.6 : plot->bottom - gap * 0.6);
        align(plot, eigen, right, gap, reach, marks);
    }
}
