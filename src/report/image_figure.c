/* Figures of image models: a direction's spectrum with its pictures, and the gallery of all classes. */
#include "base/error.h"
#include "base/memory.h"
#include "report/canvas.h"
#include "report/picture.h"
#include "report/plot.h"
#include <bilens/image_report.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PICTURE 84.0 /* points */
#define GAP 12.0
#define MARGIN 16.0
#define LABELS 92.0 /* column of class names */
#define SPECTRUM 150.0

/* The numbers of an array into a fresh [n]; NULL when it is no array of n. Free it. */
static double *numbers(const json_t *list, size_t n) {
    double *values = json_array_size(list) == n && n ? bl_alloc(n, sizeof *values, NULL) : NULL;
    for (size_t i = 0; values && i < n; i++) values[i] = bl_tree_number(json_array_get(list, i));
    return values;
}

static bool read_shape(const bl_tree *eigen, size_t shape[3], size_t *n, bl_error *err) {
    const json_t *list = json_object_get(eigen, "shape");
    *n = 1;
    for (size_t i = 0; i < 3; i++) {
        json_int_t size = json_integer_value(json_array_get(list, i));
        if (json_array_size(list) != 3 || size < 1 || !bl_mul_size(*n, (size_t)size, n))
            return bl_fail(err, BL_ERR_INPUT, "shape: three positive integers are expected");
        shape[i] = (size_t)size;
    }
    return true;
}

typedef struct figure {
    bl_canvas page;
    const bl_tree *eigen;
    size_t shape[3], n;
} figure;

static void draw_spectrum(cairo_t *on, const json_t *values, double width) {
    size_t m = json_array_size(values);
    double low = 0, high = 0;
    for (size_t i = 0; i < m; i++) {
        low = fmin(low, bl_tree_number(json_array_get(values, i)));
        high = fmax(high, bl_tree_number(json_array_get(values, i)));
    }
    double span = high > low ? high - low : 1, zero = MARGIN + 14 + (SPECTRUM - 44) * high / span;
    bl_ink(on, 150, 150, 150);
    cairo_set_line_width(on, 0.8);
    bl_line(on, MARGIN, zero, width - MARGIN, zero);
    for (size_t i = 0; i < m; i++) {
        double value = bl_tree_number(json_array_get(values, i));
        double x = MARGIN + (width - 2 * MARGIN) * ((double)i + 0.5) / (double)m;
        if (value < 0) bl_ink(on, 178, 24, 43);
        else bl_ink(on, 33, 102, 172);
        cairo_arc(on, x, zero - (SPECTRUM - 44) * value / span, 2, 0, 6.2832);
        cairo_fill(on);
    }
}

/* Lines of pictures per eigenvector: one, with the closed form of modular addition below it two. */
static size_t lines(const json_t *vectors) {
    return json_object_get(json_array_get(vectors, 0), "mode") ? 2 : 1;
}

/* A picture of the tree at x, y; nothing where there is none. */
static void draw_numbers(cairo_t *on, const figure *f, const json_t *list, double x, double y) {
    double *values = numbers(list, f->n);
    if (values)
        bl_picture_draw(
            on, &(bl_picture){values, {f->shape[0], f->shape[1], f->shape[2]}, false, f->page.how.dark}, x, y,
            PICTURE);
    free(values);
}

