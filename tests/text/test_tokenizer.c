/* The tokenizer against what the Hugging Face library gave (data/tokenizer/: the golden of the paper's
 * tokenizer, and small ones of many kinds), and the library's own promises: suggestions, sizes, threads,
 * linear time. */
#include "golden.h"
#include "text/tokenizer/unicode.h"
#include "base/utf8.h"

static bl_tokenizer *seed(void) {
    bl_error err = {0};
    bl_tokenizer *tokenizer = bl_tokenizer_load(TEST_DATA "/tokenizer/tokenizer.json", &err);
    if (!tokenizer) fail_msg("%s", err.message);
    return tokenizer;
}

static void golden_line(void *tokenizer, const json_t *line) { golden_case(tokenizer, line); }

static void golden(void **state) {
    (void)state;
    bl_tokenizer *tokenizer = seed();
    assert_int_equal(golden_lines(TEST_DATA "/tokenizer/tokenizer-ts-4096.jsonl", golden_line, tokenizer),
                     315);
    bl_tokenizer_free(tokenizer);
}

static void variants(void **state) {
    (void)state;
    size_t count = 0;
    assert_int_equal(golden_lines(TEST_DATA "/tokenizer/variants.jsonl", golden_variant, &count), 14);
    assert_int_equal(count, 14 * 60);
}

/* Facts about single code points that decide about ids: what Rust's tables say, where utf8proc or C would say
 * otherwise. */
static void character_classes(void **state) {
    (void)state;
    uint32_t lower[2];
    assert_int_equal(bl_unicode_class('_'), BL_CLASS_WORD | BL_CLASS_PUNCTUATION);
    assert_int_equal(bl_unicode_class('`'), BL_CLASS_PUNCTUATION);
    assert_int_equal(bl_unicode_class('7'), BL_CLASS_WORD | BL_CLASS_NUMERIC | BL_CLASS_NUMBER);
    assert_int_equal(bl_unicode_class(0xBD),
                     BL_CLASS_NUMERIC | BL_CLASS_NUMBER); /* one half is no word character */
    assert_int_equal(bl_unicode_class(0x2167),
                     BL_CLASS_WORD | BL_CLASS_NUMERIC | BL_CLASS_NUMBER); /* Roman eight is one */
    assert_int_equal(bl_unicode_class(0x200D), BL_CLASS_WORD);            /* joiner */
    assert_int_equal(bl_unicode_class(0x200B), 0); /* zero-width space is no White_Space */
    assert_int_equal(bl_unicode_class(0x85), BL_CLASS_SPACE | BL_CLASS_BLANK);
    assert_int_equal(bl_unicode_class('e'), BL_CLASS_WORD | BL_CLASS_LETTER);
    assert_int_equal(bl_unicode_class(0x1C), 0); /* white space to Python, not to Unicode */
    assert_true(bl_is_strippable(0x1C) && bl_is_strippable(0x3000) && !bl_is_strippable(0xFEFF));
    assert_int_equal(bl_unicode_class(0x301), BL_CLASS_WORD | BL_CLASS_MARK);
    assert_int_equal(bl_unicode_class(0x898), BL_CLASS_WORD); /* a mark of Unicode 14 */
    assert_int_equal(bl_unicode_class(0x2E52), 0);            /* punctuation of Unicode 14 */
    assert_int_equal(bl_unicode_class(0x10FFFF), 0);
    assert_int_equal(bl_unicode_lower(0x130, lower), 2);
    assert_true(lower[0] == 'i' && lower[1] == 0x307);
    assert_true(bl_unicode_lower(0x3A3, lower) == 1 && lower[0] == 0x3C3); /* never a final sigma */
    assert_true(bl_unicode_lower(0x1E9E, lower) == 1 && lower[0] == 0xDF);
    assert_true(bl_unicode_lower(0xA7DC, lower) == 1 && lower[0] == 0x19B);
    for (size_t i = 1; i < bl_unicode_n_runs; i++)
        assert_true(bl_unicode_runs[i - 1] >> 8 < bl_unicode_runs[i] >> 8);
    for (uint32_t c = 0; c < 128; c++) assert_int_equal(bl_ascii_class[c], bl_unicode_class_beyond_ascii(c));
}

