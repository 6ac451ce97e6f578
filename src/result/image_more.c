/* Further results of image models: output directions by energy, a weight's entries, one image's values, the
 * report. */
#include "base/error.h"
#include "base/memory.h"
#include "result/results.h"
#include "subject/image_private.h"
#include <bilens/decompose.h>
#include <bilens/hosvd.h>
#include <bilens/image_result.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bl_tree *bl_image_hosvd_tree(const bl_image_model *model, size_t k, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    size_t last = c->n_layer - 1, C = c->d_output, h = c->d_hidden;
    bl_bilinear map;
    bl_hosvd hosvd = {0};
    if (!bl_image_block(model, last, &map, err)) return NULL;
    map.p = bl_image_w_u(model);
    if (!bl_hosvd_of(&map, k < C ? k : C, &hosvd, err)) return NULL;
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_image_name(model));
    bl_put_count(&b, root, "layer", last);
    bl_put_reals(&b, root, "values", hosvd.values, C);
    bl_put_real(&b, root, "energy", hosvd.energy);
    bl_tree *components = bl_put_array(&b, root, "components");
    float *u = bl_alloc(h, sizeof *u, err);
    for (size_t g = 0; u && !b.failed && g < hosvd.k; g++) {
        const float *pattern = hosvd.patterns + g * C;
        double rank, share5, share10;
        for (size_t i = 0; i < h; i++) {
            double sum = 0;
            for (size_t j = 0; j < C; j++) sum += (double)pattern[j] * (double)model->w_u[j * h + i];
            u[i] = (float)sum;
        }
        bl_image_eigen *e = bl_image_eigen_new(model, u, last, BL_SPACE_EMBED, err);
        if (!e) {
            b.failed = true;
            break;
        }
        bl_image_eigen_figures(e, &rank, &share5, &share10);
        bl_tree *out = bl_put_object(&b, components, NULL);
        bl_put_count(&b, out, "index", g);
        bl_put_real(&b, out, "value", (double)hosvd.values[g]);
        bl_put_reals(&b, out, "pattern", pattern, C);
        bl_put_real(&b, out, "effective_rank", rank);
        bl_put_reals(&b, out, "eigenvalues", e->values, e->size);
        bl_image_eigen_free(e);
    }
    if (!u) b.failed = true;
    free(u);
    bl_hosvd_free(&hosvd);
    return bl_tree_built(&b, root);
}

static void put_entries(bl_builder *b, bl_tree *root, const char *key, const bl_entry *entries, size_t n,
                        size_t axes) {
    bl_tree *list = bl_put_array(b, root, key);
    for (size_t i = 0; i < n; i++) {
        bl_tree *out = bl_put_object(b, list, NULL), *index = bl_put_array(b, out, "index");
        for (size_t a = 0; a < axes; a++) bl_put_count(b, index, NULL, entries[i].index[a]);
        bl_put_real(b, out, "value", (double)entries[i].value);
    }
}

bl_tree *bl_image_describe_tree(const bl_image_model *model, size_t layer, const bl_named_array *array,
                                size_t k, bl_error *err) {
    bl_entry *entries = bl_alloc(2 * k + 1, sizeof *entries, err);
    if (!entries) return NULL;
    size_t n = 0;
    bl_builder b = {err, false};
    if (!bl_describe(array, k, entries, entries + k, &n, err)) b.failed = true;
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_image_name(model));
    bl_put_count(&b, root, "layer", layer);
    bl_put_text(&b, root, "tensor", array->name);
    bl_tree *shape = bl_put_array(&b, root, "shape");
    for (size_t a = 0; a < array->n_dims; a++) bl_put_count(&b, shape, NULL, array->shape[a]);
    put_entries(&b, root, "top", entries, n, array->n_dims);
    put_entries(&b, root, "bottom", entries + k, n, array->n_dims);
    free(entries);
    return bl_tree_built(&b, root);
}

bl_image_trace *bl_image_trace_run(const bl_image_model *model, const bl_images *images, size_t image,
                                   bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    size_t n = c->d_input, h = c->d_hidden, points = c->n_layer + (c->p ? 1 : 2), used = 0;
    bl_error_clear(err);
    if (image >= bl_images_count(images))
        return bl_fail_null(err, BL_ERR_USAGE, "--image: there is no image %zu; there are %zu, from 0", image,
                            bl_images_count(images));
    bl_image_trace *t = bl_alloc_zero(1, sizeof *t, err);
    if (!t) return NULL;
    t->arrays = bl_alloc_zero(points, sizeof *t->arrays, err);
    t->names = bl_alloc_zero(points, sizeof *t->names, err);
    t->values = bl_alloc(n + points * h + c->d_output, sizeof *t->values, err);
    bool ok = t->arrays && t->names && t->values;
    if (ok) bl_images_rows(images, image, 1, t->values);
    used = n;
    for (size_t layer = c->p ? 1 : 0; ok && layer <= c->n_layer; layer++) {
        float *out = t->values + used;
        ok = bl_image_inputs(model, t->values, 1, layer, out, err);
        if (layer == 0) snprintf(t->names[t->n], sizeof *t->names, "embed");
        else snprintf(t->names[t->n], sizeof *t->names, "hidden.%zu", layer - 1);
        t->arrays[t->n] = (bl_named_array){t->names[t->n], out, 1, {h}};
        t->n++;
        used += h;
    }
    ok = ok && bl_image_logits(model, t->values, 1, t->values + used, err);
    if (ok) {
        snprintf(t->names[t->n], sizeof *t->names, "logits");
        t->arrays[t->n] = (bl_named_array){t->names[t->n], t->values + used, 1, {c->d_output}};
        t->n++;
        return t;
    }
    bl_image_trace_free(t);
    return NULL;
}

void bl_image_trace_free(bl_image_trace *trace) {
    if (!trace) return;
    free(trace->arrays);
    free(trace->names);
    free(trace->values);
    free(trace);
}

bl_tree *bl_image_trace_tree(const bl_image_model *model, const bl_image_trace *trace, size_t image,
                             bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_image_name(model));
    bl_put_count(&b, root, "image", image);
    bl_tree *points = bl_put_array(&b, root, "points");
    for (size_t i = 0; i < trace->n; i++) {
        bl_tree *p = bl_put_object(&b, points, NULL), *shape;
        bl_put_text(&b, p, "name", trace->arrays[i].name);
        shape = bl_put_array(&b, p, "shape");
        bl_put_count(&b, shape, NULL, trace->arrays[i].shape[0]);
        bl_put_reals(&b, p, "values", trace->arrays[i].data, trace->arrays[i].shape[0]);
    }
    return bl_tree_built(&b, root);
}

bl_tree *bl_image_report_tree(const bl_image_question *question, const bl_image_scan *scan,
                              const bl_image_truncation *truncation, const bl_images *images, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "format", "bilens image report 1");
    bl_put_made_by(&b, root);
    bl_put_tree(&b, root, "info", bl_image_info_tree(question->model, err));
    bl_put_tree(&b, root, "eigen", bl_image_eigen_tree(question, err));
    bl_put_tree(&b, root, "scan", bl_image_scan_tree(question, scan, bl_images_count(images), err));
    bl_put_tree(&b, root, "truncate",
                bl_image_truncate_tree(question->model, truncation, question->eigen->space, false, err));
    return bl_tree_built(&b, root);
}
