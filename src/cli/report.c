#include "cli/report_private.h"
#include "base/error.h"
#include "cli/origin.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEAD_PAIRS ((size_t)8) /* shown at each end */
#define REPORT_LIMIT ((size_t)256 << 20)
#define LAYER_STORIES ((size_t)16) /* over which each layer's part is measured */
#define EVIDENCE_UP_TO 30000000u   /* parameters: minutes beyond, unless asked for */

static bool add_report_origin(const common *c, const report_options *o, bl_tree *report, bl_error *err) {
    const bl_origin_file others[] = {{"direction", o->direction.file},
                                     {"dictionary", o->basis},
                                     {"surrogate", c->surrogate}};
    return add_origin(c, &o->corpora, o->command, others, sizeof others / sizeof *others, report, err);
}

/* False, with a note, for standard input: it cannot be read twice. */
static bool rereadable(const common *c, const report_options *o, const char *lost) {
    for (size_t i = 0; i < o->corpora.files.n; i++) {
        if (strcmp(o->corpora.files.items[i], "-") != 0) continue;
        note(c, "bilens: report: standard input cannot be read twice: the page has no %s", lost);
        return false;
    }
    return true;
}

/* What the report says under "Does it matter?": of the shown eigenvectors beside chance, and of the two ends
 * of the spectrum taken out of the model. A corpus is read once more; standard input cannot be. */
static bool add_evidence(const common *c, report_options *o, const bl_question *subject, bl_tree *report,
                         bl_error *err) {
    const index_list *eigs = &o->direction.eigs;
    long ends[2];
    uint64_t parameters = bl_model_parameters(subject->model);
    if (!o->evidence_stories && parameters > EVIDENCE_UP_TO) {
        note(c,
             "bilens: report: no section on evidence: a model of %.0f million parameters takes minutes; "
             "--evidence-stories 4 measures it on four stories",
             (double)parameters / 1e6);
        return true;
    }
    bl_matter_options options = {.eigs = eigs->items,
                                 .n_eigs = eigs->n,
                                 .ablated = ends,
                                 .stories = o->evidence_stories,
                                 .progress = progress_bar(c->quiet)};
    if (!rereadable(c, o, "section on evidence")) return true;
    for (size_t i = 0; i < eigs->n && options.n_ablated < 2; i++)
        if (eigs->items[i] == -1 || eigs->items[i] == 0) ends[options.n_ablated++] = eigs->items[i];
    if (!options.n_ablated && eigs->n) ends[options.n_ablated++] = eigs->items[0];
    bl_corpus *corpus = open_corpus(&o->corpora, err);
    bool ok = corpus && bl_report_add_evidence(report, bl_matter_tree(subject, corpus, &options, err), err);
    progress_end();
    bl_corpus_free(corpus);
    return ok;
}

/* Which layer: what each adds to the direction, and what its surrogate is worth. */
static bool add_layers(const common *c, const report_options *o, const bl_question *subject, bl_tree *report,
                       bl_error *err) {
    const bl_model *model = subject->model;
    size_t n_layer = bl_model_config(model)->n_layer, d = bl_model_config(model)->d_model;
    if (n_layer < 2) return true;
    if (!rereadable(c, o, "measure of what each layer adds"))
        return bl_report_add_layers(report, model, NULL, err);
    bl_basis basis = bl_model_basis_out(model);
    bl_layer_shares shares = {0};
    float *u = calloc(d, sizeof *u);
    bl_corpus *corpus = u ? open_corpus(&o->corpora, err) : NULL;
    if (!u) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    size_t stories = o->stories && o->stories < LAYER_STORIES ? o->stories : LAYER_STORIES;
    bool ok = corpus && bl_direction_vector(subject->direction, &basis, u, err);
    long token = ok && subject->direction->token ? bl_basis_find(&basis, subject->direction->token, err) : -1;
    ok = ok &&
         bl_layer_shares_of_corpus(model, u, (int32_t)token, corpus, stories, progress_bar(c->quiet), &shares,
                                   err) &&
         bl_report_add_layers(report, model, &shares, err);
    progress_end();
    bl_layer_shares_free(&shares);
    bl_corpus_free(corpus);
    free(u);
    return ok;
}

