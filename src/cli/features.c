#include "base/error.h"
#include "cli/common.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <stdio.h>
#include <stdlib.h>

/* Indices to sizes; all F of them with --all. Free the result. */
static size_t *choose(const index_list *asked, bool all, size_t F, size_t *n, bl_error *err) {
    *n = all ? F : asked->n;
    if (*n == 0) bl_fail(err, BL_ERR_USAGE, "which features? Give --features A,B… or --all");
    size_t *out = *n ? calloc(*n, sizeof *out) : NULL;
    if (*n && !out) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    for (size_t i = 0; out && i < *n; i++) {
        if (!all && asked->items[i] < 0) {
            bl_fail(err, BL_ERR_USAGE, "--features are 0 or more");
            free(out);
            return NULL;
        }
        out[i] = all ? i : (size_t)asked->items[i];
    }
    return out;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    corpus_options corpora = {0};
    index_list asked = {0}, ranks = {0};
    const char *in_path = NULL, *out_path = NULL, *weights = NULL;
    bl_feature_options o = {0};
    size_t numbers[64];
    bool all = false, lists = false;
    bl_error err = {0};
    const option table[] = {
        {"in", OPTION_TEXT, &in_path, "DICT",
         "dictionary of what the MLP reads: a folder (SAELens or the authors' layout) or a "
         "matrix [F, d], FILE.npy or FILE.safetensors[:TENSOR]"},
        {"out", OPTION_TEXT, &out_path, "DICT", "dictionary of what the MLP writes"},
        {"features", OPTION_INDICES, &asked, "A,B…", "features of --out"},
        {"all", OPTION_FLAG, &all, NULL,
         "all features of --out as a table: effective rank, share of the top pair, correlations"},
        {"lists", OPTION_FLAG, &lists, NULL,
         "with --all: spectra and lists of interactions, too (the time grows with the square of --in's "
         "features)"},
        {"weights", OPTION_OUTPUT, &weights, "FILE",
         "also write the interactions listed: .safetensors (a sparse tensor), .graphml, or .json (a graph "
         "file of circuit-tracer)"},
        {"layer", OPTION_COUNT, &o.layer, "N", "layer whose MLP is decomposed (default 0)"},
        {"k", OPTION_COUNT, &o.most, "N", "entries at each end of every list (default 10)"},
        CORPUS_OPTIONS(corpora, CORPUS_FORMATS "; gives the correlations"),
        {"stories", OPTION_COUNT, &o.stories, "N", "read at most N stories"},
        {"ranks", OPTION_INDICES, &ranks, "K,K…", "numbers of eigenvectors (default 1,2,4,8,16)"},
        {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bl_dictionary *in = NULL, *out = NULL;
    bl_features *features = NULL;
    bl_tree *tree = NULL;
    size_t *list = NULL;
    bool ok = !weights || bl_features_check_weights(weights, &err);
    ok = ok && ((in_path && out_path) ||
                bl_fail(&err, BL_ERR_USAGE, "which dictionaries? Give --in DICT and --out DICT"));
    for (size_t i = 0; ok && i < ranks.n; i++) {
        ok = (i < 64 && ranks.items[i] > 0) ||
             bl_fail(&err, BL_ERR_USAGE, "--ranks are at most 64 numbers above 0");
        if (ok) numbers[i] = (size_t)ranks.items[i];
    }
    if (ranks.n) o.ranks = numbers, o.n_ranks = ranks.n;
    ok = ok && ranks_join(&c, &err) && (model = load_model(&c, &err)) != NULL;
    size_t d = ok ? bl_model_config(model)->d_model : 0;
    ok = ok && (in = bl_dictionary_read(in_path, d, &err)) && (out = bl_dictionary_read(out_path, d, &err)) &&
         (list = choose(&asked, all, out->F, &o.n_features, &err));
    if (ok && corpora.files.n) ok = (o.corpus = open_corpus(&corpora, &err)) != NULL;
    if (ok) {
        o.features = list;
        o.table = all && !lists && !weights;
        o.distributed = ranks_started();
        o.progress = progress_bar(c.quiet);
        features = bl_features_of(model, in, out, &o, &err);
        progress_end();
    }
    if (features && weights && ranks_first() &&
        !bl_features_write_weights(model, in, out, features, weights, &err)) {
        bl_features_free(features);
        features = NULL;
    }
    if (features) tree = bl_features_tree(model, o.layer, in, out, features, &err);
    static const view how = {.rows = bl_features_rows};
    status = write_tree(self, &c, tree, &how, &err);
    bl_features_free(features);
    bl_dictionary_free(in);
    bl_dictionary_free(out);
    bl_corpus_free(o.corpus);
    bl_model_free(model);
    corpus_options_free(&corpora);
    index_list_free(&asked);
    index_list_free(&ranks);
    free(list);
    common_free(&c);
    return status;
}

const verb verb_features = {
    "features", "forms of a dictionary's output features in the features that the MLP reads", run,
    "For each feature of --out the exact quadratic form of its pre-activation, written in the decoder "
    "features of --in:\n"
    "self-interactions, pairs, linear part and offset. With --corpus it says how well K eigenvectors know "
    "the feature: 'active'\n"
    "is the paper's correlation, over positions where the feature is active; selecting on the outcome "
    "restricts its range, so\n"
    "that 'act', 'pre' and 'auc' over all positions stand beside it, always. Started by mpirun, the ranks "
    "share the table of --all.",
    "  bilens features --in sae-in --out sae-out --features 0,7 --corpus valid.txt --stories 64\n"
    "  bilens features --in sae-in --out sae-out --all --format csv -o features.csv\n"};
