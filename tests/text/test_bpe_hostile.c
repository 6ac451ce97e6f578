/* Damaged BPE tokenizers: every one is refused with the right code and a message that names the file and the
 * thing; none crashes. */
#include "damage.h"

/* A sound tokenizer, which each case damages in one place. */
static const char sound[] = "{\"added_tokens\":[],\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{"
                            "\"type\":\"Prepend\",\"prepend\":\"_\"},"
                            "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"_\"}]},"
                            "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
                            "\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"first\","
                            "\"split\":true},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_"
                            "offsets\":true,\"use_regex\":true}]},"
                            "\"post_processor\":{\"type\":\"ByteLevel\"},"
                            "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","
                            "\"pattern\":{\"String\":\"_\"},\"content\":\" \"},"
                            "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":"
                            "\" \",\"start\":1,\"stop\":0}]},"
                            "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"u\",\"continuing_"
                            "subword_prefix\":null,\"end_of_word_suffix\":\"\","
                            "\"fuse_unk\":true,\"byte_fallback\":true,\"ignore_merges\":false,"
                            "\"vocab\":{\"u\":0,\"a\":1,\"b\":2,\"ab\":3,\"_\":4,\"_ab\":5,\"<0x0A>\":6},"
                            "\"merges\":[\"a b\",\"_ ab\"]}}";

static void refused(const char *text, bl_code code, const char *part) {
    bl_error err = {0};
    assert_null(bl_tokenizer_load_memory("file", text, strlen(text), &err));
    assert_error(err, code, part);
    if (strncmp(err.message, "file: ", 6) != 0) fail_msg("'%s' does not name the file", err.message);
    assert_null(bl_tokenizer_load_memory("file", text, strlen(text), NULL));
}

