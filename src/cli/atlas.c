/* bilens atlas: every direction into one database; bilens atlas query: looking things up in it. */
#include "base/error.h"
#include "cli/lines.h"
#include "cli/common.h"
#include "cli/own_directions.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <bilens/atlas.h>
#include <bilens/serve.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --site and what goes with it. */
typedef struct site_request {
    const char *folder, *sentences;
    bool no_spectra;
} site_request;

/* The static site of a finished atlas. */
static bool write_site(const common *c, const bl_model *model, const char *atlas, const site_request *site,
                       bl_error *err) {
    text_list texts = {0};
    bl_site_options options = {.no_spectra = site->no_spectra, .progress = progress_bar(c->quiet)};
    bool ok = !site->sentences || read_lines("--sentences", site->sentences, &texts, err);
    options.sentences = texts.items;
    options.n_sentences = texts.n;
    ok = ok && bl_site_write(model, atlas, site->folder, &options, err);
    progress_end();
    text_list_free(&texts);
    if (ok) note(c, "bilens: atlas: open %s/index.html in a browser", site->folder);
    return ok;
}

static bl_tree *tree_of(const common *c, const bl_atlas_summary *s, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "file", c->output);
    bl_put_count(&b, root, "directions", s->directions);
    bl_put_count(&b, root, "eigenpairs", s->pairs);
    bl_put_count(&b, root, "stories", s->stories);
    bl_put_count(&b, root, "positions", s->positions);
    bl_put_real(&b, root, "megabytes", round((double)s->bytes / 1e5) / 10);
    bl_put_flag(&b, root, "resumed", s->resumed);
    return bl_tree_built(&b, root);
}

static char *table_of(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    char *text = NULL;
    (void)terminal;
    if (asprintf(&text, "%s: %.0f directions, %.0f eigenpairs, %.0f stories, %.0f positions, %.1f MB%s\n",
                 bl_tree_string(tree, "file"), bl_tree_real(tree, "directions"),
                 bl_tree_real(tree, "eigenpairs"), bl_tree_real(tree, "stories"),
                 bl_tree_real(tree, "positions"), bl_tree_real(tree, "megabytes"),
                 json_is_true(json_object_get(tree, "resumed")) ? ", resumed" : "") >= 0)
        return text;
    bl_fail(err, BL_ERR_MEMORY, "out of memory");
    return NULL;
}

/* --layers into the options; -1, or the exit status of bad usage. */
static int take_layers(const verb *self, const index_list *asked, size_t layers[BL_ATLAS_LAYERS],
                       bl_atlas_options *o) {
    if (!asked->n) return -1;
    if (o->layer) return fail_usage(self, "--layer and --layers: give one of them");
    if (asked->n > BL_ATLAS_LAYERS)
        return fail_usage(self, "--layers: an atlas has at most %d", BL_ATLAS_LAYERS);
    for (size_t i = 0; i < asked->n; i++) {
        if (asked->items[i] < 0) return fail_usage(self, "--layers: layers count from 0");
        layers[i] = (size_t)asked->items[i];
    }
    o->layers = layers;
    o->n_layers = asked->n;
    return -1;
}

/* One's own directions are taken as they are; -1, or the exit status of bad usage. */
static int check_own(const verb *self, const own_directions *own, const bl_atlas_options *o,
                     const char *tokens_file) {
    if (own->source && (tokens_file || o->frequent || o->raw || o->centre_unembedding))
        return fail_usage(self, "--directions are taken as they are: --tokens, --frequent, --raw and "
                                "--centre-unembedding do not go with them");
    return check_own_directions(self, own);
}

/* -1 to go on, else the exit status. */
static int check_make(const verb *self, const common *c, const bl_atlas_options *o, const site_request *site,
                      const char *from, const char *tokens_file) {
    if (from && (!site->folder || c->output))
        return fail_usage(self, "--from FILE goes with --site DIR, and without -o");
    if ((site->no_spectra || site->sentences) && !site->folder)
        return fail_usage(self, "--no-spectra and --sentences go with --site DIR");
    if (!c->output && !from)
        return fail_usage(self,
                          site->folder
                              ? "--site needs a finished atlas, --from FILE, or -o FILE to make one first"
                              : "-o FILE is missing: where the database is to be written");
    if (!o->pairs || !o->top || !o->virtual_tokens || !o->null_draws)
        return fail_usage(self, "--pairs, --top, --virtual and --null-draws must be at least 1");
    if (tokens_file && o->frequent) return fail_usage(self, "--tokens and --frequent exclude each other");
    return -1;
}

