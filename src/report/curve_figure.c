/* Loss against rank as a figure: the model's truncation curve, its controls, and the two levels it runs
 * between. The horizontal axis is log2(1 + rank), so that rank 0 has its place. */
#include <bilens/evidence.h>
#include "base/error.h"
#include "report/canvas.h"
#include "report/plot.h"
#include <bilens/report.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#define WIDTH 460.0
#define HEIGHT 330.0

typedef struct chart {
    bl_canvas page;
    const bl_tree *tree;
    const char *label;      /* of the vertical axis */
    double low, high, last; /* losses; the largest log2(1 + rank) */
    double full, without;   /* NaN: not drawn */
} chart;

static const json_t *curve_of(const chart *c, int i) {
    static const char *const keys[] = {"ranks", "random", "lowest"};
    return json_object_get(i ? json_object_get(c->tree, "controls") : c->tree, keys[i]);
}

static void widen(chart *c, double loss) {
    if (!isfinite(loss)) return;
    c->low = fmin(c->low, loss);
    c->high = fmax(c->high, loss);
}

/* The controls may rise far above: the frame ends at what the curve itself and the two levels need, and a
 * third more. */
static bool find_range(chart *c, bl_error *err) {
    const json_t *item;
    size_t i;
    c->low = INFINITY;
    c->high = -INFINITY;
    json_array_foreach(curve_of(c, 0), i, item) {
        widen(c, bl_tree_real(item, "loss"));
        c->last = fmax(c->last, log2(1 + bl_tree_real(item, "rank")));
    }
    widen(c, c->full);
    widen(c, c->without);
    if (!(c->low <= c->high)) return bl_fail(err, BL_ERR_INPUT, "the curve has no loss to draw");
    double air = fmax(0.05 * (c->high - c->low), 0.01);
    c->low -= air;
    c->high += 6 * air;
    if (c->last <= 0) c->last = 1;
    return true;
}

static double place_x(const chart *c, double rank) {
    return c->page.left + (c->page.right - c->page.left) * log2(1 + rank) / c->last;
}
static double place_y(const chart *c, double loss) {
    return c->page.bottom - (c->page.bottom - c->page.top) * (loss - c->low) / (c->high - c->low);
}

static void draw_axes(cairo_t *on, const chart *c) {
    char text[BL_NUMBER_SIZE];
    bl_ticks y = bl_nice_ticks(c->low, c->high, 7, false);
    const json_t *item;
    size_t i;
    bl_ink(on, 30, 34, 40);
    cairo_set_line_width(on, 0.8);
    cairo_rectangle(on, c->page.left, c->page.top, c->page.right - c->page.left,
                    c->page.bottom - c->page.top);
    cairo_stroke(on);
    json_array_foreach(curve_of(c, 0), i, item) {
        double rank = bl_tree_real(item, "rank"), x = place_x(c, rank);
        bl_line(on, x, c->page.bottom, x, c->page.bottom + 3.5);
        bl_text_at(on, bl_number(text, rank, 0, BL_MINUS), x, c->page.bottom + 12 * c->page.unit, 0.5);
    }
    for (i = 0; i < y.n; i++) {
        double value = y.first + (double)i * y.step;
        bl_line(on, c->page.left - 3.5, place_y(c, value), c->page.left, place_y(c, value));
        bl_text_at(on, bl_number(text, value, y.decimals, BL_MINUS), c->page.left - 6.5, place_y(c, value),
                   1);
    }
    bl_axis_names(&c->page, on, "Eigenvectors kept per token", c->label);
}

static void draw_level(cairo_t *on, const chart *c, double loss, const char *name) {
    static const double dashes[] = {3, 3};
    if (!isfinite(loss)) return;
    bl_ink(on, 120, 126, 134);
    cairo_set_line_width(on, 0.8);
    cairo_set_dash(on, dashes, 2, 0);
    bl_line(on, c->page.left, place_y(c, loss), c->page.right, place_y(c, loss));
    cairo_set_dash(on, NULL, 0, 0);
    bl_text_at(on, name, c->page.left + 5, place_y(c, loss) - 6 * c->page.unit, 0);
}

static const struct {
    const char *name;
    int r, g, b;
} orders[] = {{"largest first", 178, 24, 43}, {"at random", 84, 110, 136}, {"smallest first", 160, 166, 174}};

static void draw_curve(cairo_t *on, const chart *c, int order) {
    const json_t *item;
    size_t i;
    bl_ink(on, orders[order].r, orders[order].g, orders[order].b);
    cairo_set_line_width(on, 1.4);
    json_array_foreach(curve_of(c, order), i, item)
        cairo_line_to(on, place_x(c, bl_tree_real(item, "rank")), place_y(c, bl_tree_real(item, "loss")));
    cairo_stroke(on);
    if (c->page.how.no_marks) return;
    json_array_foreach(curve_of(c, order), i, item) {
        cairo_arc(on, place_x(c, bl_tree_real(item, "rank")), place_y(c, bl_tree_real(item, "loss")), 2.2, 0,
                  4 * acos(0));
        cairo_fill(on);
    }
}

static bool draw(const bl_canvas *page, cairo_t *on, const void *context, bl_error *err) {
    const chart *c = context;
    (void)err;
    (void)page;
    draw_axes(on, c);
    cairo_save(on);
    cairo_rectangle(on, c->page.left, c->page.top, c->page.right - c->page.left,
                    c->page.bottom - c->page.top);
    cairo_clip(on);
    draw_level(on, c, c->full, "the model");
    draw_level(on, c, c->without, "without this MLP");
    for (int i = 2; i >= 0; i--)
        if (curve_of(c, i)) draw_curve(on, c, i);
    cairo_restore(on);
    for (int i = 0; i < 3; i++) {
        if (!curve_of(c, i)) continue;
        double y = c->page.top + (14 + 14 * i) * c->page.unit;
        bl_ink(on, orders[i].r, orders[i].g, orders[i].b);
        cairo_set_line_width(on, 1.4);
        bl_line(on, c->page.right - 92 * c->page.unit, y, c->page.right - 76 * c->page.unit, y);
        bl_ink(on, 30, 34, 40);
        bl_text_at(on, orders[i].name, c->page.right - 70 * c->page.unit, y, 0);
    }
    return true;
}

bool bl_truncate_figure(const bl_tree *tree, const bl_figure_options *options, const char *path,
                        bl_error *err) {
    const json_t *own = json_object_get(tree, "own");
    chart c = {.page = bl_canvas_new(WIDTH, HEIGHT, "Loss against rank", NULL, options),
               .tree = tree,
               .label = own ? "Loss on the token's own positions (nats)" : "Loss (nats per token)",
               .full = bl_tree_real(own ? own : tree, "full"),
               .without = bl_tree_real(tree, "without_mlp")};
    return find_range(&c, err) && bl_canvas_write(&c.page, path, draw, &c, err);
}
