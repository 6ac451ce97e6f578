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
    direction_options_free(&o->d);
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
    if (o->d.layer == SIZE_MAX) o->d.layer = bl_image_config_of(o->model)->n_layer - 1;
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

/* The direction's vector and its eigenpairs. */
bool image_decompose(image_options *o, bl_error *err) {
    if (!o->d.token == !o->d.file)
        return bl_fail(err, BL_ERR_USAGE, "which class? Give one of --class C and --direction TEXT");
    if (o->d.file && o->d.minus.n)
        return bl_fail(err, BL_ERR_USAGE, "--minus goes with --class, not with --direction");
    if (!read_direction(&o->d, err)) return false;
    o->d.minus_all = o->d.minus.n == 1 && strcmp(o->d.minus.items[0], "all") == 0;
    o->direction = as_direction(&o->d);
    o->u = calloc(bl_image_config_of(o->model)->d_hidden, sizeof *o->u);
    if (!o->u) return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    if (!bl_image_direction_vector(o->model, &o->direction, o->d.layer, o->u, err)) return false;
    o->eigen = bl_image_eigen_new(o->model, o->u, o->d.layer, o->space, err);
    return o->eigen && choose_eigs(o->eigen->size, &o->d, err);
}

bl_image_question image_question_of(const image_options *o) {
    return (bl_image_question){o->model, &o->direction, o->eigen, o->d.eigs.items, o->d.eigs.n};
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
