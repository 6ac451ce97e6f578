/* Damaged tokenizers and corpora: every one is refused with the right code and a message that names the file
 * and the thing; none crashes, none is read as something else. */
#include "damage.h"
#include "text/corpus/corpus_private.h"
#include <zlib.h>
#include <zstd.h>

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", support_temporary(), name);
    return path;
}

static const char *write_file(const char *name, const char *data, size_t n) {
    const char *path = path_of(name);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, n, out), n);
    fclose(out);
    return path;
}

#define BOS_TEMPLATE "{\"SpecialToken\":{\"id\":\"[BOS]\",\"type_id\":0}}"
#define TEXT_TEMPLATE "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
#define FLAGS "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}"

/* A sound tokenizer, which each case damages in one place. */
static const char sound[] =
    "{\"added_tokens\":[{\"id\":0,\"content\":\"[UNK]\"," FLAGS ",{\"id\":1,\"content\":\"[BOS]\"," FLAGS "],"
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":\"Lowercase\"}]},"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Punctuation\",\"behavior\":"
    "\"Isolated\"},"
    "{\"type\":\"Digits\",\"individual_digits\":true}]},"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[" BOS_TEMPLATE "," TEXT_TEMPLATE "],"
    "\"special_tokens\":{\"[BOS]\":{\"id\":\"[BOS]\",\"ids\":[1],\"tokens\":[\"[BOS]\"]}}},\"decoder\":null,"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\",\"max_"
    "input_chars_per_word\":100,"
    "\"vocab\":{\"[UNK]\":0,\"[BOS]\":1,\"a\":2,\"##b\":3}}}";

/* Loading `text` as a file must fail with `code` and a message that begins with the file's name and contains
 * `part`. */
static void refused(const char *text, size_t n, bl_code code, const char *part) {
    bl_error err = {0};
    const char *path = write_file("tokenizer.json", text, n);
    assert_null(bl_tokenizer_load(path, &err));
    assert_error(err, code, part);
    if (strncmp(err.message, path, strlen(path)) != 0) fail_msg("'%s' does not name the file", err.message);
    assert_null(bl_tokenizer_load(path, NULL));
}

