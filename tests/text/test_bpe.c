/* Byte-pair encoding against what the Hugging Face library gave (data/tokenizer/bpe.jsonl: small tokenizers
 * of many kinds, and random ones), against PCRE2 with GPT-2's own expression, and its own promises: no input
 * takes quadratic time, decoding keeps every byte, prose. */
#include "golden.h"
#include "model/prose.h"
#include "base/utf8.h"
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

static bl_tokenizer *load(const char *name) {
    char path[512];
    bl_error err = {0};
    snprintf(path, sizeof path, TEST_DATA "/tokenizer/%s.json", name);
    bl_tokenizer *tokenizer = bl_tokenizer_load(path, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    return tokenizer;
}

static void golden(void **state) {
    (void)state;
    size_t cases = 0;
    assert_int_equal(golden_lines(TEST_DATA "/tokenizer/bpe.jsonl", golden_variant, &cases), 53);
    assert_int_equal(cases, 875);
}

static void byte_alphabet(void **state) {
    (void)state;
    bool seen[0x144] = {false};
    for (int byte = 0; byte < 256; byte++) {
        uint32_t point = bl_byte_to_point((unsigned char)byte);
        assert_true(point < 0x144 && !seen[point]);
        seen[point] = true;
        assert_int_equal(bl_point_to_byte(point), byte);
    }
    for (uint32_t point = 0; point < 0x200; point++)
        if (point >= 0x144 || !seen[point]) assert_int_equal(bl_point_to_byte(point), -1);
    assert_int_equal(bl_byte_to_point(' '), 0x120);
    assert_int_equal(bl_byte_to_point(173), 0x143);
}

typedef struct cuts {
    size_t lengths[4096], n;
} cuts;

static bool note_cut(void *context, const char *word, size_t length, bl_error *err) {
    cuts *all = context;
    (void)err;
    assert_true(all->n < 4096);
    all->lengths[all->n] = 0;
    for (size_t i = 0; i < length; all->lengths[all->n]++) bl_utf8_next(word, &i); /* a character a byte */
    all->n++;
    return true;
}

/* Random text of characters that every Unicode table since 4.0 has alike. */
static size_t random_text(char *text, size_t room) {
    static const uint32_t pools[][2] = {{' ', ' '},       {'a', 'z'},     {'A', 'Z'},       {'0', '9'},
                                        {'!', '/'},       {'\'', '\''},   {9, 13},          {'l', 't'},
                                        {0xA0, 0xFF},     {0x391, 0x3A1}, {0x410, 0x44F},   {0x4E00, 0x4E20},
                                        {'e', 'e'},       {0x660, 0x669}, {0x2000, 0x200A}, {0x2010, 0x2027},
                                        {0x2160, 0x216F}, {0x300, 0x310}, {' ', ' '}};
    static const char *const words[] = {"'s", "'re", "'ve", "'ll", " the", "  ", "\n\n", "'d ", " 't", "'m"};
    size_t n = 0;
    while (n + 16 < room && rand() % 40) {
        if (rand() % 6 == 0) {
            n += (size_t)sprintf(text + n, "%s", words[(size_t)rand() % (sizeof words / sizeof *words)]);
            continue;
        }
        const uint32_t *pool = pools[(size_t)rand() % (sizeof pools / sizeof *pools)];
        n += bl_utf8_put(pool[0] + (uint32_t)rand() % (pool[1] - pool[0] + 1), text + n);
    }
    return n;
}

/* The words by hand are those of the expression. */
static void gpt2_words(void **state) {
    (void)state;
    static const char expression[] =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    int code;
    PCRE2_SIZE place;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
                                         PCRE2_UTF | PCRE2_UCP | PCRE2_DOTALL, &code, &place, NULL);
    assert_non_null(compiled);
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(compiled, NULL);
    json_t *json = json_loads("{\"type\":\"ByteLevel\",\"add_prefix_space\":false}", 0, NULL);
    bl_node byte_level = {.file = "test", .json = json};
    bl_normalizer none = {0};
    bl_pretokenizer steps = {0};
    bl_scratch scratch = {0};
    assert_true(bl_read_pretokenizer(&byte_level, &none, &steps, NULL));
    static cuts found;
    char text[1024];
    size_t words = 0;
    srand(11);
    for (int round = 0; round < 20000; round++) {
        size_t n = random_text(text, sizeof text), at = 0;
        bl_error err = {0};
        found.n = 0;
        assert_true(bl_pretokenize(&steps, text, n, true, &scratch, note_cut, &found, &err));
        for (size_t i = 0; i < found.n; i++, words++) {
            assert_true(pcre2_match(compiled, (PCRE2_SPTR)text, n, at, 0, match, NULL) > 0);
            const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
            if (span[0] != at || span[1] != at + found.lengths[i])
                fail_msg("'%.*s' at %zu: %zu bytes, not %zu", (int)n, text, at, found.lengths[i],
                         (size_t)span[1] - at);
            at = span[1];
        }
        assert_int_equal(at, n);
    }
    assert_true(words > 100000);
    bl_scratch_free(&scratch);
    json_decref(json);
    pcre2_match_data_free(match);
    pcre2_code_free(compiled);
}

