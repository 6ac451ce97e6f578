#include "cli/evidence.h"
#include "cli/verbs.h"
#include <stdlib.h>

typedef struct asked {
    evidence e;
    size_t k;
} asked;

static bl_tree *similar_of(asked *a, bl_error *err) {
    evidence *e = &a->e;
    e->d.minus_all = e->d.token && !e->d.minus.n; /* as the others are taken */
    if (!evidence_model(e, false, err) || !evidence_direction(e, err)) return NULL;
    bl_question question = evidence_question(e);
    return bl_similar_tree(&question, e->u, a->k, err);
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {.k = 20};
    const option table[] = {EVIDENCE_DIRECTION(a.e),
                            EVIDENCE_LAYER(a.e, "layer whose MLP is decomposed (default 0)"),
                            {"k", OPTION_COUNT, &a.k, "N", "tokens shown at each end (default 20)"},
                            {0}};
    int status = options_parse(argc, argv, self, &a.e.c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_error err = {0};
    static const view how = {NULL, bl_similar_rows};
    status = check_direction(self, &a.e.d, "which output token's form?");
    if (status < 0 && !a.k) status = fail_usage(self, "-k: at least one token");
    if (status < 0) status = write_tree(self, &a.e.c, similar_of(&a, &err), &how, &err);
    evidence_free(&a.e);
    return status;
}

const verb verb_similar = {
    "similar", "the tokens whose forms are most alike", run,
    "Compares a direction's interaction matrix with that of every token by the Frobenius cosine: 1 the "
    "same form, -1 the\n"
    "opposite one. Tokens alike read the same inputs in the same way. Each token is taken minus the "
    "mean of all tokens.",
    "  bilens similar --token swim\n"
    "  bilens similar models/ts-1-256 --token swim -k 50 --format csv\n"};
