/* Vocabularies: against the Hugging Face library's, against the plainest way to learn one, and every way to
 * ask for what cannot be had. */
#include "support.h"
#include "base/random.h"
#include <bilens/tokenizer_train.h>

static const char *path_of(const char *name) {
    static char paths[32][256]; /* one per name */
    char path[256];
    size_t i = 0;
    snprintf(path, sizeof path, "%s/%s", support_temporary(), name);
    while (paths[i][0] && strcmp(paths[i], path) != 0) i++;
    assert_true(i < 31);
    memcpy(paths[i], path, sizeof path);
    return paths[i];
}

static char *read_file(const char *path, size_t *n) {
    FILE *in = fopen(path, "rb");
    if (!in) fail_msg("%s is not there", path);
    char *text = calloc(1, 1 << 22);
    *n = fread(text, 1, 1 << 22, in);
    fclose(in);
    return text;
}

static const char *write_file(const char *name, const char *text, size_t n) {
    const char *path = path_of(name);
    FILE *out = fopen(path, "wb");
    assert_int_equal(fwrite(text, 1, n, out), n);
    fclose(out);
    return path;
}

static bool train(const char *corpus, bl_wordpiece_options options, const char *out,
                  bl_wordpiece_summary *summary, bl_error *err) {
    bl_corpus *stream = bl_corpus_open(&corpus, 1, err);
    bool ok = stream && bl_tokenizer_train(stream, &options, out, (bl_progress){0}, summary, err);
    bl_corpus_free(stream);
    return ok;
}

/* The corpus of make_wordpiece.py: story i is there 7 i^2 mod 997 + 1 times. */
static const char *weighted_corpus(void) {
    const char *path = path_of("weighted.txt"), *from = TEST_DATA "/tokenizer/wordpiece.txt";
    FILE *out = fopen(path, "wb");
    bl_corpus *corpus = bl_corpus_open(&from, 1, NULL);
    bl_story story;
    bl_error err = {0};
    for (size_t i = 0; bl_corpus_next(corpus, &story, &err); i++)
        for (size_t k = 0; k < 7 * i * i % 997 + 1; k++)
            fprintf(out, "%.*s\n<|endoftext|>\n", (int)story.length, story.text);
    bl_corpus_free(corpus);
    fclose(out);
    return path;
}

/* The same pieces as the library learns. */
static void test_library(void **state) {
    (void)state;
    const char *corpus = weighted_corpus();
    json_t *cases = support_json(TEST_DATA "/tokenizer/wordpiece.json"), *one, *piece;
    size_t i, k;
    assert_int_equal(json_array_size(cases), 4);
    json_array_foreach(cases, i, one) {
        bl_error err = {0};
        bl_wordpiece_summary summary;
        const json_t *wanted = json_object_get(one, "vocabulary");
        bl_wordpiece_options options = {
            .size = (size_t)json_integer_value(json_object_get(one, "size")),
            .limit_alphabet = (size_t)json_integer_value(json_object_get(one, "limit_alphabet")),
            .min_frequency = (uint64_t)json_integer_value(json_object_get(one, "min_frequency"))};
        if (!train(corpus, options, path_of("t.json"), &summary, &err)) fail_msg("%s", err.message);
        bl_tokenizer *tokenizer = bl_tokenizer_load(path_of("t.json"), &err);
        if (!tokenizer) fail_msg("%s", err.message);
        assert_int_equal(bl_tokenizer_size(tokenizer), json_array_size(wanted));
        assert_int_equal(summary.size, json_array_size(wanted));
        json_array_foreach(wanted, k, piece)
            if (bl_tokenizer_id(tokenizer, json_string_value(piece)) < 0)
                fail_msg("case %zu: '%s' is missing", i, json_string_value(piece));
        bl_tokenizer_free(tokenizer);
        if (!options.min_frequency) continue;
        options.size++; /* the library stops short; we say so */
        assert_false(train(corpus, options, path_of("no.json"), &summary, &err));
        assert_error(err, BL_ERR_INPUT,
                     "the corpus gives a vocabulary of 278, not of 279: choose at most so many, or a lower "
                     "minimum frequency");
        assert_int_not_equal(access(path_of("no.json"), F_OK), 0);
    }
    json_decref(cases);
}

