#include "cli/direction_options.h"
#include "cli/common.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

/* --neighbours: of the direction's eigenvectors, or of a dictionary's features. */
typedef struct nearness {
    bool asked;
    const char *dictionary;
    index_list features;
} nearness;

static bl_tree *eigen_neighbours(const bl_model *model, direction_options *d, bl_corpus *corpus,
                                 const bl_neighbours_options *o, bl_error *err) {
    bl_eigen *eigen =
        choose_eigs(bl_interaction_size(model), d, err) ? decompose(model, d, false, err) : NULL;
    size_t n = eigen ? bl_eigen_size(eigen) : 0;
    float *vectors = eigen ? calloc(d->eigs.n * n, sizeof *vectors) : NULL;
    bl_neighbours *found = NULL;
    bl_tree *tree = NULL;
    if (eigen && !vectors) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    bool ok = vectors != NULL;
    for (size_t j = 0; ok && j < d->eigs.n; j++) {
        const float *v = bl_eigen_vector(eigen, d->eigs.items[j]);
        ok = v || bl_fail(err, BL_ERR_NUMERIC, "eigenvector %ld was not computed", d->eigs.items[j]);
        if (v && ok) memcpy(vectors + j * n, v, n * sizeof *v);
    }
    if (ok) found = bl_neighbours_find(model, vectors, d->eigs.n, n, corpus, o, err);
    if (found) {
        bl_direction direction = as_direction(d);
        bl_question question = {model, &direction, d->layer};
        tree = bl_neighbours_tree(&question, eigen, d->eigs.items, found, err);
    }
    bl_neighbours_free(found);
    free(vectors);
    bl_eigen_free(eigen);
    return tree;
}

static bl_tree *feature_neighbours(const bl_model *model, const nearness *near, bl_corpus *corpus,
                                   const bl_neighbours_options *o, bl_error *err) {
    size_t d = bl_model_config(model)->d_model, n = near->features.n;
    bl_dictionary *a = bl_dictionary_read(near->dictionary, d, err);
    float *vectors = a && n ? calloc(n * d, sizeof *vectors) : NULL;
    size_t *features = a && n ? calloc(n, sizeof *features) : NULL;
    bl_neighbours *found = NULL;
    bl_tree *tree = NULL;
    if (a && (!vectors || !features)) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    bool ok = vectors && features;
    for (size_t j = 0; ok && j < n; j++) {
        long f = near->features.items[j];
        ok = (f >= 0 && (size_t)f < a->F) ||
             bl_fail(err, BL_ERR_USAGE, "feature %ld does not exist: %s has 0 to %zu", f, a->name, a->F - 1);
        if (!ok) break;
        features[j] = (size_t)f;
        memcpy(vectors + j * d, a->decoder + features[j] * d, d * sizeof *vectors);
    }
    if (ok) found = bl_neighbours_find(model, vectors, n, d, corpus, o, err);
    if (found) tree = bl_feature_neighbours_tree(model, o->layer, a, features, found, err);
    bl_neighbours_free(found);
    free(vectors);
    free(features);
    bl_dictionary_free(a);
    return tree;
}

static int run_neighbours(const verb *self, common *c, direction_options *d, const nearness *near,
                          const corpus_options *corpora, const bl_neighbours_options *asked) {
    static const view how = {.rows = bl_neighbours_rows};
    bl_neighbours_options o = *asked;
    bl_error err = {0};
    int status = -1;
    if (!near->dictionary) status = check_direction(self, d, "which output token's eigenvectors?");
    else if (d->token || d->file || near->features.n == 0)
        status =
            fail_usage(self,
                       "--basis DICT goes with --features A,B… of it, instead of --token and --direction");
    if (status >= 0) return status;
    bl_corpus *corpus = ranks_join(c, &err) ? open_corpus(corpora, &err) : NULL;
    bl_model *model = corpus ? load_model(c, &err) : NULL;
    if (!ranks_agree(model != NULL, &err)) {
        bl_model_free(model);
        model = NULL;
    }
    o.layer = d->layer;
    o.distributed = ranks_started();
    o.progress = progress_bar(c->quiet);
    bl_tree *tree = !model           ? NULL
                  : near->dictionary ? feature_neighbours(model, near, corpus, &o, &err)
                                     : eigen_neighbours(model, d, corpus, &o, &err);
    progress_end();
    status = write_tree(self, c, tree, &how, &err);
    bl_model_free(model);
    bl_corpus_free(corpus);
    return status;
}