bl_tree *report_of(common *c, report_options *o, const bl_model *model, bl_eigen **eigen, bl_error *err) {
    bl_corpus *corpus = open_corpus(&o->corpora, err);
    bl_scan *scan = NULL;
    bl_tree *info = NULL, *spectrum = NULL, *found = NULL, *report = NULL;
    direction_options *d = &o->direction;
    if (corpus && read_direction(d, err) && choose_eigs(bl_interaction_size(model), d, err))
        *eigen = decompose(model, d, true, err);
    if (!ranks_agree(*eigen != NULL, err)) goto done;
    bl_direction direction = as_direction(d);
    bl_question subject = {model, &direction, d->layer};
    bl_scan_options options = {.top = o->top,
                               .max_stories = o->stories,
                               .progress = progress_bar(c->quiet),
                               .exact_path = o->exact,
                               .distributed = ranks_started()};
    scan = bl_scan_run(model, *eigen, d->eigs.items, d->eigs.n, corpus, &options, err);
    progress_end();
    if (!scan) goto done;
    note_corpus(c, corpus, model);
    info = bl_info_tree(model, err);
    if (info) spectrum = bl_eigen_tree(&subject, *eigen, d->eigs.items, d->eigs.n, err);
    spectrum = add_basis(spectrum, model, *eigen, o->basis, err);
    if (spectrum) found = bl_scan_tree(&subject, *eigen, scan, d->eigs.items, d->eigs.n, err);
    if (found && !bl_scan_add_told(found, &subject, scan, d->eigs.n, err)) {
        bl_tree_free(found);
        found = NULL;
    }
    static const char *const embedded[] = {"stories.txt (comes with bilens)"};
    bool named = o->corpora.files.n > 0;
    if (found)
        report = bl_report_tree(info, spectrum, found, named ? o->corpora.files.items : embedded,
                                named ? o->corpora.files.n : 1, err);
    const bl_config *config = bl_model_config(model);
    if (report && ranks_first() && !add_layers(c, o, &subject, report, err)) {
        bl_tree_free(report);
        report = NULL;
    }
    if (report && config->attention2 && d->layer == 0 &&
        !bl_report_add_heads(report, bl_heads_tree(&subject, o->distance, HEAD_PAIRS, err), err)) {
        bl_tree_free(report);
        report = NULL;
    }
    if (report && ranks_first() && !add_report_origin(c, o, report, err)) {
        bl_tree_free(report);
        report = NULL;
    }
    if (report && !o->no_evidence && ranks_first() && !add_evidence(c, o, &subject, report, err)) {
        bl_tree_free(report);
        report = NULL;
    }
done:
    bl_tree_free(info);
    bl_tree_free(spectrum);
    bl_tree_free(found);
    bl_scan_free(scan);
    bl_corpus_free(corpus);
    return report;
}

static bl_tree *analyse(common *c, report_options *o, bl_eigen **eigen, bl_error *err) {
    bl_model *model = ranks_join(c, err) ? load_model(c, err) : NULL;
    if (!ranks_agree(model != NULL, err)) return NULL;
    bl_tree *report = report_of(c, o, model, eigen, err);
    bl_model_free(model);
    return report;
}

/* Renders `report` into the directory and its essence to the terminal. */
static int render(const verb *self, const common *c, const bl_tree *report, const bl_eigen *eigen,
                  const bl_figure_options *figures, const char *directory) {
    bl_error err = {0};
    bl_terminal terminal = terminal_of(c);
    if (!bl_report_render(report, eigen, figures, directory, &err)) return fail_with(self, &err);
    bool json = c->format == FORMAT_JSON;
    char *text = json ? bl_tree_text(report, &err) : bl_report_table(report, &terminal, &err);
    if (!text) return fail_with(self, &err);
    int status = write_stdout(self, text);
    bl_free(text);
    if (!json) note(c, "%s/index.html is written: open it in a browser", directory);
    return status;
}