/* The plainest learner: all pairs counted again before each merge. Words are lists of pieces. */
enum { MOST_WORDS = 64, MOST_PIECES = 400, MOST_LENGTH = 16 };
typedef struct plain {
    char pieces[MOST_PIECES][64];
    size_t n;
    size_t words[MOST_WORDS][MOST_LENGTH], length[MOST_WORDS], count[MOST_WORDS], n_words;
} plain;

static size_t plain_piece(plain *p, const char *text) {
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->pieces[i], text) == 0) return i;
    assert_true(p->n < MOST_PIECES);
    assert_true(strlen(text) < sizeof p->pieces[0]);
    strcpy(p->pieces[p->n], text);
    return p->n++;
}

static bool plain_join(plain *p) {
    static size_t counts[MOST_PIECES][MOST_PIECES];
    size_t best = 0, left = 0, right = 0;
    char text[128];
    memset(counts, 0, sizeof counts);
    for (size_t w = 0; w < p->n_words; w++)
        for (size_t i = 0; i + 1 < p->length[w]; i++)
            counts[p->words[w][i]][p->words[w][i + 1]] += p->count[w];
    for (size_t a = 0; a < p->n; a++)
        for (size_t b = 0; b < p->n; b++)
            if (counts[a][b] > best) best = counts[a][b], left = a, right = b;
    if (!best) return false;
    snprintf(text, sizeof text, "%s%s", p->pieces[left], p->pieces[right] + 2);
    size_t piece = plain_piece(p, text);
    for (size_t w = 0; w < p->n_words; w++) {
        size_t out = 0;
        for (size_t i = 0; i < p->length[w]; i++) {
            bool here = i + 1 < p->length[w] && p->words[w][i] == left && p->words[w][i + 1] == right;
            p->words[w][out++] = here ? piece : p->words[w][i];
            i += here;
        }
        p->length[w] = out;
    }
    return true;
}

/* Random words of few letters, so that pairs overlap ("aaaa"), tie, and form again. Ids must agree, too. */
static void compare_with_plain(uint64_t seed) {
    static plain p;
    bl_random random;
    bl_random_seed(&random, seed);
    p.n = 0;
    p.n_words = 30;
    FILE *out = fopen(path_of("random.txt"), "w");
    char words[MOST_WORDS][MOST_LENGTH];
    for (size_t w = 0; w < p.n_words; w++) {
        size_t n = 1 + (size_t)bl_random_below(&random, 9);
        p.count[w] = 1 + (size_t)bl_random_below(&random, 12);
        p.length[w] = n;
        for (size_t i = 0; i < n; i++) words[w][i] = (char)('a' + (char)bl_random_below(&random, 3));
        words[w][n] = '\0';
        for (size_t k = 0; k < p.count[w]; k++) fprintf(out, "%s ", words[w]);
    }
    fclose(out);
    plain_piece(&p, "[UNK]"), plain_piece(&p, "[BOS]"), plain_piece(&p, "[EOS]");
    for (size_t inside = 0; inside < 2; inside++) /* characters by code point, then those inside of words */
        for (char c = 'a'; c <= 'c'; c++) {
            char text[8];
            bool there = false;
            for (size_t w = 0; w < p.n_words; w++) there = there || strchr(words[w] + inside, c);
            snprintf(text, sizeof text, "%s%c", inside ? "##" : "", c);
            if (there) plain_piece(&p, text);
        }
    size_t characters = p.n;
    for (size_t w = 0; w < p.n_words; w++)
        for (size_t i = 0; i < p.length[w]; i++) {
            char text[8];
            snprintf(text, sizeof text, "%s%c", i ? "##" : "", words[w][i]);
            p.words[w][i] = plain_piece(&p, text);
        }
    assert_int_equal(p.n, characters);
    size_t size = characters + 5 + (size_t)bl_random_below(&random, 30);
    while (p.n < size && plain_join(&p)) {}
    bl_error err = {0};
    bool ok = train(path_of("random.txt"), (bl_wordpiece_options){.size = size}, path_of("random.json"), NULL,
                    &err);
    if (p.n < size) {
        char part[64];
        snprintf(part, sizeof part, "a vocabulary of %zu, not of %zu", p.n, size);
        assert_false(ok);
        assert_error(err, BL_ERR_INPUT, part);
        return;
    }
    if (!ok) fail_msg("%s", err.message);
    bl_tokenizer *tokenizer = bl_tokenizer_load(path_of("random.json"), &err);
    for (size_t i = 0; i < size; i++)
        if (strcmp(bl_tokenizer_token(tokenizer, (int32_t)i), p.pieces[i]) != 0)
            fail_msg("seed %zu: id %zu is '%s', expected '%s'", (size_t)seed, i,
                     bl_tokenizer_token(tokenizer, (int32_t)i), p.pieces[i]);
    bl_tokenizer_free(tokenizer);
}

