/* Split by regular expressions and strings, and odd added tokens, against what the Hugging Face library gave
 * (data/tokenizer/split.jsonl, made by make_split.py); expressions that are refused; texts that cannot keep
 * an expression busy for ever. */
#include "golden.h"
#include "text/tokenizer/regex.h"

static void golden(void **state) {
    (void)state;
    size_t cases = 0;
    assert_int_equal(golden_lines(TEST_DATA "/tokenizer/split.jsonl", golden_variant, &cases), 42);
    assert_int_equal(cases, 640);
}

static void refusals(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *part;
    } cases[] = {
        {"[a[bc]]", "a class within a class is not supported, at offset 2"},
        {"[a&&b]", "an intersection of classes (&&) is not supported, at offset 2"},
        {"[\\S]", "a negated shorthand (\\S, \\W, \\H) within a class is not supported, at offset 1"},
        {"a{1,3}+", "a repeated interval ({…}+) is not supported, at offset 1"},
        {"(*LIMIT_MATCH=1)a", "(* is not supported, at offset 0"},
        {"(", "the regular expression \"(\" cannot be compiled: missing closing parenthesis"},
        {"a\\C", "cannot be compiled: using \\C is disabled"},
        {"\\", "cannot be compiled: \\ at end of pattern"},
        {"[", "cannot be compiled: missing terminating ]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err = {0};
        assert_null(bl_regex_new(cases[i].pattern, &err));
        assert_error(err, BL_ERR_UNSUPPORTED, cases[i].part);
    }
}

/* The number of matches, or -1 when they took too long. */
static int count_matches(const char *pattern, const char *text, size_t n) {
    bl_error err = {0};
    void *memory = NULL;
    bl_regex *regex = bl_regex_new(pattern, &err);
    if (!regex) fail_msg("%s", err.message);
    bl_regex_search search = {.regex = regex, .text = text, .n = n, .seconds = 0.1};
    bl_regex_found found;
    int matches = 0;
    size_t begin, end;
    while ((found = bl_regex_next(&search, &memory, &begin, &end, &err)) == BL_REGEX_FOUND) matches++;
    if (found == BL_REGEX_FAILED)
        assert_error(err, BL_ERR_INPUT, "regular expression needs too much time on this text");
    bl_regex_memory_free(memory);
    bl_regex_free(regex);
    return found == BL_REGEX_FAILED ? -1 : matches;
}

/* Published patterns take a long text easily, hostile ones are stopped. */
static void many_steps(void **state) {
    (void)state;
    static const char llama[] = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    const size_t n = 1000000;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, ' ', n);
    assert_int_equal(count_matches(llama, text, n), 1);
    text[n - 1] = 'a';
    assert_int_equal(count_matches(llama, text, n), 2);
    for (size_t i = 0; i < n; i++) text[i] = i % 600 ? ' ' : 'a';
    assert_int_equal(count_matches(llama, text, n), 2 * 1667 - (n % 600 == 0));
    memset(text, 'a', n);
    assert_int_equal(count_matches(llama, text, n), 1);
    assert_int_equal(count_matches("(a+)+$", text, n), 1);
    text[n - 1] = 'b';
    assert_int_equal(count_matches("(a+)+$", text, n), -1);
    assert_int_equal(count_matches("(?:a|aa)+[cd]|(a|b|ab)*[cd]", text, 60), -1);
    assert_int_equal(count_matches("a*a*a*[cd]", text, 20000), -1);
    free(text);
}

/* Empty matches, as Oniguruma goes on behind them; what the two kinds of syntax write alike. */
static void meanings(void **state) {
    (void)state;
    assert_int_equal(count_matches("x*", "axxb", 4), 3); /* "", "xx", and at the end */
    assert_int_equal(count_matches("^", "a\nb", 3), 2);
    assert_int_equal(count_matches("a.", "a\nab", 4), 1);
    assert_int_equal(count_matches("(?m:a.)", "a\nab", 4), 2);
    assert_int_equal(count_matches("\\h", "fgA", 3), 2);
    assert_int_equal(count_matches("\\s", "\xE1\xA0\x8E\xC2\x85", 5), 1); /* U+180E is no white space */
    assert_int_equal(count_matches("a{,2}b", "aaab", 4), 1);
    assert_int_equal(count_matches("", "", 0), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(refusals),
                                       cmocka_unit_test(many_steps), cmocka_unit_test(meanings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
