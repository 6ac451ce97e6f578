#include "base/error.h"
#include "cli/image_options.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void image_options_free(image_options *o) {
    bl_image_eigen_free(o->eigen);
    bl_images_free(o->images);
    bl_image_free(o->model);
    text_list_free(&o->minus);
    index_list_free(&o->eigs);
    free(o->minus_classes);
    free(o->vector);
    free(o->u);
}

bool image_warn(const common *c, const bl_image_model *model, bl_error *err) {
    char *lines = bl_image_warnings(model, err), *rest = lines, *line;
    while (rest && (line = strsep(&rest, "\n")) != NULL)
        if (*line && ranks_first()) note(c, "bilens: warning: %s", line);
    bl_free(lines);
    return lines != NULL;
}

bool image_open_model(const common *c, image_options *o, bl_error *err) {
    o->model = bl_image_load(c->model, err);
    if (!o->model || !image_warn(c, o->model, err)) return false;
    if (o->layer == SIZE_MAX) o->layer = bl_image_config_of(o->model)->n_layer - 1;
    if (!o->space_name || strcmp(o->space_name, "embed") == 0) return true;
    o->space = BL_SPACE_PIXEL;
    return strcmp(o->space_name, "pixel") == 0 || bl_fail(err, BL_ERR_USAGE, "--space is embed or pixel");
}

bool image_open_images(image_options *o, bl_error *err) {
    size_t p = bl_image_config_of(o->model)->p;
    if (!o->images_path && p) o->images = bl_images_pairs(p, err);
    else if (!o->images_path)
        return bl_fail(err, BL_ERR_USAGE,
                       "which images? Give a folder with --images DIR, or --images FILE --labels FILE");
    else o->images = bl_images_open(o->model, o->images_path, o->labels_path, o->split, err);
    return o->images != NULL;
}

static bool read_minus(image_options *o, bl_error *err) {
    o->question.minus_all = o->minus.n == 1 && strcmp(o->minus.items[0], "all") == 0;
    if (o->question.minus_all || o->minus.n == 0) return true;
    o->minus_classes = calloc(o->minus.n, sizeof *o->minus_classes);
    if (!o->minus_classes) return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < o->minus.n; i++) {
        long found = bl_image_class(o->model, o->minus.items[i], err);
        if (found < 0) return false;
        o->minus_classes[i] = (size_t)found;
    }
    o->question.minus = o->minus_classes;
    o->question.n_minus = o->minus.n;
    return true;
}

/* The default eight, or as many as the spectrum has; otherwise checked against it. */
static bool choose(image_options *o, bl_error *err) {
    static const long eight[] = {-1, -2, -3, -4, 0, 1, 2, 3};
    long m = (long)o->eigen->size;
    for (size_t i = 0; i < o->eigs.n; i++)
        if (bl_image_eigen_at(o->eigen, o->eigs.items[i], err) < 0) return false;
    if (o->eigs.n) return true;
    o->eigs.items = calloc(8, sizeof *o->eigs.items);
    if (!o->eigs.items) return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < 8; i++)
        if (eight[i] < 0 ? -eight[i] <= (m + 1) / 2 : eight[i] < m / 2) o->eigs.items[o->eigs.n++] = eight[i];
    return true;
}

/* --direction: a file, or what a direction's text says of one ("@FILE:3", "feature:12@DICT"). */
static bool read_vector(image_options *o, size_t h, bl_error *err) {
    bool text = *o->direction == '@' || strncmp(o->direction, "feature:", 8) == 0;
    bl_direction *parsed = text ? bl_direction_parse(o->direction, err) : NULL;
    if (text && !parsed) return false;
    bool ok = bl_direction_read(parsed && parsed->source ? parsed->source : o->direction, h, o->vector, err);
    bl_direction_free(parsed);
    return ok;
}

/* The direction's vector and its eigenpairs. */
bool image_decompose(image_options *o, bl_error *err) {
    size_t h = bl_image_config_of(o->model)->d_hidden;
    if (!o->class_name == !o->direction)
        return bl_fail(err, BL_ERR_USAGE, "which class? Give one of --class C and --direction FILE");
    if (o->direction && o->minus.n)
        return bl_fail(err, BL_ERR_USAGE, "--minus goes with --class, not with --direction");
    o->u = calloc(h, sizeof *o->u);
    if (!o->u) return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    if (o->direction) {
        o->vector = calloc(h, sizeof *o->vector);
        if (!o->vector) return bl_fail(err, BL_ERR_MEMORY, "out of memory");
        if (!read_vector(o, h, err)) return false;
        o->question.vector = o->vector;
    } else {
        long found = bl_image_class(o->model, o->class_name, err);
        if (found < 0) return false;
        o->question.class_index = (size_t)found;
    }
    if (!read_minus(o, err) || !bl_image_direction_vector(o->model, &o->question, o->layer, o->u, err))
        return false;
    o->eigen = bl_image_eigen_new(o->model, o->u, o->layer, o->space, err);
    return o->eigen && choose(o, err);
}

bl_image_question image_question_of(const image_options *o) {
    return (bl_image_question){o->model, &o->question, o->direction, o->eigen, o->eigs.items, o->eigs.n};
}

/* The common end: the tree as it was asked for; everything freed. */
int image_end(const verb *self, common *c, image_options *o, bl_tree *tree, const view *how, bl_error *err) {
    progress_end();
    int status = write_tree(self, c, tree, how, err);
    image_options_free(o);
    common_free(c);
    return status;
}

const char image_to_file[] = "write to this file instead of standard output";
