/* Ids as a reader expects text: print as it was comes back, slips of a model do not spread, and tokenising
 * again gives the same ids. */
#include "support.h"
#include "model/prose.h"

static bl_tokenizer *tokenizer;

/* A tokenizer of letters and a few pieces: every word is spelled with ##. */
static int make_tokenizer(void **state) {
    (void)state;
    bl_error err = {0};
    char corpus[200], path[200];
    const char *corpora[] = {corpus};
    snprintf(corpus, sizeof corpus, "%s/letters.txt", support_temporary());
    snprintf(path, sizeof path, "%s/tokenizer.json", support_temporary());
    FILE *out = fopen(corpus, "w");
    for (char first = 'a'; first <= 'z'; first++)
        for (char second = 'a'; second <= 'z'; second++) fprintf(out, "%c%c ", first, second);
    fprintf(out, "0 1 2 3 4 5 6 7 8 9 . , ; : ! ? \" ' - / ( ) [ ] $ %% # * + \xe2\x80\x9c \xe2\x80\x9d "
                 "\xe2\x80\x99 \xe2\x80\x94 \xe2\x80\xa6 \xe2\x82\xac the the the\n");
    fclose(out);
    bl_corpus *stream = bl_corpus_open(corpora, 1, &err);
    bl_wordpiece_options options = {.size = 100};
    if (!stream || !bl_tokenizer_train(stream, &options, path, (bl_progress){0}, NULL, &err))
        fail_msg("%s", err.message);
    bl_corpus_free(stream);
    tokenizer = bl_tokenizer_load(path, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    return 0;
}

static int free_tokenizer(void **state) {
    (void)state;
    bl_tokenizer_free(tokenizer);
    return 0;
}

static void expect(const char *text, bool capitals, const char *wanted) {
    bl_error err = {0};
    bl_ids ids = {0}, again = {0};
    assert_true(bl_tokenizer_encode(tokenizer, text, strlen(text), &ids, &err));
    char *prose = bl_tokenizer_prose(tokenizer, ids.data, ids.n, capitals, &err);
    if (!prose) fail_msg("%s", err.message);
    assert_string_equal(prose, wanted);
    assert_true(bl_tokenizer_encode(tokenizer, prose, strlen(prose), &again, &err));
    assert_int_equal(again.n, ids.n);
    assert_memory_equal(again.data, ids.data, ids.n * sizeof *ids.data);
    bl_ids_free(&ids);
    bl_ids_free(&again);
    free(prose);
}

/* What was printed so comes back so, but for names. */
static void comes_back(const char *text) { expect(text, true, text); }

static void test_print(void **state) {
    (void)state;
    comes_back("");
    comes_back("The cat sat. It ran! Did it? Yes, it did; and so: home.");
    comes_back("\"I am here,\" said the cat. \"Where are you?\" The dog ran.");
    comes_back(
        "She said, \"Look! A bird.\" He didn't look. It's the boys' ball, isn't it? I'm sure they've gone.");
    comes_back("\"No!\" he said. \"Stop!\" cried the old man. \"Why?\" asked the girl.");
    comes_back("He called it 'the best day' and ran. At five o'clock they ate.");
    comes_back("It cost $35.20 at 10:30, or 50% less (as he said). A well-known man [a cook] sat.");
    comes_back("They saw it - a big bird - and played hide-and-seek in the merry-go-round.");
    comes_back("Mr. Brown and Mrs. Green met Dr. White.");
    comes_back("He waited... and waited. Then he left.");
    comes_back("\xe2\x80\x9cI can\xe2\x80\x99t,\xe2\x80\x9d said the cat\xe2\x80\xa6 and left.");
    comes_back("12 and 345.");
    comes_back("It is 1 * 2 + 3.");
    expect("Tom and Lily saw I Spy.", false, "tom and lily saw i spy.");
    expect("It costs \xe2\x82\xac"
           "5 \xe2\x82\xac + .",
           true,
           "It costs \xe2\x82\xac"
           "5 \xe2\x82\xac +.");
}

/* A mark that a model forgot turns only what is next to it. */
static void test_slips(void **state) {
    (void)state;
    expect("\" hello . tom said , \" come ! \" they went .", true, "\"Hello. Tom said, \"Come!\" They went.");
    expect("hello , \" said tom . \" come , \" said sue .", true, "Hello,\" said tom. \"Come,\" said sue.");
    expect("they sat . \" sue smiled and said , \" come . \"", true,
           "They sat.\" Sue smiled and said, \"Come.\"");
    expect("\"", true, "\"");
    expect("'", true, "'");
    expect(". , ! \" - - '", true, ".,! \"--'");
}

static void test_pieces(void **state) {
    (void)state;
    bl_error err = {0};
    int32_t a = bl_tokenizer_id(tokenizer, "a"), inside = bl_tokenizer_id(tokenizer, "##a"),
            bos = bl_tokenizer_id(tokenizer, "[BOS]"), eos = bl_tokenizer_id(tokenizer, "[EOS]"),
            unknown = bl_tokenizer_id(tokenizer, "[UNK]");
    const int32_t ids[] = {bos, inside, a, inside, unknown, eos, inside, a};
    char *prose = bl_tokenizer_prose(tokenizer, ids, 8, false, &err);
    assert_string_equal(prose, "a aa [UNK] a a"); /* a piece without a word to continue stands alone */
    free(prose);
    const int32_t bad[] = {a, 100000};
    assert_null(bl_tokenizer_prose(tokenizer, bad, 2, false, &err));
    assert_error(err, BL_ERR_INPUT, "100000");
    const int32_t negative[] = {-1};
    assert_null(bl_tokenizer_prose(tokenizer, negative, 1, false, &err));
    assert_error(err, BL_ERR_INPUT, "-1");
}

static void whole(const char *text, size_t least, const char *wanted) {
    bl_ids ids = {0};
    assert_true(bl_tokenizer_encode(tokenizer, text, strlen(text), &ids, NULL));
    size_t n = ids.n;
    assert_true(bl_prose_whole(tokenizer, ids.data, &n, least, NULL));
    char *prose = bl_tokenizer_prose(tokenizer, ids.data, n, false, NULL);
    assert_string_equal(prose, wanted);
    free(prose);
    bl_ids_free(&ids);
}

static void test_whole_sentences(void **state) {
    (void)state;
    whole("a b. c d. e f", 0, "a b. c d.");
    whole("a b. c d.", 0, "a b. c d.");
    whole("a b", 0, "a b");
    whole("a b. c d", 9, "a b. c d"); /* not before `least` */
    whole("\"a b!\" c. \"d. e", 0, "\"a b!\" c.");
    whole("c. \"a b!\" d e", 0, "c. \"a b!\"");
    whole("c. \"a\" d e", 0, "c.");
    whole("c. see mr. d", 0, "c.");
}

/* The stories that come with the program, when they are there. */
static void test_stories(void **state) {
    (void)state;
    const char *path = TEST_DATA "/models/stories.txt";
    bl_error err = {0};
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    bl_story story;
    bl_ids ids = {0}, again = {0};
    size_t n = 0;
    for (; bl_corpus_next(corpus, &story, &err); n++) {
        assert_true(bl_tokenizer_encode(tokenizer, story.text, story.length, &ids, &err));
        char *prose = bl_tokenizer_prose(tokenizer, ids.data, ids.n, true, &err);
        assert_true(bl_tokenizer_encode(tokenizer, prose, strlen(prose), &again, &err));
        assert_int_equal(again.n, ids.n);
        assert_memory_equal(again.data, ids.data, ids.n * sizeof *ids.data);
        free(prose);
    }
    assert_int_equal(n, 12);
    bl_ids_free(&ids);
    bl_ids_free(&again);
    bl_corpus_free(corpus);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_print), cmocka_unit_test(test_slips),
                                       cmocka_unit_test(test_pieces), cmocka_unit_test(test_whole_sentences),
                                       cmocka_unit_test(test_stories)};
    return cmocka_run_group_tests(tests, make_tokenizer, free_tokenizer);
}
