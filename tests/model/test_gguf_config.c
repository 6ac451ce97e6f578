/* Keys of GGUF files as a config.json: what each becomes, and files damaged in one key, which are refused
 * with a message that names it. */
#include "support.h"
#include "base/buffer.h"
#include "model/architecture/gguf.h"

/* A key of a small model: a size, a number, a text, or an array of two sizes. */
typedef struct entry {
    const char *key;
    enum { SIZE, NUMBER, TEXT, SIZES } what;
    double number;
    const char *text;
} entry;

static const entry sound[] = {
    {"general.architecture", TEXT, 0, "llama"},
    {"llama.block_count", SIZE, 2, NULL},
    {"llama.context_length", SIZE, 512, NULL},
    {"llama.embedding_length", SIZE, 64, NULL},
    {"llama.feed_forward_length", SIZE, 160, NULL},
    {"llama.attention.head_count", SIZE, 4, NULL},
    {"llama.attention.head_count_kv", SIZE, 2, NULL},
    {"llama.attention.key_length", SIZE, 32, NULL},
    {"llama.attention.value_length", SIZE, 32, NULL},
    {"llama.attention.layer_norm_rms_epsilon", NUMBER, 0.5, NULL},
    {"llama.rope.freq_base", NUMBER, 500000, NULL},
    {"llama.rope.dimension_count", SIZE, 24, NULL},
    {"tokenizer.ggml.model", TEXT, 0, "gpt2"},
    {"tokenizer.ggml.pre", TEXT, 0, "smollm"},
};
enum { N_SOUND = sizeof sound / sizeof *sound };

static void put(bl_buffer *to, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        char c = (char)(value >> 8 * i);
        bl_buffer_add(to, &c, 1);
    }
}

static void put_string(bl_buffer *to, const char *text) {
    put(to, strlen(text), 8);
    bl_buffer_text(to, text);
}

static void put_entry(bl_buffer *to, const entry *e) {
    float number = (float)e->number;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    put_string(to, e->key);
    if (e->what == TEXT) {
        put(to, BL_GGUF_STRING, 4);
        put_string(to, e->text);
    } else if (e->what == SIZES) {
        put(to, BL_GGUF_ARRAY, 4);
        put(to, BL_GGUF_U32, 4);
        put(to, 2, 8);
        put(to, 4, 4);
        put(to, 4, 4);
    } else if (e->what == NUMBER) {
        put(to, BL_GGUF_F32, 4);
        put(to, bits, 4);
    } else {
        put(to, BL_GGUF_I32, 4);
        put(to, (uint32_t)(int32_t)e->number, 4);
    }
}

/* The sound file with one entry left out (`without`) and one put in its place or added (`with`); either may
 * be NULL. */
static json_t *config_of(const char *without, const entry *with, bl_error *err) {
    bl_buffer bytes = {0};
    size_t n = with != NULL;
    bl_buffer_text(&bytes, "GGUF");
    put(&bytes, 3, 4);
    put(&bytes, 0, 8);
    put(&bytes, 0, 8);
    for (size_t i = 0; i < N_SOUND; i++) {
        bool out = without && strcmp(sound[i].key, without) == 0;
        out = out || (with && strcmp(sound[i].key, with->key) == 0);
        if (!out) put_entry(&bytes, &sound[i]);
        n += !out;
    }
    if (with) put_entry(&bytes, with);
    bytes.data[16] = (char)n;
    bl_gguf *file = bl_gguf_parse((unsigned char *)bytes.data, bytes.n, "made", err);
    if (!file) fail_msg("%s", err->message);
    json_t *config = bl_gguf_config(file, err);
    bl_gguf_free(file);
    bl_buffer_free(&bytes);
    return config;
}

static void keys(void **state) {
    (void)state;
    static const char text[] =
        "{\"hidden_act\":\"silu\",\"model_type\":\"llama\",\"tie_word_embeddings\":true,\"attention_bias\":false,"
        "\"mlp_bias\":false,\"gguf_version\":3,\"tokenizer\":\"gpt2, smollm\",\"hidden_size\":64,\"num_hidden_layers\":"
        "2,\"intermediate_size\":160,\"max_position_embeddings\":512,\"num_attention_heads\":4,\"num_key_value_heads\":"
        "2,\"head_dim\":32,\"rms_norm_eps\":0.5,\"rope_theta\":500000.0,\"partial_rotary_factor\":0.765625}";
    bl_error err = {0};
    json_t *config = config_of(NULL, NULL, &err), *wanted = json_loads(text, 0, NULL);
    if (!config) fail_msg("%s", err.message);
    if (!json_equal(config, wanted)) fail_msg("%s", json_dumps(config, 0));
    json_decref(config);
    entry none = {"llama.rope.scaling.type", TEXT, 0, "none"};
    config = config_of(NULL, &none, &err);
    assert_null(json_object_get(config, "rope_scaling"));
    json_decref(config);
    json_decref(wanted);
}

