#include "base/error.h"
#include "cli/evidence.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

static bl_tree *layers_of(void *context, bl_error *err) {
    evidence *e = context;
    bl_layer_shares shares = {0};
    bl_tree *tree = NULL;
    bl_question question;
    if (evidence_corpus(e, err) && evidence_model(e, false, err) && evidence_direction(e, err) &&
        bl_layer_shares_of_corpus(e->model, e->u, e->token, e->corpus, e->stories, progress_bar(e->c.quiet),
                                  &shares, err)) {
        question = evidence_question(e);
        tree = bl_layers_tree(&question, &shares, err);
    }
    progress_end();
    bl_layer_shares_free(&shares);
    return tree;
}

static int check(const verb *self, void *context) {
    evidence *e = context;
    return check_direction(self, &e->d, "to whose logit do the layers add?");
}

static int run(int argc, char **argv, const verb *self) {
    evidence e = {.stories = 48};
    const option table[] = {
        EVIDENCE_DIRECTION(e),
        CORPUS_OPTIONS(e.corpora, CORPUS_FORMATS "; - is standard input"),
        {"stories", OPTION_COUNT, &e.stories, "N",
         "look at N stories, those with the token first (default 48; 0: all of the first 20,000)"},
        SURROGATE_OPTION(e.c),
        {0}};
    static const verb_work work = {check,
                                   layers_of,
                                   evidence_free,
                                   {.table = bl_layers_table, .rows = bl_layers_rows}};
    return verb_run(argc, argv, self, &e.c, table, &e, &work);
}

const verb verb_layers = {
    "layers", "which layer to look at first: what each adds to a logit", run,
    "Measures what the MLP and the heads of each layer add to a token's logit by themselves: own, how\n"
    "much more where the token comes next than elsewhere; spread, the standard deviation over all\n"
    "positions. The final norm's scale is kept as it is at each position; what later layers make of a\n"
    "layer's output is not in these numbers. With --surrogate the R2 of each layer's surrogate stands\n"
    "beside them. A layer is worth a look where its MLP adds much and its surrogate describes it well.\n"
    "Position 0 of every story is left out.",
    "  bilens layers models/llama --corpus stories.txt --token ' Paris' --surrogate "
    "llama.surrogate.safetensors\n"
    "  bilens layers --token swim --minus run,climb --stories 16 --format json\n"};
