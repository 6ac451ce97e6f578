/* When a layer's forms took their shape: the cosine of each snapshot of a training run with the last one, of
 * the whole layer and of single tokens. The horizontal axis is the step at the end of a snapshot's name, or
 * its place in the list where not every name ends in a number. */
#include <bilens/evidence.h>
#include "base/error.h"
#include "report/axes.h"
#include <bilens/report.h>
#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 460.0
#define HEIGHT 330.0
#define WHOLE ((size_t)2) /* curves of the whole layer */

typedef struct chart {
    bl_canvas page;
    bl_axes axes; /* step and cosine */
    const json_t *snapshots;
    bool steps;
} chart;

static const struct {
    int r, g, b;
} inks[] = {{33, 38, 45},  {120, 126, 134}, {178, 24, 43},  {33, 102, 172},
            {35, 139, 69}, {230, 130, 0},   {123, 50, 148}, {0, 128, 128}};
#define N_INKS (sizeof inks / sizeof *inks)

static const char *const whole[WHOLE] = {"frobenius", "similarity"};

/* The number that a name ends in; -1 without one. */
static double step_of(const char *name) {
    size_t begin = strlen(name);
    while (begin > 0 && isdigit((unsigned char)name[begin - 1])) begin--;
    return name[begin] ? strtod(name + begin, NULL) : -1;
}

static double x_of(const chart *c, size_t i) {
    return c->steps ? step_of(bl_tree_string(json_array_get(c->snapshots, i), "snapshot")) : (double)i;
}

static const json_t *tokens_of(const chart *c, size_t i) {
    return json_object_get(json_array_get(c->snapshots, i), "tokens");
}

static size_t n_curves(const chart *c) { return WHOLE + json_array_size(tokens_of(c, 0)); }

static double y_of(const chart *c, size_t curve, size_t i) {
    if (curve < WHOLE) return bl_tree_real(json_array_get(c->snapshots, i), whole[curve]);
    return bl_tree_real(json_array_get(tokens_of(c, i), curve - WHOLE), "cosine");
}

static const char *name_of(const chart *c, size_t curve) {
    static const char *const names[WHOLE] = {"tensors", "functions"};
    return curve < WHOLE ? names[curve]
                         : bl_tree_string(json_array_get(tokens_of(c, 0), curve - WHOLE), "token");
}

static bool find_range(chart *c, bl_error *err) {
    size_t n = json_array_size(c->snapshots);
    bl_axes *axes = &c->axes;
    *axes = (bl_axes){.page = &c->page, .y_low = 0, .y_high = 1};
    if (n < 2) return bl_fail(err, BL_ERR_INPUT, "a timeline has at least two snapshots");
    c->steps = true;
    for (size_t i = 0; i < n; i++)
        c->steps = c->steps && step_of(bl_tree_string(json_array_get(c->snapshots, i), "snapshot")) >= 0;
    axes->x_low = axes->x_high = x_of(c, 0);
    for (size_t i = 0; i < n; i++) {
        axes->x_low = fmin(axes->x_low, x_of(c, i));
        axes->x_high = fmax(axes->x_high, x_of(c, i));
        for (size_t k = 0; k < n_curves(c); k++)
            if (isfinite(y_of(c, k, i))) axes->y_low = fmin(axes->y_low, y_of(c, k, i));
    }
    if (axes->x_high <= axes->x_low) axes->x_high = axes->x_low + 1;
    axes->y_low -= 0.03;
    axes->y_high += 0.03;
    axes->x = bl_nice_ticks(axes->x_low, axes->x_high, 6, false);
    axes->y = bl_nice_ticks(axes->y_low, axes->y_high, 7, false);
    return true;
}

static void use_ink(cairo_t *on, size_t curve) {
    size_t i = curve < N_INKS ? curve : WHOLE + (curve - WHOLE) % (N_INKS - WHOLE);
    bl_ink(on, inks[i].r, inks[i].g, inks[i].b);
}

static void draw_curve(cairo_t *on, const chart *c, size_t curve) {
    size_t n = json_array_size(c->snapshots);
    use_ink(on, curve);
    cairo_set_line_width(on, curve < WHOLE ? 2 : 1.2);
    for (size_t i = 0; i < n; i++)
        cairo_line_to(on, bl_axes_x(&c->axes, x_of(c, i)), bl_axes_y(&c->axes, y_of(c, curve, i)));
    cairo_stroke(on);
    for (size_t i = 0; i < n && !c->page.how.no_marks; i++)
        bl_axes_dot(&c->axes, on, x_of(c, i), y_of(c, curve, i), 2);
}

/* The key stands in the lower right corner, which curves that end at 1 leave free. */
static void draw_key(cairo_t *on, const chart *c) {
    size_t n = n_curves(c);
    double left = c->page.right - 110 * c->page.unit;
    for (size_t k = 0; k < n; k++) {
        double y = c->page.bottom - (12 + 14 * (double)(n - 1 - k)) * c->page.unit;
        use_ink(on, k);
        cairo_set_line_width(on, 1.6);
        bl_line(on, left, y, left + 16 * c->page.unit, y);
        bl_text_at(on, name_of(c, k), left + 21 * c->page.unit, y, 0);
    }
}

static bool draw(const bl_canvas *page, cairo_t *on, const void *context, bl_error *err) {
    const chart *c = context;
    (void)err;
    (void)page;
    bl_axes_frame(&c->axes, on, c->steps ? "Training step" : "Snapshot", "Cosine with the last snapshot");
    bl_axes_clip(&c->axes, on);
    for (size_t k = n_curves(c); k-- > 0;) draw_curve(on, c, k);
    cairo_restore(on);
    draw_key(on, c);
    return true;
}

bool bl_timeline_figure(const bl_tree *tree, const bl_figure_options *options, const char *path,
                        bl_error *err) {
    chart c = {.page = bl_canvas_new(WIDTH, HEIGHT, "When the forms took their shape", NULL, options),
               .snapshots = json_object_get(tree, "snapshots")};
    return find_range(&c, err) && bl_canvas_write(&c.page, path, draw, &c, err);
}