static bl_tree *read_report(const char *path, bl_error *err) {
    char *text = bl_text_read(path, REPORT_LIMIT, err);
    bl_tree *report = text ? bl_tree_parse(text, path, err) : NULL;
    bl_free(text);
    return report;
}

/* The folder that holds `path`, for rendering a report again where it is; freed with free. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* Where the report goes: -o, the folder of --from's file, or a name made of what is asked. Free with free. */
static char *choose_folder(const common *c, const report_options *o) {
    char *folder = NULL;
    const char *name = o->direction.token ? o->direction.token : o->direction.file;
    if (c->output) return strdup(c->output);
    if (o->own.source) name = strrchr(o->own.source, '/') ? strrchr(o->own.source, '/') + 1 : o->own.source;
    else if (o->from) return folder_of(o->from);
    if (asprintf(&folder, "report-%s", name) < 0) return NULL;
    for (char *at = folder; *at; at++)
        if (*at == '/') *at = '_'; /* a token or file's name is no path */
        else if (o->direction.file && strchr(" (),*\"@", *at)) *at = '-'; /* a text of the grammar */
    return folder;
}

/* What goes with --directions; -1, or the exit status of bad usage. */
static int check_rows(const verb *self, report_options *o) {
    const direction_options *d = &o->direction;
    if (!o->own.source) return fail_usage(self, "--names and --rows go with --directions FILE");
    if (d->token || d->file || d->minus.n || d->centre || o->from)
        return fail_usage(self, "--directions are taken as they are: --token, --minus, --direction, "
                                "--centre-unembedding and --from do not go with them");
    for (size_t i = 0; i < o->corpora.files.n; i++)
        if (strcmp(o->corpora.files.items[i], "-") == 0)
            return fail_usage(self, "--corpus -: each direction reads the corpus: name a file");
    o->no_evidence = o->no_evidence || !o->evidence_stories;
    return check_own_directions(self, &o->own);
}

/* The verb's options. -1 to go on, else the exit status. */
static int parse(int argc, char **argv, const verb *self, common *c, report_options *o) {
    const option table[] = {
        EIGENVECTOR_OPTIONS(o->direction),
        OWN_DIRECTIONS_OPTIONS(o->own),
        {"rows", OPTION_TEXT, &o->rows, "A-B,…",
         "with --directions: the rows that get a page, from 0 (default: the 100 that stand out most from "
         "chance)"},
        {"null-draws", OPTION_COUNT, &o->null_draws, "R",
         "with --directions: draws of the null model that p is taken from (default 1)"},
        CORPUS_OPTIONS(o->corpora, CORPUS_FORMATS "; - is standard input"),
        BASIS_OPTION(o->basis),
        {"top", OPTION_COUNT, &o->top, "N", "matches per eigenvector, at most one per story (default 8)"},
        {"stories", OPTION_COUNT, &o->stories, "N", "read at most N stories"},
        {"exact-path", OPTION_FLAG, &o->exact, NULL,
         "compute the whole forward pass: slow, to check the folded scan with"},
        {"distance", OPTION_COUNT, &o->distance, "D",
         "of a model with bilinear attention, whose heads are shown, too: how many "
         "positions the query stands behind its key (default 1)"},
        {"evidence-stories", OPTION_COUNT, &o->evidence_stories, "N",
         "measure on the corpus's first N stories whether it matters (default 48, fewer for larger models, "
         "none beyond 30 million parameters; with --directions none)"},
        {"no-evidence", OPTION_FLAG, &o->no_evidence, NULL, "do not measure whether it matters (faster)"},
        {"from", OPTION_TEXT, &o->from, "FILE", "render this report.json again: no model, no corpus needed"},
        FIGURE_OPTIONS(o->figure),
        ALL_SOURCES_OPTION(*c),
        PLAIN_OPTION(*c),
        SURROGATE_OPTION(*c),
        {0}};
    return options_parse(
        argc, argv, self, c, table, FORMATS_TABLE | FORMATS_JSON,
        "folder to write (default: report-TOKEN or report-FILE; with --from: the file's own)", true);
}

