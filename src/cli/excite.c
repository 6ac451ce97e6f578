/* bilens excite: what a text's position predicts, and which eigenvectors it excites. */
#include "base/error.h"
#include "cli/lines.h"
#include "cli/common.h"
#include "cli/verbs.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct excite_options {
    const char *text, *position;
    text_list tokens, minus;
    size_t layer, top;
} excite_options;

/* --position: from 0, or negative from the end. */
static bool read_position(const char *text, size_t n, size_t *position, bl_error *err) {
    char *end;
    errno = 0;
    long at = strtol(text, &end, 10);
    if (end == text || *end || errno) return bl_fail(err, BL_ERR_USAGE, "--position is not a whole number");
    if (at < 0) at += (long)n;
    if (at >= 0 && (size_t)at < n) {
        *position = (size_t)at;
        return true;
    }
    return bl_fail(err, BL_ERR_USAGE,
                   "--position %s: the text has %zu tokens: 0 to %zu, or -1 to -%zu from the end", text, n,
                   n - 1, n);
}

/* --token, each against --minus (default: the mean of all); to be freed with free. */
static bl_direction *directions_of(const excite_options *o, bl_error *err) {
    bool all = o->minus.n == 0 || (o->minus.n == 1 && strcmp(o->minus.items[0], "*") == 0);
    bl_direction *list = calloc(o->tokens.n + 1, sizeof *list);
    if (!list) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    for (size_t i = 0; list && i < o->tokens.n; i++)
        list[i] = (bl_direction){.token = o->tokens.items[i],
                                 .minus = o->minus.items,
                                 .n_minus = all ? 0 : o->minus.n,
                                 .minus_all = all};
    return list;
}

static bl_tree *excite(const excite_options *o, const bl_model *model, bl_error *err) {
    bl_ids ids = {0};
    bl_tree *tree = NULL;
    bl_direction *directions = directions_of(o, err);
    char *input = o->text ? NULL : read_stdin(NULL, err);
    const char *text = o->text ? o->text : input;
    if (directions && text && bl_tokenizer_encode(bl_model_tokenizer(model), text, strlen(text), &ids, err)) {
        bl_excite_question question = {.layer = o->layer,
                                       .text = text,
                                       .ids = ids.data,
                                       .n = ids.n,
                                       .directions = directions,
                                       .n_directions = o->tokens.n,
                                       .limit = o->top};
        if (ids.n == 0) bl_fail(err, BL_ERR_USAGE, "the text has no tokens");
        else if (read_position(o->position, ids.n, &question.position, err))
            tree = bl_excite_tree(model, &question, err);
    }
    bl_ids_free(&ids);
    free(input);
    free(directions);
    return tree;
}

static bl_table *rows_of(const bl_tree *tree, bl_error *err) {
    return bl_table_of(json_object_get(tree, "excited"), err);
}

static char *table_of(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_table *predictions = bl_table_of(json_object_get(tree, "predictions"), err);
    bl_table *rows = predictions ? rows_of(tree, err) : NULL;
    char *first = bl_table_shown(predictions, terminal, err), *text = NULL;
    char *second = first ? bl_table_shown(rows, terminal, err) : NULL;
    char *quality = second ? bl_quality_line(tree, terminal, err) : NULL;
    if (quality &&
        asprintf(&text,
                 "%sPredictions after position %.0f\n%s\nExcited eigenvectors of layer %.0f: "
                 "activation = eigenvalue * similarity^2, their part in the direction's logit\n%s",
                 quality, bl_tree_real(tree, "position"), first, bl_tree_real(tree, "layer"), second) < 0) {
        text = NULL;
        bl_fail(err, BL_ERR_MEMORY, "out of memory");
    }
    bl_table_free(predictions);
    bl_table_free(rows);
    bl_free(first);
    bl_free(second);
    bl_free(quality);
    return text;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    excite_options o = {.top = 20, .position = "-1"};
    bl_error err = {0};
    const option table[] = {{"text", OPTION_TEXT, &o.text, "TEXT", "the text (default: standard input)"},
                            {"position", OPTION_TEXT, &o.position, "I",
                             "which of its tokens, from 0, or negative from the end (default -1, the last)"},
                            {"token", OPTION_TOKENS, &o.tokens, "T,T…",
                             "the directions of these tokens (default: the ten that the position predicts)"},
                            {"minus", OPTION_TOKENS, &o.minus, "T,T…",
                             "contrast tokens: their mean is subtracted; * alone: the mean of all (default)"},
                            {"layer", OPTION_COUNT, &o.layer, "N",
                             "layer whose MLP is decomposed (default 0)"},
                            {"top", OPTION_COUNT, &o.top, "N",
                             "eigenvectors shown, of all directions together (default 20)"},
                            SURROGATE_OPTION(c),
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    if (o.top < 1 || o.top > 100000) status = fail_usage(self, "--top must be from 1 to 100000");
    else if (o.minus.n && !o.tokens.n) status = fail_usage(self, "--minus goes with --token");
    if (status >= 0) goto done;
    static const view how = {.table = table_of, .rows = rows_of};
    model = load_model(&c, &err);
    status = write_tree(self, &c, model ? excite(&o, model, &err) : NULL, &how, &err);
done:
    bl_model_free(model);
    text_list_free(&o.tokens);
    text_list_free(&o.minus);
    common_free(&c);
    return status;
}

const verb verb_excite = {
    "excite", "what a text predicts next, and which eigenvectors it excites", run,
    "Prints the ten most probable next tokens after one position of a text. Then it decomposes the\n"
    "directions of these tokens (or of --token), each minus the mean of all, and names the eigenvectors v\n"
    "with the largest |activation| = |eigenvalue (v . x)^2|, x being the MLP's input at that position.",
    "  bilens excite --text \"Tom jumped into the\"\n"
    "  bilens excite models/ts-1-256 --text \"Tom jumped into the\" --token water,pond --minus '*'\n"
    "  bilens excite models/ts-1-256 --text \"Tom likes to swim\" --position 3 --format json\n"};
