/* What the verbs of image models share: their options, what they open, and their end. */
#ifndef BL_CLI_IMAGE_OPTIONS_H
#define BL_CLI_IMAGE_OPTIONS_H
#include "cli/common.h"
#include "cli/direction_options.h"

/* Options that several verbs share, and what they open. */
typedef struct image_options {
    direction_options d; /* --class as token; layer SIZE_MAX: the last */
    const char *space_name, *images_path, *labels_path, *split;
    bool raw;
    /* opened */
    bl_image_model *model;
    bl_images *images;
    bl_direction direction;
    float *u;
    bl_space space;
    bl_image_eigen *eigen;
} image_options;

#define CLASS_OPTIONS(o)                                                                             \
    {"class", OPTION_TEXT, &(o).d.token, "C", "output class: its label, or its number"},             \
        {"minus", OPTION_TOKENS, &(o).d.minus, "C,C…",                                               \
         "classes whose mean is subtracted; all or *: the mean of all classes"},                     \
        {"direction", OPTION_TEXT, &(o).d.file, "TEXT",                                              \
         "instead of a class: a direction as text, as 'class:5 - class:3', or a vector [d_hidden], " \
         "FILE.npy or FILE.safetensors[:TENSOR], or a feature of a dictionary, feature:12@DICT"},    \
        {"layer", OPTION_COUNT, &(o).d.layer, "N", "block that is decomposed (default: the last)"},  \
        {"eigs", OPTION_INDICES, &(o).d.eigs, "I,I…",                                                \
         "eigenvectors, by index into the ascending spectrum, negative from the end (default "       \
         "-1,-2,-3,-4,0,1,2,3)"},                                                                    \
        SPACE_OPTION(o)
#define SPACE_OPTION(o)                                                                 \
    {                                                                                   \
        "space", OPTION_TEXT, &(o).space_name, "S",                                     \
            "embed: eigenvectors of the block's input (default); pixel: of the picture" \
    }
#define IMAGES_OPTIONS(o)                                                                              \
    {"images", OPTION_TEXT, &(o).images_path, "DIR|FILE",                                              \
     "folder with the four MNIST files, or a file of images (IDX, .gz, .npy); not needed for modular " \
     "addition"},                                                                                      \
        {"labels", OPTION_TEXT, &(o).labels_path, "FILE", "labels of a file of images"}, {             \
        "split", OPTION_TEXT, &(o).split, "S", "test (default) or train: which images of a folder"     \
    }
#define RAW_OPTION(o) \
    { "raw", OPTION_FLAG, &(o).raw, NULL, "class rows as they are, not minus their mean" }

/* Frees what the options hold and what was opened. */
void image_options_free(image_options *o);
/* Loads MODEL; chooses layer and space. */
bool image_open_model(const common *c, image_options *o, bl_error *err);
/* Notes what tensors hold NaN or infinity; image_open_model does so by itself. */
bool image_warn(const common *c, const bl_image_model *model, bl_error *err);
/* Opens --images, or all pairs of a model of modular addition. */
bool image_open_images(image_options *o, bl_error *err);
/* The direction's vector and its eigenpairs, with --eigs checked or chosen. */
bool image_decompose(image_options *o, bl_error *err);
/* What results of the direction name. */
bl_image_question image_question_of(const image_options *o);
/* The common end of a verb: the tree (taken) as it was asked for; everything freed. */
int image_end(const verb *self, common *c, image_options *o, bl_tree *tree, const view *how, bl_error *err);
extern const char image_to_file[]; /* the help of -o */
#endif