/* What the command line says of an atlas to be made. */
typedef struct making {
    common c;
    corpus_options corpora;
    text_list tokens;
    own_directions own;
    index_list layers;
    size_t layer_numbers[BL_ATLAS_LAYERS], seed;
    bl_atlas_options o;
    const char *tokens_file, *from;
    site_request site;
} making;

/* The verb's options. -1 to go on, else the exit status. */
static int parse_make(int argc, char **argv, const verb *self, making *a) {
    const option table[] = {
        CORPUS_OPTIONS(a->corpora, CORPUS_FORMATS),
        {"layer", OPTION_COUNT, &a->o.layer, "N", "layer whose MLP is decomposed (default 0)"},
        {"layers", OPTION_INDICES, &a->layers, "N,N…", "several layers in one atlas"},
        OWN_DIRECTIONS_OPTIONS(a->own),
        {"tokens", OPTION_TEXT, &a->tokens_file, "FILE", "only these output tokens, one per line"},
        {"frequent", OPTION_COUNT, &a->o.frequent, "N",
         "only the N tokens that occur most often in the corpus"},
        {"pairs", OPTION_COUNT, &a->o.pairs, "N", "eigenpairs at each end of the spectrum (default 4)"},
        {"top", OPTION_COUNT, &a->o.top, "N",
         "top inputs per eigenvector, at most one per story (default 8)"},
        {"virtual", OPTION_COUNT, &a->o.virtual_tokens, "N",
         "highest and lowest virtual tokens of each source (default 5)"},
        {"raw", OPTION_FLAG, &a->o.raw, NULL,
         "directions W_U[token] as they are, without subtracting the mean unembedding"},
        {"centre-unembedding", OPTION_FLAG, &a->o.centre_unembedding, NULL,
         "subtract from each row of W_U its own mean first"},
        {"null-draws", OPTION_COUNT, &a->o.null_draws, "R",
         "draws of the null model for p-values (default 1); one more shows their calibration"},
        {"no-effects", OPTION_FLAG, &a->o.no_effects, NULL,
         "leave out what each eigenpair does to the loss: the sweep over the stories takes less time"},
        {"seed", OPTION_COUNT, &a->seed, "N", "random seed of the first null draw (default 0)"},
        {"stories", OPTION_COUNT, &a->o.max_stories, "N", "read at most N stories"},
        {"site", OPTION_OUTPUT, &a->site.folder, "DIR", "also write the atlas as a static web site"},
        {"from", OPTION_TEXT, &a->from, "FILE",
         "with --site: of this finished atlas; nothing is computed or written but the site"},
        {"sentences", OPTION_TEXT, &a->site.sentences, "FILE",
         "with --site: the texts to be explained in it, one per line (default: beginnings of six stories)"},
        {"no-spectra", OPTION_FLAG, &a->site.no_spectra, NULL,
         "with --site: only the stored eigenvalues; otherwise all are decomposed again"},
        {"overwrite", OPTION_FLAG, &a->o.overwrite, NULL, "replace the atlas that is there"},
        SURROGATE_OPTION(a->c),
        {0}};
    return options_parse(argc, argv, self, &a->c, table, FORMATS_TABLE | FORMATS_JSON,
                         "the database (required)", true);
}

/* Everything that the atlas is made of, then the atlas; *model and *corpus are the caller's. */
static bool make_atlas(making *a, bl_model **model, bl_corpus **corpus, bl_atlas_summary *summary,
                       bl_error *err) {
    common *c = &a->c;
    bl_atlas_options *o = &a->o;
    bool ok =
        ranks_join(c, err) && (!a->tokens_file || read_lines("--tokens", a->tokens_file, &a->tokens, err));
    o->tokens = a->tokens_file ? a->tokens.items : NULL;
    o->n_tokens = a->tokens.n;
    o->seed = a->seed;
    o->distributed = ranks_started();
    if (ok && ranks_first()) ok = (*corpus = open_corpus(&a->corpora, err)) != NULL;
    if (ok) *model = load_model(c, err);
    ok = *model && (!a->own.source || read_own_directions(&a->own, bl_model_config(*model)->d_model, err));
    if (a->own.source) o->directions = &a->own.basis, o->source = a->own.source;
    o->progress = progress_bar(c->quiet);
    ok = ranks_agree(ok, err) && bl_atlas_run(*model, *corpus, c->output, o, summary, err);
    progress_end();
    if (ok && *corpus) note_corpus(c, *corpus, *model);
    return ok;
}

