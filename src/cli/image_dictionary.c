/* dictionary train and eval of image models. */
#include "base/error.h"
#include "base/file.h"
#include "cli/dictionary.h"
#include "cli/image.h"
#include "cli/image_options.h"
#include "cli/terminal.h"

#define POINT_HELP \
    "trace point: hidden, what a block gives (default; also with its layer, hidden.0), embed, or logits"

/* What a run learns from and what it is scored on: the two halves of a folder, or one set, of which every
 * tenth image is held out. */
static bool open_both(image_options *o, bl_images **held, bl_error *err) {
    if (!o->images_path || o->split || !bl_is_directory(o->images_path)) return image_open_images(o, err);
    o->images = bl_images_open(o->model, o->images_path, NULL, "train", err);
    *held = o->images ? bl_images_open(o->model, o->images_path, NULL, "test", err) : NULL;
    return *held != NULL;
}

static int train(int argc, char **argv, const verb *self) {
    dictionary_training a = DICTIONARY_TRAINING;
    image_options o = {0};
    bl_error err = {0};
    bl_dictionary_train_image_defaults(&a.o);
    const option table[] = {
        {"images", OPTION_TEXT, &o.images_path, "DIR|FILE",
         "folder with the four MNIST files, or a file of images; not needed for modular addition"},
        {"labels", OPTION_TEXT, &o.labels_path, "FILE", "labels of a file of images"},
        {"split", OPTION_TEXT, &o.split, "S",
         "test or train: learn from these images of a folder and hold out every tenth (default: learn from "
         "train, hold out test)"},
        {"point", OPTION_TEXT, &a.o.point, "NAME", POINT_HELP},
        {"layer", OPTION_COUNT, &a.o.layer, "N", "of this layer (default: the last)"},
        DICTIONARY_TRAIN_OPTIONS(a, "20", "0.01"),
        {0}};
    int status = options_parse(argc, argv, self, &a.c, table, FORMATS_ALL, dictionary_to_folder, true);
    if (status >= 0) return status;
    bl_images *held = NULL;
    bl_dictionary_train_result result;
    bool ok = dictionary_apply(&a, &err) && image_open_model(&a.c, &o, &err) && open_both(&o, &held, &err) &&
              bl_dictionary_train_images(o.model, o.images, held, &a.o, &result, &err);
    bl_tree *tree =
        dictionary_train_end(&a, ok, o.model ? bl_image_name(o.model) : "", "hidden", &result, &err);
    status = tell_tree(self, &a.c, tree, &dictionary_view, &err);
    bl_images_free(held);
    image_options_free(&o);
    common_free(&a.c);
    return status;
}

static int eval(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    const char *path = NULL, *point = "hidden";
    bl_error err = {0};
    const option table[] = {DICTIONARY_OPTION(path),
                            {"point", OPTION_TEXT, &point, "NAME", POINT_HELP},
                            {"layer", OPTION_COUNT, &o.d.layer, "N", "of this layer (default: the last)"},
                            IMAGES_OPTIONS(o),
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_dictionary *a = NULL;
    bl_dictionary_score score;
    bool ok = (path || bl_fail(&err, BL_ERR_USAGE, "which dictionary? Give --dictionary DICT")) &&
              image_open_model(&c, &o, &err) && (a = bl_dictionary_read(path, 0, &err)) &&
              image_open_images(&o, &err);
    if (ok) {
        bl_dictionary_eval_options how = {.point = point,
                                          .layer = o.d.layer,
                                          .progress = progress_bar(c.quiet)};
        ok = bl_dictionary_eval_images(o.model, a, o.images, &how, &score, &err);
    }
    const char *name = ok ? bl_image_name(o.model) : NULL;
    bl_tree *tree = ok ? dictionary_eval_tree(name, a, point, o.d.layer, &score, &err) : NULL;
    bl_dictionary_free(a);
    return image_end(self, &c, &o, tree, &dictionary_view, &err);
}

static int run(int argc, char **argv, const verb *outer) {
    return dictionary_run(argc, argv, outer, train, eval);
}

const verb image_dictionary_verb = {
    "dictionary", "train a dictionary of features (TopK SAE) of an image model, or say how good one is", run,
    "Learns features of what a trace point holds, so that few of them add up to every image's vector. A\n"
    "feature is then a direction: --direction feature:12@DICT gives its form and pictures. 'dictionary\n"
    "eval' measures any dictionary: the share of variance that it leaves unexplained, features that are\n"
    "never active, and loss and accuracy when its reconstruction stands in the point's place.",
    "  bilens dictionary train fashion-64 --images /usr/share/datasets/fashion-mnist --features 256 "
    "-k 16 -o sae\n"
    "  bilens dictionary eval fashion-64 --images /usr/share/datasets/fashion-mnist --dictionary sae\n"
    "  bilens eigen fashion-64 --direction feature:12@sae\n"};
