#include "base/error.h"
#include "cli/direction_options.h"
#include "cli/figure_options.h"
#include "cli/arrays.h"
#include "cli/common.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <stdlib.h>
#include <string.h>

/* direction [d], eigenvalues [n], eigenvectors [J, n] and virtual_tokens [J, 1 + H, V] in the order of
 * --eigs; of a .npy the eigenvectors alone. Tells what was written. */
static int write_arrays(const verb *self, const common *c, const bl_model *model, const direction_options *d,
                        const bl_eigen *eigen, bl_error *err) {
    const bl_config *config = bl_model_config(model);
    size_t n = bl_eigen_size(eigen), count = d->eigs.n, sources = 1 + config->n_head,
           cells = sources * config->n_vocab;
    bl_direction direction = as_direction(d);
    bl_basis basis = bl_model_basis_out(model);
    float *u = calloc(config->d_model, sizeof *u), *vectors = calloc(count * n, sizeof *vectors);
    float *tokens = calloc(count * cells, sizeof *tokens);
    bool ok = u && vectors && tokens && bl_direction_vector(&direction, &basis, u, err);
    for (size_t j = 0; ok && j < count; j++) {
        const float *v = bl_eigen_vector(eigen, d->eigs.items[j]);
        memcpy(vectors + j * n, v, n * sizeof *v);
        ok = bl_virtual_tokens(model, d->layer, v, tokens + j * cells, err);
    }
    const bl_named_array arrays[] = {{"eigenvectors", vectors, 2, {count, n}},
                                     {"eigenvalues", bl_eigen_values(eigen), 1, {n}},
                                     {"direction", u, 1, {config->d_model}},
                                     {"virtual_tokens", tokens, 3, {count, sources, config->n_vocab}}};
    size_t written = arrays_single(c->output) ? 1 : sizeof arrays / sizeof *arrays;
    ok = ok && arrays_write(c->output, arrays, written, err);
    if (!ok && err->code == BL_OK) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    int status = ok ? arrays_tell(self, c, arrays, written) : fail_with(self, err);
    free(u);
    free(vectors);
    free(tokens);
    return status;
}

/* The form that a query token makes of its key, in one head of bilinear attention. */
typedef struct query_options {
    const char *token;
    size_t head, distance;
} query_options;

#define NOT_GIVEN SIZE_MAX

static int run_query(const verb *self, common *c, const direction_options *d, const query_options *q) {
    bl_error err = {0};
    bl_tree *tree = NULL;
    bl_head_query result = {0};
    static const view how = {.rows = bl_head_query_rows};
    if (q->head == NOT_GIVEN || q->distance == NOT_GIVEN)
        return fail_usage(self, "--query needs --head and --distance");
    if (!q->token) return fail_usage(self, "--head and --distance need --query: which token looks back?");
    if (d->token || d->file || d->minus.n)
        return fail_usage(self, "--query asks for a head's form, --token for the MLP's: give one of the two");
    if (d->layer != 0) return fail_usage(self, "--query: only in layer 0 a head reads single tokens");
    bl_model *model = load_model(c, &err);
    if (model) {
        const bl_head head = {model, q->head, q->distance};
        bl_basis basis = bl_model_basis_in(model);
        long token = bl_basis_find(&basis, q->token, &err);
        if (token >= 0 && bl_head_query_of(&head, (size_t)token, &result, &err))
            tree = bl_head_query_tree(&head, (size_t)token, &result, &err);
    }
    bl_head_query_free(&result);
    bl_model_free(model);
    return write_tree(self, c, tree, &how, &err);
}

/* Which end of each eigenvector its top inputs are at: as `bilens scan` finds them. NULL stays NULL; `tree`
 * is freed when it fails. */