/* Encodes a text, decodes it without the `before` ids of the template, and expects it back (SentencePiece's
 * kind, which has one, loses a blank at the beginning, as in the library). */
static void there_and_back(const bl_tokenizer *tokenizer, size_t before, const char *text, size_t n) {
    bl_ids ids = {0};
    bl_error err = {0};
    size_t length;
    if (!bl_tokenizer_encode(tokenizer, text, n, &ids, &err)) fail_msg("%s", err.message);
    char *back = bl_tokenizer_decode_n(tokenizer, ids.data + before, ids.n - before, &length, &err);
    assert_non_null(back);
    size_t lost = text[0] == ' ' && before > 0;
    assert_int_equal(length, n - lost);
    assert_memory_equal(back, text + lost, length);
    bl_free(back);
    bl_ids_free(&ids);
}

/* "Words" of a million characters: anything quadratic would not end within the test's time. */
static void long_words(void **state) {
    (void)state;
    const size_t n = 1000000;
    bl_tokenizer *both[] = {load("byte_level"), load("sentencepiece")};
    char *text = malloc(3 * n);
    assert_non_null(text);
    for (int which = 0; which < 2; which++) {
        memset(text, 'e', n);
        there_and_back(both[which], (size_t)which, text, n);
        for (size_t i = 0; i < n; i++) text[i] = "the and ed in"[i * i / 7 % 13];
        there_and_back(both[which], (size_t)which, text, n);
        for (size_t i = 0; i < n; i++) text[i] = "abcdefghijklmnopqrstuvwxyz"[(i * 7919 + i * i) % 26];
        there_and_back(both[which], (size_t)which, text, n);
        memset(text, ' ', n);
        there_and_back(both[which], (size_t)which, text, n);
        for (size_t i = 0; i < n; i++) memcpy(text + 3 * i, i % 2 ? "\xE4\xB8\xAD" : "\xE6\x96\x87", 3);
        there_and_back(both[which], (size_t)which, text, 3 * n);
        memset(text, '\0', n);
        there_and_back(both[which], (size_t)which, text, n);
        bl_tokenizer_free(both[which]);
    }
    free(text);
}

static void threads(void **state) {
    (void)state;
    bl_tokenizer *tokenizer = load("sentencepiece");
    golden_threads(tokenizer, "Once upon a time, Zo\xC3\xAB's 12 ducks swam.</s> \xE4\xB8\xAD");
    bl_tokenizer_free(tokenizer);
}

/* Bytes that are no text, among them NULs, and what a reader sees of them. */
static void odd_bytes(void **state) {
    (void)state;
    bl_tokenizer *tokenizer = load("byte_level");
    bl_error err = {0};
    size_t length;
    const int32_t ids[] = {bl_tokenizer_id(tokenizer, "\xC3\xA4") /* byte E4 */,
                           bl_tokenizer_id(tokenizer, "\xC2\xB8") /* B8 */,
                           bl_tokenizer_id(tokenizer, "\xC4\x80") /* 00 */, bl_tokenizer_id(tokenizer, "a")};
    for (int i = 0; i < 4; i++) assert_true(ids[i] >= 0);
    char *text = bl_tokenizer_decode_n(tokenizer, ids, 4, &length, &err);
    assert_int_equal(length, 5);
    assert_memory_equal(text, "\xEF\xBF\xBD\0a", 6);
    bl_free(text);
    text = bl_tokenizer_prose(tokenizer, ids, 4, true, &err);
    assert_string_equal(text, "\xEF\xBF\xBD\xEF\xBF\xBD"
                              "a");
    bl_free(text);
    const int32_t beyond[] = {0, 1000000};
    assert_null(bl_tokenizer_decode(tokenizer, beyond, 2, &err));
    assert_error(err, BL_ERR_INPUT, "id 1000000 (the 1-th, counted from 0) is not in the vocabulary");
    assert_null(bl_tokenizer_prose(tokenizer, beyond, 2, true, &err));
    assert_error(err, BL_ERR_INPUT, "id 1000000 is not in the vocabulary");
    bl_tokenizer_free(tokenizer);
}