/* -1 to go on, else the exit status of bad usage. */
static int check(const verb *self, const common *c, report_options *o) {
    int status = -1;
    if (o->own.source || o->own.names_file || o->rows) status = check_rows(self, o);
    else if (!o->from)
        status = check_direction(self, &o->direction, "which output token is the report about?");
    else if (o->direction.token || o->direction.file || o->corpora.files.n || c->model)
        status = fail_usage(
            self,
            "--from renders a finished report: MODEL, --token, --direction and --corpus do not go with it");
    if (status < 0) status = check_figure(self, &o->figure, "a report", true);
    if (status < 0 && (o->top < 1 || o->top > 1000))
        status = fail_usage(self, "--top must be from 1 to 1000");
    return status;
}

/* Makes the report, or reads the one of --from, and renders it. */
static int make(const verb *self, common *c, report_options *o, const char *folder) {
    bl_error err = {0};
    bl_eigen *eigen = NULL;
    bl_tree *report = NULL;
    if (bl_report_check_place(folder, &err))
        report = o->from ? read_report(o->from, &err) : analyse(c, o, &eigen, &err);
    int status = !report        ? fail_with(self, &err)
               : !ranks_first() ? 0
                                : render(self, c, report, eigen, &o->figure.how, folder);
    bl_tree_free(report);
    bl_eigen_free(eigen);
    return status;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    report_options o = {.top = 8, .distance = 1};
    bl_error err = {0};
    int status = parse(argc, argv, self, &c, &o);
    if (status >= 0) return status;
    status = check(self, &c, &o);
    if (status < 0) {
        char *folder = choose_folder(&c, &o);
        o.figure.how.plain = c.plain;
        o.command = o.from ? NULL : origin_command(self, argc, argv, &err);
        if (!folder || (!o.from && !o.command)) {
            bl_fail(&err, BL_ERR_MEMORY, "out of memory");
            status = fail_with(self, &err);
        } else status = o.own.source ? report_rows(self, &c, &o, folder) : make(self, &c, &o, folder);
        bl_free(o.command);
        free(folder);
    }
    direction_options_free(&o.direction);
    own_directions_free(&o.own);
    corpus_options_free(&o.corpora);
    common_free(&c);
    return status;
}

const verb verb_report = {
    "report", "the main job: everything about one direction as a page, figures, tables and numbers", run,
    "Decomposes the layer's MLP in the direction of a token (or of a contrast), shows the\n"
    "eigenvectors of largest eigenvalue at both ends in virtual tokens, finds the corpus positions\n"
    "that excite each of them, and measures whether they matter: their size compared with chance, and\n"
    "what their removal does to the loss. Writes index.html (self-contained),\n"
    "figures/spectrum.{svg,png,pdf}, tables/*.csv, eigenvalues.npy, eigenvectors.npy and report.json,\n"
    "from which alone the page can be rendered again. Started by mpirun, the ranks share the stories.\n\n"
    "--directions FILE makes an index of many directions instead, those first that stand out from chance,\n"
    "with a page for each of the first 100 or of --rows; ranking.csv and ranking.json are the index's table.",
    "  bilens report models/ts-1-256 --corpus valid.txt --token swim --minus "
    "run,climb,eat,see,smell,walk,fly,sit,sleep -o report-swim\n"
    "  bilens report models/ts-1-256 --corpus valid.txt --direction probe.npy -o report-probe\n"
    "  bilens report --directions probes.csv --names names.txt --rows 0-9 -o report-probes\n"
    "  bilens report --from report-swim/report.json\n"};
