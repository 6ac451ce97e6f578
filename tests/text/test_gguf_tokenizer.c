/* Tokenizers of GGUF files: made from a tokenizer.json's vocabulary and merges they give the same ids and
 * texts; damaged in one place they are refused with a message that names the key. */
#include "golden.h"
#include "base/buffer.h"
#include "text/tokenizer/gguf_tokenizer.h"
#include <math.h>

/* ---- Writing a file ---- */

/* What is otherwise about one key: left out, or another value. */
typedef struct change {
    const char *key;
    enum { SAME, OMITTED, TEXT, NUMBER, TRUTH, SHORTER, FIRST } what;
    const char *text; /* TEXT; FIRST: the first element of an array of strings */
    double number;    /* NUMBER, TRUTH; FIRST: of an array of scores */
} change;

typedef struct writer {
    bl_buffer bytes;
    size_t n;
    change change;
} writer;

static void put(writer *to, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        char c = (char)(value >> 8 * i);
        bl_buffer_add(&to->bytes, &c, 1);
    }
}

static void put_string(writer *to, const char *text, size_t n) {
    put(to, n, 8);
    bl_buffer_add(&to->bytes, text, n);
}

/* Writes a key and its kind, unless the change leaves it out or writes another value. */
static bool put_key(writer *to, const char *key, bl_gguf_kind kind) {
    bool changed = to->change.key && strcmp(key, to->change.key) == 0;
    if (changed && to->change.what == OMITTED) return false;
    to->n++;
    put_string(to, key, strlen(key));
    if (changed && (to->change.what == TEXT || to->change.what == NUMBER || to->change.what == TRUTH)) {
        bool text = to->change.what == TEXT, truth = to->change.what == TRUTH;
        put(to, text ? BL_GGUF_STRING : truth ? BL_GGUF_BOOL : BL_GGUF_I32, 4);
        if (text) put_string(to, to->change.text, strlen(to->change.text));
        else put(to, (uint64_t)(int64_t)to->change.number, truth ? 1 : 4);
        return false;
    }
    put(to, kind, 4);
    return true;
}

/* The head of an array of n; returns how many elements to write, one fewer where the change says so. */
static size_t put_array(writer *to, const char *key, bl_gguf_kind kind, size_t n) {
    if (!put_key(to, key, BL_GGUF_ARRAY)) return 0;
    n -= to->change.key && strcmp(key, to->change.key) == 0 && to->change.what == SHORTER;
    put(to, kind, 4);
    put(to, n, 8);
    return n;
}

static bool is_first(const writer *to, const char *key, size_t i) {
    return i == 0 && to->change.what == FIRST && strcmp(key, to->change.key) == 0;
}

static void put_strings(writer *to, const char *key, const char *const *strings, size_t n) {
    n = put_array(to, key, BL_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        const char *text = is_first(to, key, i) ? to->change.text : strings[i];
        put_string(to, text, strlen(text));
    }
}

static void put_text(writer *to, const char *key, const char *text) {
    if (put_key(to, key, BL_GGUF_STRING)) put_string(to, text, strlen(text));
}

static void put_id(writer *to, const char *key, size_t id) {
    if (put_key(to, key, BL_GGUF_U32)) put(to, id, 4);
}

/* Sets `number[id]` of each product to minus its merge's rank, and the merges' texts. */
static size_t list_merges(json_t *model, float *scores, char **texts) {
    json_t *merges = json_object_get(model, "merges"), *vocabulary = json_object_get(model, "vocab");
    size_t n = json_array_size(merges);
    for (size_t i = 0; i < n; i++) {
        const char *left = json_string_value(json_array_get(json_array_get(merges, i), 0)),
                   *right = json_string_value(json_array_get(json_array_get(merges, i), 1));
        char product[256];
        snprintf(product, sizeof product, "%s%s", left, right);
        scores[json_integer_value(json_object_get(vocabulary, product))] = -(float)i;
        texts[i] = malloc(strlen(left) + strlen(right) + 2);
        sprintf(texts[i], "%s %s", left, right);
    }
    return n;
}

