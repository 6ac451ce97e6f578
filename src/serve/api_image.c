/* The explorer's API for image models (docs/api.md): the command line's results, with pixels where the page
 * draws them. */
#include "base/error.h"
#include "base/memory.h"
#include "serve/explorer_private.h"
#include <bilens/image_result.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_MINUS = 64, MOST_INDICES = 64, MOST_TOP = 64, GALLERY = 8 };

/* A class's direction and its eigenpairs. Zero-initialise; free with topic_free. */
typedef struct requested {
    bl_direction direction;
    const char *minus[MOST_MINUS];
    bl_space space;
    size_t layer, n_indices;
    long indices[MOST_INDICES];
    bl_image_eigen *eigen;
} requested;

static void topic_free(requested *t) { bl_image_eigen_free(t->eigen); }

static bool read_space(bl_call *call, bl_space *space) {
    const char *name = bl_request_text(call->request, "space");
    *space = name && strcmp(name, "pixel") == 0 ? BL_SPACE_PIXEL : BL_SPACE_EMBED;
    return !name || *space == BL_SPACE_PIXEL || strcmp(name, "embed") == 0 ||
           bl_fail(&call->err, BL_ERR_USAGE, "space: '%.40s' is neither embed nor pixel", name);
}

/* Whether there is such a class; otherwise 404. */
static bool is_class(bl_call *call, const char *name) {
    bool is = bl_image_class(call->explorer->image, name, &call->err) >= 0;
    if (!is) call->status = 404;
    return is;
}

/* The direction from `direction` alone. */
static bool read_text(bl_call *call, requested *t, const char *text) {
    if (bl_request_text(call->request, "class") || bl_request_text(call->request, "minus"))
        return bl_fail(&call->err, BL_ERR_USAGE, "direction says it all: class and minus do not go with it");
    call->parsed = bl_direction_parse(text, &call->err);
    if (!call->parsed) return false;
    t->direction = *call->parsed;
    for (size_t i = 0; i < t->direction.n_minus; i++)
        if (!is_class(call, t->direction.minus[i])) return false;
    return t->direction.token ? is_class(call, t->direction.token)
                              : bl_fail(&call->err, BL_ERR_USAGE, "direction: no files here, only classes");
}

static bool read_class(bl_call *call, requested *t) {
    const char *text = bl_request_text(call->request, "direction");
    const char *name = bl_request_text(call->request, "class"), *minus;
    if (text) return read_text(call, t, text);
    if (!name) return bl_fail(&call->err, BL_ERR_USAGE, "class is missing: which class's direction?");
    if (!is_class(call, name)) return false;
    t->direction.token = name;
    for (size_t at = 0; (minus = bl_request_next(call->request, "minus", &at)) != NULL;) {
        if (t->direction.n_minus == MOST_MINUS)
            return bl_fail(&call->err, BL_ERR_USAGE, "more than %d classes to subtract", MOST_MINUS);
        if (strcmp(minus, "all") == 0) t->direction.minus_all = true;
        else if (!is_class(call, minus)) return false;
        else t->minus[t->direction.n_minus++] = minus;
    }
    t->direction.minus = t->minus;
    return !t->direction.minus_all || !t->direction.n_minus ||
           bl_fail(&call->err, BL_ERR_USAGE, "minus=all and other classes exclude each other");
}

static bool read_layer(bl_call *call, size_t *layer) {
    size_t last = bl_image_config_of(call->explorer->image)->n_layer - 1;
    return bl_request_count(call->request, "layer", last, 1000000, layer, &call->err);
}

/* Column j of the gallery, or entry j of the default list: first the upper end, then the lower one. */
static long end_index(size_t j, size_t half) { return j < half ? -1 - (long)j : (long)(j - half); }