static void damaged_components(void **state) {
    (void)state;
    static const struct {
        const char *old, *replacement;
        bl_code code;
        const char *part;
    } cases[] = {
        {"\"type\":\"WordPiece\"", "\"type\":\"Unigram\"", BL_ERR_UNSUPPORTED,
         ": model: the model \"Unigram\" is not supported; supported: WordPiece, BPE"},
        {"\"type\":\"WordPiece\",", "", BL_ERR_INPUT,
         ": model.type: expected a string, found nothing: it is missing"},
        {"\"model\":{", "\"modell\":{", BL_ERR_INPUT, ": model: expected an object, found nothing"},
        {"\"unk_token\":\"[UNK]\"", "\"unk_token\":\"<unk>\"", BL_ERR_INPUT,
         ": model.unk_token: \"<unk>\" is not in model.vocab"},
        {"\"unk_token\":\"[UNK]\"", "\"unk_token\":null", BL_ERR_INPUT,
         ": model.unk_token: expected a string, found null"},
        {"\"continuing_subword_prefix\":\"##\",", "", BL_ERR_INPUT,
         ": model.continuing_subword_prefix: expected a string"},
        {"_per_word\":100", "_per_word\":-1", BL_ERR_INPUT,
         ": model.max_input_chars_per_word: expected an integer from 0"},
        {"_per_word\":100", "_per_word\":\"many\"", BL_ERR_INPUT,
         ": model.max_input_chars_per_word: expected an integer, found a string"},
        {"\"type\":\"NFD\"", "\"type\":\"BertNormalizer\"", BL_ERR_UNSUPPORTED,
         ": normalizer.normalizers[0]: the normalizer \"BertNormalizer\" is not supported; supported: null, NFC, "
         "NFD"},
        {"{\"type\":\"NFD\"}", "17", BL_ERR_INPUT,
         ": normalizer.normalizers[0]: expected an object, found an integer"},
        {"[{\"type\":\"NFD\"},{\"type\":\"Lowercase\"}]", "{}", BL_ERR_INPUT,
         ": normalizer.normalizers: expected an array, found an object"},
        {"\"type\":\"Digits\"", "\"type\":\"FixedLength\"", BL_ERR_UNSUPPORTED,
         ": pre_tokenizer.pretokenizers[1]: the pre-tokenizer \"FixedLength\" is not supported; supported: null, "
         "Punctuation"},
        {"\"type\":\"Digits\"", "\"type\":\"Split\"", BL_ERR_INPUT,
         ": pre_tokenizer.pretokenizers[1].behavior: expected a string, found nothing"},
        {"\"type\":\"Digits\"", "\"behavior\":\"Isolated\",\"type\":\"Split\"", BL_ERR_INPUT,
         ": pre_tokenizer.pretokenizers[1].pattern: expected an object, found nothing"},
        {"\"type\":\"Digits\"", "\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"(\"},\"type\":\"Split\"",
         BL_ERR_UNSUPPORTED,
         ": pre_tokenizer.pretokenizers[1].pattern.Regex: the regular expression \"(\" cannot be compiled: missing"},
        {"\"Isolated\"", "\"Reversed\"", BL_ERR_UNSUPPORTED,
         ": pre_tokenizer.pretokenizers[0].behavior: the behavior \"Reversed\" is not supported; supported: Isolated, "
         "Removed, MergedWithPrevious, MergedWithNext, Contiguous"},
        {"\"Isolated\"", "1.5", BL_ERR_INPUT,
         ": pre_tokenizer.pretokenizers[0].behavior: expected a string, found a fraction"},
        {"_digits\":true", "_digits\":1", BL_ERR_INPUT,
         ".individual_digits: expected true or false, found an integer"},
        {"\"TemplateProcessing\"", "\"BertProcessing\"", BL_ERR_UNSUPPORTED,
         ": post_processor: the post-processor \"BertProcessing\" is not"},
        {"\"ids\":[1]", "\"ids\":[4]", BL_ERR_INPUT,
         ": post_processor.special_tokens.[BOS].ids[0]: expected an integer from 0 to 3, found 4"},
        {"\"ids\":[1],\"tokens\":[\"[BOS]\"]}}},\"decoder\":null,\"model\":{\"type\":\"WordPiece\",\"unk_"
         "token\":\"[UNK]\","
         "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,\"vocab\":{\"[UNK]\":0,\"["
         "BOS]\":1,\"a\":2,\"##b\":3}",
         "\"ids\":[3]}}},\"decoder\":null,\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
         "\"continuing_subword_prefix\":\"##\","
         "\"max_input_chars_per_word\":100,\"vocab\":{\"[UNK]\":0,\"[BOS]\":1,\"a\":2,\"##b\":5}",
         BL_ERR_INPUT, ": post_processor.special_tokens.[BOS].ids[0]: no token has the id 3"},
        {"\"ids\":[1],", "", BL_ERR_INPUT,
         ": post_processor.special_tokens.[BOS].ids: expected an array, found nothing"},
        {"\"special_tokens\":{\"[BOS]\"", "\"special_tokens\":{\"[EOS]\"", BL_ERR_INPUT,
         ".special_tokens.[BOS]: expected an object, found nothing"},
        {"," TEXT_TEMPLATE, "", BL_ERR_UNSUPPORTED,
         ": post_processor.single: expected the sequence A exactly once, found it 0 times"},
        {TEXT_TEMPLATE, TEXT_TEMPLATE "," TEXT_TEMPLATE, BL_ERR_UNSUPPORTED,
         "exactly once, found it 2 times"},
        {"\"Sequence\":{\"id\":\"A\"", "\"Sequence\":{\"id\":\"B\"", BL_ERR_UNSUPPORTED,
         ".single[1].Sequence: the sequence \"B\" is not supported"},
        {TEXT_TEMPLATE, "{\"Other\":{}}", BL_ERR_INPUT,
         ": post_processor.single[1]: expected a SpecialToken or a Sequence"},
        {"\"decoder\":null", "\"decoder\":{\"type\":\"CTC\"}", BL_ERR_UNSUPPORTED,
         ": decoder: the decoder \"CTC\" is not supported"},
        {"\"decoder\":null", "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\"}", BL_ERR_INPUT,
         ": decoder.cleanup: expected true or false"},
        {"\"decoder\":null", "\"decoder\":[]", BL_ERR_INPUT, ": decoder: expected an object, found an array"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = damage(sound, cases[i].old, cases[i].replacement);
        refused(text, strlen(text), cases[i].code, cases[i].part);
        free(text);
    }
}

static void damaged_vocabularies(void **state) {
    (void)state;
    static const struct {
        const char *old, *replacement, *part;
    } cases[] = {
        {"\"a\":2", "\"a\":-2", ": model.vocab.a: expected an integer from 0 to 4194303, found -2"},
        {"\"a\":2", "\"a\":4194304", ": model.vocab.a: expected an integer from 0 to 4194303, found 4194304"},
        {"\"a\":2", "\"a\":9223372036854775807", ": model.vocab.a: expected an integer from 0 to"},
        {"\"a\":2", "\"a\":99999999999999999999", ": not valid JSON: too big integer"},
        {"\"a\":2", "\"a\":2.0", ": model.vocab.a: expected an integer, found a fraction"},
        {"\"a\":2", "\"a\":\"2\"", ": model.vocab.a: expected an integer, found a string"},
        {"\"a\":2", "\"a\":null", ": model.vocab.a: expected an integer, found null"},
        {"\"a\":2", "\"a\":3", ": model.vocab: the id 3 belongs to both \"a\" and \"##b\""},
        {"\"a\":2", "\"a\":2,\"a\":2", ": not valid JSON: duplicate object key"},
        {"\"a\":2", "\"a\xFF\":2", ": not valid JSON: unable to decode byte 0xff"},
        {"\"a\":2", "\"\\ud800\":2", ": not valid JSON: "},
        {"{\"[UNK]\":0,\"[BOS]\":1,\"a\":2,\"##b\":3}", "{}", ": model.vocab: has no entry"},
        {"{\"[UNK]\":0,\"[BOS]\":1,\"a\":2,\"##b\":3}", "[\"[UNK]\"]",
         ": model.vocab: expected an object, found an array"},
        {"{\"id\":0,", "{\"id\":true,", ": added_tokens[0].id: expected an integer, found a boolean"},
        {"{\"id\":0,", "{\"id\":-1,",
         ": added_tokens[0].id: expected an integer from 0 to 4194303, found -1"},
        {"\"content\":\"[UNK]\"", "\"content\":7",
         ": added_tokens[0].content: expected a string, found an integer"},
        {"\"lstrip\":false", "\"lstrip\":0",
         ": added_tokens[0].lstrip: expected true or false, found an integer"},
        {",\"normalized\":false", "",
         ": added_tokens[0].normalized: expected true or false, found nothing: it is missing"},
        {"\"added_tokens\":[", "\"added_tokens\":[null,",
         ": added_tokens[0]: expected an object, found null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = damage(sound, cases[i].old, cases[i].replacement);
        refused(text, strlen(text), BL_ERR_INPUT, cases[i].part);
        free(text);
    }
}

/* What the library takes, with the ids that it gives: a NUL in a key; an added token whose id in the file is
 * another one, lies behind a hole, or belongs to another token; one that is listed twice; two that a
 * normalizer makes alike (here the first is found). */
static void as_the_library(void **state) {
    (void)state;
    static const struct {
        const char *old, *replacement, *text;
        size_t n;
        int32_t id;
    } cases[] = {
        {"\"a\":2", "\"a\":2,\"\\u0000\":4,\"##\\u0000a\":5", "\0\0a", 3, 5},
        {"\"a\":2", "\"a\\\\u0000\":2,\"c\\u0000\":4", "c\0", 2, 4},
        {"{\"id\":0,", "{\"id\":2,", "[UNK]", 5, 0},
        {"{\"id\":0,\"content\":\"[UNK]\"", "{\"id\":9,\"content\":\"<pad>\"", "<pad>", 5, 4},
        {"{\"id\":1,\"content\":\"[BOS]\"", "{\"id\":0,\"content\":\"[UNK]\"", "[UNK]", 5, 0},
        {"\"added_tokens\":[",
         "\"added_tokens\":[{\"id\":4,\"content\":\"Foo\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
         "\"normalized\":true},{\"id\":5,\"content\":\"foo\",\"single_word\":false,\"lstrip\":false,\"rstrip\":"
         "false,\"normalized\":true},",
         "fOO", 3, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err = {0};
        bl_ids ids = {0};
        char *text = damage(sound, cases[i].old, cases[i].replacement);
        bl_tokenizer *tokenizer = bl_tokenizer_load_memory("taken", text, strlen(text), &err);
        if (!tokenizer) fail_msg("case %zu: %s", i, err.message);
        assert_true(bl_tokenizer_encode(tokenizer, cases[i].text, cases[i].n, &ids, &err));
        if (ids.data[ids.n - 1] != cases[i].id) fail_msg("case %zu: %d", i, (int)ids.data[ids.n - 1]);
        bl_ids_free(&ids);
        bl_tokenizer_free(tokenizer);
        free(text);
    }
}

/* A token of which its own normalizer leaves nothing could never be found. */
static void vanishing_token(void **state) {
    (void)state;
    char *text = damage(sound, "{\"type\":\"NFD\"}", "{\"type\":\"StripAccents\"}"),
         *part = strstr(text, "{\"id\":0,");
    const char *vanishing = "{\"id\":9,\"content\":\"\\u0301\",\"single_word\":false,\"lstrip\":false,"
                            "\"rstrip\":false,\"normalized\":true},";
    char *whole = malloc(strlen(text) + strlen(vanishing) + 1);
    sprintf(whole, "%.*s%s%s", (int)(part - text), text, vanishing, part);
    refused(whole, strlen(whole), BL_ERR_UNSUPPORTED,
            ": added_tokens[0]: nothing is left of \"\xCC\x81\" when it is normalized");
    free(whole);
    free(text);
}

static void not_even_json(void **state) {
    (void)state;
    bl_error err = {0};
    refused("", 0, BL_ERR_INPUT, ": not valid JSON");
    refused("[]", 2, BL_ERR_INPUT, ": expected an object, found an array");
    refused("\x1F\x8B\x08", 3, BL_ERR_INPUT, ": this is gzip data, not JSON: unpack it first");
    const size_t depth = 100000;
    char *deep = malloc(depth + 16);
    memcpy(deep, "{\"model\":", 9);
    memset(deep + 9, '[', depth);
    refused(deep, depth + 9, BL_ERR_INPUT, ": not valid JSON: maximum parsing depth reached");
    free(deep);
    assert_null(bl_tokenizer_load(path_of("absent.json"), &err));
    assert_error(err, BL_ERR_INPUT, "absent.json: cannot open: No such file");
    assert_null(bl_tokenizer_load(support_temporary(), &err));
    assert_error(err, BL_ERR_INPUT, ": cannot read: Is a directory");
}

/* Sequences within sequences are flattened; too many steps, and too many levels, are refused. */
static void nested_sequences(void **state) {
    (void)state;
    for (int levels = 1; levels < 1000; levels += 498) {
        bl_error err = {0};
        char *text = malloc(sizeof sound + (size_t)levels * 64), *to = text;
        const char *at = strstr(sound, "{\"type\":\"NFD\"}");
        to += sprintf(to, "%.*s", (int)(at - sound), sound);
        for (int i = 0; i < levels; i++) to += sprintf(to, "{\"type\":\"Sequence\",\"normalizers\":[");
        to += sprintf(to, "{\"type\":\"NFD\"}");
        for (int i = 0; i < levels; i++) to += sprintf(to, "]}");
        sprintf(to, "%s", at + strlen("{\"type\":\"NFD\"}"));
        bl_tokenizer *tokenizer = bl_tokenizer_load_memory("deep", text, strlen(text), &err);
        if (!tokenizer) fail_msg("%s", err.message);
        assert_int_equal(tokenizer->normalizer.n, 2);
        bl_tokenizer_free(tokenizer);
        free(text);
    }
    char many[2048] = "";
    for (int i = 0; i < 20; i++) strcat(many, "{\"type\":\"NFD\"},");
    strcat(many, "{\"type\":\"NFD\"}");
    char *text = damage(sound, "{\"type\":\"NFD\"}", many);
    refused(text, strlen(text), BL_ERR_UNSUPPORTED,
            ": normalizer.normalizers[16]: more than 16 components in sequence");
    free(text);
}

static void cut_and_flipped_tokenizers(void **state) {
    (void)state;
    cut_and_flip(sound, "A ab[BOS] 12b!");
}

/* Reads a corpus to its end; the failure must have this code and mention `name` and `part`. */
static void corpus_fails(bl_corpus *corpus, const char *name, bl_code code, const char *part) {
    bl_error err = {0};
    bl_story story;
    assert_non_null(corpus);
    while (bl_corpus_next(corpus, &story, &err)) {}
    assert_error(err, code, part);
    assert_error(err, code, name);
    bl_error again = {0};
    assert_false(bl_corpus_next(corpus, &story, &again)); /* a failure stays one */
    assert_string_equal(err.message, again.message);
    assert_false(bl_corpus_next(corpus, &story, NULL));
    bl_corpus_free(corpus);
}

static void damaged_corpora(void **state) {
    (void)state;
#define BYTES(text) text, sizeof(text) - 1
    static const struct {
        const char *name, *data;
        size_t n;
        const char *part;
    } cases[] = {
        {"empty.txt", BYTES(""), "no story found in "},
        {"blank.txt", BYTES(" \n<|endoftext|>\xE3\x80\x80<|endoftext|>"), "no story found in "},
        {"blank.jsonl", BYTES("\n{\"text\": \"  \"}\n\n"), "no story found in "},
        {"bom.txt", BYTES("\xEF\xBB\xBF"), "no story found in "},
        {"latin1.txt", BYTES("One.\n<|endoftext|>\nA caf\xE9.\n"),
         "latin1.txt:3: not valid UTF-8: byte 0xe9 at offset 24"},
        {"cut.txt", BYTES("caf\xC3"), "cut.txt:1: not valid UTF-8: byte 0xc3 at offset 3"},
        {"cut-by-mark.txt", BYTES("caf\xC3<|endoftext|>\xA9"),
         "cut-by-mark.txt:1: not valid UTF-8: byte 0xc3 at offset 3"},
        {"utf16.txt", BYTES("\xFF\xFEO\0n\0"), "utf16.txt: this is UTF-16 text: convert it"},
        {"surrogate.txt", BYTES("a\n\n\xED\xA0\x80"),
         "surrogate.txt:3: not valid UTF-8: byte 0xed at offset 3"},
        {"bom-then-bad.txt", BYTES("\xEF\xBB\xBF\xFF"),
         "bom-then-bad.txt:1: not valid UTF-8: byte 0xff at offset 3"},
        {"bad.jsonl", BYTES("{\"text\": \"a\"}\n{\"text\": \"\xFF\"}\n"),
         "bad.jsonl:2: not valid UTF-8: byte 0xff at offset 24"},
        {"syntax.jsonl", BYTES("{\"text\": \"a\"}\n\n{\"text\": }\n"),
         "syntax.jsonl:3: not valid JSON: unexpected token"},
        {"cut.jsonl", BYTES("{\"text\": \"a\"}\n{\"text\": \"b"),
         "cut.jsonl:2: not valid JSON: premature end"},
        {"two-on-a-line.jsonl", BYTES("{\"text\": \"a\"} {\"text\": \"b\"}"),
         "two-on-a-line.jsonl:1: not valid JSON: end of file expected"},
        {"duplicate.jsonl", BYTES("{\"text\": \"a\", \"text\": \"b\"}"),
         "duplicate.jsonl:1: not valid JSON: duplicate object key"},
        {"lone-surrogate.jsonl", BYTES("{\"text\": \"\\ud800\"}"),
         "lone-surrogate.jsonl:1: not valid JSON: invalid Unicode"},
        {"missing.jsonl", BYTES("{\"text\": \"a\"}\n{\"story\": \"b\"}"),
         "missing.jsonl:2: the key \"text\" is missing"},
        {"kind.jsonl", BYTES("{\"text\": [\"a\"]}"), "kind.jsonl:1: the key \"text\" is not a string"},
        {"array.jsonl", BYTES("[[\"a\"]]\n"), "array.jsonl:1: neither a text in quotes nor an object"},
        {"prose.jsonl", BYTES("Once upon a time\n"), "prose.jsonl:1: not valid JSON"},
        {"plain.txt.gz", BYTES("Once upon a time"),
         "plain.txt.gz: not gzip data, though the name ends in .gz"},
        {"plain.jsonl.zst", BYTES("{\"text\": \"a\"}"),
         "plain.jsonl.zst: not zstd data, though the name ends in .zst"},
        {"empty.txt.gz", BYTES(""), "empty.txt.gz: not gzip data"},
        {"bad-header.txt.gz", BYTES("\x1F\x8B\x07\x00"),
         "bad-header.txt.gz: damaged gzip data at byte 4: unknown compression method"},
        {"short.txt.gz", BYTES("\x1F\x8B\x08"), "short.txt.gz: the gzip data ends too early, at byte 3"},
        {"short.txt.zst", BYTES("\x28\xB5\x2F\xFD"),
         "short.txt.zst: the zstd data ends too early, at byte 4"},
        {"bad-header.txt.zst",
         BYTES("\x28\xB5\x2F\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
         "damaged zstd data at byte "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err = {0};
        const char *path = write_file(cases[i].name, cases[i].data, cases[i].n);
        corpus_fails(bl_corpus_open(&path, 1, &err), cases[i].name, BL_ERR_INPUT, cases[i].part);
        corpus_fails(bl_corpus_open_memory(cases[i].name, cases[i].data, cases[i].n, &err), cases[i].name,
                     BL_ERR_INPUT, cases[i].part);
    }
    char deep[5000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"text\":", 8);
    corpus_fails(bl_corpus_open_memory("deep.jsonl", deep, sizeof deep, NULL), "deep.jsonl:1: ", BL_ERR_INPUT,
                 "maximum parsing depth");
}

static void files_that_cannot_be(void **state) {
    (void)state;
    bl_error err = {0};
    const char *paths[6];
    for (int i = 0; i < 6; i++) paths[i] = strdup(path_of(i % 2 ? "one.txt" : "two.txt"));
    write_file("one.txt", "", 0);
    write_file("two.txt", "\n", 1);
    corpus_fails(bl_corpus_open(paths, 2, &err), "two.txt, ", BL_ERR_INPUT, "/one.txt");
    corpus_fails(bl_corpus_open(paths, 6, &err), "two.txt", BL_ERR_INPUT, " and 3 more");
    for (int i = 0; i < 6; i++) free((char *)(uintptr_t)paths[i]);
    paths[0] = path_of("absent.txt");
    assert_null(bl_corpus_open(paths, 1, &err));
    assert_error(err, BL_ERR_INPUT, "absent.txt: cannot open: No such file");
    paths[0] = support_temporary();
    assert_null(bl_corpus_open(paths, 1, &err));
    assert_error(err, BL_ERR_INPUT, ": is a directory, a text file was expected");
    paths[0] = paths[1] = "-";
    assert_null(bl_corpus_open(paths, 2, &err));
    assert_error(err, BL_ERR_USAGE, "standard input (-) can be read only once, it was given 2 times");
    assert_null(bl_corpus_open(paths, 0, &err));
    assert_error(err, BL_ERR_USAGE, "no corpus file was given");
    paths[0] = "/proc/self/mem"; /* opens, and fails to be read */
    if (access(paths[0], R_OK) == 0)
        corpus_fails(bl_corpus_open(paths, 1, &err), paths[0], BL_ERR_IO, ": cannot read: ");
    paths[0] = path_of("vanishing.txt");
    write_file("vanishing.txt", "a", 1);
    bl_corpus *corpus = bl_corpus_open(paths, 1, &err);
    unlink(paths[0]);
    corpus_fails(corpus, "vanishing.txt", BL_ERR_INPUT, ": cannot open: No such file");
}

/* Where a story or a line does not end, reading stops at the limit, 1 GiB unless a test asks for less. */
static void endless_stories(void **state) {
    (void)state;
    static const char text[] = "ab\n<|endoftext|>\nOnce upon a time there was no end";
    static const char lines[] = "{\"text\": \"a\"}\n{\"text\": \"Once upon a time there was no end\"}";
    bl_corpus *corpus = bl_corpus_open_memory("endless.txt", text, sizeof text - 1, NULL);
    assert_int_equal(corpus->max_story, (size_t)1 << 30);
    corpus->max_story = 20;
    corpus_fails(corpus, "endless.txt:2: ", BL_ERR_INPUT,
                 "the story that begins here, at byte 16, is longer than 20 bytes");
    corpus = bl_corpus_open_memory("endless.jsonl", lines, sizeof lines - 1, NULL);
    corpus->max_story = 20;
    corpus_fails(corpus, "endless.jsonl:2: ", BL_ERR_INPUT,
                 "the line that begins here, at byte 14, is longer than 20 bytes");
}

/* Compressed files cut at every byte and changed in every byte: an error that names the file, or the very
 * stories; never a part of them. */
static void cut_and_flipped_archives(void **state) {
    (void)state;
    char text[3000], packed[4000], changed[4000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + (i * i + i / 7) % 26);
    memcpy(text + 1500, "<|endoftext|>", 13);
    for (int kind = 0; kind < 2; kind++) {
        const char *name = kind ? "a.txt.zst" : "a.txt.gz";
        size_t n;
        if (kind) {
            ZSTD_CCtx *context = ZSTD_createCCtx();
            ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
            n = ZSTD_compress2(context, packed, sizeof packed, text, sizeof text);
            ZSTD_freeCCtx(context);
            assert_false(ZSTD_isError(n));
        } else {
            z_stream stream = {.next_in = (unsigned char *)text,
                               .avail_in = sizeof text,
                               .next_out = (unsigned char *)packed,
                               .avail_out = sizeof packed};
            assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
            assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
            n = stream.total_out;
            deflateEnd(&stream);
        }
        for (size_t cut = 0; cut < n; cut++)
            corpus_fails(bl_corpus_open_memory(name, packed, cut, NULL), name, BL_ERR_INPUT, ": ");
        for (size_t i = 0; i < n; i++) {
            bl_error err = {0};
            bl_story story;
            size_t stories = 0;
            memcpy(changed, packed, n);
            changed[i] = (char)(changed[i] ^ 1 << i % 8);
            bl_corpus *corpus = bl_corpus_open_memory(name, changed, n, &err);
            while (bl_corpus_next(corpus, &story, &err)) stories++;
            if (err.code != BL_OK) assert_error(err, BL_ERR_INPUT, name);
            else assert_int_equal(stories, 2);
            bl_corpus_free(corpus);
        }
        memcpy(changed, packed, n);
        memcpy(changed + n, "garbage", 7);
        corpus_fails(bl_corpus_open_memory(name, changed, n + 7, NULL), name, BL_ERR_INPUT,
                     kind ? "damaged zstd data" : "something else follows its end");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_components),
        cmocka_unit_test(damaged_vocabularies),
        cmocka_unit_test(as_the_library),
        cmocka_unit_test(vanishing_token),
        cmocka_unit_test(not_even_json),
        cmocka_unit_test(nested_sequences),
        cmocka_unit_test(cut_and_flipped_tokenizers),
        cmocka_unit_test(damaged_corpora),
        cmocka_unit_test(files_that_cannot_be),
        cmocka_unit_test(endless_stories),
        cmocka_unit_test(cut_and_flipped_archives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
