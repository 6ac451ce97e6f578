/* What the Hugging Face library gave, line by line, and comparing with it. */
#ifndef BL_TESTS_TEXT_GOLDEN_H
#define BL_TESTS_TEXT_GOLDEN_H
#include "support.h"
#include "text/tokenizer/tokenizer_private.h"

/* Calls `check` for each line of a .jsonl file; returns how many there were. */
static inline size_t golden_lines(const char *path, void (*check)(void *context, const json_t *line),
                                  void *context) {
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s cannot be opened", path);
    char *line = NULL;
    size_t capacity = 0, n = 0;
    for (ssize_t length; (length = getline(&line, &capacity, file)) > 0; n++) {
        json_error_t where;
        json_t *json = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, &where);
        if (!json) fail_msg("%s:%zu: %s", path, n + 1, where.text);
        check(context, json);
        json_decref(json);
    }
    free(line);
    fclose(file);
    return n;
}

/* One {"text"?, "ids", "tokens"?, "decoded"?}: text to ids where there is a text, and ids to text. */
static inline void golden_case(const bl_tokenizer *tokenizer, const json_t *one) {
    const json_t *text = json_object_get(one, "text"), *wanted = json_object_get(one, "ids"),
                 *tokens = json_object_get(one, "tokens"), *decoded = json_object_get(one, "decoded");
    bl_ids ids = {0};
    bl_error err = {0};
    size_t n = json_array_size(wanted), length;
    int32_t *given = malloc((n + 1) * sizeof *given);
    assert_non_null(given);
    if (text &&
        !bl_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), &ids, &err))
        fail_msg("%s", err.message);
    bool same = !text || ids.n == n;
    for (size_t i = 0; same && i < n; i++) {
        given[i] = (int32_t)json_integer_value(json_array_get(wanted, i));
        same = !text || ids.data[i] == given[i];
        if (tokens)
            assert_string_equal(bl_tokenizer_token(tokenizer, given[i]),
                                json_string_value(json_array_get(tokens, i)));
    }
    if (!same) fail_msg("wrong ids for: %s", json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII));
    const char *text_wanted = json_string_value(decoded);
    char *back = text_wanted ? bl_tokenizer_decode_n(tokenizer, given, n, &length, &err) : NULL;
    if (text_wanted && !back) fail_msg("%s", err.message);
    else if (text_wanted && (length != json_string_length(decoded) || memcmp(back, text_wanted, length) != 0))
        fail_msg("'%s' for %s", back, json_dumps(decoded, JSON_ENCODE_ANY | JSON_ENSURE_ASCII));
    bl_free(back);
    free(given);
    bl_ids_free(&ids);
}

/* A line {"tokenizer": … or its JSON as a string, "cases": […]}; `count` is a size_t that the cases are added
 * to. */
static inline void golden_variant(void *count, const json_t *line) {
    const json_t *given = json_object_get(line, "tokenizer");
    char *text = json_is_string(given) ? strdup(json_string_value(given)) : json_dumps(given, 0);
    const json_t *cases = json_object_get(line, "cases");
    bl_error err = {0};
    bl_tokenizer *tokenizer = bl_tokenizer_load_memory("variant", text, strlen(text), &err);
    if (!tokenizer) fail_msg("%s", err.message);
    for (size_t i = 0; i < json_array_size(cases); i++) golden_case(tokenizer, json_array_get(cases, i));
    *(size_t *)count += json_array_size(cases);
    bl_tokenizer_free(tokenizer);
    free(text);
}

/* One tokenizer, many threads. */
static inline void golden_threads(const bl_tokenizer *tokenizer, const char *text) {
    bl_ids wanted = {0};
    bl_error err = {0};
    assert_true(bl_tokenizer_encode(tokenizer, text, strlen(text), &wanted, &err));
    int wrong = 0;
#pragma omp parallel for num_threads(4) reduction(+ : wrong)
    for (int i = 0; i < 2000; i++) {
        bl_ids ids = {0};
        bool ok = bl_tokenizer_encode(tokenizer, text, strlen(text), &ids, NULL);
        wrong += !ok || ids.n != wanted.n || memcmp(ids.data, wanted.data, wanted.n * sizeof *ids.data) != 0;
        bl_ids_free(&ids);
    }
    assert_int_equal(wrong, 0);
    bl_ids_free(&wanted);
}
#endif
