/* What several verbs read: the model and the corpus that were named, or the embedded ones. */
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
#define SURROGATE_OPTION(c)                                                                         \
    {                                                                                               \
        "surrogate", OPTION_TEXT, &(c).surrogate, "FILE",                                           \
            "stand-in for the MLPs of a gated or plain model: a file that 'bilens surrogate' wrote" \
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

/* How many hidden units the draws of the null model leave in place, if any. */
void note_dead(const common *c, double dead);

/* "f32", "bf16" or "auto" of --precision; NULL leaves *out as it is. */
bool parse_precision(const char *text, bl_precision *out, bl_error *err);
#endif