static void test_plain(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) compare_with_plain(seed);
}

/* The same bytes with any number of threads and any order of stories. */
static void test_same_bytes(void **state) {
    (void)state;
    bl_error err = {0};
    size_t sizes[3];
    char *texts[3];
    const char *corpus = TEST_DATA "/tokenizer/wordpiece.txt", *twice[] = {corpus, corpus};
    for (int i = 0; i < 3; i++) {
        bl_set_threads(i + 1);
        bl_corpus *stream = bl_corpus_open(twice, 2, &err);
        assert_true(bl_tokenizer_train(stream, &(bl_wordpiece_options){.size = 500}, path_of("same.json"),
                                       (bl_progress){0}, NULL, &err));
        bl_corpus_free(stream);
        texts[i] = read_file(path_of("same.json"), &sizes[i]);
    }
    bl_set_threads(0);
    assert_true(sizes[0] == sizes[1] && sizes[0] == sizes[2]);
    assert_memory_equal(texts[0], texts[1], sizes[0]);
    assert_memory_equal(texts[0], texts[2], sizes[0]);
    for (int i = 0; i < 3; i++) free(texts[i]);
}

/* Apart from the vocabulary the file is the paper's, byte for byte. */
static void test_file(void **state) {
    (void)state;
    bl_error err = {0};
    size_t n;
    const char text[] = "\"a\" \\ b\x01"
                        "c na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac 12\n";
    const char *corpus = write_file("odd.txt", text, sizeof text - 1);
    if (!train(corpus, (bl_wordpiece_options){.size = 24}, path_of("odd.json"), NULL, &err))
        fail_msg("%s", err.message);
    char *written = read_file(path_of("odd.json"), &n);
    json_t *a = support_json(path_of("odd.json")), *b = support_json(TEST_DATA "/tokenizer/tokenizer.json");
    static const char *const keys[] = {"version",    "truncation",    "padding",        "added_tokens",
                                       "normalizer", "pre_tokenizer", "post_processor", "decoder"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!json_object_get(b, keys[i])) continue;
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
            fail_msg("\"%s\" is not the paper's", keys[i]);
    }
    assert_non_null(strstr(written, "\n      \"\\\"\": 4,\n"));
    assert_non_null(strstr(written, "\n      \"\\\\\": 7,\n"));
    assert_non_null(strstr(written, "\"\\u0001\""));
    assert_non_null(strstr(written, "\"\xe6\x97\xa5\""));
    assert_true(written[n - 1] == '}');
    json_decref(a), json_decref(b);
    free(written);
}

