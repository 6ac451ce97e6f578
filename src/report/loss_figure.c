/* The loss of a training run as a figure, from its log.jsonl: every step pale, their mean over a hundredth of
 * the run dark, evaluations as points. The vertical axis begins below the lowest loss: the first steps' fall
 * may leave the frame at the top. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "report/canvas.h"
#include "report/plot.h"
#include <bilens/report.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 460.0
#define HEIGHT 330.0
#define LOG_LIMIT ((size_t)4 << 30)

typedef struct point {
    double step, loss;
} point;

typedef struct curve {
    bl_canvas page;
    point *step, *eval; /* training loss, validation loss */
    size_t n, n_eval, capacity, eval_capacity;
    double last, low, high; /* the frame's data range */
} curve;

static bool add(point **list, size_t *n, size_t *capacity, double step, double loss, bl_error *err) {
    if (!bl_grow(list, capacity, *n + 1, sizeof **list, err)) return false;
    (*list)[(*n)++] = (point){step, loss};
    return true;
}

/* One line of the log. Lines that are no step or evaluation are passed over. */
static bool read_line(curve *c, const char *text, size_t length, bl_error *err) {
    json_t *line = json_loadb(text, length, 0, NULL);
    const json_t *step = json_object_get(line, "step"), *loss = json_object_get(line, "loss"),
                 *valid = json_object_get(line, "valid_loss");
    bool ok = true;
    if (json_is_number(step) && json_is_number(loss))
        ok = add(&c->step, &c->n, &c->capacity, json_number_value(step), json_number_value(loss), err);
    if (ok && json_is_number(step) && json_is_number(valid))
        ok = add(&c->eval, &c->n_eval, &c->eval_capacity, json_number_value(step), json_number_value(valid),
                 err);
    json_decref(line);
    return ok;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The frame: from the lowest loss to what 95 % of the steps stay below, with some air. */
static bool find_range(curve *c, bl_error *err) {
    double *sorted = bl_alloc(c->n, sizeof *sorted, err);
    if (!sorted) return false;
    if (c->n == 0) {
        free(sorted);
        return bl_fail(err, BL_ERR_INPUT, "the log has no step to draw");
    }
    for (size_t i = 0; i < c->n; i++) sorted[i] = c->step[i].loss;
    qsort(sorted, c->n, sizeof *sorted, by_value);
    c->low = sorted[0];
    c->high = sorted[(c->n - 1) * 95 / 100];
    for (size_t i = 0; i < c->n_eval; i++) c->low = fmin(c->low, c->eval[i].loss);
    if (c->n_eval) c->high = fmax(c->high, c->eval[c->n_eval - 1].loss);
    double air = fmax(0.05 * (c->high - c->low), 0.01);
    c->low -= air;
    c->high += air;
    c->last = fmax(c->step[c->n - 1].step, 1);
    free(sorted);
    return true;
}

static double place_x(const curve *c, double step) {
    return c->page.left + (c->page.right - c->page.left) * step / c->last;
}
static double place_y(const curve *c, double loss) {
    return c->page.bottom - (c->page.bottom - c->page.top) * (loss - c->low) / (c->high - c->low);
}

static void draw_axes(cairo_t *on, const curve *c) {
    char text[BL_NUMBER_SIZE];
    bl_ticks x = bl_nice_ticks(0, c->last, 6, true), y = bl_nice_ticks(c->low, c->high, 7, false);
    cairo_set_line_width(on, 0.5);
    bl_ink(on, 225, 228, 232);
    for (size_t i = 0; i < y.n; i++)
        bl_line(on, c->page.left, place_y(c, y.first + (double)i * y.step), c->page.right,
                place_y(c, y.first + (double)i * y.step));
    bl_ink(on, 30, 34, 40);
    cairo_set_line_width(on, 0.8);
    cairo_rectangle(on, c->page.left, c->page.top, c->page.right - c->page.left,
                    c->page.bottom - c->page.top);
    cairo_stroke(on);
    for (size_t i = 0; i < x.n; i++) {
        double value = x.first + (double)i * x.step;
        bl_line(on, place_x(c, value), c->page.bottom, place_x(c, value), c->page.bottom + 3.5);
        bl_text_at(on, bl_number(text, value, x.decimals, BL_MINUS), place_x(c, value),
                   c->page.bottom + 12 * c->page.unit, 0.5);
    }
    for (size_t i = 0; i < y.n; i++) {
        double value = y.first + (double)i * y.step;
        bl_line(on, c->page.left - 3.5, place_y(c, value), c->page.left, place_y(c, value));
        bl_text_at(on, bl_number(text, value, y.decimals, BL_MINUS), c->page.left - 6.5, place_y(c, value),
                   1);
    }
    bl_axis_names(&c->page, on, "Step", "Loss (nats per token)");
}

static void draw_legend(cairo_t *on, const curve *c) {
    bl_ink(on, 84, 110, 136);
    cairo_set_line_width(on, 1.4);
    bl_line(on, c->page.right - 92 * c->page.unit, c->page.top + 14 * c->page.unit,
            c->page.right - 76 * c->page.unit, c->page.top + 14 * c->page.unit);
    bl_ink(on, 30, 34, 40);
    bl_text_at(on, "training", c->page.right - 70 * c->page.unit, c->page.top + 14 * c->page.unit, 0);
    if (!c->n_eval) return;
    bl_text_at(on, "validation", c->page.right - 70 * c->page.unit, c->page.top + 28 * c->page.unit, 0);
    bl_ink(on, 178, 24, 43);
    cairo_arc(on, c->page.right - 84 * c->page.unit, c->page.top + 28 * c->page.unit, 2.6, 0, 4 * acos(0));
    cairo_fill(on);
}

static bool draw(const bl_canvas *page, cairo_t *on, const void *context, bl_error *err) {
    const curve *c = context;
    (void)err;
    (void)page;
    draw_axes(on, c);
    cairo_save(on);
    cairo_rectangle(on, c->page.left, c->page.top, c->page.right - c->page.left,
                    c->page.bottom - c->page.top);
    cairo_clip(on);
    cairo_set_line_join(on, CAIRO_LINE_JOIN_ROUND);
    size_t stride = c->n / 4000 + 1, width = c->n / 100 + 1;
    bl_ink(on, 196, 208, 220);
    cairo_set_line_width(on, 0.5);
    for (size_t i = 0; i < c->n; i += stride)
        cairo_line_to(on, place_x(c, c->step[i].step), place_y(c, c->step[i].loss));
    cairo_stroke(on);
    bl_ink(on, 84, 110, 136);
    cairo_set_line_width(on, 1.4);
    for (size_t i = 0; i < c->n; i += width) {
        double step = 0, loss = 0;
        size_t n = c->n - i < width ? c->n - i : width;
        for (size_t j = 0; j < n; j++) step += c->step[i + j].step, loss += c->step[i + j].loss;
        cairo_line_to(on, place_x(c, step / (double)n), place_y(c, loss / (double)n));
    }
    cairo_stroke(on);
    bl_ink(on, 178, 24, 43);
    for (size_t i = 0; i < c->n_eval; i++) {
        cairo_arc(on, place_x(c, c->eval[i].step), place_y(c, c->eval[i].loss), 2.6, 0, 4 * acos(0));
        cairo_fill(on);
    }
    cairo_restore(on);
    draw_legend(on, c);
    return true;
}

bool bl_loss_figure(const char *log, const char *path, bl_error *err) {
    curve c = {.page = bl_canvas_new(WIDTH, HEIGHT, "Loss of a training run", NULL, NULL)};
    size_t size;
    char *text = bl_file_read(log, LOG_LIMIT, &size, err);
    bool ok = text != NULL;
    for (size_t at = 0; ok && at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        ok = read_line(&c, text + at, length, err);
        at += length + 1;
    }
    if (ok && !c.n) ok = bl_fail(err, BL_ERR_INPUT, "%s: holds no training step", log);
    ok = ok && find_range(&c, err) && bl_canvas_write(&c.page, path, draw, &c, err);
    free(c.step);
    free(c.eval);
    free(text);
    return ok;
}