static bl_tree *orient(bl_tree *tree, const common *c, const bl_question *subject, const bl_eigen *eigen,
                       const index_list *eigs, const corpus_options *corpora, bl_error *err) {
    if (!tree) return NULL;
    bl_corpus *corpus = open_corpus(corpora, err);
    bl_scan_options options = {.top = 8, .progress = progress_bar(c->quiet)};
    bl_scan *scan = NULL;
    bl_tree *found = NULL;
    if (corpus) scan = bl_scan_run(subject->model, eigen, eigs->items, eigs->n, corpus, &options, err);
    progress_end();
    if (scan) {
        note_corpus(c, corpus, subject->model);
        found = bl_scan_tree(subject, eigen, scan, eigs->items, eigs->n, err);
    }
    if (!found || !bl_eigen_tree_orient(tree, found, err)) {
        bl_tree_free(tree);
        tree = NULL;
    }
    bl_tree_free(found);
    bl_scan_free(scan);
    bl_corpus_free(corpus);
    return tree;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    direction_options d = {0};
    figure_options figure = {0};
    const char *plot = NULL, *basis = NULL;
    query_options q = {.head = NOT_GIVEN, .distance = NOT_GIVEN};
    corpus_options corpora = {0};
    bl_error err = {0};
    const option table[] = {EIGENVECTOR_OPTIONS(d),
                            BASIS_OPTION(basis),
                            CORPUS_OPTIONS(corpora, "draw as positive the end of each eigenvector that its "
                                                    "top inputs in these stories are at: " CORPUS_FORMATS
                                                    "; - is standard input"),
                            {"plot", OPTION_OUTPUT, &plot, "FILE",
                             "also draw the spectrum: .svg, .png or .pdf"},
                            FIGURE_OPTIONS(figure),
                            ALL_SOURCES_OPTION(c),
                            PLAIN_OPTION(c),
                            SURROGATE_OPTION(c),
                            {"query", OPTION_TEXT, &q.token, "T",
                             "instead of --token: the form that this token, as a query, makes of its key in "
                             "a head of bilinear attention (layer 0)"},
                            {"head", OPTION_COUNT, &q.head, "I", "with --query: which head"},
                            {"distance", OPTION_COUNT, &q.distance, "D",
                             "with --query: how many positions it stands behind its key (from 1)"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output; FILE.npy: the eigenvectors "
                               "[J, n]; FILE.safetensors: all arrays",
                               true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bl_eigen *eigen = NULL;
    bool asks_head = q.token || q.head != NOT_GIVEN || q.distance != NOT_GIVEN;
    status = check_figure(self, &figure, "--plot", (plot != NULL || c.format == FORMAT_SVG) && !asks_head);
    figure.how.plain = c.plain;
    if (status >= 0) goto done;
    status = asks_head ? run_query(self, &c, &d, &q)
                       : check_direction(self, &d, "which output token's interaction matrix?");
    if (status >= 0) goto done;
    bool turned = corpora.files.n || !c.model; /* of a model with a corpus of its own */
    model = load_model(&c, &err);
    if (model && choose_eigs(bl_interaction_size(model), &d, &err)) eigen = decompose(model, &d, false, &err);
    bl_direction direction = as_direction(&d);
    bl_question subject = {model, &direction, d.layer};
    bl_tree *tree = eigen ? bl_eigen_tree(&subject, eigen, d.eigs.items, d.eigs.n, &err) : NULL;
    tree = add_basis(tree, model, eigen, basis, &err);
    if (turned && !arrays_named(c.output)) tree = orient(tree, &c, &subject, eigen, &d.eigs, &corpora, &err);
    if (tree && plot && !bl_spectrum_figure(tree, &figure.how, plot, &err)) {
        bl_tree_free(tree);
        tree = NULL;
    }
    static const view how = {bl_eigen_table, bl_eigen_rows, bl_eigen_latex};
    if (tree && arrays_named(c.output)) {
        status = write_arrays(self, &c, model, &d, eigen, &err);
        bl_tree_free(tree);
    } else {
        status = write_tree(self, &c, tree, &how, &err);
    }
done:
    bl_eigen_free(eigen);
    bl_model_free(model);
    direction_options_free(&d);
    corpus_options_free(&corpora);
    common_free(&c);
    return status;
}

const verb verb_eigen = {
    "eigen", "spectrum and virtual-token tables of one direction", run,
    "Forms the interaction matrix Q of an output direction (never the whole tensor B), decomposes it, and "
    "shows each eigenvector in the tokens that\n"
    "the embedding (direct) and every attention head deliver: the ten highest and the ten lowest. A positive "
    "eigenvalue is evidence for the token,\n"
    "a negative one against it. An eigenvector's sign is arbitrary: JSON, CSV and arrays have the one whose "
    "largest component is positive. With --corpus (or\n"
    "without MODEL, where bilens has its own stories) tables draw as positive the end that its top inputs "
    "are at, as reports do; otherwise they are grey.\n"
    "With --query, --head and --distance: the form that a query token makes of its key in one head of "
    "bilinear attention. It has one\n"
    "eigenvector whose keys it raises and one whose keys it lowers.",
    "  bilens eigen models/ts-1-256 --token swim --minus run,climb,eat,see,smell,walk,fly,sit,sleep\n"
    "  bilens eigen models/ts-1-256 --token swim --eigs -1,0 --corpus valid.txt\n"
    "  bilens eigen models/ts-1-256 --token swim --eigs -1,0 --format json --plot spectrum.pdf\n"
    "  bilens eigen --token swim --plot column.pdf --width 85 --font serif --size 8 --title '' --no-marks\n"
    "  bilens eigen --token swim --eigs -1 --format latex -o swim.tex\n"
    "  bilens eigen models/ts-1-256 --direction probes.safetensors:water -o water.safetensors\n"
    "  bilens eigen my-attention2-model --query swim --head 1 --distance 1\n"};
