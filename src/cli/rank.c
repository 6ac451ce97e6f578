#include "cli/own_directions.h"
#include "cli/common.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

typedef struct asked {
    common c;
    own_directions own;
    size_t layer, seed, limit, null_draws;
} asked;

static bl_tree *rank(void *context, bl_error *err) {
    asked *a = context;
    bl_tree *tree = NULL;
    bl_model *model = load_model(&a->c, err);
    if (model && read_own_directions(&a->own, bl_model_config(model)->d_model, err)) {
        bl_rank_question question = {.model = model,
                                     .layer = a->layer,
                                     .source = a->own.source,
                                     .u = a->own.given->encoder,
                                     .F = a->own.given->F,
                                     .names = a->own.basis.labels,
                                     .seed = a->seed,
                                     .null_draws = a->null_draws,
                                     .limit = a->limit,
                                     .progress = progress_bar(a->c.quiet)};
        tree = bl_rank_tree(&question, err);
        if (tree) note_dead(&a->c, bl_tree_real(tree, "dead"));
    }
    progress_end();
    bl_model_free(model);
    return tree;
}

static void release(void *context) {
    asked *a = context;
    own_directions_free(&a->own);
    common_free(&a->c);
}

static int check(const verb *self, void *context) {
    const asked *a = context;
    return a->own.source ? -1 : fail_usage(self, "--directions FILE is missing: which directions?");
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {0};
    const option table[] = {OWN_DIRECTIONS_OPTIONS(a.own),
                            {"layer", OPTION_COUNT, &a.layer, "N",
                             "layer whose MLP is decomposed (default 0)"},
                            {"limit", OPTION_COUNT, &a.limit, "N", "show the first N only (default: all)"},
                            {"seed", OPTION_COUNT, &a.seed, "N", "of the first null draw (default 0)"},
                            {"null-draws", OPTION_COUNT, &a.null_draws, "R",
                             "draws of the null model that p is taken from (default 1)"},
                            SURROGATE_OPTION(a.c),
                            {0}};
    static const verb_work work = {check, rank, release, {.rows = bl_rank_rows}};
    return verb_run(argc, argv, self, &a.c, table, &a, &work);
}

const verb verb_rank = {
    "rank", "many directions of one's own, those first that stand out from chance", run,
    "Decomposes every row of a matrix as a direction and sorts the rows by the largest |eigenvalue|, over "
    "that of a null\n"
    "model whose hidden units were permuted; p and q say how often chance makes the clearer end of its "
    "spectrum as large.\n"
    "One row by itself is a direction as any other: "
    "eigen --direction '@FILE.npy:7'.",
    "  bilens rank --directions features.npy --limit 20\n"
    "  bilens rank --directions probes.csv --names names.txt\n"
    "  bilens rank models/ts-1-256 --directions sae.safetensors:encoder --names names.txt --format csv\n"};
