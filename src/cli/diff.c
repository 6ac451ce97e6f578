#include "cli/evidence.h"
#include "cli/verbs.h"
#include <string.h>

typedef struct asked {
    evidence e;
    const char *other;
    text_list tokens;
    size_t changed;
} asked;

static bl_tree *diff_of(asked *a, bl_error *err) {
    evidence *e = &a->e;
    bl_tree *tree = NULL;
    common c = {.model = e->c.other, .quiet = e->c.quiet};
    bl_model *other = evidence_model(e, false, err) ? load_model(&c, err) : NULL;
    if (other && e->d.layer >= bl_model_config(other)->n_layer)
        evidence_usage(err, "layer %zu does not exist in %s, whose layers are 0 to %zu", e->d.layer,
                       e->c.other, bl_model_config(other)->n_layer - 1);
    else if (other && (!e->d.token || (choose_eigs(e->model, &e->d, err) && evidence_direction(e, err)))) {
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

static int run(int argc, char **argv, const verb *self) {
    asked a = {.changed = 10, .e.c.two_models = true};
    const option table[] = {
        EVIDENCE_LAYER(a.e, "layer that is compared (default 0)"),
        {"tokens", OPTION_TOKENS, &a.tokens, "T,T…", "also the cosine of these tokens' forms"},
        {"changed", OPTION_COUNT, &a.changed, "N", "list the N tokens whose forms changed most (default 10)"},
        {"token", OPTION_TEXT, &a.e.d.token, "T",
         "show the eigenvectors of the difference of this token's forms"},
        {"minus", OPTION_TOKENS, &a.e.d.minus, "T,T…",
         "contrast tokens of --token: their mean is subtracted"},
        {"eigs", OPTION_INDICES, &a.e.d.eigs, "I,I…", "which eigenvectors (default -1,-2,-3,-4,0,1,2,3)"},
        {0}};
    int status = options_parse(argc, argv, self, &a.e.c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_error err = {0};
    static const view how = {NULL, bl_diff_rows};
    if (!a.e.c.other) status = fail_usage(self, "two models are needed: bilens diff A B");
    if (status < 0 && !a.e.d.token && (a.e.d.minus.n || a.e.d.eigs.n))
        status = fail_usage(self, "--minus and --eigs go with --token");
    if (status < 0) status = write_tree(self, &a.e.c, diff_of(&a, &err), &how, &err);
    text_list_free(&a.tokens);
    evidence_free(&a.e);
    return status;
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
    "  bilens diff models/ts-1-256 runs/fine-tuned --token swim --format json\n"};
