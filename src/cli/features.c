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
    if (all && asked->n) {
        bl_fail(err, BL_ERR_USAGE, "--features and --all: give one of them");
        return NULL;
    }
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

enum { MOST_RANKS = 64 };

typedef struct features {
    common c;
    corpus_options corpora;
    index_list asked, ranks;
    const char *in_path, *out_path, *weights;
    bool all, lists;
    bl_feature_options o;
    size_t numbers[MOST_RANKS], *list;
    bl_model *model;
    bl_dictionary *in, *out;
} features;

static bool take_ranks(features *a, bl_error *err) {
    for (size_t i = 0; i < a->ranks.n; i++) {
        if (i >= MOST_RANKS || a->ranks.items[i] <= 0)
            return bl_fail(err, BL_ERR_USAGE, "--ranks are at most %d numbers above 0", MOST_RANKS);
        a->numbers[i] = (size_t)a->ranks.items[i];
    }
    if (a->ranks.n) a->o.ranks = a->numbers, a->o.n_ranks = a->ranks.n;
    return true;
}

static bool read_all(features *a, bl_error *err) {
    if (!(a->model = load_model(&a->c, err))) return false;
    size_t d = bl_model_config(a->model)->d_model;
    if (!(a->in = bl_dictionary_read(a->in_path, d, err))) return false;
    if (!(a->out = bl_dictionary_read(a->out_path, d, err))) return false;
    a->o.features = a->list = choose(&a->asked, a->all, a->out->F, &a->o.n_features, err);
    return a->list && (!a->corpora.files.n || (a->o.corpus = open_corpus(&a->corpora, err)) != NULL);
}

static bl_tree *make(void *context, bl_error *err) {
    features *a = context;
    if (a->weights && !bl_features_check_weights(a->weights, err)) return NULL;
    if (!a->in_path || !a->out_path) {
        bl_fail(err, BL_ERR_USAGE, "which dictionaries? Give --in DICT and --out DICT");
        return NULL;
    }
    if (!take_ranks(a, err) || !ranks_join(&a->c, err) || !read_all(a, err)) return NULL;
    a->o.table = a->all && !a->lists && !a->weights;
    a->o.distributed = ranks_started();
    a->o.progress = progress_bar(a->c.quiet);
    bl_features *found = bl_features_of(a->model, a->in, a->out, &a->o, err);
    progress_end();
    bl_tree *tree = NULL;
    if (found && (!a->weights || !ranks_first() ||
                  bl_features_write_weights(a->model, a->in, a->out, found, a->weights, err)))
        tree = bl_features_tree(a->model, a->o.layer, a->in, a->out, found, err);
    bl_features_free(found);
    return tree;
}

static void release(void *context) {
    features *a = context;
    bl_dictionary_free(a->in);
    bl_dictionary_free(a->out);
    bl_corpus_free(a->o.corpus);
    bl_model_free(a->model);
    corpus_options_free(&a->corpora);
    index_list_free(&a->asked);
    index_list_free(&a->ranks);
    free(a->list);
    common_free(&a->c);
}

static int run(int argc, char **argv, const verb *self) {
    features a = {0};
    const option table[] = {
        {"in", OPTION_TEXT, &a.in_path, "DICT",
         "dictionary of what the MLP reads: a folder (SAELens or the authors' layout; of a transcoder "
         "DIR:in) or a matrix [F, d], FILE.npy or FILE.safetensors[:TENSOR]"},
        {"out", OPTION_TEXT, &a.out_path, "DICT", "dictionary of what the MLP writes"},
        {"features", OPTION_INDICES, &a.asked, "A,B…", "features of --out"},
        {"all", OPTION_FLAG, &a.all, NULL,
         "all features of --out as a table: effective rank, share of the top pair, correlations"},
        {"lists", OPTION_FLAG, &a.lists, NULL,
         "with --all: spectra and lists of interactions, too (the time grows with the square of --in's "
         "features)"},
        {"weights", OPTION_OUTPUT, &a.weights, "FILE",
         "also write the interactions listed: .safetensors (a sparse tensor), .graphml, or .json (a graph "
         "file of circuit-tracer)"},
        {"layer", OPTION_COUNT, &a.o.layer, "N", "layer whose MLP is decomposed (default 0)"},
        {"k", OPTION_COUNT, &a.o.most, "N", "entries at each end of every list (default 10)"},
        CORPUS_OPTIONS(a.corpora, CORPUS_FORMATS "; gives the correlations"),
        {"stories", OPTION_COUNT, &a.o.stories, "N", "read at most N stories"},
        {"ranks", OPTION_INDICES, &a.ranks, "K,K…", "numbers of eigenvectors (default 1,2,4,8,16)"},
        {0}};
    static const verb_work work = {NULL, make, release, {.rows = bl_features_rows}};
    return verb_run(argc, argv, self, &a.c, table, &a, &work);
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
