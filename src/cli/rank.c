#include "cli/common.h"
#include "cli/output.h"
#include "cli/lines.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <bilens/dictionary.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct asked {
    common c;
    const char *directions, *names;
    size_t layer, seed, limit;
} asked;

/* Names, one per row, or none. */
static bool read_names(const asked *a, size_t F, text_list *names, bl_error *err) {
    if (!a->names) return true;
    if (!read_lines("--names", a->names, names, err)) return false;
    if (names->n == F) return true;
    err->code = BL_ERR_INPUT;
    snprintf(err->message, sizeof err->message,
             "--names: %s has %zu lines, but there are %zu directions: one name per line is expected",
             a->names, names->n, F);
    return false;
}

static bl_tree *rank(void *context, bl_error *err) {
    asked *a = context;
    text_list names = {0};
    bl_dictionary *given = NULL;
    bl_tree *tree = NULL;
    bl_model *model = load_model(&a->c, err);
    if (model) given = bl_dictionary_read(a->directions, bl_model_config(model)->d_model, err);
    if (given && read_names(a, given->F, &names, err)) {
        bl_rank_question question = {.model = model,
                                     .layer = a->layer,
                                     .source = a->directions,
                                     .u = given->encoder,
                                     .F = given->F,
                                     .names = a->names ? names.items : NULL,
                                     .seed = a->seed,
                                     .limit = a->limit,
                                     .progress = progress_bar(a->c.quiet)};
        tree = bl_rank_tree(&question, err);
    }
    progress_end();
    text_list_free(&names);
    bl_dictionary_free(given);
    bl_model_free(model);
    return tree;
}

static void release(void *context) {
    asked *a = context;
    common_free(&a->c);
}

static int check(const verb *self, void *context) {
    const asked *a = context;
    return a->directions ? -1 : fail_usage(self, "--directions FILE is missing: which directions?");
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {0};
    const option table[] = {
        {"directions", OPTION_TEXT, &a.directions, "FILE",
         "a matrix [F, d] with a direction per row: FILE.npy or FILE.safetensors[:TENSOR]; or the folder of "
         "a dictionary, of which the encoder's rows are taken"},
        {"names", OPTION_TEXT, &a.names, "FILE", "their names, one per line"},
        {"layer", OPTION_COUNT, &a.layer, "N", "layer whose MLP is decomposed (default 0)"},
        {"limit", OPTION_COUNT, &a.limit, "N", "show the first N only (default: all)"},
        {"seed", OPTION_COUNT, &a.seed, "N", "of the null model (default 0)"},
        {0}};
    static const verb_work work = {check, rank, release, {.rows = bl_rank_rows}};
    return verb_run(argc, argv, self, &a.c, table, &a, &work);
}

const verb verb_rank = {
    "rank", "many directions of one's own, those first that stand out from chance", run,
    "Decomposes every row of a matrix as a direction and sorts the rows by the largest |eigenvalue|, over "
    "that of a null\n"
    "model whose hidden units were permuted. One row by itself is a direction as any other: "
    "eigen --direction '@FILE.npy:7'.",
    "  bilens rank --directions features.npy --limit 20\n"
    "  bilens rank models/ts-1-256 --directions sae.safetensors:encoder --names names.txt --format csv\n"};
