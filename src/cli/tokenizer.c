/* bilens tokenizer train: a vocabulary from text. */
#include "cli/common.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *render(const common *c, const bl_wordpiece_summary *s, bl_error *err) {
    char *text = NULL;
    if (c->format == FORMAT_JSON) {
        json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "file", c->output, "size",
                                 (json_int_t)s->size, "stories", (json_int_t)s->stories, "words",
                                 (json_int_t)s->words, "distinct_words", (json_int_t)s->distinct, "alphabet",
                                 (json_int_t)s->alphabet, "characters", (json_int_t)s->characters,
                                 "least_count", (json_int_t)s->least, "too_long", (json_int_t)s->too_long);
        char *dump = json ? json_dumps(json, JSON_COMPACT) : NULL;
        json_decref(json);
        if (!dump || asprintf(&text, "%s\n", dump) < 0) text = NULL;
        free(dump);
    } else if (asprintf(&text,
                        "%s: %zu pieces: 3 special, %zu characters, %zu joined (the last from a pair that "
                        "stands there %llu times)\nfrom %llu stories, %llu words, %zu different\n",
                        c->output, s->size, s->characters, s->size - s->characters - 3,
                        (unsigned long long)s->least, (unsigned long long)s->stories,
                        (unsigned long long)s->words, s->distinct) < 0) {
        text = NULL;
    }
    if (!text) {
        err->code = BL_ERR_MEMORY;
        snprintf(err->message, sizeof err->message, "out of memory");
    }
    return text;
}

static int run(int argc, char **argv, const verb *outer) {
    verb here = *outer, *self = &here; /* messages and usage name the sub-verb */
    if (argc < 1 || strcmp(argv[0], "train") != 0) {
        bool asks = argc > 0 && (strncmp(argv[0], "--help", 6) == 0 || strcmp(argv[0], "-h") == 0);
        if (!asks)
            return fail_usage(self,
                              argc < 1 ? "what to do is missing: train"
                                       : "'%s' is nothing it can do; there is: train",
                              argc < 1 ? "" : argv[0]);
    } else {
        argc--, argv++;
    }
    here.name = "tokenizer train";
    common c = {0};
    corpus_options corpora = {0};
    size_t size = 4096, min_frequency = 0, limit = 0;
    bl_error err = {0};
    const option table[] = {CORPUS_OPTIONS(corpora, CORPUS_FORMATS "; - is standard input"),
                            {"size", OPTION_COUNT, &size, "N",
                             "pieces, special tokens and single characters included (default 4096)"},
                            {"min-frequency", OPTION_COUNT, &min_frequency, "N",
                             "join no pair that stands together less often (default 0)"},
                            {"limit-alphabet", OPTION_COUNT, &limit, "N",
                             "keep only the N most frequent characters (default 0: all)"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_TABLE | FORMATS_JSON,
                               "the tokenizer.json to write", false);
    if (status >= 0) goto done;
    if (!corpora.files.n) status = fail_usage(self, "--corpus FILE… is missing: the text to learn from");
    else if (!c.output) status = fail_usage(self, "-o FILE is missing: the tokenizer.json to write");
    if (status >= 0) goto done;
    bl_wordpiece_options options = {.size = size, .min_frequency = min_frequency, .limit_alphabet = limit};
    bl_wordpiece_summary summary;
    bl_corpus *corpus = open_corpus(&corpora, &err);
    bool ok = corpus && bl_tokenizer_train(corpus, &options, c.output, progress_bar(c.quiet), &summary, &err);
    progress_end();
    bl_corpus_free(corpus);
    if (ok && summary.too_long > 0 && !c.quiet)
        fprintf(
            stderr,
            "bilens: tokenizer train: %llu of %llu words are longer than 100 characters and become [UNK]: "
            "only their characters were learned\n",
            (unsigned long long)summary.too_long, (unsigned long long)summary.words);
    char *text = ok ? render(&c, &summary, &err) : NULL;
    status = text ? write_stdout(self, text) : fail_with(self, &err);
    free(text);
done:
    corpus_options_free(&corpora);
    common_free(&c);
    return status;
}

const verb verb_tokenizer = {"tokenizer", "train a tokenizer from text", run,
                             "Learns a WordPiece vocabulary: all characters first, then the most frequent "
                             "pair of neighbouring pieces becomes a piece, again and again. It is\n"
                             "written as a tokenizer.json with the components of the published TinyStories "
                             "models (lower case, no accents, punctuation and digits alone; [UNK] 0,\n"
                             "[BOS] 1, [EOS] 2), which the Hugging Face library reads. The same text gives "
                             "the same file, byte for byte.",
                             "  bilens tokenizer train --corpus stories.txt --size 4096 -o tokenizer.json\n"
                             "  bilens tokenizer train --corpus a.txt b.jsonl.gz --min-frequency 2 "
                             "--limit-alphabet 100 -o tokenizer.json\n"};
