#include "base/error.h"
#include "cli/evidence.h"
#include "cli/figure_options.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <stdlib.h>

typedef struct asked {
    evidence e; /* first */
    bool no_controls;
    const char *plot;
    figure_options figure;
} asked;

static bl_tree *one_token(asked *a, const bl_truncate_options *options, bl_error *err) {
    evidence *e = &a->e;
    bl_token_truncation curve = {0};
    bl_tree *tree = NULL;
    if (evidence_direction(e, err) &&
        bl_truncate_token(e->model, e->u, e->token, e->corpus, options, &curve, err)) {
        bl_question question = evidence_question(e);
        tree = bl_truncate_token_tree(&question, &curve, err);
    }
    bl_token_truncation_free(&curve);
    return tree;
}

static bl_tree *all_tokens(asked *a, const bl_truncate_options *options, bl_error *err) {
    bl_truncation curve = {0};
    bl_tree *tree = NULL;
    if (bl_truncate(a->e.model, a->e.corpus, options, &curve, err))
        tree = bl_truncate_tree(a->e.model, &curve, err);
    bl_truncation_free(&curve);
    return tree;
}

static bl_tree *truncate_of(void *context, bl_error *err) {
    asked *a = context;
    evidence *e = &a->e;
    size_t *ranks = NULL;
    bl_tree *tree = NULL;
    if (evidence_counts("--ranks", &a->e.numbers, &ranks, err) && evidence_corpus(e, err) &&
        evidence_model(e, true, err)) {
        size_t last = bl_model_config(e->model)->n_layer - 1;
        bl_truncate_options options = {.ranks = ranks,
                                       .n_ranks = a->e.numbers.n,
                                       .no_controls = a->no_controls,
                                       .max_stories = e->stories,
                                       .seed = e->seed,
                                       .progress = progress_bar(e->c.quiet)};
        if (e->d.layer != last)
            bl_fail(
                err, BL_ERR_USAGE,
                "--layer: the loss is read behind the last layer, so that only layer %zu can be truncated",
                last);
        else tree = e->d.token || e->d.file ? one_token(a, &options, err) : all_tokens(a, &options, err);
        progress_end();
    }
    free(ranks);
    if (tree && a->plot && !bl_truncate_figure(tree, &a->figure.how, a->plot, err)) {
        bl_tree_free(tree);
        tree = NULL;
    }
    return tree;
}

static int check(const verb *self, void *context) {
    asked *a = context;
    int status = check_figure(self, &a->figure, "--plot", a->plot != NULL || a->e.c.format == FORMAT_SVG);
    if (status >= 0) return status;
    if (a->e.d.token || a->e.d.file) return check_direction(self, &a->e.d, "which token?");
    return a->e.d.minus.n ? fail_usage(self, "--minus goes with --token") : -1;
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {.e.d.layer = NO_LAYER};
    const option table[] = {EVIDENCE_CORPUS(a.e),
                            {"ranks", OPTION_INDICES, &a.e.numbers, "K,K…",
                             "numbers of eigenvectors kept (default 0,1,2,4,8,16,32,64)"},
                            EVIDENCE_DIRECTION(a.e),
                            EVIDENCE_LAYER(a.e,
                                           "the last layer, which is the only one that can be truncated"),
                            {"no-controls", OPTION_FLAG, &a.no_controls, NULL,
                             "leave out the random and the lowest-first order, which need every "
                             "eigenvector"},
                            EVIDENCE_SEED(a.e),
                            {"plot", OPTION_OUTPUT, &a.plot, "FILE",
                             "also draw the curve: .svg, .png or .pdf"},
                            FIGURE_OPTIONS(a.figure),
                            SURROGATE_OPTION(a.e.c),
                            {0}};
    static const verb_work work = {check,
                                   truncate_of,
                                   evidence_free,
                                   {.table = bl_truncate_table, .rows = bl_truncate_rows}};
    return verb_run(argc, argv, self, &a.e.c, table, &a, &work);
}

const verb verb_truncate = {
    "truncate", "how many eigenvectors a token needs: loss against rank", run,
    "Replaces the last layer's MLP output, for all tokens at once, by its K eigenvectors of largest\n"
    "|eigenvalue| per token, and measures the loss over a corpus for each K. Controls: K eigenvectors\n"
    "at random, and the K smallest. With --token it does so for one direction alone: correlation and\n"
    "R2 of its rank-K form with u.MLP(x), and the loss at positions where the token comes next.",
    "  bilens truncate --stories 64\n"
    "  bilens truncate models/ts-1-256 --corpus valid.txt --ranks 0,1,4,16,64 --plot curve.svg\n"
    "  bilens truncate models/ts-1-256 --corpus valid.txt --token swim --format json\n"};