/* The model's vocabulary and merges as GGUF; "<s>", "</s>" and "<|endoftext|>" are control tokens. */
static bl_buffer write_file(json_t *tokenizer, const char *model_name, const char *pre, change changed) {
    static const char *const control[] = {"<s>", "</s>", "<|endoftext|>"};
    json_t *model = json_object_get(tokenizer, "model"), *vocabulary = json_object_get(model, "vocab"),
           *value;
    size_t n = json_object_size(vocabulary);
    const char **tokens = calloc(n, sizeof *tokens), *key;
    char **merges = calloc(json_array_size(json_object_get(model, "merges")), sizeof *merges);
    float *scores = calloc(n, sizeof *scores);
    writer to = {.change = changed};
    assert_true(tokens && scores && merges);
    json_object_foreach(vocabulary, key, value) tokens[json_integer_value(value)] = key;
    for (size_t i = 0; i < n; i++) scores[i] = -1e9F;
    size_t n_merges = list_merges(model, scores, merges);
    put_text(&to, "tokenizer.ggml.model", model_name);
    put_text(&to, "tokenizer.ggml.pre", pre);
    put_strings(&to, "tokenizer.ggml.tokens", tokens, n);
    size_t count = put_array(&to, "tokenizer.ggml.token_type", BL_GGUF_I32, n);
    for (size_t i = 0; i < count; i++) {
        uint64_t type = 1;
        for (size_t k = 0; k < 3; k++)
            if (strcmp(tokens[i], control[k]) == 0) type = 3;
        put(&to, type, 4);
    }
    put_strings(&to, "tokenizer.ggml.merges", (const char *const *)merges, n_merges);
    count = put_array(&to, "tokenizer.ggml.scores", BL_GGUF_F32, n);
    for (size_t i = 0; i < count; i++) {
        float score = is_first(&to, "tokenizer.ggml.scores", i) ? (float)changed.number : scores[i];
        uint32_t bits;
        memcpy(&bits, &score, sizeof bits);
        put(&to, bits, 4);
    }
    put_id(&to, "tokenizer.ggml.bos_token_id",
           (size_t)json_integer_value(json_object_get(vocabulary, "<s>")));
    put_id(&to, "tokenizer.ggml.eos_token_id", 0);
    if (json_object_get(vocabulary, "<unk>"))
        put_id(&to, "tokenizer.ggml.unknown_token_id",
               (size_t)json_integer_value(json_object_get(vocabulary, "<unk>")));
    if (changed.key && (strstr(changed.key, "add_") || strstr(changed.key, "other")))
        put_id(&to, changed.key, 0);
    writer whole = {.n = 0};
    bl_buffer_text(&whole.bytes, "GGUF");
    put(&whole, 3, 4);
    put(&whole, 0, 8);
    put(&whole, to.n, 8);
    bl_buffer_add(&whole.bytes, to.bytes.data, to.bytes.n);
    bl_buffer_free(&to.bytes);
    for (size_t i = 0; i < n_merges; i++) free(merges[i]);
    free(merges);
    free(tokens);
    free(scores);
    return whole.bytes;
}

static bl_tokenizer *load(const bl_buffer *bytes, bl_error *err) {
    bl_gguf *file = bl_gguf_parse((unsigned char *)bytes->data, bytes->n, "made", err);
    bl_tokenizer *tokenizer = file ? bl_gguf_tokenizer(file, "made", err) : NULL;
    bl_gguf_free(file);
    return tokenizer;
}

/* ---- The same ids ---- */

typedef struct both {
    const bl_tokenizer *wanted, *found;
    size_t texts;
} both;

/* Every text of a line of bpe.jsonl that holds no special token, which the two kinds of file treat
 * differently. */
static void compare(void *context, const json_t *line) {
    both *self = context;
    const json_t *cases = json_object_get(line, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *text = json_object_get(json_array_get(cases, i), "text");
        bl_ids wanted = {0}, found = {0};
        bl_error err = {0};
        if (!text || strchr(json_string_value(text), '<') || json_string_length(text) == 0) continue;
        assert_true(bl_tokenizer_encode(self->wanted, json_string_value(text), json_string_length(text),
                                        &wanted, &err));
        if (!bl_tokenizer_encode(self->found, json_string_value(text), json_string_length(text), &found,
                                 &err))
            fail_msg("%s", err.message);
        if (wanted.n != found.n || memcmp(wanted.data, found.data, wanted.n * sizeof *wanted.data) != 0)
            fail_msg("other ids for %s", json_dumps(text, JSON_ENCODE_ANY));
        char *a = bl_tokenizer_decode(self->wanted, wanted.data, wanted.n, &err),
             *b = bl_tokenizer_decode(self->found, found.data, found.n, &err);
        assert_string_equal(a, b);
        bl_free(a);
        bl_free(b);
        bl_ids_free(&wanted);
        bl_ids_free(&found);
        self->texts++;
    }
}

static json_t *read_json(const char *name) {
    char path[512];
    snprintf(path, sizeof path, TEST_DATA "/tokenizer/%s.json", name);
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    return json;
}

