#include "base/error.h"
#include "cli/common.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <stdlib.h>

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    corpus_options corpora = {0};
    const char *valid = NULL;
    index_list layers = {0};
    size_t stories = 0, *wanted = NULL;
    bl_error err = {0};
    const option table[] = {CORPUS_OPTIONS(corpora, CORPUS_FORMATS "; what is fitted on"),
                            {"valid", OPTION_TEXT, &valid, "FILE",
                             "held-out stories (default: every tenth of the corpus)"},
                            {"layers", OPTION_INDICES, &layers, "N,N…", "layers to fit (default: all)"},
                            {"stories", OPTION_COUNT, &stories, "N", "read at most N stories of each file"},
                            {0}};
    int status =
        options_parse(argc, argv, self, &c, table, FORMATS_ALL, "the file to write, FILE.safetensors", true);
    if (status >= 0) return status;
    if (!c.output) {
        common_free(&c);
        return fail_usage(self, "-o FILE.safetensors is missing: where the surrogate is to be written");
    }
    bl_surrogate *surrogate = NULL;
    bl_corpus *corpus = open_corpus(&corpora, &err), *held = NULL;
    bl_model *model = corpus ? load_model(&c, &err) : NULL;
    bool ok = model && (!valid || (held = bl_corpus_open(&valid, 1, &err)) != NULL);
    if (ok && layers.n) ok = (wanted = calloc(layers.n, sizeof *wanted)) != NULL;
    for (size_t i = 0; ok && i < layers.n; i++) {
        long n = (long)bl_model_config(model)->n_layer, layer = layers.items[i];
        wanted[i] = (size_t)(layer < 0 ? n + layer : layer);
    }
    if (ok)
        surrogate = bl_surrogate_fit_corpus(model, wanted, layers.n, corpus, held, stories,
                                            progress_bar(c.quiet), &err);
    ok = surrogate && bl_surrogate_write(surrogate, model, c.output, &err);
    progress_end();
    static const view how = {.rows = bl_surrogate_rows};
    status = tell_tree(self, &c, ok ? bl_surrogate_tree(model, surrogate, &err) : NULL, &how, &err);
    bl_surrogate_free(surrogate);
    free(wanted);
    bl_model_free(model);
    bl_corpus_free(corpus);
    bl_corpus_free(held);
    corpus_options_free(&corpora);
    common_free(&c);
    return status;
}

const verb verb_surrogate = {
    "surrogate", "the best quadratic form of a gated or plain MLP, with its error", run,
    "Fits one quadratic per hidden unit and a linear map of what those leave, for every layer or for "
    "--layers, and says "
    "on held-out stories how much of the MLP's output it explains (r2, beside the best linear map alone) "
    "and what the "
    "loss becomes when it replaces the MLP (beside the mean output). Position 0 of every story is left out.",
    "  bilens surrogate models/llama --corpus stories.txt -o llama.surrogate.safetensors\n  bilens surrogate "
    "models/llama --corpus stories.txt --valid held.txt --layers 3,7 -o two.safetensors --format json\n"};