static bool read_indices(bl_call *call, requested *t) {
    const char *text;
    for (size_t at = 0; (text = bl_request_next(call->request, "eigs", &at)) != NULL;) {
        char *end;
        errno = 0;
        long index = strtol(text, &end, 10);
        if (*end || end == text || errno)
            return bl_fail(&call->err, BL_ERR_USAGE, "eigs: '%.40s' is no whole number", text);
        if (t->n_indices == MOST_INDICES)
            return bl_fail(&call->err, BL_ERR_USAGE, "eigs: at most %d eigenvectors", MOST_INDICES);
        if (bl_image_eigen_at(t->eigen, index, &call->err) < 0) return false;
        t->indices[t->n_indices++] = index;
    }
    if (t->n_indices) return true;
    size_t half = t->eigen->size < GALLERY ? t->eigen->size / 2 : GALLERY / 2;
    for (size_t j = 0; j < 2 * half; j++) t->indices[t->n_indices++] = end_index(j, half);
    return true;
}

static bool read_topic(bl_call *call, requested *t) {
    *t = (requested){0};
    if (!read_class(call, t) || !read_space(call, &t->space) || !read_layer(call, &t->layer)) return false;
    const bl_image_model *model = call->explorer->image;
    float *u = bl_alloc(bl_image_config_of(model)->d_hidden, sizeof *u, &call->err);
    if (u && bl_image_direction_vector(model, &t->direction, t->layer, u, &call->err))
        t->eigen = bl_image_eigen_new(model, u, t->layer, t->space, &call->err);
    free(u);
    return t->eigen && read_indices(call, t);
}

static bl_image_question question_of(const bl_call *call, const requested *t) {
    return (bl_image_question){.model = call->explorer->image,
                               .direction = &t->direction,
                               .eigen = t->eigen,
                               .indices = t->indices,
                               .n_indices = t->n_indices};
}

static bool need_images(bl_call *call) {
    if (call->explorer->images) return true;
    bl_call_refuse(call, 422, "no_images",
                   "the explorer was started without images: bilens serve M --images DIR");
    return false;
}

bl_tree *bl_api_image_info(bl_call *call) {
    const bl_explorer *e = call->explorer;
    const bl_image_config *c = bl_image_config_of(e->image);
    bl_builder b = {&call->err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "version", bl_version());
    bl_put_text(&b, root, "kind", c->p ? "modular" : "image");
    bl_put_flag(&b, root, "server", true);
    bl_tree *classes = bl_put_array(&b, root, "classes");
    for (size_t k = 0; k < c->d_output; k++) bl_put_text(&b, classes, NULL, bl_image_label(e->image, k));
    bl_tree *shape = bl_put_array(&b, root, "shape");
    for (size_t i = 0; i < 3; i++) bl_put_count(&b, shape, NULL, c->shape[i]);
    bl_put_count(&b, root, "images", e->images ? bl_images_count(e->images) : 0);
    bl_put_text(&b, root, "images_name", e->corpus_name);
    bl_put_flag(&b, root, "pixel_space", c->n_layer == 1);
    bl_put_tree(&b, root, "model", json_incref(e->info));
    return bl_tree_built(&b, root);
}

/* One class of the gallery: the four eigenvectors at either end. */
static void put_class(bl_builder *b, bl_tree *list, bl_call *call, const bl_direction *direction,
                      const bl_image_eigen *eigen) {
    long indices[GALLERY];
    size_t half = eigen->size < GALLERY ? eigen->size / 2 : GALLERY / 2;
    for (size_t j = 0; j < 2 * half; j++) indices[j] = end_index(j, half);
    bl_image_question q = {.model = call->explorer->image,
                           .direction = direction,
                           .eigen = eigen,
                           .indices = indices,
                           .n_indices = 2 * half};
    bl_tree *tree = bl_image_eigen_tree(&q, b->err);
    if (tree) json_object_del(tree, "eigenvalues");
    bl_put_tree(b, list, NULL, tree);
}

