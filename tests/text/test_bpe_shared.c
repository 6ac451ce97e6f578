/* The tokenizers of GPT-2 and Mistral against the Hugging Face library: ids and decoded text of 315 texts
 * each. Needs ../shared. */
#include "golden.h"

static bl_tokenizer *load(const char *name) {
    char path[512];
    bl_error err = {0};
    snprintf(path, sizeof path, SHARED "/tokenizers/%s/tokenizer.json", name);
    bl_tokenizer *tokenizer = bl_tokenizer_load(path, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    return tokenizer;
}

static void check_line(void *tokenizer, const json_t *line) { golden_case(tokenizer, line); }

static void golden(const char *name) {
    char path[512];
    bl_tokenizer *tokenizer = load(name);
    snprintf(path, sizeof path, SHARED "/golden/tokenizer-%s.jsonl", name);
    assert_int_equal(golden_lines(path, check_line, tokenizer), 315);
    bl_tokenizer_free(tokenizer);
}

static void gpt2(void **state) {
    (void)state;
    golden("gpt2");
}

static void mistral(void **state) {
    (void)state;
    golden("mistral");
}

/* What is asked of the real vocabularies. */
static void questions(void **state) {
    (void)state;
    bl_error err = {0};
    bl_tokenizer *one = load("gpt2"), *other = load("mistral");
    assert_int_equal(bl_tokenizer_size(one), 50257);
    assert_int_equal(bl_tokenizer_eos(one), 50256);
    assert_int_equal(bl_tokenizer_find(one, "\xC4\xA0swim", &err), 9422); /* Ġswim */
    assert_int_equal(bl_tokenizer_size(other), 32000);
    assert_int_equal(bl_tokenizer_eos(other), 2);
    assert_int_equal(bl_tokenizer_find(other, "\xE2\x96\x81swim", &err), 10923);
    bl_tokenizer_free(one);
    bl_tokenizer_free(other);
}

int main(void) {
    if (access(SHARED "/tokenizers/gpt2/tokenizer.json", R_OK) != 0) {
        fprintf(stderr, "SKIPPED: no " SHARED "/tokenizers\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(gpt2), cmocka_unit_test(mistral),
                                       cmocka_unit_test(questions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
