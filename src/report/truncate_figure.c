/* Loss against rank as a figure: the model's truncation curve, its controls, and the two levels it runs
 * between. A token that never comes next has no loss of its own; its curve is the correlation of the rank-K
 * form with u.MLP(x). The horizontal axis is log2(1 + rank), so that rank 0 has its place. */
#include <bilens/evidence.h>
#include "base/error.h"
#include "report/axes.h"
#include <bilens/report.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 460.0
#define HEIGHT 330.0

typedef struct chart {
    bl_canvas page;
    bl_axes axes; /* log2(1 + rank) and loss */
    const bl_tree *tree;
    const char *key;      /* of what is drawn: "loss" or "correlation" */
    const char *label;    /* of the vertical axis */
    double full, without; /* NaN: not drawn */
} chart;

static const json_t *curve_of(const chart *c, int i) {
    static const char *const keys[] = {"ranks", "random", "lowest"};
    return json_object_get(i ? json_object_get(c->tree, "controls") : c->tree, keys[i]);
}

static double value_of(const chart *c, const json_t *item) { return bl_tree_real(item, c->key); }

static void widen(chart *c, double loss) {
    if (!isfinite(loss)) return;
    c->axes.y_low = fmin(c->axes.y_low, loss);
    c->axes.y_high = fmax(c->axes.y_high, loss);
}

/* The controls may rise far above: the frame ends at what the curve itself and the two levels need, and a
 * third more. */
static bool find_range(chart *c, bl_error *err) {
    const json_t *item;
    size_t i;
    bl_axes *axes = &c->axes;
    *axes = (bl_axes){.page = &c->page, .y_low = INFINITY, .y_high = -INFINITY};
    json_array_foreach(curve_of(c, 0), i, item) {
        widen(c, value_of(c, item));
        axes->x_high = fmax(axes->x_high, log2(1 + bl_tree_real(item, "rank")));
    }
    /* of a correlation the controls count too: they lie about 0 */
    for (int k = 1; k < 3 && strcmp(c->key, "correlation") == 0; k++)
        json_array_foreach(curve_of(c, k), i, item) widen(c, value_of(c, item));
    widen(c, c->full);
    widen(c, c->without);
    if (!(axes->y_low <= axes->y_high))
        return bl_fail(err, BL_ERR_INPUT, "the curve has nothing to draw: no position has a prediction");
    double air = fmax(0.05 * (axes->y_high - axes->y_low), 0.01);
    axes->y_low -= air;
    axes->y_high += air;
    axes->y_high += (axes->y_high - axes->y_low) * bl_axes_key_room(axes, curve_of(c, 1) ? 3 : 1);
    if (axes->x_high <= 0) axes->x_high = 1;
    axes->y = bl_nice_ticks(axes->y_low, axes->y_high, 7, false);
    return true;
}

static void draw_axes(cairo_t *on, const chart *c) {
    const json_t *item;
    size_t i;
    bl_axes_frame(&c->axes, on, "Eigenvectors kept per token", c->label);
    json_array_foreach(curve_of(c, 0), i, item) {
        double rank = bl_tree_real(item, "rank");
        bl_axes_tick(&c->axes, on, log2(1 + rank), rank);
    }
}

static void draw_level(cairo_t *on, const chart *c, double loss, const char *name) {
    static const double dashes[] = {3, 3};
    if (!isfinite(loss)) return;
    double y = bl_axes_y(&c->axes, loss);
    bl_ink(on, 120, 126, 134);
    cairo_set_line_width(on, 0.8);
    cairo_set_dash(on, dashes, 2, 0);
    bl_line(on, c->page.left, y, c->page.right, y);
    cairo_set_dash(on, NULL, 0, 0);
    bl_text_at(on, name, c->page.left + 5, y - 6 * c->page.unit, 0);
}

static const struct {
    const char *name;
    int r, g, b;
} orders[] = {{"largest first", 178, 24, 43}, {"at random", 84, 110, 136}, {"smallest first", 160, 166, 174}};

static void use_ink(cairo_t *on, int order) { bl_ink(on, orders[order].r, orders[order].g, orders[order].b); }

static void draw_curve(cairo_t *on, const chart *c, int order) {
    const json_t *item;
    size_t i;
    use_ink(on, order);
    cairo_set_line_width(on, 1.4);
    json_array_foreach(curve_of(c, order), i, item) {
        if (!isfinite(value_of(c, item))) continue; /* rank 0 varies with nothing */
        cairo_line_to(on, bl_axes_x(&c->axes, log2(1 + bl_tree_real(item, "rank"))),
                      bl_axes_y(&c->axes, value_of(c, item)));
    }
    cairo_stroke(on);
    if (c->page.how.no_marks) return;
    json_array_foreach(curve_of(c, order), i, item) {
        if (isfinite(value_of(c, item)))
            bl_axes_dot(&c->axes, on, log2(1 + bl_tree_real(item, "rank")), value_of(c, item), 2.2);
    }
}

static bool draw(const bl_canvas *page, cairo_t *on, const void *context, bl_error *err) {
    const chart *c = context;
    (void)err;
    (void)page;
    draw_axes(on, c);
    bl_axes_clip(&c->axes, on);
    draw_level(on, c, c->full, "the model");
    draw_level(on, c, c->without, "without this MLP");
    for (int i = 2; i >= 0; i--)
        if (curve_of(c, i)) draw_curve(on, c, i);
    cairo_restore(on);
    for (int i = 0; i < 3; i++) {
        if (!curve_of(c, i)) continue;
        use_ink(on, i);
        bl_axes_key(&c->axes, on, (size_t)i, orders[i].name, false);
    }
    return true;
}

bool bl_truncate_figure(const bl_tree *tree, const bl_figure_options *options, const char *path,
                        bl_error *err) {
    const json_t *own = json_object_get(tree, "own");
    bool loss = !own || bl_tree_real(own, "positions") > 0;
    chart c = {.page = bl_canvas_new(WIDTH, HEIGHT, loss ? "Loss against rank" : "Correlation against rank",
                                     NULL, options),
               .tree = tree,
               .key = loss ? "loss" : "correlation",
               .label = !loss ? "Correlation with u\xC2\xB7MLP(x)"
                      : own   ? "Loss on the token's own positions (nats)"
                              : "Loss (nats per token)",
               .full = bl_tree_real(own ? own : tree, "full"),
               .without = bl_tree_real(tree, "without_mlp")};
    return find_range(&c, err) && bl_canvas_write(&c.page, path, draw, &c, err);
}
