/* The loss of a training run as a figure, from its log.jsonl: every step pale, their mean over a hundredth of
 * the run dark, evaluations as points. The vertical axis begins below the lowest loss: the first steps' fall
 * may leave the frame at the top. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "report/axes.h"
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
    bl_axes axes;
    point *step, *eval; /* training loss, validation loss */
    size_t n, n_eval, capacity, eval_capacity;
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
    double low = sorted[0], high = sorted[(c->n - 1) * 95 / 100], last = fmax(c->step[c->n - 1].step, 1);
    for (size_t i = 0; i < c->n_eval; i++) low = fmin(low, c->eval[i].loss);
    if (c->n_eval) high = fmax(high, c->eval[c->n_eval - 1].loss);
    double air = fmax(0.05 * (high - low), 0.01);
    c->axes = (bl_axes){.page = &c->page,
                        .x_high = last,
                        .y_low = low - air,
                        .y_high = high + air,
                        .x = bl_nice_ticks(0, last, 6, true),
                        .y = bl_nice_ticks(low - air, high + air, 7, false)};
    free(sorted);
    return true;
}

static void draw_legend(cairo_t *on, const curve *c) {
    bl_ink(on, 84, 110, 136);
    bl_axes_key(&c->axes, on, 0, "training", false);
    if (!c->n_eval) return;
    bl_ink(on, 178, 24, 43);
    bl_axes_key(&c->axes, on, 1, "validation", true);
}

static void draw_steps(cairo_t *on, const curve *c) {
    size_t stride = c->n / 4000 + 1, width = c->n / 100 + 1;
    bl_ink(on, 196, 208, 220);
    cairo_set_line_width(on, 0.5);
    for (size_t i = 0; i < c->n; i += stride)
        cairo_line_to(on, bl_axes_x(&c->axes, c->step[i].step), bl_axes_y(&c->axes, c->step[i].loss));
    cairo_stroke(on);
    bl_ink(on, 84, 110, 136);
    cairo_set_line_width(on, 1.4);
    for (size_t i = 0; i < c->n; i += width) {
        double step = 0, loss = 0;
        size_t n = c->n - i < width ? c->n - i : width;
        for (size_t j = 0; j < n; j++) step += c->step[i + j].step, loss += c->step[i + j].loss;
        cairo_line_to(on, bl_axes_x(&c->axes, step / (double)n), bl_axes_y(&c->axes, loss / (double)n));
    }
    cairo_stroke(on);
}

static bool draw(const bl_canvas *page, cairo_t *on, const void *context, bl_error *err) {
    const curve *c = context;
    (void)err;
    (void)page;
    bl_axes_grid(&c->axes, on);
    bl_axes_frame(&c->axes, on, "Step", "Loss (nats per token)");
    bl_axes_clip(&c->axes, on);
    cairo_set_line_join(on, CAIRO_LINE_JOIN_ROUND);
    draw_steps(on, c);
    bl_ink(on, 178, 24, 43);
    for (size_t i = 0; i < c->n_eval; i++) bl_axes_dot(&c->axes, on, c->eval[i].step, c->eval[i].loss, 2.6);
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
