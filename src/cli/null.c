#include "cli/evidence.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

typedef struct asked {
    evidence e; /* first */
    size_t draws;
} asked;

static bl_tree *null_of(void *context, bl_error *err) {
    asked *a = context;
    evidence *e = &a->e;
    bl_bilinear map;
    bl_chance chance = {0};
    bl_tree *tree = NULL;
    size_t asked_for = e->d.eigs.n; /* of those that stand there by default none is refused */
    if (evidence_model(e, false, err) && evidence_direction(e, err) &&
        choose_eigs(bl_interaction_size(e->model), &e->d, err) &&
        bl_model_bilinear(e->model, e->d.layer, &map, err) &&
        bl_chance_of(&map, e->u, a->draws, e->seed, progress_bar(e->c.quiet), &chance, err) &&
        bl_chance_check_groups(&chance, e->d.eigs.items, asked_for, err)) {
        note_dead(&e->c, (double)chance.dead);
        bl_question question = evidence_question(e);
        tree = bl_null_tree(&question, &chance, e->d.eigs.items, e->d.eigs.n, NULL, err);
    }
    progress_end();
    bl_chance_free(&chance);
    return tree;
}

static int check(const verb *self, void *context) {
    asked *a = context;
    if (!a->draws) return fail_usage(self, "--draws: at least one draw is needed");
    return check_direction(self, &a->e.d, "whose spectrum is to be compared with chance?");
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {.draws = 99};
    const option table[] = {
        EVIDENCE_DIRECTION(a.e),
        EVIDENCE_LAYER(a.e, "layer whose MLP is decomposed (default 0)"),
        {"eigs", OPTION_INDICES, &a.e.d.eigs, "I,I…",
         "places of the ascending spectrum, negative from the end (default -1,-2,-3,-4,0,1,2,3)"},
        {"draws", OPTION_COUNT, &a.draws, "R", "draws of the null model (default 99)"},
        EVIDENCE_SEED(a.e),
        SURROGATE_OPTION(a.e.c),
        {0}};
    static const verb_work work = {check, null_of, evidence_free, {.rows = bl_null_rows}};
    return verb_run(argc, argv, self, &a.e.c, table, &a, &work);
}

const verb verb_null = {
    "null", "how large eigenvalues are by chance", run,
    "Compares each place of a direction's spectrum with the same place of null models: the same weights "
    "with the rows of\n"
    "R and the columns of P permuted at random, which keeps every norm and loses every alignment. "
    "statistic: eigenvalue\n"
    "over the norm of the form; ratio: over the mean of the draws (the ratio to chance); p: how often "
    "chance is as large\n"
    "at this place; p_family: how often at any place of this side. A small p says that weights are "
    "aligned, not that it\n"
    "matters: see ablate. With --surrogate the factors of the surrogate's products are permuted likewise.",
    "  bilens null --token swim\n"
    "  bilens null models/ts-1-256 --token swim --minus run,climb,eat --draws 999 --eigs -1,0 --format "
    "json\n"};
