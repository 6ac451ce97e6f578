/* The page of an image model: the gallery of all classes first, then one direction: spectrum, pictures, top
 * images, and how many eigenvectors are needed. Made from the report's tree, but for the gallery and the
 * images, which come as numbers. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/staging.h"
#include "base/visible.h"
#include "result/document.h"
#include "report/picture.h"
#include "report/plot.h"
#include <bilens/image_report.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const unsigned char bl_look_css[], bl_image_css[];
size_t bl_gallery_place(size_t j, size_t m);

typedef struct page {
    bl_buffer out;
    const bl_tree *report;
    const bl_image_model *model;
    bl_image_eigen *const *eigens;
    const bl_images *images;
    const bl_figure_options *figures;
    double *values; /* [n] scratch */
    float *row;     /* [n] scratch */
    bl_error *err;
    bool ok;
} page;

static void put_number(bl_buffer *out, double value, int decimals) {
    char text[BL_NUMBER_SIZE];
    bl_buffer_text(out, bl_number(text, value, decimals, BL_MINUS));
}

static void put_picture(page *p, bool grey, const char *alt) {
    const bl_image_config *c = bl_image_config_of(p->model);
    bl_picture picture = {p->values, {c->shape[0], c->shape[1], c->shape[2]}, grey, false};
    if (p->ok) p->ok = bl_picture_html(&p->out, &picture, alt, p->err);
}

static void put_gallery(page *p) {
    const bl_image_config *c = bl_image_config_of(p->model);
    bl_buffer_text(
        &p->out,
        "<section id=\"gallery\"><h2>Every class at a glance</h2><p class=\"read\">Each row is an output "
        "class: the four "
        "eigenvectors that speak most for it, then the four that speak most against it. Blue and red are the "
        "two ends "
        "of one axis: an image excites an eigenvector by its squared similarity, so that a picture and its "
        "negative mean "
        "the same. The number is the eigenvalue.</p><div class=\"scroll\"><table class=\"gallery\"><tbody>");
    for (size_t k = 0; k < c->d_output; k++) {
        const bl_image_eigen *e = p->eigens[k];
        bl_buffer_text(&p->out, "<tr><th scope=\"row\">");
        bl_visible_html(&p->out, bl_image_label(p->model, k));
        bl_buffer_text(&p->out, "</th>");
        for (size_t j = 0; j < 8; j++) {
            size_t at = bl_gallery_place(j, e->size);
            char alt[200];
            snprintf(alt, sizeof alt, "%s, eigenvector %zu of %zu", bl_image_label(p->model, k), at, e->size);
            bl_buffer_print(&p->out, "<td%s>", j == 4 ? " class=\"gap\"" : "");
            for (size_t i = 0; i < c->d_input; i++)
                p->values[i] = e->pictures ? (double)e->pictures[at * c->d_input + i] : 0;
            put_picture(p, false, alt);
            bl_buffer_print(&p->out, "<span class=\"%s\">", e->values[at] < 0 ? "neg" : "pos");
            put_number(&p->out, (double)e->values[at], 3);
            bl_buffer_text(&p->out, "</span></td>");
        }
        bl_buffer_text(&p->out, "</tr>");
    }
    bl_buffer_text(&p->out, "</tbody></table></div></section>");
}

/* Points of a curve in a box of 640 x 200, y from `low` to `high`. */
static void put_points(bl_buffer *out, const double *x, const double *y, size_t n, double right, double low,
                       double high) {
    for (size_t i = 0; i < n; i++)
        bl_buffer_print(out, "%s%.1f,%.1f", i ? " " : "", 40 + 590 * x[i] / right,
                        190 - 170 * (y[i] - low) / (high - low));
}

