#include "base/error.h"
#include "cli/evidence.h"
#include "cli/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct asked {
    evidence e; /* first */
    const char *text;
    size_t most, predictions;
    bool words;
} asked;

/* The text's ids, at most n_ctx, and the position among them. */
static bool read_text(const asked *a, bl_ids *ids, size_t *position, bl_error *err) {
    long at = a->e.numbers.n ? a->e.numbers.items[0] : -1;
    size_t n_ctx = bl_model_config(a->e.model)->n_ctx;
    if (a->e.numbers.n > 1) return bl_fail(err, BL_ERR_USAGE, "--position takes one number");
    if (!bl_tokenizer_encode(bl_model_tokenizer(a->e.model), a->text, strlen(a->text), ids, err))
        return false;
    if (ids->n > n_ctx) ids->n = n_ctx;
    long n = (long)ids->n, from_start = at < 0 ? at + n : at;
    if (n == 0) return bl_fail(err, BL_ERR_USAGE, "--text has no token");
    if (from_start < 0 || from_start >= n)
        return bl_fail(err, BL_ERR_USAGE,
                       "--position: %ld is not in the text, whose %ld tokens are 0 to %ld (or -1 to -%ld)",
                       at, n, n - 1, n);
    *position = (size_t)from_start;
    return true;
}

static bl_tree *explain(void *context, bl_error *err) {
    asked *a = context;
    evidence *e = &a->e;
    bl_ids ids = {0};
    bl_account account = {0};
    bl_tree *tree = NULL;
    bl_explain_options options = {.most = a->most,
                                  .words = a->words,
                                  .predictions = a->predictions,
                                  .eigs = e->d.eigs.items,
                                  .n_eigs = e->d.eigs.n};
    if (evidence_model(e, true, err) && evidence_direction(e, err) &&
        read_text(a, &ids, &options.position, err)) {
        options.u = e->u;
        options.token = e->token;
        options.layer = e->d.layer;
        bl_question question = evidence_question(e);
        if (bl_account_of(e->model, ids.data, ids.n, &options, &account, err))
            tree = bl_explain_tree(&question, a->text, ids.data, &account, err);
    }
    bl_account_free(&account);
    bl_ids_free(&ids);
    return tree;
}

static int check(const verb *self, void *context) {
    asked *a = context;
    int status = check_direction(self, &a->e.d, "which word's logit is to be explained?");
    if (status >= 0) return status;
    if (!a->text) return fail_usage(self, "--text is missing: which text?");
    return a->predictions > 10 ? fail_usage(self, "--predictions: at most 10 have an account of their own")
                               : -1;
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {.e.d.layer = NO_LAYER, .most = 8};
    const option table[] = {
        {"text", OPTION_TEXT, &a.text, "T", "the text whose next word is explained"},
        {"position", OPTION_INDICES, &a.e.numbers, "P",
         "the prediction made at this token of the text, 0 the first, negative from the end (default -1)"},
        EVIDENCE_DIRECTION(a.e),
        EVIDENCE_LAYER(a.e, "layer whose MLP is opened (default: the last)"),
        {"most", OPTION_COUNT, &a.most, "N", "show the N terms of largest magnitude (default 8)"},
        {"eigs", OPTION_INDICES, &a.e.d.eigs, "I,I…", "show these eigenvectors' terms instead"},
        {"words", OPTION_FLAG, &a.words, NULL, "split each term shown by word and head (JSON)"},
        {"predictions", OPTION_COUNT, &a.predictions, "K",
         "an account of its own for each of the K most probable next tokens, at most 10 (default 0)"},
        SURROGATE_OPTION(a.e.c),
        {0}};
    static const verb_work work = {check,
                                   explain,
                                   evidence_free,
                                   {.table = bl_explain_table, .rows = bl_explain_rows}};
    return verb_run(argc, argv, self, &a.e.c, table, &a, &work);
}

const verb verb_explain = {
    "explain", "why this word: a logit as a sum that is exact", run,
    "Splits the logit of a token (or of a token minus others) at one position of a text into what the\n"
    "embedding, every head and every layer's MLP add to it, and one layer's MLP into its\n"
    "eigenvectors' terms, of which the largest are shown. The parts sum to the logit. The scale of\n"
    "the final norm is kept as it is at the position. The logit explained is the one of the next\n"
    "token, predicted at the position.",
    "  bilens explain --text 'Tom went to the lake. He jumped into the' --token water --minus pond\n"
    "  bilens explain --text 'He jumped into the' --token water --predictions 3\n"
    "  bilens explain models/ts-1-256 --text 'Once upon a' --token time --most 20 --format json\n"
    "  bilens explain --text 'The sun was hot. Anna' --token was --eigs -1,0 --words --format json\n"};