static int run_scan(const verb *self, common *c, direction_options *d, const corpus_options *corpora,
                    const bl_scan_options *asked) {
    static const view how = {bl_scan_table, bl_scan_rows, bl_scan_latex};
    bl_error err = {0};
    int status = check_direction(self, d, "which output token's eigenvectors?");
    if (status >= 0) return status;
    if (!ranks_join(c, &err)) return fail_with(self, &err);
    bl_model *model = NULL;
    bl_eigen *eigen = NULL;
    bl_scan *scan = NULL;
    bl_tree *tree = NULL;
    bl_corpus *corpus = open_corpus(corpora, &err);
    if (corpus) model = load_model(c, &err);
    if (model && choose_eigs(bl_interaction_size(model), d, &err)) eigen = decompose(model, d, false, &err);
    bl_scan_options options = *asked;
    options.progress = progress_bar(c->quiet);
    options.distributed = ranks_started();
    if (ranks_agree(eigen != NULL, &err))
        scan = bl_scan_run(model, eigen, d->eigs.items, d->eigs.n, corpus, &options, &err);
    progress_end();
    if (scan) {
        note_corpus(c, corpus, model);
        bl_direction direction = as_direction(d);
        bl_question subject = {model, &direction, d->layer};
        tree = bl_scan_tree(&subject, eigen, scan, d->eigs.items, d->eigs.n, &err);
    }
    status = write_tree(self, c, tree, &how, &err);
    bl_scan_free(scan);
    bl_eigen_free(eigen);
    bl_model_free(model);
    bl_corpus_free(corpus);
    return status;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    direction_options d = {0};
    corpus_options corpora = {0};
    size_t top = 8, stories = 0;
    bool exact = false;
    nearness near = {0};
    const option table[] = {EIGENVECTOR_OPTIONS(d),
                            CORPUS_OPTIONS(corpora, CORPUS_FORMATS "; - is standard input"),
                            {"top", OPTION_COUNT, &top, "N",
                             "matches per eigenvector, at most one per story (default 8)"},
                            {"stories", OPTION_COUNT, &stories, "N", "read at most N stories"},
                            {"exact-path", OPTION_FLAG, &exact, NULL,
                             "compute the whole forward pass: slow, to check the folded scan with"},
                            {"neighbours", OPTION_FLAG, &near.asked, NULL,
                             "instead: the MLP inputs that point most nearly in the eigenvector's direction "
                             "(cosine), and in the opposite one, as whole words in context"},
                            {"basis", OPTION_TEXT, &near.dictionary, "DICT",
                             "with --neighbours: of features of this dictionary instead of eigenvectors"},
                            {"features", OPTION_INDICES, &near.features, "A,B…", "features of --basis"},
                            PLAIN_OPTION(c),
                            SURROGATE_OPTION(c),
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_scan_options scan = {.top = top, .max_stories = stories, .exact_path = exact};
    bl_neighbours_options neighbours = {.top = top, .max_stories = stories};
    if (top < 1 || top > 100000) status = fail_usage(self, "--top must be from 1 to 100000");
    else if (near.asked) status = run_neighbours(self, &c, &d, &near, &corpora, &neighbours);
    else if (near.dictionary || near.features.n)
        status = fail_usage(self, "--basis and --features go with --neighbours");
    else status = run_scan(self, &c, &d, &corpora, &scan);
    direction_options_free(&d);
    corpus_options_free(&corpora);
    index_list_free(&near.features);
    common_free(&c);
    return status;
}

const verb verb_scan = {
    "scan", "the corpus positions that excite a direction's eigenvectors most, and which words did it", run,
    "For every eigenvector v the positions of largest (v . x)^2, x being the MLP's input, at most one per "
    "story. Each match's similarity v . x is split by\n"
    "source word: blue words push towards it, red ones against; the word in brackets is the position. "
    "Started by mpirun, the ranks share the stories.\n"
    "With --neighbours it asks what a vector looks like instead: the inputs of largest and of lowest cosine, "
    "at most one per story.",
    "  bilens scan models/ts-1-256 --corpus valid.txt --token swim --minus run,climb,eat --eigs -1,0\n"
    "  bilens scan --token swim --eigs -1 --top 4 --format svg -o swim-inputs.svg\n"
    "  bilens scan models/ts-1-256 --corpus valid.txt --direction probe.npy\n"
    "  bilens scan models/ts-1-256 --corpus valid.txt --token swim --eigs -1 --neighbours\n"
    "  zcat stories.txt.gz | bilens scan models/ts-1-256 --corpus - --token swim --stories 1000 --format "
    "json > scan.json\n"
    "  mpirun -n 4 bilens scan models/ts-1-256 --corpus stories.txt --token swim -o scan.txt\n"};
