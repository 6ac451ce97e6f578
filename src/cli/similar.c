#include "cli/evidence.h"
#include "cli/verbs.h"
#include <stdlib.h>

typedef struct asked {
    evidence e; /* first */
    size_t k;
} asked;

static bl_tree *similar_of(void *context, bl_error *err) {
    asked *a = context;
    evidence *e = &a->e;
    e->d.minus_all = e->d.token && !e->d.minus.n; /* as the others are taken */
    if (!evidence_model(e, false, err) || !evidence_direction(e, err)) return NULL;
    bl_question question = evidence_question(e);
    return bl_similar_tree(&question, e->u, a->k, err);
}

static int check(const verb *self, void *context) {
    asked *a = context;
    if (!a->k) return fail_usage(self, "-k: at least one token");
    return check_direction(self, &a->e.d, "which output token's form?");
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {.k = 20};
    const option table[] = {EVIDENCE_DIRECTION(a.e),
                            EVIDENCE_LAYER(a.e, "layer whose MLP is decomposed (default 0)"),
                            {"k", OPTION_COUNT, &a.k, "N", "tokens shown at each end (default 20)"},
                            SURROGATE_OPTION(a.e.c),
                            {0}};
    static const verb_work work = {check, similar_of, evidence_free, {.rows = bl_similar_rows}};
    return verb_run(argc, argv, self, &a.e.c, table, &a, &work);
}

const verb verb_similar = {
    "similar", "the tokens whose forms are most alike", run,
    "Compares a direction's interaction matrix with that of every token by the Frobenius cosine: 1 the "
    "same form, -1 the\n"
    "opposite one. Tokens alike read the same inputs in the same way. Each token is taken minus the "
    "mean of all tokens.",
    "  bilens similar --token swim\n"
    "  bilens similar models/ts-1-256 --token swim -k 50 --format csv\n"};
