#include "cli/common.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>

static char *render(const common *c, const bl_loss *loss, bl_error *err) {
    char *text = NULL;
    if (c->format == FORMAT_JSON) {
        json_t *json = json_pack("{s:s, s:f, s:I, s:I, s:f}", "model", c->model, "loss", loss->loss,
                                 "predictions", (json_int_t)loss->predictions, "stories",
                                 (json_int_t)loss->stories, "perplexity", exp(loss->loss));
        text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
        json_decref(json);
        char *line = NULL;
        if (text && asprintf(&line, "%s\n", text) < 0) line = NULL;
        bl_free(text);
        text = line;
    } else if (c->format == FORMAT_CSV) {
        if (asprintf(&text, "loss,predictions,stories,perplexity\r\n%.12g,%llu,%llu,%.9g\r\n", loss->loss,
                     (unsigned long long)loss->predictions, (unsigned long long)loss->stories,
                     exp(loss->loss)) < 0)
            text = NULL;
    } else if (asprintf(
                   &text,
                   "loss         %.6f nats per token (perplexity %.3f)\npredictions  %llu in %llu stories\n",
                   loss->loss, exp(loss->loss), (unsigned long long)loss->predictions,
                   (unsigned long long)loss->stories) < 0) {
        text = NULL;
    }
    if (!text) {
        err->code = BL_ERR_MEMORY;
        snprintf(err->message, sizeof err->message, "out of memory");
    }
    return text;
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
    status = write_result(self, &c, ok ? render(&c, &loss, &err) : NULL, &err);
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
