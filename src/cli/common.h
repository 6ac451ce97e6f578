/* What several verbs do alike: load the model, read a direction, write the result. */
#ifndef BL_CLI_COMMON_H
#define BL_CLI_COMMON_H
#include "cli/options.h"
#include "cli/output.h"

/* The model that was named, a directory or a name on the hub, or the embedded default. NULL with the error
 * filled in. */
bl_model *load_model(common *c, bl_error *err);
/* Says what is wrong with its weights, on rank 0; load_model does so by itself. NULL is allowed. */
void note_warnings(const common *c, const bl_model *model);
/* A file or folder of the data that comes with bilens ("stories.txt"): in $BILENS_DATA, beside the build
 * folder, or where it was installed. Free with free; NULL with BL_ERR_INPUT. */
char *default_data(const char *name, bl_error *err);
/* --surrogate, which load_model makes stand for the model's MLPs. common_free is due after the model's
 * end. */
#define SURROGATE_OPTION(c)                                                                     \
    {                                                                                           \
        "surrogate", OPTION_TEXT, &(c).surrogate, "FILE",                                       \
            "what stands for the MLPs of a gated or plain model, as 'bilens surrogate' made it" \
    }
/* Options that give a corpus, alike in every verb. */
typedef struct corpus_options {
    text_list files;
    const char *text_key; /* of JSON objects; NULL: "text" */
} corpus_options;

#define CORPUS_OPTIONS(c, help)                                                         \
    {"corpus", OPTION_FILES, &(c).files, "FILE…", help}, {                              \
        "text-key", OPTION_TEXT, &(c).text_key, "KEY",                                  \
            "where the corpus holds JSON objects: the key of their text (default text)" \
    }
#define CORPUS_FORMATS "stories: .txt with <|endoftext|>, .jsonl, or .json (an array), also .gz and .zst"

void corpus_options_free(corpus_options *options);
/* The corpus that was named, or the embedded default; standard input not for several ranks. */
bl_corpus *open_corpus(const corpus_options *options, bl_error *err);
/* After reading: a note when the corpus seems to be divided into stories in another way than bilens expects.
 */
void note_corpus(const common *c, bl_corpus *corpus, const bl_model *model);

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

#define DIRECTION_OPTIONS(d)                                                                        \
    {"token", OPTION_TEXT, &(d).token, "T",                                                         \
     "output token: the vocabulary's own string, or its id as #1234"},                              \
        {"minus", OPTION_TOKENS, &(d).minus, "T,T…",                                                \
         "contrast tokens: their mean is subtracted; * alone: the mean of all"},                    \
        {"direction", OPTION_TEXT, &(d).file, "TEXT",                                               \
         "instead of a token: a direction as text, as 'swim - mean(run, climb)', 'swim - mean(*)' " \
         "or '@probe.npy:3'; or a file with a vector [d], FILE.npy or FILE.safetensors[:TENSOR]"},  \
        {"layer", OPTION_COUNT, &(d).layer, "N", "layer whose MLP is decomposed (default 0)"},      \
        {"centre-unembedding", OPTION_FLAG, &(d).centre, NULL,                                      \
         "subtract from each row of W_U its own mean first"},                                       \
    {                                                                                               \
        "eigs", OPTION_INDICES, &(d).eigs, "I,I…",                                                  \
            "eigenvectors, by index into the ascending spectrum, negative from the end (default "   \
            "-1,-2,-3,-4,0,1,2,3)"                                                                  \
    }

void direction_options_free(direction_options *options);
/* -1 when exactly one of --token and --direction was given, with what goes with it; else the exit status of
 * bad usage. */
int check_direction(const verb *self, const direction_options *options, const char *question);
/* Reads --direction's text, if there is one that is no file's name. */
bool read_direction(direction_options *options, bl_error *err);
/* The eigenvectors asked for, or the default eight (fewer in a smaller model); checked against the spectrum's
 * size. */
bool choose_eigs(const bl_model *model, direction_options *options, bl_error *err);
/* Reads and decomposes the direction; only as many extreme eigenpairs as `options->eigs` needs unless `all`.
 */
bl_eigen *decompose(const bl_model *model, direction_options *options, bool all, bl_error *err);
/* After read_direction or decompose; points into the options. */
bl_direction as_direction(const direction_options *options);

/* "f32", "bf16" or "auto" of --precision; NULL leaves *out as it is. */
bool parse_precision(const char *text, bl_precision *out, bl_error *err);

/* The option that reads eigenvectors in a dictionary, alike in every verb; add_basis adds the reading to an
 * eigen result (NULL stays NULL; freed when it fails). */
#define BASIS_OPTION(path)                                                                                  \
    {                                                                                                       \
        "basis", OPTION_TEXT, &(path), "DICT",                                                              \
            "also read eigenvectors in this dictionary of what the MLP reads: a folder, or a matrix [F, d]" \
    }
bl_tree *add_basis(bl_tree *tree, const bl_model *model, const bl_eigen *eigen, const char *path,
                   bl_error *err);

/* The whole of standard input as text (freed with free), NUL-terminated after *size bytes; without `size`
 * a NUL in it is BL_ERR_INPUT. */
char *read_stdin(size_t *size, bl_error *err);
/* The lines of a text file, "-" being standard input, without those of nothing; a byte order mark and \r
 * at their ends are left out. `name` ("--tokens") names the file in messages. BL_ERR_INPUT when there is
 * none, or NUL. */
bool read_lines(const char *name, const char *path, text_list *list, bl_error *err);
#endif