static void put_spectrum(page *p, const json_t *eigen) {
    const json_t *list = json_object_get(eigen, "eigenvalues");
    size_t m = json_array_size(list);
    double low = 0, high = 0;
    for (size_t i = 0; i < m; i++) {
        low = fmin(low, bl_tree_number(json_array_get(list, i)));
        high = fmax(high, bl_tree_number(json_array_get(list, i)));
    }
    if (high <= low) high = low + 1;
    bl_buffer_text(&p->out,
                   "<svg class=\"curve\" viewBox=\"0 0 640 200\" role=\"img\" aria-label=\"The spectrum\">");
    bl_buffer_print(&p->out, "<line class=\"axis\" x1=\"40\" x2=\"630\" y1=\"%.1f\" y2=\"%.1f\"/>",
                    190 + 170 * low / (high - low), 190 + 170 * low / (high - low));
    for (size_t i = 0; i < m; i++) {
        double value = bl_tree_number(json_array_get(list, i));
        bl_buffer_print(&p->out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>",
                        value < 0 ? "neg" : "pos", 40 + 590 * ((double)i + 0.5) / (double)m,
                        190 - 170 * (value - low) / (high - low));
    }
    bl_buffer_text(&p->out, "</svg>");
}

static void put_matches(page *p, const json_t *hits) {
    const bl_image_config *c = bl_image_config_of(p->model);
    const json_t *matches = json_object_get(hits, "matches");
    bl_buffer_text(&p->out, "<div class=\"inputs\">");
    for (size_t i = 0; i < json_array_size(matches); i++) {
        const json_t *m = json_array_get(matches, i);
        size_t image = (size_t)json_integer_value(json_object_get(m, "image"));
        char alt[120];
        if (image >= bl_images_count(p->images)) continue;
        bl_images_rows(p->images, image, 1, p->row);
        for (size_t k = 0; k < c->d_input; k++) p->values[k] = (double)p->row[k];
        snprintf(alt, sizeof alt, "image %zu", image);
        bl_buffer_text(&p->out, "<figure>");
        put_picture(p, true, alt);
        bl_buffer_text(&p->out, "<figcaption>");
        bl_visible_html(&p->out, bl_tree_string(m, "label"));
        if (strcmp(bl_tree_string(m, "label"), bl_tree_string(m, "predicted")) != 0) {
            bl_buffer_text(&p->out, "<br>called ");
            bl_visible_html(&p->out, bl_tree_string(m, "predicted"));
        }
        bl_buffer_text(&p->out, "<br>");
        put_number(&p->out, bl_tree_real(m, "activation"), 2);
        bl_buffer_text(&p->out, "</figcaption></figure>");
    }
    bl_buffer_text(&p->out, "</div>");
}

/* Of modular addition: the Fourier mode that the eigenvector should be. */
static void put_mode(page *p, const json_t *mode) {
    const bl_image_config *c = bl_image_config_of(p->model);
    const json_t *picture = json_object_get(mode, "picture");
    if (json_array_size(picture) != c->d_input) return;
    for (size_t i = 0; i < c->d_input; i++) p->values[i] = bl_tree_number(json_array_get(picture, i));
    put_picture(p, false, "the closed form");
    bl_buffer_print(&p->out, "<p class=\"read\">closed form: cosines of frequency %.0f, ",
                    bl_tree_real(mode, "frequency"));
    put_number(&p->out, 100 * bl_tree_real(mode, "share"), 1);
    bl_buffer_text(&p->out, " % of the eigenvector</p>");
}

static void put_vectors(page *p, const json_t *eigen, const json_t *scan) {
    const bl_image_config *c = bl_image_config_of(p->model);
    const json_t *list = json_object_get(eigen, "vectors"), *hits = json_object_get(scan, "vectors");
    for (size_t j = 0; j < json_array_size(list); j++) {
        const json_t *v = json_array_get(list, j), *picture = json_object_get(v, "picture");
        double value = bl_tree_real(v, "eigenvalue");
        bl_buffer_text(&p->out, "<article><h3>Eigenvector ");
        put_number(&p->out, bl_tree_real(v, "index"), 0);
        bl_buffer_print(&p->out, " <span class=\"%s\">\xCE\xBB = ", value < 0 ? "neg" : "pos");
        put_number(&p->out, value, 4);
        bl_buffer_print(
            &p->out,
            "</span></h3><p class=\"read\">%s the class.</p><div class=\"vector\"><div class=\"large\">",
            value < 0 ? "What it is excited by speaks against" : "What it is excited by speaks for");
        for (size_t i = 0; i < c->d_input; i++) p->values[i] = bl_tree_number(json_array_get(picture, i));
        if (json_array_size(picture) == c->d_input) put_picture(p, false, "the eigenvector as a picture");
        put_mode(p, json_object_get(v, "mode"));
        bl_buffer_text(&p->out, "</div>");
        put_matches(p, json_array_get(hits, j));
        bl_buffer_text(&p->out, "</div></article>");
    }
}