static int make(int argc, char **argv, const verb *self) {
    making a = {.o = {.pairs = 4, .top = 8, .virtual_tokens = 5, .null_draws = 1}};
    common *c = &a.c;
    bl_error err = {0};
    int status = parse_make(argc, argv, self, &a);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bl_corpus *corpus = NULL;
    bl_atlas_summary summary;
    status = check_make(self, c, &a.o, &a.site, a.from, a.tokens_file);
    if (status < 0) status = check_own(self, &a.own, &a.o, a.tokens_file);
    if (status < 0) status = take_layers(self, &a.layers, a.layer_numbers, &a.o);
    if (status < 0 && a.from) {
        model = load_model(c, &err);
        bool ok = model && write_site(c, model, a.from, &a.site, &err);
        status = ok ? 0 : fail_with(self, &err);
    } else if (status < 0) {
        bool ok = make_atlas(&a, &model, &corpus, &summary, &err);
        if (ok && a.site.folder && ranks_first()) ok = write_site(c, model, c->output, &a.site, &err);
        if (!ok && err.code == BL_ERR_CANCELLED)
            note(c, "bilens: atlas: %s keeps what was finished: give the same command again to go on",
                 c->output);
        static const view how = {.table = table_of};
        status = tell_tree(self, c, ok ? tree_of(c, &summary, &err) : NULL, &how, &err);
    }
    bl_model_free(model);
    bl_corpus_free(corpus);
    text_list_free(&a.tokens);
    own_directions_free(&a.own);
    index_list_free(&a.layers);
    corpus_options_free(&a.corpora);
    common_free(c);
    return status;
}

/* A whole number from 0; -1, or the exit status of bad usage. */
static int parse_layer(const verb *self, const char *value, long *layer) {
    char *end;
    *layer = strtol(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || *layer > 100000)
        return fail_usage(self, "query: layer=%s is not a whole number", value);
    return -1;
}

/* One KEY=VALUE of a query; -1 to go on, else the exit status. */
static int parse_condition(const verb *self, const char *text, bl_atlas_query *query, long *layer) {
    const char *value = strchr(text, '=');
    char *end;
    if (!value)
        return fail_usage(self,
                          "query: '%s' is no KEY=VALUE: token=swim, sort=largest, limit=20, order=ascending",
                          text);
    size_t length = (size_t)(value++ - text);
    bool token = length == 5 && strncmp(text, "token", 5) == 0;
    if (token || (length == 9 && strncmp(text, "direction", 9) == 0)) {
        query->token = value;
    } else if (length == 5 && strncmp(text, "reads", 5) == 0) {
        query->reads = value;
    } else if (length == 6 && strncmp(text, "source", 6) == 0) {
        query->source = value;
    } else if (length == 5 && strncmp(text, "layer", 5) == 0) {
        query->layer = layer;
        return parse_layer(self, value, layer);
    } else if (length == 4 && strncmp(text, "list", 4) == 0) {
        query->eigenpairs = strcmp(value, "eigenpairs") == 0;
        if (!query->eigenpairs && strcmp(value, "directions") != 0)
            return fail_usage(self, "query: list is directions or eigenpairs, not '%s'", value);
    } else if (length == 4 && strncmp(text, "sort", 4) == 0) {
        query->sort = value;
    } else if (length == 5 && strncmp(text, "limit", 5) == 0) {
        unsigned long long limit = strtoull(value, &end, 10);
        if (*value < '0' || *value > '9' || *end || limit == 0 || limit > 1000000000)
            return fail_usage(self, "query: limit=%s is no number from 1", value);
        query->limit = (size_t)limit;
    } else if (length == 5 && strncmp(text, "order", 5) == 0) {
        query->ascending = strcmp(value, "ascending") == 0;
        if (!query->ascending && strcmp(value, "descending") != 0)
            return fail_usage(self, "query: order is ascending or descending, not '%s'", value);
    } else {
        return fail_usage(
            self,
            "query: there is no key '%.*s'; there are token, direction, layer, reads, source, list, "
            "sort, limit, order",
            (int)length, text);
    }
    return -1;
}

