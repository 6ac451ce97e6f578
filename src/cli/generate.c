#include "base/error.h"
#include "cli/common.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct generate_options {
    const char *prompt;
    double temperature, top_p;
    size_t top_k, seed, max_tokens, stories;
    bool capitals, whole;
} generate_options;

/* Where texts go, and what became of them. */
typedef struct writing {
    FILE *out;
    output_format format;
    bool corpus; /* several texts, separated */
    size_t n, steps, stops[3];
} writing;

static bool write_failed(bl_error *err) {
    return bl_fail(err, BL_ERR_IO, "writing the text failed: %s", strerror(errno));
}

static bool take(void *context, size_t i, const bl_generated *story, bl_error *err) {
    writing *w = context;
    bool ok;
    w->n++;
    w->steps += story->steps;
    w->stops[story->stop]++;
    errno = 0;
    if (w->format == FORMAT_JSON) {
        static const char *const stops[] = {"end", "max-tokens", "context"};
        bl_builder b = {err, false};
        bl_tree *root = bl_put_object(&b, NULL, NULL);
        bl_put_text(&b, root, "text", story->text);
        bl_put_integers(&b, root, "ids", story->ids.data, story->ids.n);
        bl_put_text(&b, root, "stop", stops[story->stop]);
        bl_tree *tree = bl_tree_built(&b, root);
        char *line = bl_tree_text(tree, err);
        bl_tree_free(tree);
        if (!line) return false;
        ok = print_text(w->out, line);
        free(line);
    } else {
        ok = print_text(w->out, w->corpus && i > 0 ? "<|endoftext|>\n" : "") &&
             print_text(w->out, story->text) && print_text(w->out, "\n");
    }
    if (!ok || fflush(w->out) != 0) return write_failed(err);
    return true;
}

/* What the reader may want to know about the ends. */
static void tell(const common *c, const writing *w, const bl_model *model, double seconds) {
    const size_t n_ctx = bl_model_config(model)->n_ctx;
    if (!w->corpus) {
        if (w->stops[BL_STOP_CONTEXT])
            note(c, "(ended because the model's context of %zu tokens is full)", n_ctx);
        return;
    }
    note(c,
         "%zu stories, %zu tokens in %.1f s (%.0f per second); %zu ended by themselves, %zu at --max-tokens, "
         "%zu where the context of %zu tokens was full",
         w->n, w->steps, seconds, seconds > 0 ? (double)w->steps / seconds : 0, w->stops[BL_STOP_END],
         w->stops[BL_STOP_TOKENS], w->stops[BL_STOP_CONTEXT], n_ctx);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Generates into standard output, or into memory and then the file of -o, so that no half of it is ever
 * there. */
static int generate(const verb *self, common *c, const generate_options *o, const bl_model *model) {
    bl_error err = {0};
    char *text = NULL;
    size_t size = 0;
    bl_generate_options options;
    bl_generate_defaults(&options);
    options.temperature = o->temperature, options.top_k = o->top_k, options.top_p = o->top_p,
    options.seed = o->seed;
    options.max_tokens = o->max_tokens, options.capitals = o->capitals, options.whole = o->whole;
    writing w = {.format = c->format,
                 .corpus = o->stories > 0,
                 .out = c->output ? open_memstream(&text, &size) : stdout};
    double begin = now();
    bool ok = w.out ? bl_generate_stories(model, o->prompt, &options, o->stories ? o->stories : 1, take, &w,
                                          progress_bar(c->quiet), &err)
                    : write_failed(&err);
    double seconds = now() - begin;
    progress_end();
    if (c->output && w.out && fclose(w.out) != 0 && ok) ok = write_failed(&err);
    if (ok && c->output) ok = text ? bl_text_write(c->output, text, &err) : write_failed(&err);
    free(text);
    if (!ok && !c->output && err.code == BL_ERR_IO && errno == EPIPE) return fail_output(self);
    if (!ok) return fail_with(self, &err);
    tell(c, &w, model, seconds);
    return 0;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    generate_options o = {.prompt = "", .temperature = 0.8};
    bl_error err = {0};
    const option table[] = {
        {"prompt", OPTION_TEXT, &o.prompt, "TEXT",
         "how the text begins (default: nothing, the model begins)"},
        {"temperature", OPTION_REAL, &o.temperature, "T",
         "0: always the most probable token; 1: the model's own probabilities (default 0.8)"},
        {"top-k", OPTION_COUNT, &o.top_k, "K", "draw among the K most probable tokens (default 0: all)"},
        {"top-p", OPTION_REAL, &o.top_p, "P",
         "draw among the fewest tokens that together have probability P (default 0: all)"},
        {"seed", OPTION_COUNT, &o.seed, "N", "random seed: each gives another text (default 0)"},
        {"max-tokens", OPTION_COUNT, &o.max_tokens, "N",
         "stop after N new tokens (default: when the model ends or its context is full)"},
        {"stories", OPTION_COUNT, &o.stories, "N",
         "make a corpus: N texts with <|endoftext|> between them, or one JSON object per line"},
        {"capitals", OPTION_FLAG, &o.capitals, NULL,
         "capitals at the beginning of sentences and for \"I\" (names cannot be known)"},
        {"whole-sentences", OPTION_FLAG, &o.whole, NULL, "drop a last sentence that has no end"},
        {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_TABLE | FORMATS_JSON | FORMATS_STREAM,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_model *model = load_model(&c, &err);
    status = model ? generate(self, &c, &o, model) : fail_with(self, &err);
    bl_model_free(model);
    common_free(&c);
    return status;
}

const verb verb_generate = {
    "generate", "write text with a model", run,
    "Continues the prompt token by token until the model gives [EOS], --max-tokens are written, or\n"
    "the context is full. Words are joined by the rules of English typography: pieces are joined, no\n"
    "blank before punctuation, quotation marks opened and closed. The same options give the same\n"
    "text, whatever the number of threads. With --stories each story has its own seed, made from\n"
    "--seed; the first is the text that the command gives without --stories.",
    "  bilens generate models/ts-1-256 --prompt \"Once upon a time\" --capitals\n"
    "  bilens generate --temperature 0 --max-tokens 40 --prompt \"Tom likes to\" --format json\n"
    "  bilens generate models/ts-1-256 --stories 1000 --top-p 0.95 --seed 7 --whole-sentences -o "
    "stories.txt\n"};
