#include "base/error.h"
#include "cli/evidence.h"
#include "cli/figure_options.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <stdlib.h>
#include <jansson.h>
#include <string.h>

typedef struct asked {
    evidence e;
    const char *other;
    const char *timeline, *plot;
    figure_options figure;
    text_list tokens;
    size_t changed;
} asked;

static bl_tree *diff_of(asked *a, bl_error *err) {
    evidence *e = &a->e;
    bl_tree *tree = NULL;
    common c = {.model = e->c.other, .quiet = e->c.quiet};
    bl_model *other = evidence_model(e, false, err) ? load_model(&c, err) : NULL;
    if (other && e->d.layer >= bl_model_config(other)->n_layer)
        bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist in %s, whose layers are 0 to %zu", e->d.layer,
                e->c.other, bl_model_config(other)->n_layer - 1);
    else if (other && (!e->d.token || (choose_eigs(bl_interaction_size(e->model), &e->d, err) &&
                                       evidence_direction(e, err)))) {
        bl_diff_question q = {.a = e->model,
                              .b = other,
                              .layer = e->d.layer,
                              .tokens = a->tokens.items,
                              .n_tokens = a->tokens.n,
                              .changed = a->changed,
                              .direction = e->d.token ? &e->direction : NULL,
                              .indices = e->d.eigs.items,
                              .n_indices = e->d.token ? e->d.eigs.n : 0};
        tree = bl_diff_tree(&q, err);
    }
    bl_model_free(other);
    return tree;
}

static bl_tree *timeline_of(asked *a, bl_error *err) {
    if (a->e.d.layer == NO_LAYER) a->e.d.layer = 0;
    bl_tree *tree = bl_timeline_tree(a->timeline, a->e.d.layer, a->tokens.items, a->tokens.n,
                                     progress_bar(a->e.c.quiet), err);
    progress_end();
    return tree;
}

static bl_tree *make(void *context, bl_error *err) {
    asked *a = context;
    bl_tree *tree = a->timeline ? timeline_of(a, err) : diff_of(a, err);
    if (tree && a->plot && !bl_timeline_figure(tree, &a->figure.how, a->plot, err)) {
        bl_tree_free(tree);
        tree = NULL;
    }
    return tree;
}

static bl_table *rows_of(const bl_tree *tree, bl_error *err) {
    return json_object_get(tree, "timeline") ? bl_timeline_rows(tree, err) : bl_diff_rows(tree, err);
}

static char *table_of(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    if (!json_object_get(tree, "timeline")) return bl_diff_table(tree, terminal, err);
    bl_table *rows = bl_timeline_rows(tree, err);
    char *text = bl_table_shown(rows, terminal, err);
    bl_table_free(rows);
    return text;
}

static int check(const verb *self, void *context) {
    asked *a = context;
    const evidence *e = &a->e;
    int status = check_figure(self, &a->figure, "--plot", a->plot != NULL || a->e.c.format == FORMAT_SVG);
    if (status >= 0) return status;
    if (a->plot && !a->timeline) return fail_usage(self, "--plot goes with --timeline");
    if (a->timeline && (e->c.model || e->d.token))
        return fail_usage(self, "--timeline takes the models of a folder, and --tokens instead of --token");
    if (!a->timeline && !e->c.other) return fail_usage(self, "two models are needed: bilens diff A B");
    if (!e->d.token && (e->d.minus.n || e->d.eigs.n))
        return fail_usage(self, "--minus and --eigs go with --token");
    return -1;
}

static void release(void *context) {
    asked *a = context;
    text_list_free(&a->tokens);
    evidence_free(&a->e);
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {.changed = 10, .e.c.two_models = true};
    const option table[] = {
        EVIDENCE_LAYER(a.e, "layer that is compared (default 0)"),
        {"timeline", OPTION_TEXT, &a.timeline, "DIR",
         "instead of two models: every snapshot of the training run in this folder (or in its folder "
         "snapshots), beside the last one"},
        {"plot", OPTION_OUTPUT, &a.plot, "FILE", "with --timeline: also draw the curves: .svg, .png or .pdf"},
        FIGURE_OPTIONS(a.figure),
        {"tokens", OPTION_TOKENS, &a.tokens, "T,T…", "also the cosine of these tokens' forms"},
        {"changed", OPTION_COUNT, &a.changed, "N", "list the N tokens whose forms changed most (default 10)"},
        {"token", OPTION_TEXT, &a.e.d.token, "T",
         "show the eigenvectors of the difference of this token's forms"},
        {"minus", OPTION_TOKENS, &a.e.d.minus, "T,T…",
         "contrast tokens of --token: their mean is subtracted"},
        {"eigs", OPTION_INDICES, &a.e.d.eigs, "I,I…", "which eigenvectors (default -1,-2,-3,-4,0,1,2,3)"},
        {0}};
    static const verb_work work = {check, make, release, {.table = table_of, .rows = rows_of}};
    return verb_run(argc, argv, self, &a.e.c, table, &a, &work);
}

const verb verb_diff = {
    "diff", "how alike two models' layers are", run,
    "Compares one layer of two models or checkpoints of the same width: frobenius, the cosine of their "
    "third-order\n"
    "tensors; similarity, the cosine of what they compute from Gaussian inputs; and token by token the "
    "cosine of the two\n"
    "interaction matrices, of which the lowest are listed: the directions that changed most. Their "
    "coordinates must mean\n"
    "the same: two checkpoints of one run, not two seeds.",
    "  bilens diff runs/first runs/last --tokens swim,she\n"
    "  bilens diff --timeline runs/stories --tokens swim,she --plot timeline.svg\n"
    "  bilens diff models/ts-1-256 runs/fine-tuned --token swim --format json\n"};