static void test_refusals(void **state) {
    (void)state;
    bl_error err = {0};
    const char *good = write_file("good.txt", "ab ab abc", 9), *out = path_of("none.json");
    assert_false(train(good, (bl_wordpiece_options){.size = 7}, out, NULL, &err));
    assert_error(err, BL_ERR_USAGE,
                 "a vocabulary of 7 is too small: the corpus has 3 characters, which make 5 pieces (some "
                 "only begin words), and with the 3 "
                 "special tokens that is 8");
    assert_false(train(good, (bl_wordpiece_options){.size = 0}, out, NULL, &err));
    assert_error(err, BL_ERR_USAGE, "too small");
    assert_false(train(good, (bl_wordpiece_options){.size = 11}, out, NULL, &err));
    assert_error(err, BL_ERR_INPUT,
                 "the corpus gives a vocabulary of 10, not of 11: choose at most so many, or add text");
    assert_false(train(good, (bl_wordpiece_options){.size = (size_t)1 << 40}, out, NULL, &err));
    assert_error(err, BL_ERR_USAGE, "too large");
    assert_false(train(write_file("empty.txt", "", 0), (bl_wordpiece_options){.size = 10}, out, NULL, &err));
    assert_error(err, BL_ERR_INPUT, "empty.txt");
    assert_false(
        train(write_file("bad.txt", "ab \xff", 4), (bl_wordpiece_options){.size = 10}, out, NULL, &err));
    assert_error(err, BL_ERR_INPUT, "not valid UTF-8");
    assert_false(train(path_of("missing.txt"), (bl_wordpiece_options){.size = 10}, out, NULL, &err));
    assert_error(err, BL_ERR_INPUT, "missing.txt");
    assert_int_not_equal(access(out, F_OK), 0);
    assert_false(train(good, (bl_wordpiece_options){.size = 9}, "/no/such/folder/t.json", NULL, &err));
    assert_true(err.code == BL_ERR_INPUT || err.code == BL_ERR_IO);
    bl_wordpiece_summary summary;
    assert_true(train(good, (bl_wordpiece_options){.size = 8}, out, &summary, &err)); /* characters only */
    assert_true(summary.stories == 1 && summary.words == 3 && summary.distinct == 2 &&
                summary.alphabet == 3 && summary.characters == 5);
}

/* Of a word that no tokenizer would cut only the characters are learned, however long it is, and it is counted. */
static void test_long_words(void **state) {
    (void)state;
    bl_error err = {0};
    size_t n = 3 << 20;
    char *text = malloc(n);
    memset(text, 'z', n);
    memcpy(text, "ab ab ", 6);
    memcpy(text + n - 3, " ab", 3);
    bl_wordpiece_summary summary;
    const char *corpus = write_file("long.txt", text, n);
    assert_true(train(corpus, (bl_wordpiece_options){.size = 9}, path_of("long.json"), &summary, &err));
    assert_true(summary.words == 4 && summary.too_long == 1 && summary.distinct == 1);
    assert_true(summary.alphabet == 3 && summary.characters == 5 && summary.least == 3);
    bl_tokenizer *tokenizer = bl_tokenizer_load(path_of("long.json"), &err);
    assert_non_null(tokenizer);
    assert_true(bl_tokenizer_id(tokenizer, "##z") > 0 && bl_tokenizer_id(tokenizer, "ab") > 0);
    bl_tokenizer_free(tokenizer);
    free(text);
}

static bool stop(void *context, const char *phase, uint64_t done, uint64_t total) {
    (void)done, (void)total;
    return strcmp(phase, context) != 0;
}

static void test_cancel(void **state) {
    (void)state;
    static char phases[2][20] = {"counting words", "joining pieces"};
    const char *path = TEST_DATA "/tokenizer/wordpiece.txt";
    for (size_t i = 0; i < 2; i++) {
        bl_error err = {0};
        bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
        assert_false(bl_tokenizer_train(corpus, &(bl_wordpiece_options){.size = 300},
                                        path_of("cancelled.json"), (bl_progress){stop, phases[i]}, NULL,
                                        &err));
        assert_error(err, BL_ERR_CANCELLED, "interrupted");
        assert_int_not_equal(access(path_of("cancelled.json"), F_OK), 0);
        bl_corpus_free(corpus);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_library),    cmocka_unit_test(test_plain),
                                       cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_file),
                                       cmocka_unit_test(test_refusals),   cmocka_unit_test(test_long_words),
                                       cmocka_unit_test(test_cancel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
