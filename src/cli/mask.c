/* bilens mask: adversarial masks from eigenvectors of image models (docs/specification.md, 20). */
#include "base/error.h"
#include "cli/image_options.h"

static int run_mask(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.layer = SIZE_MAX};
    bl_mask_options m = {.per_class = 10, .strength = 0.15, .permutations = 20};
    size_t seed = 0;
    bl_error err = {0};
    const option table[] = {
        {"class", OPTION_TEXT, &o.class_name, "C", "output class: its label, or its number"},
        {"eigs", OPTION_INDICES, &o.eigs, "I",
         "the eigenvector, counted from the end (default -1, the highest)"},
        IMAGES_OPTIONS(o),
        SPACE_OPTION(o),
        {"per-class", OPTION_COUNT, &m.per_class, "K",
         "highest eigenvectors per class that the mask tells apart (default 10)"},
        {"strength", OPTION_REAL, &m.strength, "X",
         "standard deviation of the mask over its pixels (default 0.15)"},
        {"rare", OPTION_REAL, &m.rare, "X", "only pixels whose mean over the images is below X"},
        {"permutations", OPTION_COUNT, &m.permutations, "N", "permuted masks as a control (default 20)"},
        {"seed", OPTION_COUNT, &seed, "N", "of the permutations (default 0)"},
        {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_mask *mask = NULL;
    m.seed = seed;
    m.index = o.eigs.n ? o.eigs.items[0] : -1;
    long found = -1;
    bool ok = c.model || bl_fail(&err, BL_ERR_USAGE, "which model? mask needs a directory of an image model");
    ok = ok && image_open_model(&c, &o, &err) &&
         (o.class_name || bl_fail(&err, BL_ERR_USAGE, "which class? Give --class C"));
    ok = ok && (o.eigs.n <= 1 || bl_fail(&err, BL_ERR_USAGE, "--eigs: a mask is made from one eigenvector"));
    if (ok) found = bl_image_class(o.model, o.class_name, &err);
    if (found >= 0 && image_open_images(&o, &err)) {
        m.class_index = (size_t)found;
        m.space = o.space;
        mask = bl_mask_make(o.model, o.images, &m, &err);
    }
    bl_tree *tree = mask ? bl_mask_tree(o.model, mask, &m, &err) : NULL;
    bl_mask_free(mask);
    static const view how = {NULL, bl_mask_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

const verb verb_mask = {
    "mask", "adversarial masks from eigenvectors of image models", run_mask,
    "Makes the picture that excites one of the K highest eigenvectors per class and none of the others, adds "
    "it to every\n"
    "image, and compares with the same mask permuted among its pixels.",
    "  bilens mask fashion-64 --class 5 --images /usr/share/datasets/fashion-mnist --per-class 3\n"};