/* The text up to the last whole sentence. */
static void whole(const bl_tokenizer *tokenizer, const char *text, size_t least, const char *wanted) {
    bl_ids ids = {0};
    bl_error err = {0};
    assert_true(bl_tokenizer_encode(tokenizer, text, strlen(text), &ids, &err));
    size_t n = ids.n;
    assert_true(bl_prose_whole(tokenizer, ids.data, &n, least, &err));
    char *prose = bl_tokenizer_prose(tokenizer, ids.data, n, true, &err);
    if (!prose) fail_msg("%s", err.message);
    assert_string_equal(prose, wanted);
    bl_free(prose);
    bl_ids_free(&ids);
}

static void prose(void **state) {
    (void)state;
    static const char *const names[] = {"byte_level", "sentencepiece"};
    for (int i = 0; i < 2; i++) {
        bl_tokenizer *tokenizer = load(names[i]);
        assert_int_equal(bl_tokenizer_eos(tokenizer), i == 0 ? 0 : 2);
        whole(tokenizer, "Tom ran. He sat down. \"I am", 0, "Tom ran. He sat down.");
        whole(tokenizer, "Tom ran", 0, "Tom ran");
        whole(tokenizer, "Tom ran. He", 1000, "Tom ran. He");
        whole(tokenizer, "He met Mr. Brown and Dr. Green", 0, "He met Mr. Brown and Dr. Green");
        whole(tokenizer, "\"Go!\" said Tom", 0, "\"Go!\"");
        whole(tokenizer, "He said, \"Go. Now", 0, "He said, \"Go. Now");
        whole(tokenizer, "Zo\xC3\xAB  swam.", 0, "Zo\xC3\xAB  swam.");
        whole(tokenizer, i == 0 ? "<|endoftext|>One.<|endoftext|>" : "One.</s>", 0, "One.");
        bl_tokenizer_free(tokenizer);
    }
}

/* A token may be named as a keyboard has it. */
static void names(void **state) {
    (void)state;
    static const char *const own[] = {"\xC4\xA0the", "\xE2\x96\x81the"}, *const files[] = {"byte_level",
                                                                                           "sentencepiece"};
    for (int i = 0; i < 2; i++) {
        bl_tokenizer *tokenizer = load(files[i]);
        bl_error err = {0};
        char longest[400];
        int32_t id = bl_tokenizer_id(tokenizer, own[i]);
        assert_true(id > 0);
        assert_int_equal(bl_tokenizer_find(tokenizer, own[i], &err), id);
        assert_int_equal(bl_tokenizer_find(tokenizer, " the", &err), id);
        assert_int_equal(bl_tokenizer_find(tokenizer, " theses", &err), -1);
        assert_error(err, BL_ERR_USAGE, "\" theses\" is not in the vocabulary; nearest: ");
        memset(longest, ' ', sizeof longest - 1);
        longest[sizeof longest - 1] = '\0';
        assert_int_equal(bl_tokenizer_find(tokenizer, longest, &err), -1);
        assert_int_equal(bl_tokenizer_find(tokenizer, "", &err), -1);
        bl_tokenizer_free(tokenizer);
    }
}

static void broken_utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t n, broken;
    } cases[] = {
        {"\x80", 1, 1},
        {"\xC3", 1, 1},
        {"\xC3z", 2, 1},
        {"\xE4\xB8", 2, 2},
        {"\xE4\xB8z", 3, 2},
        {"\xE0\x80\x80", 3, 1},
        {"\xED\xA0", 2, 1},
        {"\xF0\x9F", 2, 2},
        {"\xF0\x9F\x98", 3, 3},
        {"\xF0\x9F\x98z", 4, 3},
        {"\xF5\x80\x80\x80", 4, 1},
        {"\xF4\x90\x80\x80", 4, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (bl_utf8_broken(cases[i].text, cases[i].n) != cases[i].broken) fail_msg("case %zu", i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),     cmocka_unit_test(byte_alphabet), cmocka_unit_test(gpt2_words),
        cmocka_unit_test(long_words), cmocka_unit_test(threads),       cmocka_unit_test(odd_bytes),
        cmocka_unit_test(prose),      cmocka_unit_test(names),         cmocka_unit_test(broken_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
