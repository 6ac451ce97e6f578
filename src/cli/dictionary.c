/* bilens dictionary train, dictionary eval. */
#include "cli/dictionary.h"
#include "base/error.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

#define POINT_HELP                                                                                       \
    "trace point of width d_model: mlp_in (default), mlp_out, resid_pre, attn_in, attn_out, resid_mid, " \
    "resid_post"

static int train(int argc, char **argv, const verb *self) {
    dictionary_training a = DICTIONARY_TRAINING;
    corpus_options corpora = {0};
    const char *valid = NULL;
    bl_error err = {0};
    bl_dictionary_train_defaults(&a.o);
    const option table[] = {
        CORPUS_OPTIONS(corpora, CORPUS_FORMATS),
        {"valid", OPTION_TEXT, &valid, "FILE", "text to hold out (default: every tenth story of the corpus)"},
        {"stories", OPTION_COUNT, &a.o.stories, "N", "read at most N stories of the corpus"},
        {"valid-stories", OPTION_COUNT, &a.o.valid_stories, "N", "read at most N stories of --valid"},
        {"point", OPTION_TEXT, &a.o.point, "NAME", POINT_HELP},
        {"layer", OPTION_COUNT, &a.o.layer, "N", "of this layer (default 0)"},
        DICTIONARY_TRAIN_OPTIONS(a, "5", "0.001"),
        {0}};
    int status = options_parse(argc, argv, self, &a.c, table, FORMATS_ALL, dictionary_to_folder, true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bl_dictionary_train_result result;
    bool ok = dictionary_apply(&a, &err) && (model = load_model(&a.c, &err)) &&
              (a.o.corpus = open_corpus(&corpora, &err));
    if (ok && valid) {
        corpus_options held = {.files = {.items = &valid, .n = 1}, .text_key = corpora.text_key};
        ok = (a.o.valid = open_corpus(&held, &err)) != NULL;
    }
    ok = ok && bl_dictionary_train(model, &a.o, &result, &err);
    bl_tree *tree = dictionary_train_end(&a, ok, model ? bl_model_name(model) : "", "mlp_in", &result, &err);
    status = tell_tree(self, &a.c, tree, &dictionary_view, &err);
    bl_corpus_free(a.o.corpus);
    bl_corpus_free(a.o.valid);
    bl_model_free(model);
    corpus_options_free(&corpora);
    common_free(&a.c);
    return status;
}

static int eval(int argc, char **argv, const verb *self) {
    common c = {0};
    corpus_options corpora = {0};
    bl_dictionary_eval_options o = {.point = "mlp_in"};
    const char *path = NULL;
    bl_error err = {0};
    const option table[] = {DICTIONARY_OPTION(path),
                            {"point", OPTION_TEXT, &o.point, "NAME",
                             "trace point that it is of (default mlp_in)"},
                            {"layer", OPTION_COUNT, &o.layer, "N", "of this layer (default 0)"},
                            CORPUS_OPTIONS(corpora, CORPUS_FORMATS),
                            {"stories", OPTION_COUNT, &o.stories, "N", "read at most N stories"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bl_dictionary *a = NULL;
    bl_tree *tree = NULL;
    bl_dictionary_score score;
    bool ok = (path || bl_fail(&err, BL_ERR_USAGE, "which dictionary? Give --dictionary DICT")) &&
              (model = load_model(&c, &err)) &&
              (a = bl_dictionary_read(path, bl_model_config(model)->d_model, &err)) &&
              (o.corpus = open_corpus(&corpora, &err));
    if (ok) {
        o.progress = progress_bar(c.quiet);
        ok = bl_dictionary_eval(model, a, &o, &score, &err);
        progress_end();
    }
    if (ok) tree = dictionary_eval_tree(bl_model_name(model), a, o.point, o.layer, &score, &err);
    status = write_tree(self, &c, tree, &dictionary_view, &err);
    bl_dictionary_free(a);
    bl_corpus_free(o.corpus);
    bl_model_free(model);
    corpus_options_free(&corpora);
    common_free(&c);
    return status;
}

static int run(int argc, char **argv, const verb *outer) {
    return dictionary_run(argc, argv, outer, train, eval);
}

const verb verb_dictionary = {
    "dictionary", "train a dictionary of features (TopK SAE), or say how good one is", run,
    "Learns features of what a trace point holds, so that few of them add up to every vector: a TopK sparse "
    "autoencoder. 'features'\n"
    "then reads the layer's forms in them. A run that was stopped continues with --resume, to the same bits. "
    "'dictionary eval'\n"
    "measures any dictionary: the share of variance that it leaves unexplained, features that are never "
    "active, and the loss when\n"
    "its reconstruction stands in the point's place, between the model's own and that with the mean.",
    "  bilens dictionary train --point mlp_in --features 1024 -k 16 -o sae-in\n"
    "  bilens dictionary train --point mlp_out --features 1024 -k 16 --layout saelens -o sae-out\n"
    "  bilens dictionary eval --dictionary sae-in --point mlp_in --corpus valid.txt --stories 128\n"
    "  bilens dictionary train fashion-64 --images /usr/share/datasets/fashion-mnist --features 256 -k "
    "16 -o sae\n"
    "  bilens features --in sae-in --out sae-out --features 0,7\n"};
