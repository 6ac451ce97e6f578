/* What 'dictionary train' and 'dictionary eval' share between text and images: options, progress, results. */
#ifndef BL_CLI_DICTIONARY_H
#define BL_CLI_DICTIONARY_H
#include "cli/common.h"

/* Options of a training, and the screen that shows it. */
typedef struct dictionary_training {
    common c;
    bl_dictionary_train_options o;
    const char *layout, *precision;
    size_t seed, every;
    bool terminal, drawn;
    bl_progress bar;
    double told; /* seconds of the last line where there is no terminal */
} dictionary_training;

#define DICTIONARY_TRAINING \
    { .seed = 1, .every = 500 }
#define DICTIONARY_TRAIN_OPTIONS(a, passes, rate)                                                        \
    {"features", OPTION_COUNT, &(a).o.features, "N", "features of the dictionary"},                      \
        {"k", OPTION_COUNT, &(a).o.k, "N", "of which at most N are active at a position"},               \
        {"epochs", OPTION_COUNT, &(a).o.epochs, "N", "passes over the vectors (default " passes ")"},    \
        {"batch", OPTION_COUNT, &(a).o.batch, "N", "vectors per step (default 1024)"},                   \
        {"lr", OPTION_REAL, &(a).o.lr, "X",                                                              \
         "learning rate; it falls linearly to a tenth (default " rate ")"},                              \
        {"seed", OPTION_COUNT, &(a).seed, "N", "random seed of start and order (default 1)"},            \
        {"buffer", OPTION_COUNT, &(a).o.buffer, "N",                                                     \
         "vectors in memory at most; if there are more each epoch runs the model again, part by part "   \
         "(default: as many as 2 GB hold)"},                                                             \
        {"precision", OPTION_TEXT, &(a).precision, "P",                                                  \
         "of the encoder's product: f32 (default), bf16 (where the processor has it), or auto: what is " \
         "faster here"},                                                                                 \
        {"layout", OPTION_TEXT, &(a).layout, "L", "files to write: scope (default) or saelens"},         \
        {"checkpoint-every", OPTION_COUNT, &(a).every, "N",                                              \
         "steps between checkpoints; 0: only when stopped (default 500)"},                               \
        {"resume", OPTION_FLAG, &(a).o.resume, NULL,                                                     \
         "continue from the checkpoint in -o DIR; a finished run is left as it is"},                     \
    {                                                                                                    \
        "overwrite", OPTION_FLAG, &(a).o.overwrite, NULL, "replace the dictionary or run in -o DIR"      \
    }
#define DICTIONARY_OPTION(path)                                                          \
    {                                                                                    \
        "dictionary", OPTION_TEXT, &(path), "DICT",                                      \
            "a folder (SAELens or the authors' layout) or a matrix [F, d], FILE.npy or " \
            "FILE.safetensors[:TENSOR]"                                                  \
    }
extern const char dictionary_to_folder[]; /* the help of -o */

/* What the options say goes into a->o; the screen is set up. */
bool dictionary_apply(dictionary_training *a, bl_error *err);
/* After the run: the tree of its result, or NULL where it failed. */
bl_tree *dictionary_train_end(dictionary_training *a, bool ok, const char *model, const char *point,
                              const bl_dictionary_train_result *result, bl_error *err);
bl_tree *dictionary_eval_tree(const char *model, const bl_dictionary *dictionary, const char *point,
                              size_t layer, const bl_dictionary_score *score, bl_error *err);
extern const view dictionary_view;
/* Words behind "dictionary": the sub-verb that they name is run. */
int dictionary_run(int argc, char **argv, const verb *outer,
                   int (*train)(int argc, char **argv, const verb *self),
                   int (*eval)(int argc, char **argv, const verb *self));
#endif
