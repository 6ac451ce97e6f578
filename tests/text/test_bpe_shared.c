/* The tokenizers of GPT-2 and Mistral against the Hugging Face library: ids and decoded text of 315 texts each. Needs ../shared. */
#include "support.h"

static bl_tokenizer *load(const char *name) {
    char path[512];
    bl_error err = {0};
    snprintf(path, sizeof path, SHARED "/tokenizers/%s/tokenizer.json", name);
    bl_tokenizer *tokenizer = bl_tokenizer_load(path, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    return tokenizer;
}

static void check_line(const bl_tokenizer *tokenizer, const json_t *one) {
    const json_t *text = json_object_get(one, "text"), *wanted = json_object_get(one, "ids"), *tokens = json_object_get(one, "tokens"),
                 *decoded = json_object_get(one, "decoded");
    bl_ids ids = {0};
    bl_error err = {0};
    if (!bl_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), &ids, &err)) fail_msg("%s", err.message);
    bool same = ids.n == json_array_size(wanted);
    for (size_t i = 0; same && i < ids.n; i++) {
        same = ids.data[i] == json_integer_value(json_array_get(wanted, i));
        if (same) assert_string_equal(bl_tokenizer_token(tokenizer, ids.data[i]), json_string_value(json_array_get(tokens, i)));
    }
    if (!same) fail_msg("wrong ids for: %s", json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII));
    size_t length;
    char *back = bl_tokenizer_decode_n(tokenizer, ids.data, ids.n, &length, &err);
    assert_non_null(back);
    assert_int_equal(length, json_string_length(decoded));
    assert_memory_equal(back, json_string_value(decoded), length);
    bl_free(back);
    bl_ids_free(&ids);
}

static void golden(const char *name) {
    bl_tokenizer *tokenizer = load(name);
    char path[512], *line = NULL;
    size_t capacity = 0, n = 0;
    snprintf(path, sizeof path, SHARED "/golden/tokenizer-%s.jsonl", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (ssize_t length; (length = getline(&line, &capacity, file)) > 0; n++) {
        json_t *json = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, NULL);
        assert_non_null(json);
        check_line(tokenizer, json);
        json_decref(json);
    }
    assert_int_equal(n, 315);
    free(line);
    fclose(file);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(gpt2), cmocka_unit_test(mistral), cmocka_unit_test(questions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
