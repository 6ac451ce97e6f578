/* The tokenizers of GPT-2 and Mistral against the Hugging Face library, ids and decoded text of 315 texts
 * each, and the tokenizers of the small ordinary models against transformers. Needs ../shared. */
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

static void ordinary_models(void **state) {
    (void)state;
    static const char *const files[][2] = {
        {"llama3", "/tokenizer.json"}, {"mistral", "/tokenizer.json"}, {"qwen2", "/tokenizer.json"},
        {"qwen3", "/tokenizer.json"},  {"gemma2", "/tokenizer.json"},  {"gpt2", "/tokenizer.json"},
        {"llama3-q8_0", ".gguf"},      {"qwen2-q4_k_m", ".gguf"},      {"smollm2-q4_1", ".gguf"},
        {"gemma2-bf16", ".gguf"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[512];
        bl_error err = {0};
        snprintf(path, sizeof path, SHARED "/models-general/%s%s", files[i][0], files[i][1]);
        bl_tokenizer *tokenizer = bl_tokenizer_load(path, &err);
        if (!tokenizer) fail_msg("%s", err.message);
        snprintf(path, sizeof path, SHARED "/golden/general/%s.json", files[i][0]);
        json_t *golden_file = json_load_file(path, 0, NULL), *texts = json_object_get(golden_file, "texts");
        assert_true(json_array_size(texts) > 0);
        for (size_t j = 0; j < json_array_size(texts); j++) golden_case(tokenizer, json_array_get(texts, j));
        json_decref(golden_file);
        bl_tokenizer_free(tokenizer);
    }
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
                                       cmocka_unit_test(ordinary_models), cmocka_unit_test(questions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