static void damaged(void **state) {
    (void)state;
#define ARCH "general.architecture"
#define L "llama."
#define A L "attention."
#define MISSING "expected an integer, found nothing: it is missing"
    static const struct {
        const char *without;
        entry with;
        bl_code code;
        const char *part;
    } cases[] = {
        {ARCH, {0}, BL_ERR_INPUT, ARCH ": expected a string, found nothing: it is missing"},
        {NULL, {ARCH, SIZE, 7, NULL}, BL_ERR_INPUT, ARCH ": expected a string, found an integer"},
        {NULL,
         {ARCH, TEXT, 0, "mamba"},
         BL_ERR_UNSUPPORTED,
         ARCH ": \"mamba\" is not supported; supported: llama, qwen2"},
        {NULL, {ARCH, TEXT, 0, "qwen2moe"}, BL_ERR_UNSUPPORTED, ARCH ": \"qwen2moe\" is not supported"},
        {NULL, {ARCH, TEXT, 0, "gemma2"}, BL_ERR_INPUT, "gemma2.embedding_length: " MISSING},
        {L "block_count", {0}, BL_ERR_INPUT, L "block_count: " MISSING},
        {NULL,
         {L "block_count", SIZE, 0, NULL},
         BL_ERR_INPUT,
         L "block_count: expected an integer from 1 to 1048576, found 0"},
        {NULL,
         {L "block_count", SIZE, -1, NULL},
         BL_ERR_INPUT,
         L "block_count: expected an integer from 1 to 1048576, found -1"},
        {NULL,
         {L "block_count", NUMBER, 2, NULL},
         BL_ERR_INPUT,
         L "block_count: expected an integer, found a fraction"},
        {L "embedding_length", {0}, BL_ERR_INPUT, L "embedding_length: " MISSING},
        {NULL,
         {L "embedding_length", TEXT, 0, "64"},
         BL_ERR_INPUT,
         L "embedding_length: expected an integer, found a string"},
        {NULL,
         {L "embedding_length", SIZE, 2e6, NULL},
         BL_ERR_INPUT,
         L "embedding_length: expected an integer from 1 to 1048576"},
        {L "feed_forward_length", {0}, BL_ERR_INPUT, L "feed_forward_length: " MISSING},
        {NULL,
         {L "feed_forward_length", SIZES, 0, NULL},
         BL_ERR_INPUT,
         L "feed_forward_length: expected an integer, found an array"},
        {L "context_length", {0}, BL_ERR_INPUT, L "context_length: " MISSING},
        {A "head_count", {0}, BL_ERR_INPUT, A "head_count: " MISSING},
        {NULL,
         {A "head_count", SIZES, 0, NULL},
         BL_ERR_INPUT,
         A "head_count: expected an integer, found an array"},
        {NULL,
         {A "head_count_kv", SIZE, 0, NULL},
         BL_ERR_INPUT,
         A "head_count_kv: expected an integer from 1 to"},
        {NULL,
         {A "value_length", SIZE, 16, NULL},
         BL_ERR_UNSUPPORTED,
         A "value_length: another width than key_length's, here 16"},
        {A "layer_norm_rms_epsilon",
         {0},
         BL_ERR_INPUT,
         A "layer_norm_rms_epsilon: expected a number, found nothing"},
        {NULL,
         {A "layer_norm_rms_epsilon", NUMBER, INFINITY, NULL},
         BL_ERR_INPUT,
         A "layer_norm_rms_epsilon: expected a finite number"},
        {NULL,
         {L "rope.freq_base", TEXT, 0, "x"},
         BL_ERR_INPUT,
         L "rope.freq_base: expected a number, found a string"},
        {NULL,
         {L "rope.dimension_count", SIZE, 64, NULL},
         BL_ERR_UNSUPPORTED,
         L "rope.dimension_count: more than a head's width, here 64"},
        {NULL,
         {L "rope.scaling.type", TEXT, 0, "yarn"},
         BL_ERR_UNSUPPORTED,
         L "rope.scaling.type: the rope scaling \"yarn\" is not supported"},
        {NULL,
         {L "rope.scaling.type", TEXT, 0, "linear"},
         BL_ERR_INPUT,
         L "rope.scaling.factor: expected a number, found nothing"},
        {NULL,
         {L "rope.scaling.type", SIZE, 1, NULL},
         BL_ERR_INPUT,
         L "rope.scaling.type: expected a string, found an integer"},
        {NULL,
         {L "expert_count", SIZE, 8, NULL},
         BL_ERR_UNSUPPORTED,
         L "expert_count: a mixture of experts, here 8 is not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err = {0};
        char part[256];
        json_t *config = config_of(cases[i].without, cases[i].with.key ? &cases[i].with : NULL, &err);
        if (config) fail_msg("case %zu is read", i);
        snprintf(part, sizeof part, "made: %s", cases[i].part);
        if (err.code != cases[i].code || !strstr(err.message, part)) fail_msg("case %zu: %s", i, err.message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys), cmocka_unit_test(damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