static void utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t n, bad; /* bad = n: well-formed */
    } cases[] = {
        {"", 0, 0},
        {"abc", 3, 3},
        {"\x00z", 2, 2},
        {"caf\xC3\xA9", 5, 5},
        {"\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF", 10, 10},
        {"abcdefgh\x80", 9, 8},
        {"\xC0\x80", 2, 0},
        {"\xC1\xBF", 2, 0},
        {"a\xE0\x9F\xBF", 4, 1},
        {"\xED\xA0\x80", 3, 0},
        {"\xF0\x8F\xBF\xBF", 4, 0},
        {"\xF4\x90\x80\x80", 4, 0},
        {"\xF5\x80\x80\x80", 4, 0},
        {"ab\xE2\x82", 4, 2},
        {"ab\xC3", 3, 2},
        {"\xF0\x9F\x98", 3, 0},
        {"\xFF", 1, 0},
        {"x\xC3(", 3, 1},
        {"\xE2\x28\xA1", 3, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bad = cases[i].n;
        bool ok = bl_utf8_check(cases[i].text, cases[i].n, &bad);
        if (ok != (cases[i].bad == cases[i].n) || bad != cases[i].bad)
            fail_msg("case %zu: ok %d, bad %zu", i, ok, bad);
    }
    for (uint32_t point = 0; point < 0x110000; point += point < 0x3000 ? 1 : 97) {
        char bytes[4];
        if (point >= 0xD800 && point < 0xE000) continue;
        size_t n = bl_utf8_put(point, bytes), at = 0, end = n, bad;
        assert_true(bl_utf8_check(bytes, n, &bad));
        assert_int_equal(bl_utf8_next(bytes, &at), point);
        assert_int_equal(at, n);
        assert_int_equal(bl_utf8_previous(bytes, &end), point);
        assert_int_equal(end, 0);
    }
}

static void questions(void **state) {
    (void)state;
    bl_tokenizer *tokenizer = seed();
    bl_error err = {0};
    assert_int_equal(bl_tokenizer_size(tokenizer), 4096);
    assert_int_equal(bl_tokenizer_eos(tokenizer), 2);
    assert_int_equal(bl_tokenizer_id(tokenizer, "swim"), 2317);
    assert_string_equal(bl_tokenizer_token(tokenizer, 2317), "swim");
    assert_int_equal(bl_tokenizer_id(tokenizer, "swimm?"), -1);
    assert_int_equal(bl_tokenizer_id(tokenizer, ""), -1);
    assert_null(bl_tokenizer_token(tokenizer, -1));
    assert_null(bl_tokenizer_token(tokenizer, 4096));
    for (int32_t id = 0; id < 4096; id++)
        assert_int_equal(bl_tokenizer_id(tokenizer, bl_tokenizer_token(tokenizer, id)), id);
    assert_int_equal(bl_tokenizer_find(tokenizer, "swim", &err), 2317);
    assert_int_equal(bl_tokenizer_find(tokenizer, "#2317", &err), 2317);
    assert_int_equal(bl_tokenizer_find(tokenizer, "#", &err),
                     bl_tokenizer_id(tokenizer, "#")); /* the string comes first */
    assert_int_equal(bl_tokenizer_find(tokenizer, "##ing", &err), bl_tokenizer_id(tokenizer, "##ing"));
    bl_tokenizer_free(tokenizer);
    bl_tokenizer_free(NULL);
    bl_ids_free(NULL);
}