static bl_table *rows_of(const bl_tree *answer, bl_error *err) {
    static const char *const lists[] = {"readers", "directions", "eigenpairs", "vectors"};
    const json_t *list = NULL;
    for (size_t i = 0; !list && i < 4; i++) list = json_object_get(answer, lists[i]);
    return bl_table_of(list, err);
}

static int query_atlas(int argc, char **argv, const verb *self) {
    common c = {0};
    bl_atlas_query query = {0};
    long layer;
    const option table[] = {{0}};
    text_list words = {0}; /* the file, then conditions, in any order with the options */
    bl_error err = {0};
    c.words = &words;
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output", false);
    if (status >= 0) goto done;
    if (words.n == 0)
        status =
            fail_usage(self,
                       "query: which atlas? bilens atlas query FILE.db [token=swim | sort=largest limit=20]");
    for (size_t i = 1; i < words.n && status < 0; i++)
        status = parse_condition(self, words.items[i], &query, &layer);
    static const view how = {.table = bl_atlas_table, .rows = rows_of};
    if (status < 0) status = write_tree(self, &c, bl_atlas_tree(words.items[0], &query, &err), &how, &err);
done:
    text_list_free(&words);
    common_free(&c);
    return status;
}

static int run(int argc, char **argv, const verb *self) {
    if (argc > 0 && strcmp(argv[0], "query") == 0) return query_atlas(argc - 1, argv + 1, self);
    return make(argc, argv, self);
}

const verb verb_atlas = {
    "atlas", "decompose and scan every direction into one database; look things up in it", run,
    "For every token of the vocabulary: the eigenpairs at both ends of its direction's "
    "spectrum, their virtual tokens and their top inputs with the words that\n"
    "did it, beside the same figures of a null model whose hidden units were permuted, "
    "so that structure can be told from chance. One SQLite file; its tables\n"
    "are described in docs/atlas.md. If it is stopped, run the same command again: it "
    "resumes. Started by mpirun, the ranks share the work.\n\n"
    "bilens atlas query FILE.db [KEY=VALUE…] [--format table|json|csv] looks things "
    "up: "
    "token=swim is all about one direction; sort=largest limit=20 is a list\n"
    "(also count, highest, lowest, effective_rank, share, excess = largest over the "
    "null model's, effect, q, each with order=ascending);\n"
    "reads=lake says which eigenvectors have that virtual token, through source=direct or "
    "'head 7' or any;\n"
    "list=eigenpairs sort=effect is a list of eigenpairs (also ratio, p, q, share): "
    "ratio is the ratio to chance,\n"
    "p how often chance makes an eigenvalue as large at this place, q its false "
    "discovery rate over the whole atlas,\n"
    "effect the rise of the loss at the token's own positions without the pair.\n\n"
    "--directions FILE makes the atlas of vectors of your own instead: probes, differences of means, the\n"
    "features of a dictionary. They are decomposed, compared with chance and scanned as tokens are; what\n"
    "only a token has (its own positions, the effect there) is null. --layers 0,1 takes several layers into\n"
    "one atlas; layer=1 asks a query for one.\n\n"
    "bilens atlas --from FILE.db --site DIR writes a finished atlas as a web site of "
    "static files, to be opened from disk or published.",
    "  bilens atlas models/ts-1-256 --corpus stories.txt -o atlas.db\n"
    "  mpirun -n 4 bilens atlas models/ts-1-256 --corpus stories.txt -o atlas.db\n"
    "  bilens atlas --directions probes.csv --names names.txt -o probes.db\n"
    "  bilens atlas models/two-layers --corpus stories.txt --layers 0,1 -o layers.db\n"
    "  bilens atlas models/ts-1-256 --from atlas.db --site atlas-site\n"
    "  bilens atlas query atlas.db token=swim\n"
    "  bilens atlas query layers.db token=swim layer=1\n"
    "  bilens atlas query probes.db direction=@probes.csv:7\n"
    "  bilens atlas query atlas.db sort=excess limit=50 --format csv\n"
    "  bilens atlas query atlas.db reads=lake source='head 7'\n"
    "  bilens atlas query atlas.db list=eigenpairs sort=effect limit=5\n"
    "  sqlite3 atlas.db \"SELECT word, value FROM virtual_tokens WHERE token = 'swim' "
    "AND idx = -1 AND source = 'direct'\"\n"};