static bool draw_figure(const bl_canvas *page, cairo_t *on, const void *context, bl_error *err) {
    const figure *f = context;
    bl_canvas_fit(page, on);
    const json_t *vectors = json_object_get(f->eigen, "vectors");
    size_t J = json_array_size(vectors), columns = J < 4 ? (J ? J : 1) : 4;
    double width = 2 * MARGIN + (double)columns * (PICTURE + GAP) - GAP,
           height = PICTURE * (double)f->shape[1] / (double)f->shape[2];
    if (width < 300) width = 300;
    draw_spectrum(on, json_object_get(f->eigen, "eigenvalues"), width);
    for (size_t j = 0; j < J; j++) {
        const json_t *v = json_array_get(vectors, j);
        double x = MARGIN + (double)(j % columns) * (PICTURE + GAP);
        size_t row = j / columns;
        double y = SPECTRUM + (double)row * ((double)lines(vectors) * (height + 3) + 26);
        char text[128], number[BL_NUMBER_SIZE], index[BL_NUMBER_SIZE];
        snprintf(text, sizeof text, "%s: %s", bl_number(index, bl_tree_real(v, "index"), 0, BL_MINUS),
                 bl_number(number, bl_tree_real(v, "eigenvalue"), 4, BL_MINUS));
        bl_ink(on, 40, 40, 40);
        if (!page->how.no_marks) bl_text_at(on, text, x, y, 0);
        draw_numbers(on, f, json_object_get(v, "picture"), x, y + 8);
        draw_numbers(on, f, json_object_get(json_object_get(v, "mode"), "picture"), x, y + 11 + height);
    }
    (void)err;
    return true;
}

bool bl_image_figure(const bl_tree *eigen, const bl_figure_options *options, const char *path,
                     bl_error *err) {
    figure f = {.eigen = eigen};
    if (!read_shape(eigen, f.shape, &f.n, err)) return false;
    const json_t *vectors = json_object_get(eigen, "vectors");
    size_t J = json_array_size(vectors), columns = J < 4 ? (J ? J : 1) : 4,
           rows = (J + columns - 1) / columns;
    double width = 2 * MARGIN + (double)columns * (PICTURE + GAP) - GAP;
    double height =
        SPECTRUM +
        (double)rows *
            ((double)lines(vectors) * (PICTURE * (double)f.shape[1] / (double)f.shape[2] + 3) + 26) +
        MARGIN;
    f.page = bl_canvas_new(width < 300 ? 300 : width, height, "Eigenvectors of a class", NULL, options);
    return bl_canvas_write(&f.page, path, draw_figure, &f, err);
}

typedef struct gallery {
    const bl_image_model *model;
    bl_image_eigen *const *eigens;
} gallery;

/* Place of the j-th of eight pictures in a spectrum of m: the four highest, then the four lowest. */
size_t bl_gallery_place(size_t j, size_t m) {
    return j < 4 ? (m > j ? m - 1 - j : 0) : (j - 4 < m ? j - 4 : m - 1);
}

static bool draw_gallery(const bl_canvas *page, cairo_t *on, const void *context, bl_error *err) {
    const gallery *g = context;
    const bl_image_config *c = bl_image_config_of(g->model);
    double height = PICTURE * (double)c->shape[1] / (double)c->shape[2];
    double *values = bl_alloc(c->d_input, sizeof *values, err);
    if (!values) return false;
    bl_canvas_fit(page, on);
    for (size_t k = 0; k < c->d_output; k++) {
        const bl_image_eigen *e = g->eigens[k];
        double y = MARGIN + 14 + (double)k * (height + 22);
        bl_ink(on, 40, 40, 40);
        bl_text_within(on, bl_image_label(g->model, k), MARGIN, y + height / 2, 0, LABELS - GAP);
        for (size_t j = 0; j < 8; j++) {
            size_t at = bl_gallery_place(j, e->size);
            double x = MARGIN + LABELS + (double)j * (PICTURE + GAP) + (j > 3 ? GAP : 0);
            char number[BL_NUMBER_SIZE];
            for (size_t i = 0; i < c->d_input; i++)
                values[i] = e->pictures ? (double)e->pictures[at * c->d_input + i] : 0;
            bl_picture_draw(
                on, &(bl_picture){values, {c->shape[0], c->shape[1], c->shape[2]}, false, page->how.dark}, x,
                y, PICTURE);
            if (!page->how.no_marks)
                bl_text_at(on, bl_number(number, (double)e->values[at], 3, BL_MINUS), x, y - 6, 0);
        }
    }
    free(values);
    return true;
}

