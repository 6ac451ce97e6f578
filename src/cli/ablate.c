#include "base/error.h"
#include "cli/evidence.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <string.h>

typedef struct asked {
    evidence e; /* first */
    const char *mode, *with;
    bl_ablate_options options;
} asked;

static bool read_modes(asked *a, bl_error *err) {
    static const char *const modes[] = {"component", "input", "logit"};
    size_t mode = 0;
    while (a->mode && mode < 3 && strcmp(a->mode, modes[mode]) != 0) mode++;
    if (mode == 3)
        return bl_fail(err, BL_ERR_USAGE, "--mode: '%s' is not one of component, input, logit", a->mode);
    a->options.mode = (bl_ablate_mode)mode;
    a->options.zero = a->with && strcmp(a->with, "zero") == 0;
    if (a->with && !a->options.zero && strcmp(a->with, "mean") != 0)
        return bl_fail(err, BL_ERR_USAGE, "--with: '%s' is neither mean nor zero", a->with);
    return true;
}

static bl_tree *ablate(void *context, bl_error *err) {
    asked *a = context;
    evidence *e = &a->e;
    bl_ablation result = {0};
    bl_tree *tree = NULL;
    if (!read_modes(a, err)) return NULL;
    bool last = a->options.mode == BL_ABLATE_LOGIT || a->options.worst;
    if (!evidence_corpus(e, err) || !evidence_model(e, last, err) || !evidence_direction(e, err)) return NULL;
    a->options.seed = e->seed;
    a->options.max_stories = e->stories;
    a->options.progress = progress_bar(e->c.quiet);
    if (bl_ablate(e->model, e->d.layer, e->u, e->token, e->d.eigs.items, e->d.eigs.n, e->corpus, &a->options,
                  &result, err)) {
        bl_question question = evidence_question(e);
        tree = bl_ablate_tree(&question, e->d.eigs.items, e->d.eigs.n, &a->options, &result, err);
    }
    progress_end();
    bl_ablation_free(&result);
    return tree;
}

static int check(const verb *self, void *context) {
    asked *a = context;
    int status = check_direction(self, &a->e.d, "whose eigenvectors are to be ablated?");
    if (status >= 0 || a->e.d.eigs.n) return status;
    return fail_usage(self, "--eigs is missing: which eigenvectors are to be ablated?");
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {.e.d.layer = NO_LAYER, .options.controls = 20};
    const option table[] = {
        EVIDENCE_DIRECTION(a.e),
        EVIDENCE_LAYER(a.e, "layer whose MLP is edited (default 0; of --mode logit and --worst the last)"),
        {"eigs", OPTION_INDICES, &a.e.d.eigs, "I,I…",
         "eigenvectors to ablate, by index into the ascending spectrum, negative from the end"},
        {"mode", OPTION_TEXT, &a.mode, "M",
         "component (default): take their share of u.MLP(x) out of the MLP's output; input: take them "
         "out of its input; "
         "logit: take their share out of the token's own logit alone"},
        {"with", OPTION_TEXT, &a.with, "W",
         "mean (default): replace by the mean over the corpus; zero: by 0"},
        {"keep", OPTION_FLAG, &a.options.keep, NULL, "ablate everything but --eigs"},
        {"controls", OPTION_COUNT, &a.options.controls, "R",
         "random directions, and draws of the null model, ablated in the same way (default 20; 0: none)"},
        {"worst", OPTION_COUNT, &a.options.worst, "N",
         "also find the at most N eigenvectors outside --eigs whose ablation hurts the token most "
         "(default 0: do not)"},
        EVIDENCE_CORPUS(a.e),
        EVIDENCE_SEED(a.e),
        SURROGATE_OPTION(a.e.c),
        {0}};
    static const verb_work work = {check,
                                   ablate,
                                   evidence_free,
                                   {.table = bl_ablate_table, .rows = bl_ablate_rows}};
    return verb_run(argc, argv, self, &a.e.c, table, &a, &work);
}

const verb verb_ablate = {
    "ablate", "what removing eigenvectors does to the loss", run,
    "Removes eigenvectors of a direction while the model reads a corpus, and measures the loss before\n"
    "and after: of all predictions, of those whose target is the token (own), and of the others.\n"
    "Controls in the same run: random directions in the span of the MLP's inputs, and the\n"
    "eigenvectors at the same places of null models. Intervals are 95 % from the bootstrap over\n"
    "stories. Eigenvectors of both signs are active at the same positions and partly cancel, so that\n"
    "the ablation of one sign alone overstates its effect.",
    "  bilens ablate --token swim --eigs -1,0 --stories 64\n"
    "  bilens ablate models/ts-1-256 --corpus valid.txt --token she --minus he --eigs -1,-2,0,1 --keep\n"
    "  bilens ablate models/ts-1-256 --corpus valid.txt --token she --eigs -1 --mode logit --worst 8 "
    "--format json\n"};