static void suggestions(void **state) {
    (void)state;
    bl_tokenizer *tokenizer = seed();
    static const struct {
        const char *token, *message;
    } cases[] = {
        {"climbs", "\"climbs\" is not in the vocabulary; nearest: climb, climbed, clos"},
        {"Swim", "nearest: swim, "},
        {"runing", "nearest: running, "},
        {"zzzzqqq", "\"zzzzqqq\" is not in the vocabulary (a token may also be named by its id, as #1234)"},
        {"", "\"\" is not in the vocabulary"},
        {"#4096", "id #4096 is not in the vocabulary, which has 4096 ids, #0 to #4095"},
        {"#99999999999999999999999999", "which has 4096 ids"},
        {"#12x", "\"#12x\" is not in the vocabulary"},
        {"a\xFF", "not valid UTF-8 (byte 0xff at offset 1)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err = {0};
        assert_int_equal(bl_tokenizer_find(tokenizer, cases[i].token, &err), -1);
        assert_error(err, BL_ERR_USAGE, cases[i].message);
    }
    char *longest = calloc(1, 5001);
    memset(longest, 'a', 5000);
    bl_error err = {0};
    assert_int_equal(bl_tokenizer_find(tokenizer, longest, &err), -1);
    assert_error(err, BL_ERR_USAGE, "aaa…\" is not in the vocabulary");
    assert_int_equal(bl_tokenizer_find(tokenizer, longest, NULL), -1);
    free(longest);
    bl_tokenizer_free(tokenizer);
}

static void invalid_input(void **state) {
    (void)state;
    bl_tokenizer *tokenizer = seed();
    bl_ids ids = {0};
    bl_error err = {0};
    assert_false(bl_tokenizer_encode(tokenizer, "Once upon \xE2\x82 a", 14, &ids, &err));
    assert_error(err, BL_ERR_INPUT, "not valid UTF-8: byte 0xe2 at offset 10");
    assert_int_equal(ids.n, 0);
    int32_t beyond[] = {1, 4096};
    assert_null(bl_tokenizer_decode(tokenizer, beyond, 2, &err));
    assert_error(err, BL_ERR_INPUT,
                 "id 4096 (the 1-th, counted from 0) is not in the vocabulary, whose ids are 0 to 4095");
    beyond[1] = -7;
    assert_null(bl_tokenizer_decode(tokenizer, beyond, 2, &err));
    assert_error(err, BL_ERR_INPUT, "id -7");
    char *nothing = bl_tokenizer_decode(tokenizer, beyond, 0, &err);
    assert_string_equal(nothing, "");
    bl_free(nothing);
    bl_ids_free(&ids);
    bl_tokenizer_free(tokenizer);
}

/* Words, runs of marks and texts of a million characters: anything quadratic would not end within the test's
 * time. */
static void long_inputs(void **state) {
    (void)state;
    bl_tokenizer *tokenizer = seed();
    bl_ids ids = {0};
    bl_error err = {0};
    const size_t n = 1000000;
    char *text = malloc(2 * n);
    memset(text, 'a', n);
    assert_true(bl_tokenizer_encode(tokenizer, text, n, &ids, &err));
    assert_true(ids.n == 2 && ids.data[0] == 1 && ids.data[1] == 0); /* [BOS] [UNK] */
    memset(text, '.', n);
    assert_true(bl_tokenizer_encode(tokenizer, text, n, &ids, &err));
    assert_int_equal(ids.n, n + 1);
    memset(text, '[', n);
    assert_true(bl_tokenizer_encode(tokenizer, text, n, &ids, &err));
    assert_int_equal(ids.n, n + 1);
    for (size_t i = 0; i < n; i++)
        memcpy(text + 2 * i, i % 2 ? "\xCC\x81" : "\xCC\xA7", 2); /* acute and cedilla: 230, 202 */
    assert_true(bl_tokenizer_encode(tokenizer, text, 2 * n, &ids, &err));
    assert_int_equal(ids.n, 1);
    json_t *json = json_loads("{\"type\":\"NFD\"}", 0, NULL);
    bl_node node = {.file = "test", .json = json};
    bl_normalizer nfd = {0};
    bl_scratch scratch = {0};
    assert_true(bl_read_normalizer(&node, &nfd, &err));
    json_decref(json);
    const char *normal;
    size_t normal_n;
    assert_true(bl_normalize(&nfd, text, 2 * n, &scratch, &normal, &normal_n, &err));
    assert_int_equal(normal_n, 2 * n);
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(normal + 2 * i, i < n / 2 ? "\xCC\xA7" : "\xCC\x81", 2);
    bl_scratch_free(&scratch);
    free(text);
    bl_ids_free(&ids);
    bl_tokenizer_free(tokenizer);
}

typedef struct words {
    char text[256];
    size_t n;
} words;

static bool collect(void *context, const char *word, size_t length, bl_error *err) {
    words *all = context;
    if (all->n == 6) {
        err->code = BL_ERR_CANCELLED;
        return false;
    }
    all->n++;
    snprintf(all->text + strlen(all->text), sizeof all->text - strlen(all->text), "%.*s|", (int)length, word);
    return true;
}

/* What a trainer of vocabularies sees: words as the tokenizer cuts them, and a callback that may stop. */
static void tokenizer_words(void **state) {
    (void)state;
    bl_tokenizer *tokenizer = seed();
    bl_scratch scratch = {0};
    bl_error err = {0};
    words all = {0};
    const char text[] = "  The CAFÉ's 42 cats";
    assert_true(bl_tokenizer_words(tokenizer, text, 16, &scratch, collect, &all, &err));
    assert_string_equal(all.text, "the|cafe|'|s|4|2|");
    all = (words){0};
    assert_false(bl_tokenizer_words(tokenizer, text, strlen(text), &scratch, collect, &all, &err));
    assert_int_equal(err.code, BL_ERR_CANCELLED);
    assert_int_equal(all.n, 6);
    bl_scratch_free(&scratch);
    bl_tokenizer_free(tokenizer);
}

static void threads(void **state) {
    (void)state;
    bl_tokenizer *tokenizer = seed();
    golden_threads(tokenizer, "Once upon a time, Zoë's 12 ducks swam [EOS] and swam.");
    bl_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),        cmocka_unit_test(variants),    cmocka_unit_test(character_classes),
        cmocka_unit_test(utf8),          cmocka_unit_test(questions),   cmocka_unit_test(suggestions),
        cmocka_unit_test(invalid_input), cmocka_unit_test(long_inputs), cmocka_unit_test(tokenizer_words),
        cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