static void same(json_t *json, const char *model, const char *pre) {
    bl_error err = {0};
    char *text = json_dumps(json, 0);
    bl_buffer bytes = write_file(json, model, pre, (change){0});
    bl_tokenizer *wanted = bl_tokenizer_load_memory("json", text, strlen(text), &err),
                 *found = load(&bytes, &err);
    if (!wanted || !found) fail_msg("%s", err.message);
    both pair = {wanted, found, 0};
    golden_lines(TEST_DATA "/tokenizer/bpe.jsonl", compare, &pair);
    assert_true(pair.texts > 300);
    bl_tokenizer_free(wanted);
    bl_tokenizer_free(found);
    bl_buffer_free(&bytes);
    free(text);
}

static void byte_level(void **state) {
    (void)state;
    json_t *json = read_json("byte_level");
    same(json, "gpt2", "gpt-2");
    same(json, "gpt2", "default");
    json_decref(json);
}

/* The same with the normalizers that put a sign in front and for every blank, as Llama's tokenizer.json has
 * them. */
static void sentencepiece(void **state) {
    (void)state;
    json_t *json = read_json("sentencepiece");
    json_object_set_new(json, "pre_tokenizer", json_null());
    json_object_set_new(
        json, "normalizer",
        json_loads(
            "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\xE2\x96\x81\"},"
            "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"}]}",
            0, NULL));
    same(json, "llama", "default");
    json_decref(json);
}

/* Scores that are equal: the leftmost pair first. Of "aaa" that is "aa" "a", of "abab" with one score for
 * "ab" and "ba" "ab" "ab". */
static void equal_scores(void **state) {
    (void)state;
    json_t *json = json_loads(
        "{\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"ba\":3,\"aa\":4,\"<s>\":5,\"\xE2\x96\x81\":6},"
        "\"merges\":[]}}",
        0, NULL);
    bl_error err = {0};
    bl_ids ids = {0};
    bl_buffer bytes = write_file(json, "llama", "default", (change){0});
    bl_tokenizer *tokenizer = load(&bytes, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    assert_true(bl_tokenizer_encode(tokenizer, "babab", 5, &ids, &err));
    assert_int_equal(ids.n, 5);
    static const int32_t wanted[] = {5, 6, 3, 3, 1};
    for (size_t i = 0; i < 5; i++) assert_int_equal(ids.data[i], wanted[i]);
    bl_ids_free(&ids);
    bl_tokenizer_free(tokenizer);
    bl_buffer_free(&bytes);
    json_decref(json);
}

/* ---- Damaged files ---- */

static void damaged(void **state) {
    (void)state;
    static const struct {
        const char *model;
        change change;
        bl_code code;
        const char *part;
    } cases[] = {
        {"gpt2",
         {"model", OMITTED, NULL, 0},
         BL_ERR_INPUT,
         "model: expected a string, found nothing: it is missing"},
        {"gpt2", {"model", NUMBER, NULL, 7}, BL_ERR_INPUT, "model: expected a string, found an integer"},
        {"rwkv",
         {NULL, SAME, NULL, 0},
         BL_ERR_UNSUPPORTED,
         "model: the tokenizer \"rwkv\" is not supported; supported: gpt2, llama"},
        {"t5", {NULL, SAME, NULL, 0}, BL_ERR_UNSUPPORTED, "model: the tokenizer \"t5\" is not supported"},
        {"gpt2",
         {"tokens", OMITTED, NULL, 0},
         BL_ERR_INPUT,
         "tokens: expected an array of strings, found nothing"},
        {"gpt2",
         {"tokens", TEXT, "a", 0},
         BL_ERR_INPUT,
         "tokens: expected an array of strings, found a string"},
        {"gpt2", {"tokens", FIRST, "\xC3", 0}, BL_ERR_INPUT, "tokens[0]: not valid UTF-8 at byte 0"},
        {"gpt2",
         {"tokens", SHORTER, NULL, 0},
         BL_ERR_INPUT,
         "token_type: expected 379 types, one per token, found 380"},
        {"gpt2",
         {"token_type", SHORTER, NULL, 0},
         BL_ERR_INPUT,
         "token_type: expected 380 types, one per token, found 379"},
        {"gpt2", {"token_type", NUMBER, NULL, 3}, BL_ERR_INPUT, "token_type: expected an array"},
        {"gpt2",
         {"pre", TEXT, "gpt-4o", 0},
         BL_ERR_UNSUPPORTED,
         "pre: the pre-tokenizer \"gpt-4o\" is not supported; supported: llama-bpe, qwen2"},
        {"gpt2", {"pre", NUMBER, NULL, 1}, BL_ERR_INPUT, "pre: expected a string, found an integer"},
        {"gpt2",
         {"merges", OMITTED, NULL, 0},
         BL_ERR_INPUT,
         "merges: expected an array of strings, found nothing"},
        {"gpt2",
         {"merges", FIRST, "ab", 0},
         BL_ERR_INPUT,
         "merges[0]: expected two strings with one blank between them"},
        {"gpt2",
         {"merges", FIRST, "a zzz", 0},
         BL_ERR_INPUT,
         "merges[0]: \"a zzz\" merges strings that are not all among the tokens"},
        {"gpt2", {"merges", FIRST, "a \xFF", 0}, BL_ERR_INPUT, "merges[0]: not valid UTF-8"},
        {"gpt2",
         {"bos_token_id", NUMBER, NULL, 380},
         BL_ERR_INPUT,
         "bos_token_id: expected an integer from 0 to 379, found 380"},
        {"gpt2",
         {"eos_token_id", TEXT, "a", 0},
         BL_ERR_INPUT,
         "eos_token_id: expected an integer, found a string"},
        {"gpt2",
         {"add_bos_token", NUMBER, NULL, 1},
         BL_ERR_INPUT,
         "add_bos_token: expected true or false, found an integer"},
        {"llama",
         {"bos_token_id", OMITTED, NULL, 0},
         BL_ERR_INPUT,
         "bos_token_id: expected the id that begins a text, found nothing"},
        {"llama",
         {"scores", OMITTED, NULL, 0},
         BL_ERR_INPUT,
         "scores: expected an array, each element a fraction of 4 bytes, found nothing"},
        {"llama",
         {"scores", SHORTER, NULL, 0},
         BL_ERR_INPUT,
         "scores: expected 380 scores, one per token, found 379"},
        {"llama",
         {"scores", FIRST, NULL, NAN},
         BL_ERR_INPUT,
         "scores[0]: expected a score, found not a number"},
        {"llama",
         {"add_space_prefix", TEXT, "no", 0},
         BL_ERR_INPUT,
         "add_space_prefix: expected true or false, found a string"},
        {"llama", {"unknown_token_id", NUMBER, NULL, -1}, BL_ERR_INPUT, NULL},
    };
    json_t *json = read_json("byte_level");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err = {0};
        char key[64], part[200];
        change changed = cases[i].change;
        snprintf(key, sizeof key, "tokenizer.ggml.%s", changed.key ? changed.key : "");
        if (changed.key) changed.key = key;
        bl_buffer bytes = write_file(json, cases[i].model, "gpt-2", changed);
        bl_tokenizer *tokenizer = load(&bytes, &err);
        snprintf(part, sizeof part, "made: tokenizer.ggml.%s", cases[i].part ? cases[i].part : "");
        if (cases[i].part && tokenizer) fail_msg("case %zu is read", i);
        if (cases[i].part && (err.code != cases[i].code || !strstr(err.message, part)))
            fail_msg("case %zu: %s", i, err.message);
        bl_tokenizer_free(tokenizer);
        bl_buffer_free(&bytes);
    }
    json_decref(json);
}