static void the_sound_one(void **state) {
    (void)state;
    bl_error err = {0};
    bl_ids ids = {0};
    bl_tokenizer *tokenizer = bl_tokenizer_load_memory("file", sound, sizeof sound - 1, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    assert_true(bl_tokenizer_encode(tokenizer, "ab ba", 5, &ids, &err));
    const int32_t wanted[] = {4, 3, 4, 2, 1}; /* ByteLevel parts _ from ab */
    assert_int_equal(ids.n, 5);
    assert_memory_equal(ids.data, wanted, sizeof wanted);
    bl_ids_free(&ids);
    bl_tokenizer_free(tokenizer);
}

#define MERGES "[\"a b\",\"_ ab\"]"

static void damaged_models(void **state) {
    (void)state;
    static const struct {
        const char *old, *replacement;
        bl_code code;
        const char *part;
    } cases[] = {
        {"\"dropout\":null", "\"dropout\":0.1", BL_ERR_UNSUPPORTED,
         ": model.dropout: merges that are left out at random are not supported"},
        {"\"dropout\":null", "\"dropout\":\"no\"", BL_ERR_UNSUPPORTED, ": model.dropout: "},
        {"\"unk_token\":\"u\"", "\"unk_token\":\"v\"", BL_ERR_INPUT,
         ": model.unk_token: \"v\" is not in model.vocab"},
        {"\"unk_token\":\"u\"", "\"unk_token\":7", BL_ERR_INPUT,
         ": model.unk_token: expected a string, found an integer"},
        {"\"continuing_subword_prefix\":null", "\"continuing_subword_prefix\":1", BL_ERR_INPUT,
         ".continuing_subword_prefix: expected a string"},
        {"\"continuing_subword_prefix\":null", "\"continuing_subword_prefix\":\"##\"", BL_ERR_INPUT,
         ": model.merges[0]: the right part does not begin with the prefix \"##\""},
        {"\"end_of_word_suffix\":\"\"", "\"end_of_word_suffix\":[]", BL_ERR_INPUT,
         ".end_of_word_suffix: expected a string, found an array"},
        {"\"fuse_unk\":true", "\"fuse_unk\":null", BL_ERR_INPUT,
         ".fuse_unk: expected true or false, found null"},
        {"\"byte_fallback\":true", "\"byte_fallback\":1", BL_ERR_INPUT,
         ".byte_fallback: expected true or false"},
        {"\"ignore_merges\":false", "\"ignore_merges\":\"\"", BL_ERR_INPUT,
         ".ignore_merges: expected true or false"},
        {MERGES, "null", BL_ERR_INPUT, ": model.merges: expected an array, found null"},
        {",\"merges\":" MERGES, "", BL_ERR_INPUT,
         ": model.merges: expected an array, found nothing: it is missing"},
        {MERGES, "[\"ab\"]", BL_ERR_INPUT,
         ": model.merges[0]: expected two strings with one blank between them"},
        {MERGES, "[\"a b\",\"a  b\"]", BL_ERR_INPUT,
         ": model.merges[1]: expected two strings with one blank"},
        {MERGES, "[\"a b\",3]", BL_ERR_INPUT, ": model.merges[1]: expected a string, found an integer"},
        {MERGES, "[\"a b\",[\"a\",\"b\"]]", BL_ERR_INPUT,
         ": model.merges[1]: expected a string, found an array"},
        {MERGES, "[[\"a\",\"b\"],\"a b\"]", BL_ERR_INPUT,
         ": model.merges[1]: expected an array of two strings, found a string"},
        {MERGES, "[[\"a\",\"b\",\"b\"]]", BL_ERR_INPUT,
         ": model.merges[0]: expected an array of two strings"},
        {MERGES, "[[\"a\",2]]", BL_ERR_INPUT, ": model.merges[0]: expected an array of two strings"},
        {MERGES, "[\"a b\",\"a c\"]", BL_ERR_INPUT, ": model.merges[1]: \"c\" is not in the vocabulary"},
        {MERGES, "[\"c a\"]", BL_ERR_INPUT, ": model.merges[0]: \"c\" is not in the vocabulary"},
        {MERGES, "[\"b a\"]", BL_ERR_INPUT, ": model.merges[0]: \"ba\" is not in the vocabulary"},
        {MERGES, "[\" a\"]", BL_ERR_INPUT, ": model.merges[0]: \"\" is not in the vocabulary"},
        {"\"ab\":3", "\"ab\":2", BL_ERR_INPUT, ": model.vocab: the id 2 belongs to both \"b\" and \"ab\""},
        {"\"ab\":3", "\"ab\":4194304", BL_ERR_INPUT,
         ": model.vocab.ab: expected an integer from 0 to 4194303"},
        {"\"Prepend\"", "\"Precompiled\"", BL_ERR_UNSUPPORTED,
         ": normalizer.normalizers[0]: the normalizer \"Precompiled\" is not supported"},
        {"\"prepend\":\"_\"", "\"prepend\":1", BL_ERR_INPUT,
         ": normalizer.normalizers[0].prepend: expected a string"},
        {"\"prepend\":\"_\"", "\"prepend\":\"aaaaaaaaaabbbbbbbbbbccccccccccddd\"", BL_ERR_UNSUPPORTED,
         ".prepend: a string of 33 bytes is not supported here, at most 32 are"},
        {"{\"String\":\" \"}", "{\"Regex\":\" +\"}", BL_ERR_UNSUPPORTED,
         ": normalizer.normalizers[1].pattern: the pattern \"Regex\" is not supported; supported: String"},
        {"{\"String\":\" \"}", "{\"String\":\"\"}", BL_ERR_UNSUPPORTED,
         ".pattern.String: an empty pattern is not supported"},
        {"{\"String\":\" \"}", "\" \"", BL_ERR_INPUT, ".pattern: expected an object, found a string"},
        {"{\"String\":\" \"},\"content\":\"_\"", "{\"String\":\" \"},\"content\":\"\"", BL_ERR_UNSUPPORTED,
         ": pre_tokenizer: the prepend_scheme \"first\" is not supported behind another pre-tokenizer, nor "
         "behind a normalizer that removes"},
        {"\"replacement\":\"_\"", "\"replacement\":\"__\"", BL_ERR_INPUT,
         ".replacement: expected one character, found 2"},
        {"\"replacement\":\"_\"", "\"replacement\":\"\"", BL_ERR_INPUT,
         ".replacement: expected one character, found 0"},
        {"\"first\"", "\"second\"", BL_ERR_UNSUPPORTED,
         ".prepend_scheme: the prepend_scheme \"second\" is not supported; supported: never"},
        {"\"prepend_scheme\":\"first\"", "\"prepend_scheme\":\"first\",\"add_prefix_space\":false",
         BL_ERR_INPUT,
         ": pre_tokenizer.pretokenizers[0]: add_prefix_space is false, but prepend_scheme \"first\""},
        {"{\"type\":\"Metaspace\"", "{\"type\":\"Whitespace\"},{\"type\":\"Metaspace\"", BL_ERR_UNSUPPORTED,
         ": pre_tokenizer: the prepend_scheme \"first\" is not supported behind another"},
        {"\"add_prefix_space\":false,", "", BL_ERR_INPUT,
         ": pre_tokenizer.pretokenizers[1].add_prefix_space: expected true or false"},
        {"\"use_regex\":true", "\"use_regex\":0", BL_ERR_INPUT, ".use_regex: expected true or false"},
        {"{\"type\":\"ByteLevel\"},\"decoder\"", "{\"type\":\"RobertaProcessing\"},\"decoder\"",
         BL_ERR_UNSUPPORTED, ": post_processor: the post-processor \"RobertaProcessing\" is not supported"},
        {"{\"type\":\"ByteFallback\"}", "{\"type\":\"BPEDecoder\",\"suffix\":\"\"}", BL_ERR_UNSUPPORTED,
         ": decoder.decoders[1]: the decoder \"BPEDecoder\" is not supported; supported: null, WordPiece, "
         "ByteLevel"},
        {"\"start\":1", "\"start\":-1", BL_ERR_INPUT,
         ": decoder.decoders[3].start: expected an integer from 0"},
        {",\"stop\":0", "", BL_ERR_INPUT, ": decoder.decoders[3].stop: expected an integer, found nothing"},
        {"\"content\":\" \",\"start\"", "\"content\":\"  \",\"start\"", BL_ERR_INPUT,
         ".content: expected one character, found 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = damage(sound, cases[i].old, cases[i].replacement);
        refused(text, cases[i].code, cases[i].part);
        free(text);
    }
}

static void too_much(void **state) {
    (void)state;
    char many[1024];
    size_t n = 0;
    for (int i = 0; i <= 16; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, "%s{\"type\":\"Fuse\"}", i ? "," : "");
    char *text = damage(sound, "{\"type\":\"Fuse\"}", many);
    refused(text, BL_ERR_UNSUPPORTED,
            ": decoder.decoders[16]: more than 16 components in sequence are not supported");
    free(text);
    static const char template[] =
        "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{}}";
    char twice[512];
    snprintf(twice, sizeof twice, "\"post_processor\":{\"type\":\"Sequence\",\"processors\":[%s,%s]}",
             template, template);
    text = damage(sound, "\"post_processor\":{\"type\":\"ByteLevel\"}", twice);
    refused(text, BL_ERR_UNSUPPORTED, ": post_processor.processors[1]: a second template is not supported");
    free(text);
}

static void cut_and_flipped(void **state) {
    (void)state;
    cut_and_flip(sound, "ab\n aba xx b");
}

/* Merges that lead in a circle: the string of a product is longer than its parts, so there are none but
 * through the prefix. */
static void circles(void **state) {
    (void)state;
    static const char circle[] = "{\"model\":{\"type\":\"BPE\",\"continuing_subword_prefix\":\"#\",\"vocab\":"
                                 "{\"a\":0,\"#a\":1,\"#\":2,\"aa\":3},"
                                 "\"merges\":[\"a #\",\"#a #\",\"# #\",\"a #a\",\"a #\"]}}";
    bl_error err = {0};
    bl_ids ids = {0};
    bl_tokenizer *tokenizer = bl_tokenizer_load_memory("circle", circle, sizeof circle - 1, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    char *text = malloc(100000);
    memset(text, 'a', 100000);
    assert_true(bl_tokenizer_encode(tokenizer, text, 100000, &ids, &err));
    assert_int_equal(ids.n, 99999);
    assert_int_equal(ids.data[0], 3);
    free(text);
    bl_ids_free(&ids);
    bl_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sound_one),   cmocka_unit_test(damaged_models), cmocka_unit_test(too_much),
        cmocka_unit_test(cut_and_flipped), cmocka_unit_test(circles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
