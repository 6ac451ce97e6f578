#include "base/error.h"
#include "cli/evidence.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct asked {
    evidence e; /* first */
    const char *left, *right;
    size_t k, head, distance; /* head NOT_GIVEN: the MLP's form */
} asked;

#define NOT_GIVEN SIZE_MAX

/* "direct" or "head 3". */
static bool read_path(const char *name, const char *text, int *path, bl_error *err) {
    *path = BL_PATH_DIRECT;
    if (!text || strcmp(text, "direct") == 0) return true;
    if (strncmp(text, "head ", 5) == 0 && text[5] >= '0' && text[5] <= '9') {
        char *end;
        unsigned long head = strtoul(text + 5, &end, 10);
        *path = (int)head;
        if (*end == '\0' && head <= INT_MAX) return true;
    }
    return bl_fail(err, BL_ERR_USAGE, "%s: '%s' is neither direct nor a head such as \"head 3\"", name, text);
}

/* Skip-trigrams of one head; without a direction its pattern alone. */
static bl_tree *head_pairs(asked *a, bl_error *err) {
    evidence *e = &a->e;
    bl_token_pairs pairs = {0};
    bl_tree *tree = NULL;
    bool directed = e->d.token || e->d.file;
    if (evidence_model(e, false, err) && (!directed || evidence_direction(e, err))) {
        const bl_head head = {e->model, a->head, a->distance};
        if (bl_head_pairs(&head, directed ? e->u : NULL, a->k, &pairs, err))
            tree = bl_head_pairs_tree(&head, directed ? &e->direction : NULL, &pairs, err);
    }
    bl_token_pairs_free(&pairs);
    return tree;
}

static bl_tree *pairs_of(void *context, bl_error *err) {
    asked *a = context;
    if (a->head != NOT_GIVEN) return head_pairs(a, err);
    evidence *e = &a->e;
    bl_token_pairs pairs = {0};
    bl_tree *tree = NULL;
    bl_token_pairs_options options = {.k = a->k};
    if (read_path("--left", a->left, &options.left, err) &&
        read_path("--right", a->right, &options.right, err) && evidence_model(e, false, err) &&
        evidence_direction(e, err) && bl_token_pairs_of(e->model, e->d.layer, e->u, &options, &pairs, err)) {
        bl_question question = evidence_question(e);
        tree = bl_pairs_tree(&question, &options, &pairs, err);
    }
    bl_token_pairs_free(&pairs);
    return tree;
}

/* What goes together; -1, or the exit status. */
static int check(const verb *self, void *context) {
    asked *a = context;
    bool alone = a->head != NOT_GIVEN || a->distance != NOT_GIVEN;
    if (!a->k) return fail_usage(self, "-k: at least one pair");
    if (a->k > 1000000) return fail_usage(self, "-k: at most 1000000 pairs");
    if (!alone) return check_direction(self, &a->e.d, "which output token's interactions?");
    if (a->head == NOT_GIVEN || a->distance == NOT_GIVEN)
        return fail_usage(self, "a head by itself needs both --head and --distance");
    if (a->left || a->right) return fail_usage(self, "--left and --right are for the MLP, not for --head");
    if (a->e.d.layer != NO_LAYER && a->e.d.layer != 0)
        return fail_usage(self,
                          "--head: only in layer 0 a head reads single tokens, so that its pairs are exact");
    if (a->e.d.token || a->e.d.file) return check_direction(self, &a->e.d, "");
    if (a->e.d.minus.n) return fail_usage(self, "--minus needs --token");
    return -1;
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {.e.d.layer = NO_LAYER, .k = 20, .head = NOT_GIVEN, .distance = NOT_GIVEN};
    const option table[] = {EVIDENCE_DIRECTION(a.e),
                            EVIDENCE_LAYER(a.e, "layer whose MLP is decomposed (default 0)"),
                            {"left", OPTION_TEXT, &a.left, "PATH",
                             "how the first token reaches the MLP: direct (default), or \"head 3\""},
                            {"right", OPTION_TEXT, &a.right, "PATH", "the same of the second token"},
                            {"head", OPTION_COUNT, &a.head, "I",
                             "instead of the MLP: which keys a head of bilinear attention in layer 0 takes "
                             "to which queries"},
                            {"distance", OPTION_COUNT, &a.distance, "D",
                             "with --head: how many positions the query stands behind its key (from 1)"},
                            {"k", OPTION_COUNT, &a.k, "N", "pairs shown at each end (default 20)"},
                            SURROGATE_OPTION(a.e.c),
                            {0}};
    static const verb_work work = {check, pairs_of, evidence_free, {.rows = bl_pairs_rows}};
    return verb_run(argc, argv, self, &a.e.c, table, &a, &work);
}

const verb verb_pairs = {
    "pairs", "which pairs of tokens together raise or lower a token's logit", run,
    "The interaction matrix of a direction between any two tokens of the vocabulary, each as the "
    "embedding or a head\n"
    "delivers it to the MLP: the largest and the lowest entries. With the same path on both sides a "
    "pair is listed once,\n"
    "and enters the form twice.\n"
    "With --head and --distance: one head of a model with bilinear attention by itself, exact, from the "
    "weights alone.\n"
    "The value of (query a, key b) is what b adds to the direction at a: the skip-trigram b … a -> token; "
    "without --token\n"
    "the pattern.",
    "  bilens pairs --token swim --minus run,climb,eat\n"
    "  bilens pairs models/ts-1-256 --token swim --left direct --right 'head 3' -k 10 --format json\n"
    "  bilens pairs my-attention2-model --head 1 --distance 3 --token swim --minus run,fly\n"};
