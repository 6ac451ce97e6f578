/* A direction on the command line, and its decomposition. */
#ifndef BL_CLI_DIRECTION_OPTIONS_H
#define BL_CLI_DIRECTION_OPTIONS_H
#include "cli/options.h"

/* Options that give a direction, alike in every verb. */
typedef struct direction_options {
    const char *token, *file;
    text_list minus;
    size_t layer;
    bool minus_all; /* as --minus '*' */
    bool centre;
    index_list eigs;
    bl_direction *parsed; /* of `file`, where that is a text of the grammar, once it is read */
} direction_options;

/* Which output direction: --token, --minus, --direction. */
#define DIRECTION_OPTIONS(d)                                                                           \
    {"token", OPTION_TEXT, &(d).token, "T",                                                            \
     "output token: the vocabulary's own string, or its id as #1234"},                                 \
        {"minus", OPTION_TOKENS, &(d).minus, "T,T…",                                                   \
         "contrast tokens: their mean is subtracted; * alone: the mean of all"},                       \
    {                                                                                                  \
        "direction", OPTION_TEXT, &(d).file, "TEXT",                                                   \
            "instead of a token: a direction as text, as 'swim - mean(run, climb)', 'swim - mean(*)' " \
            "or '@probe.npy:3'; or a file with a vector [d], FILE.npy or FILE.safetensors[:TENSOR]"    \
    }
/* The same, the layer, and which of its eigenvectors. */
#define EIGENVECTOR_OPTIONS(d)                                                                    \
    DIRECTION_OPTIONS(d),                                                                         \
        {"layer", OPTION_COUNT, &(d).layer, "N", "layer whose MLP is decomposed (default 0)"},    \
        {"centre-unembedding", OPTION_FLAG, &(d).centre, NULL,                                    \
         "subtract from each row of W_U its own mean first"},                                     \
    {                                                                                             \
        "eigs", OPTION_INDICES, &(d).eigs, "I,I…",                                                \
            "eigenvectors, by index into the ascending spectrum, negative from the end (default " \
            "-1,-2,-3,-4,0,1,2,3)"                                                                \
    }

void direction_options_free(direction_options *options);
/* -1 when exactly one of --token and --direction was given, with what goes with it; else the exit status of
 * bad usage. */
int check_direction(const verb *self, const direction_options *options, const char *question);
/* Reads --direction's text, if there is one that is no file's name. */
bool read_direction(direction_options *options, bl_error *err);
/* The eigenvectors asked for, or the default eight (fewer in a smaller model); checked against the spectrum's
 * size. */
bool choose_eigs(size_t size, direction_options *options, bl_error *err);
/* Reads and decomposes the direction; only as many extreme eigenpairs as `options->eigs` needs unless `all`.
 */
bl_eigen *decompose(const bl_model *model, direction_options *options, bool all, bl_error *err);
/* After read_direction or decompose; points into the options. */
bl_direction as_direction(const direction_options *options);

/* The option that reads eigenvectors in a dictionary, alike in every verb; add_basis adds the reading to an
 * eigen result (NULL stays NULL; freed when it fails). */
#define BASIS_OPTION(path)                                                                                  \
    {                                                                                                       \
        "basis", OPTION_TEXT, &(path), "DICT",                                                              \
            "also read eigenvectors in this dictionary of what the MLP reads: a folder, or a matrix [F, d]" \
    }
bl_tree *add_basis(bl_tree *tree, const bl_model *model, const bl_eigen *eigen, const char *path,
                   bl_error *err);
#endif