bool bl_image_gallery(const bl_image_model *model, bl_image_eigen *const *eigens,
                      const bl_figure_options *options, const char *path, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    gallery g = {model, eigens};
    if (!eigens[0]->pictures)
        return bl_fail(err, BL_ERR_USAGE,
                       "layer %zu has no pictures: no direct path leads there from the pixels",
                       eigens[0]->layer);
    double height = PICTURE * (double)c->shape[1] / (double)c->shape[2];
    bl_canvas canvas = bl_canvas_new(2 * MARGIN + LABELS + 8 * (PICTURE + GAP),
                                     2 * MARGIN + 14 + (double)c->d_output * (height + 22),
                                     "Eigenvectors of every class", NULL, options);
    return bl_canvas_write(&canvas, path, draw_gallery, &g, err);
}

/* One measure of every setting as points with intervals, in a panel that begins at y. */
static void draw_measure(const bl_canvas *page, cairo_t *on, const json_t *settings, const char *key,
                         const char *title, double y) {
    size_t n = json_array_size(settings);
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        const json_t *m = json_object_get(json_array_get(settings, i), key);
        double mean = bl_tree_real(m, "mean"), spread = bl_tree_real(m, "interval");
        if (!isfinite(spread)) spread = 0;
        low = fmin(low, mean - spread);
        high = fmax(high, mean + spread);
    }
    if (!(high > low)) high = low + 1;
    bl_ink(on, 40, 40, 40);
    bl_text_at(on, title, MARGIN, y, 0);
    for (size_t i = 0; i < n; i++) {
        const json_t *s = json_array_get(settings, i), *m = json_object_get(s, key);
        double mean = bl_tree_real(m, "mean"), spread = bl_tree_real(m, "interval"),
               x = MARGIN + 60 + 110 * (double)i;
        double at = y + 110 - 90 * (mean - low) / (high - low);
        char text[80], number[BL_NUMBER_SIZE], around[BL_NUMBER_SIZE];
        bl_ink(on, 33, 102, 172);
        if (isfinite(spread))
            bl_line(on, x, at - 90 * spread / (high - low), x, at + 90 * spread / (high - low));
        cairo_arc(on, x, at, 3, 0, 6.2832);
        cairo_fill(on);
        bl_ink(on, 40, 40, 40);
        bl_number(number, mean, bl_decimals(fabs(mean)), BL_MINUS);
        if (isfinite(spread))
            snprintf(text, sizeof text, "%s \xC2\xB1 %s", number,
                     bl_number(around, spread, bl_decimals(fabs(mean)), BL_MINUS));
        else snprintf(text, sizeof text, "%s", number);
        if (!page->how.no_marks) bl_text_within(on, text, x + 8, at, 0, 96);
        snprintf(text, sizeof text, "noise %g, decay %g", bl_tree_real(s, "noise"), bl_tree_real(s, "decay"));
        bl_text_within(on, text, x, y + 128, 0.5, 106);
    }
}

static bool draw_study(const bl_canvas *page, cairo_t *on, const void *context, bl_error *err) {
    const json_t *settings = json_object_get((const json_t *)context, "settings");
    (void)err;
    bl_canvas_fit(page, on);
    draw_measure(page, on, settings, "accuracy", "Accuracy on the test images", MARGIN + 8);
    draw_measure(page, on, settings, "effective_rank", "Effective rank of the raw forms, embedding",
                 MARGIN + 168);
    if (json_object_get(json_array_get(settings, 0), "effective_rank_pixel"))
        draw_measure(page, on, settings, "effective_rank_pixel", "Effective rank, pixels", MARGIN + 328);
    return true;
}

bool bl_image_study_figure(const bl_tree *study, const bl_figure_options *options, const char *path,
                           bl_error *err) {
    size_t n = json_array_size(json_object_get(study, "settings"));
    bl_canvas canvas = bl_canvas_new(2 * MARGIN + 90 + 110 * (double)(n ? n : 1), 2 * MARGIN + 480,
                                     "Noise, decay and seeds", NULL, options);
    return bl_canvas_write(&canvas, path, draw_study, study, err);
}