static void put_truncation(page *p, const json_t *cut) {
    const json_t *list = json_object_get(cut, "ranks");
    size_t n = json_array_size(list);
    double *x = bl_alloc(2 * n + 2, sizeof *x, p->err), *y = BL_PART(x, n + 1), most = 1;
    double full = bl_tree_real(json_object_get(cut, "full"), "accuracy");
    if (!x) {
        p->ok = false;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = bl_tree_real(json_array_get(list, i), "rank");
        y[i] = bl_tree_real(json_array_get(list, i), "accuracy");
        most = fmax(most, x[i]);
    }
    bl_buffer_text(
        &p->out,
        "<section id=\"matter\"><h2>Does it matter? Accuracy against rank</h2><p class=\"read\">Every "
        "class's form is cut to its "
        "K eigenvectors of largest |\xCE\xBB|, and the test images are classified again. The dashed line is "
        "the whole model.</p>"
        "<svg class=\"curve\" viewBox=\"0 0 640 200\" role=\"img\" aria-label=\"Accuracy against rank\">");
    bl_buffer_print(&p->out,
                    "<line class=\"full\" x1=\"40\" x2=\"630\" y1=\"%.1f\" y2=\"%.1f\"/><polyline points=\"",
                    190 - 170 * full, 190 - 170 * full);
    put_points(&p->out, x, y, n, most, 0, 1);
    bl_buffer_text(
        &p->out, "\"/></svg><table><thead><tr><th>K</th><th>accuracy</th><th>loss</th></tr></thead><tbody>");
    for (size_t i = 0; i < n; i++) {
        bl_buffer_print(&p->out, "<tr><td>%.0f</td><td>", x[i]);
        put_number(&p->out, y[i], 4);
        bl_buffer_text(&p->out, "</td><td>");
        put_number(&p->out, bl_tree_real(json_array_get(list, i), "loss"), 4);
        bl_buffer_text(&p->out, "</td></tr>");
    }
    bl_buffer_text(&p->out, "</tbody></table></section>");
    free(x);
}

