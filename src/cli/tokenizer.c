/* bilens tokenizer train: a vocabulary from text. */
#include "base/error.h"
#include "cli/common.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bl_tree *tree_of(const common *c, const bl_wordpiece_summary *s, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "file", c->output);
    bl_put_count(&b, root, "size", s->size);
    bl_put_count(&b, root, "stories", s->stories);
    bl_put_count(&b, root, "words", s->words);
    bl_put_count(&b, root, "distinct_words", s->distinct);
    bl_put_count(&b, root, "alphabet", s->alphabet);
    bl_put_count(&b, root, "characters", s->characters);
    bl_put_count(&b, root, "least_count", s->least);
    bl_put_count(&b, root, "too_long", s->too_long);
    return bl_tree_built(&b, root);
}

static char *table_of(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    char *text = NULL;
    double size = bl_tree_real(tree, "size"), characters = bl_tree_real(tree, "characters");
    (void)terminal;
    if (asprintf(
            &text,
            "%s: %.0f pieces: 3 special, %.0f characters, %.0f joined (the last from a pair that stands\n"
            "there %.0f times) from %.0f stories, %.0f words, %.0f different\n",
            bl_tree_string(tree, "file"), size, characters, size - characters - 3,
            bl_tree_real(tree, "least_count"), bl_tree_real(tree, "stories"), bl_tree_real(tree, "words"),
            bl_tree_real(tree, "distinct_words")) >= 0)
        return text;
    bl_fail(err, BL_ERR_MEMORY, "out of memory");
    return NULL;
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
                             "do not join pairs that occur together fewer than N times (default 0)"},
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
    if (ok && summary.too_long > 0)
        note(&c,
             "bilens: tokenizer train: %llu of %llu words are longer than 100 characters and become [UNK]: "
             "only their characters were learned",
             (unsigned long long)summary.too_long, (unsigned long long)summary.words);
    static const view how = {.table = table_of};
    status = tell_tree(self, &c, ok ? tree_of(&c, &summary, &err) : NULL, &how, &err);
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