bl_tree *bl_api_image_gallery(bl_call *call) {
    size_t C = bl_image_config_of(call->explorer->image)->d_output, layer;
    bl_space space;
    bool raw;
    if (!read_space(call, &space) || !read_layer(call, &layer) ||
        !bl_request_flag(call->request, "raw", &raw, &call->err))
        return NULL;
    bl_builder b = {&call->err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL), *list = bl_put_array(&b, root, "classes");
    for (size_t k = 0; k < C && !b.failed; k++) {
        char number[BL_LABEL_SPACE];
        snprintf(number, sizeof number, "#%zu", k);
        bl_direction direction = {.token = number, .minus_all = !raw};
        bl_image_eigen *eigen =
            bl_image_eigen_of_class(call->explorer->image, k, !raw, layer, space, &call->err);
        if (eigen) put_class(&b, list, call, &direction, eigen);
        else b.failed = true;
        bl_image_eigen_free(eigen);
    }
    return bl_tree_built(&b, root);
}

bl_tree *bl_api_image_eigen(bl_call *call) {
    requested t;
    bl_tree *tree = NULL;
    if (read_topic(call, &t)) {
        bl_image_question q = question_of(call, &t);
        tree = bl_image_eigen_tree(&q, &call->err);
    }
    topic_free(&t);
    return tree;
}

/* "pixels" [n] of an image. */
static void put_pixels(bl_builder *b, bl_tree *at, const bl_explorer *e, size_t image) {
    size_t n = bl_image_config_of(e->image)->d_input;
    float *x = b->failed ? NULL : bl_alloc(n, sizeof *x, b->err);
    if (!x) b->failed = true;
    else bl_images_rows(e->images, image, 1, x);
    if (x) bl_put_reals(b, at, "pixels", x, n);
    free(x);
}

bl_tree *bl_api_image_scan(bl_call *call) {
    requested t = {0};
    size_t top;
    bl_tree *tree = NULL;
    bl_image_scan *scan = NULL;
    if (!need_images(call) || !bl_request_count(call->request, "top", 8, MOST_TOP, &top, &call->err))
        return NULL;
    const bl_explorer *e = call->explorer;
    if (read_topic(call, &t))
        scan = bl_image_scan_run(e->image, t.eigen, t.indices, t.n_indices, e->images, top ? top : 1,
                                 &call->err);
    if (scan) {
        bl_image_question q = question_of(call, &t);
        bl_builder b = {&call->err, false};
        tree = bl_image_scan_tree(&q, scan, bl_images_count(e->images), &call->err);
        size_t v, m;
        json_t *vector, *match;
        json_array_foreach(json_object_get(tree, "vectors"), v, vector) {
            json_array_foreach(json_object_get(vector, "matches"), m, match)
                put_pixels(&b, match, e, (size_t)json_integer_value(json_object_get(match, "image")));
        }
        if (tree) tree = bl_tree_built(&b, tree);
    }
    bl_image_scan_free(scan);
    topic_free(&t);
    return tree;
}

static bool read_image(bl_call *call, size_t *image) {
    if (!need_images(call)) return false;
    size_t count = bl_images_count(call->explorer->images);
    return bl_request_count(call->request, "image", 0, count - 1, image, &call->err);
}

bl_tree *bl_api_image_one(bl_call *call) {
    size_t image;
    if (!read_image(call, &image)) return NULL;
    const bl_explorer *e = call->explorer;
    bl_builder b = {&call->err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_count(&b, root, "image", image);
    bl_put_text(&b, root, "label", bl_image_label(e->image, bl_images_label(e->images, image)));
    put_pixels(&b, root, e, image);
    return bl_tree_built(&b, root);
}

bl_tree *bl_api_image_explain(bl_call *call) {
    size_t image, classes, top, C = bl_image_config_of(call->explorer->image)->d_output;
    bl_space space;
    if (!read_image(call, &image) || !read_space(call, &space) ||
        !bl_request_count(call->request, "classes", 3, C, &classes, &call->err) ||
        !bl_request_count(call->request, "top", 8, MOST_TOP, &top, &call->err))
        return NULL;
    const bl_explorer *e = call->explorer;
    bl_image_explanation *found =
        bl_image_explain(e->image, e->images, image, space, classes ? classes : 1, top, &call->err);
    bl_tree *tree = found ? bl_image_explain_tree(e->image, found, space, &call->err) : NULL;
    bl_image_explanation_free(found);
    return tree;
}
