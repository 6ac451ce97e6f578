#include "base/error.h"
#include "cli/common.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <math.h>
#include <stdio.h>

static bl_tree *tree_of(const common *c, const bl_loss *loss, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", c->model);
    bl_put_real(&b, root, "loss", loss->loss);
    bl_put_count(&b, root, "predictions", loss->predictions);
    bl_put_count(&b, root, "stories", loss->stories);
    bl_put_real(&b, root, "perplexity", exp(loss->loss));
    return bl_tree_built(&b, root);
}

static char *table_of(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    char *text = NULL;
    (void)terminal;
    if (asprintf(&text,
                 "loss         %.6f nats per token (perplexity %.3f)\npredictions  %.0f in %.0f stories\n",
                 bl_tree_real(tree, "loss"), bl_tree_real(tree, "perplexity"),
                 bl_tree_real(tree, "predictions"), bl_tree_real(tree, "stories")) >= 0)
        return text;
    bl_fail(err, BL_ERR_MEMORY, "out of memory");
    return NULL;
}

static bl_table *rows_of(const bl_tree *tree, bl_error *err) {
    bl_table *rows = bl_table_new("loss,predictions,stories,perplexity", err);
    bl_table_real(rows, bl_tree_real(tree, "loss"));
    bl_table_integer(rows, (int64_t)bl_tree_real(tree, "predictions"));
    bl_table_integer(rows, (int64_t)bl_tree_real(tree, "stories"));
    bl_table_real(rows, bl_tree_real(tree, "perplexity"));
    return rows;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    corpus_options corpora = {0};
    size_t stories = 0;
    bl_error err = {0};
    const option table[] = {CORPUS_OPTIONS(corpora, CORPUS_FORMATS "; - is standard input"),
                            {"stories", OPTION_COUNT, &stories, "N", "read at most N stories"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_loss loss;
    bl_corpus *corpus = open_corpus(&corpora, &err);
    bl_model *model = corpus ? load_model(&c, &err) : NULL;
    bool ok = model && bl_model_eval(model, corpus, stories, progress_bar(c.quiet), &loss, &err);
    progress_end();
    if (ok) note_corpus(&c, corpus, model);
    static const view how = {.table = table_of, .rows = rows_of};
    status = write_tree(self, &c, ok ? tree_of(&c, &loss, &err) : NULL, &how, &err);
    bl_model_free(model);
    bl_corpus_free(corpus);
    corpus_options_free(&corpora);
    common_free(&c);
    return status;
}

const verb verb_eval = {"eval", "loss over a corpus", run,
                        "Mean cross-entropy of the next token in nats, over all predicted positions of all "
                        "stories (each truncated to n_ctx tokens).",
                        "  bilens eval models/ts-1-256 --corpus valid.txt\n  bilens eval models/ts-1-256 "
                        "--corpus valid.txt --stories 256 --format json\n"};
