#include "cli/common.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    direction_options d = {0};
    corpus_options corpora = {0};
    size_t top = 8, stories = 0;
    bool exact = false;
    bl_error err = {0};
    const option table[] = {DIRECTION_OPTIONS(d),
                            CORPUS_OPTIONS(corpora, CORPUS_FORMATS "; - is standard input"),
                            {"top", OPTION_COUNT, &top, "N",
                             "matches per eigenvector, at most one per story (default 8)"},
                            {"stories", OPTION_COUNT, &stories, "N", "read at most N stories"},
                            {"exact-path", OPTION_FLAG, &exact, NULL,
                             "compute the whole forward pass: slow, to check the folded scan with"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bl_eigen *eigen = NULL;
    bl_corpus *corpus = NULL;
    bl_scan *scan = NULL;
    status = check_direction(self, &d, "which output token's eigenvectors?");
    if (status < 0 && (top < 1 || top > 100000)) status = fail_usage(self, "--top must be from 1 to 100000");
    if (status >= 0) goto done;
    if (!ranks_join(&c, &err)) {
        status = fail_with(self, &err);
        goto done;
    }
    corpus = open_corpus(&corpora, &err);
    if (corpus) model = load_model(&c, &err);
    if (model && choose_eigs(model, &d, &err)) eigen = decompose(model, &d, false, &err);
    bl_scan_options options = {.top = top,
                               .max_stories = stories,
                               .progress = progress_bar(c.quiet),
                               .exact_path = exact,
                               .distributed = ranks_started()};
    if (ranks_agree(eigen != NULL, &err))
        scan = bl_scan_run(model, eigen, d.eigs.items, d.eigs.n, corpus, &options, &err);
    progress_end();
    if (scan) note_corpus(&c, corpus, model);
    bl_direction direction = as_direction(&d);
    bl_question subject = {model, &direction, d.layer};
    static const view how = {bl_scan_table, bl_scan_rows};
    bl_tree *tree = scan ? bl_scan_tree(&subject, eigen, scan, d.eigs.items, d.eigs.n, &err) : NULL;
    status = write_tree(self, &c, tree, &how, &err);
done:
    bl_scan_free(scan);
    bl_eigen_free(eigen);
    bl_model_free(model);
    bl_corpus_free(corpus);
    direction_options_free(&d);
    corpus_options_free(&corpora);
    common_free(&c);
    return status;
}

const verb verb_scan = {
    "scan", "the corpus positions that excite a direction's eigenvectors most, and which words did it", run,
    "For every eigenvector v the positions of largest (v . x)^2, x being the MLP's input, at most one per "
    "story. Each match's similarity v . x is split by\n"
    "source word: blue words push towards it, red ones against; the word in brackets is the position. "
    "Started by mpirun, the ranks share the stories.",
    "  bilens scan models/ts-1-256 --corpus valid.txt --token swim --minus run,climb,eat --eigs -1,0\n"
    "  bilens scan models/ts-1-256 --corpus valid.txt --direction probe.npy\n"
    "  zcat stories.txt.gz | bilens scan models/ts-1-256 --corpus - --token swim --stories 1000 --format "
    "json > scan.json\n"
    "  mpirun -n 4 bilens scan models/ts-1-256 --corpus stories.txt --token swim -o scan.txt\n"};