static char *make_page(page *p) {
    const json_t *eigen = json_object_get(p->report, "eigen"), *scan = json_object_get(p->report, "scan");
    const char *name = json_is_string(json_object_get(eigen, "class")) ? bl_tree_string(eigen, "class")
                                                                       : bl_tree_string(eigen, "direction");
    bl_buffer *out = &p->out;
    bl_buffer_text(
        out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
             "content=\"width=device-width, initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" "
             "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"><title>");
    bl_visible_html(out, name);
    bl_buffer_text(out, " \xC2\xB7 bilens report</title><style>");
    bl_buffer_text(out, (const char *)bl_look_css);
    bl_buffer_text(out, (const char *)bl_image_css);
    bl_buffer_text(out, "</style></head><body><main id=\"main\"><header class=\"head\"><p class=\"kicker\">");
    bl_visible_html(out, bl_doc_short_name(bl_tree_string(eigen, "model")));
    bl_buffer_text(out, "</p><h1>");
    bl_visible_html(out, name);
    bl_buffer_text(out, "</h1><p class=\"lede\">A bilinear block multiplies two linear views of its input. "
                        "Along one class it is therefore a quadratic "
                        "form, whose eigenvectors, taken back to the pixels, are pictures.</p></header>");
    put_gallery(p);
    bl_buffer_text(out, "<section id=\"direction\"><h2>");
    bl_visible_html(out, name);
    bl_buffer_print(out, ": the spectrum</h2><p class=\"read\">%.0f eigenvalues; effective rank ",
                    bl_tree_real(eigen, "size"));
    put_number(out, bl_tree_real(eigen, "effective_rank"), 1);
    bl_buffer_print(out, ". Eigenvectors live in the %s.</p>",
                    strcmp(bl_tree_string(eigen, "space"), "pixel") == 0 ? "pixels" : "embedding");
    put_spectrum(p, eigen);
    put_vectors(p, eigen, scan);
    bl_buffer_text(out, "</section>");
    put_truncation(p, json_object_get(p->report, "truncate"));
    bl_buffer_text(out, "</main></body></html>\n");
    if (p->ok) return bl_buffer_take(out, p->err);
    bl_buffer_free(out);
    return NULL;
}

static bool write_file(const char *folder, const char *name, const char *text, bl_error *err) {
    char *path = bl_path_join(folder, name, err);
    bool ok = path && text && bl_file_write(path, text, strlen(text), err);
    free(path);
    return ok;
}

static bool write_figures(const page *p, const char *folder, bl_error *err) {
    static const char *const endings[] = {"svg", "png", "pdf"};
    bool ok = true;
    for (size_t i = 0; ok && i < 3; i++) {
        char name[40];
        snprintf(name, sizeof name, "gallery.%s", endings[i]);
        char *path = bl_path_join(folder, name, err);
        ok = path && bl_image_gallery(p->model, p->eigens, p->figures, path, err);
        free(path);
        snprintf(name, sizeof name, "eigenvectors.%s", endings[i]);
        path = ok ? bl_path_join(folder, name, err) : NULL;
        ok = path && bl_image_figure(json_object_get(p->report, "eigen"), p->figures, path, err);
        free(path);
    }
    return ok;
}

/* Another folder that is not empty and no report of an image model is left alone. */
static bool check_folder(const char *directory, bl_error *err) {
    char *path = bl_path_join(directory, "report.json", err);
    bl_error ignored;
    size_t size;
    if (!path) return false;
    char *text = bl_file_exists(path) ? bl_file_read(path, (size_t)1 << 28, &size, &ignored) : NULL;
    bool ours = text && strstr(text, "\"bilens image report") != NULL;
    free(text);
    free(path);
    return ours || bl_fail(err, BL_ERR_INPUT,
                           "%s: exists and is not a report of an image model; choose another folder with -o",
                           directory);
}

bool bl_image_report_render(const bl_tree *report, const bl_image_model *model, bl_image_eigen *const *eigens,
                            const bl_images *images, const bl_figure_options *figures, const char *directory,
                            bl_error *err) {
    page p = {.report = report,
              .model = model,
              .eigens = eigens,
              .images = images,
              .figures = figures,
              .err = err,
              .ok = true};
    size_t n = bl_image_config_of(model)->d_input;
    bl_staging staging = {0};
    char *html = NULL, *json = NULL;
    bool ok = false, exists = bl_file_exists(directory);
    if (!bl_directory_or_none(directory, "a report", err)) return false;
    if (exists && !check_folder(directory, err)) return false;
    p.values = bl_alloc(n, sizeof *p.values, err);
    p.row = bl_alloc(n, sizeof *p.row, err);
    if (!p.values || !p.row || !bl_staging_make(&staging, directory, false, "the report", err)) goto done;
    html = make_page(&p);
    json = html ? bl_tree_text(report, err) : NULL;
    ok = json && write_file(staging.path, "index.html", html, err) &&
         write_file(staging.path, "report.json", json, err) && write_figures(&p, staging.path, err);
    if (ok && exists) bl_remove_tree(directory);
    if (ok && rename(staging.path, directory) != 0)
        ok = bl_fail(err, BL_ERR_IO, "%s: cannot be made: %s", directory, strerror(errno));
done:
    bl_staging_free(&staging, !ok);
    free(html);
    free(json);
    free(p.values);
    free(p.row);
    return ok;
}