/* What a file may say about the ids around a text. */
static void around(void **state) {
    (void)state;
    static const struct {
        const char *model, *pre;
        change change;
        size_t before, after;
    } cases[] = {
        {"gpt2", "gpt-2", {NULL, SAME, NULL, 0}, 0, 0},
        {"gpt2", "gpt-2", {"tokenizer.ggml.add_bos_token", TRUTH, NULL, 1}, 1, 0},
        {"gpt2", "llama-bpe", {NULL, SAME, NULL, 0}, 1, 0},
        {"gpt2", "llama-bpe", {"tokenizer.ggml.add_bos_token", TRUTH, NULL, 0}, 0, 0},
        {"gpt2", "qwen2", {"tokenizer.ggml.add_eos_token", TRUTH, NULL, 1}, 0, 1},
        {"gpt2", "smollm", {NULL, SAME, NULL, 0}, 0, 0},
        {"llama", "default", {NULL, SAME, NULL, 0}, 1, 0},
        {"llama", "default", {"tokenizer.ggml.add_bos_token", TRUTH, NULL, 0}, 0, 0},
    };
    json_t *json = read_json("byte_level");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err = {0};
        bl_buffer bytes = write_file(json, cases[i].model, cases[i].pre, cases[i].change);
        bl_tokenizer *tokenizer = load(&bytes, &err);
        if (!tokenizer) fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(tokenizer->before.n, cases[i].before);
        assert_int_equal(tokenizer->after.n, cases[i].after);
        assert_int_equal(bl_tokenizer_eos(tokenizer), 0);
        bl_tokenizer_free(tokenizer);
        bl_buffer_free(&bytes);
    }
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(byte_level), cmocka_unit_test(sentencepiece),
                                       cmocka_unit_test(equal_scores), cmocka_unit_test(damaged),
                                       cmocka_unit_test(around)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
