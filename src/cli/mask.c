/* bilens mask: adversarial masks from eigenvectors of image models (docs/specification.md, 20). */
#include "base/error.h"
#include "cli/image_options.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

/* The i-th strength of the list. */
static bool read_strength(const text_list *list, size_t i, double *out, bl_error *err) {
    char *end;
    if (!list->n) return true;
    *out = strtod(list->items[i], &end);
    return (end != list->items[i] && !*end && *out > 0 && isfinite(*out)) ||
           bl_fail(err, BL_ERR_USAGE,
                   "--strength '%.40s': numbers above 0, separated by commas, are expected", list->items[i]);
}

/* "curve": what masks of every strength do, each beside its permutations. */
static bool put_curve(bl_tree *tree, const image_options *o, bl_mask_options m, const text_list *strengths,
                      bl_error *err) {
    static const char *const keys[] = {"accuracy", "as_class"};
    bl_builder b = {err, false};
    bl_tree *curve = bl_put_array(&b, tree, "curve");
    for (size_t i = 0; i < strengths->n && !b.failed; i++) {
        if (!read_strength(strengths, i, &m.strength, err)) return false;
        bl_mask *mask = bl_mask_make(o->model, o->images, &m, err);
        bl_tree *one = mask ? bl_mask_tree(o->model, mask, &m, err) : NULL, *out;
        bl_mask_free(mask);
        if (!one) return false;
        out = bl_put_object(&b, curve, NULL);
        bl_put_real(&b, out, "strength", m.strength);
        for (size_t k = 0; k < 2; k++)
            bl_put_tree(&b, out, keys[k], json_incref(json_object_get(one, keys[k])));
        bl_tree_free(one);
    }
    return !b.failed;
}

static int run_mask(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    bl_mask_options m = {.per_class = 10, .strength = 0.15, .permutations = 20};
    size_t seed = 0;
    text_list strengths = {0};
    bl_error err = {0};
    const option table[] = {
        {"class", OPTION_TEXT, &o.d.token, "C", "output class: its label, or its number"},
        {"eigs", OPTION_INDICES, &o.d.eigs, "I",
         "the eigenvector, counted from the end (default -1, the highest)"},
        IMAGES_OPTIONS(o),
        SPACE_OPTION(o),
        {"per-class", OPTION_COUNT, &m.per_class, "K",
         "highest eigenvectors per class that the mask tells apart (default 10)"},
        {"strength", OPTION_TOKENS, &strengths, "X,X…",
         "standard deviation of the mask over its pixels (default 0.15); several: the curve, too"},
        {"rare", OPTION_REAL, &m.rare, "X", "only pixels whose mean over the images is below X"},
        {"permutations", OPTION_COUNT, &m.permutations, "N", "permuted masks as a control (default 20)"},
        {"seed", OPTION_COUNT, &seed, "N", "of the permutations (default 0)"},
        {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_mask *mask = NULL;
    m.seed = seed;
    m.index = o.d.eigs.n ? o.d.eigs.items[0] : -1;
    long found = -1;
    bool ok = c.model || bl_fail(&err, BL_ERR_USAGE, "which model? mask needs a directory of an image model");
    ok = ok && image_open_model(&c, &o, &err) &&
         (o.d.token || bl_fail(&err, BL_ERR_USAGE, "which class? Give --class C"));
    ok =
        ok && (o.d.eigs.n <= 1 || bl_fail(&err, BL_ERR_USAGE, "--eigs: a mask is made from one eigenvector"));
    if (ok) found = bl_image_class(o.model, o.d.token, &err);
    if (found >= 0 && read_strength(&strengths, 0, &m.strength, &err) && image_open_images(&o, &err)) {
        m.class_index = (size_t)found;
        m.space = o.space;
        mask = bl_mask_make(o.model, o.images, &m, &err);
    }
    bl_tree *tree = mask ? bl_mask_tree(o.model, mask, &m, &err) : NULL;
    bl_mask_free(mask);
    if (tree && strengths.n > 1 && !put_curve(tree, &o, m, &strengths, &err)) {
        bl_tree_free(tree);
        tree = NULL;
    }
    text_list_free(&strengths);
    static const view how = {.rows = bl_mask_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

const verb verb_mask = {
    "mask", "adversarial masks from eigenvectors of image models", run_mask,
    "Makes the picture that excites one of the K highest eigenvectors per class and none of the others, adds "
    "it to every\n"
    "image, and compares with the same mask permuted among its pixels. Several strengths give the curve.",
    "  bilens mask fashion-64 --class 5 --images /usr/share/datasets/fashion-mnist --per-class 3\n"
    "  bilens mask fashion-64 --class sandal --images /usr/share/datasets/fashion-mnist --strength "
    "0.05,0.1,0.15,0.2,0.3\n"};
