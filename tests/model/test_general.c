/* Ordinary models against transformers in float64 (../shared/golden/general): logits and mlp_in of a text
 * whose ids are given, from whole stories and token by token. Bilinear attention against the reference
 * (../shared/golden/attention2). */
#include "model/general.h"
#include "format/safetensors.h"

static const char *const names[] = {"llama3", "mistral", "qwen2", "qwen3", "gemma2", "gpt2"};

static void compare_shared(const char *name, const char *ending) {
    char path[512], golden[512];
    snprintf(path, sizeof path, SHARED "/models-general/%s%s", name, ending);
    snprintf(golden, sizeof golden, SHARED "/golden/general/%s.json", name);
    compare(name, path, golden);
}

static void test_directories(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) compare_shared(names[i], "");
}

/* Patterns and logits of bilinear attention, and the loss of 64 stories. */
static void compare_bilinear(const char *name) {
    char path[512];
    bl_error err = {0};
    snprintf(path, sizeof path, SHARED "/models/%s", name);
    bl_model *model = bl_model_load(path, &err);
    if (!model) fail_msg("%s", err.message);
    snprintf(path, sizeof path, SHARED "/golden/attention2/%s.trace.json", name);
    json_t *golden = support_json(path);
    const char *text = json_string_value(json_object_get(golden, "text"));
    bl_ids ids = {0};
    assert_true(bl_tokenizer_encode(bl_model_tokenizer(model), text, strlen(text), &ids, &err));
    bl_trace *trace = bl_trace_run(model, ids.data, ids.n, NULL, 0, &err);
    assert_non_null(trace);
    snprintf(path, sizeof path, SHARED "/golden/attention2/%s.trace.safetensors", name);
    bl_safetensors *file = bl_safetensors_open(path, &err);
    assert_non_null(file);
    size_t compared = 0;
    for (size_t i = 0; i < bl_trace_n(trace); i++) {
        bl_named_array array = bl_trace_array(trace, i);
        const bl_stored_tensor *wanted = bl_safetensors_find(file, array.name);
        if (!wanted) continue;
        float *values = malloc(wanted->count * sizeof *values);
        double most = 0, worst = 0;
        bl_stored_tensor_read(wanted, values);
        for (size_t j = 0; j < wanted->count; j++) {
            most = fmax(most, fabs((double)values[j]));
            worst = fmax(worst, fabs((double)values[j] - (double)array.data[j]));
        }
        if (!(worst <= 1e-5 * most)) fail_msg("%s: %s is off by %.3g of %.3g", name, array.name, worst, most);
        free(values);
        compared++;
    }
    assert_int_equal(compared, file->n);
    bl_safetensors_free(file);
    bl_trace_free(trace);
    bl_ids_free(&ids);
    snprintf(path, sizeof path, SHARED "/golden/attention2/%s.loss.json", name);
    json_t *wanted = support_json(path);
    const char *corpus_path = SHARED "/corpus/valid.txt";
    bl_corpus *corpus = bl_corpus_open(&corpus_path, 1, &err);
    bl_loss loss;
    assert_non_null(corpus);
    assert_true(bl_model_eval(model, corpus, 64, (bl_progress){0}, &loss, &err));
    assert_near(loss.loss, json_number_value(json_object_get(wanted, "loss")), 1e-5, loss.loss);
    bl_corpus_free(corpus);
    json_decref(wanted);
    json_decref(golden);
    bl_model_free(model);
}

static void test_bilinear(void **state) {
    (void)state;
    compare_bilinear("tiny-attention2");
    compare_bilinear("tiny-attention2-norm");
}

static void test_gguf(void **state) {
    (void)state;
    static const char *const files[] = {"llama3-q8_0", "qwen2-q4_k_m", "smollm2-q4_1", "gemma2-bf16"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) compare_shared(files[i], ".gguf");
}

int main(void) {
    if (!support_have_shared()) return 77;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_directories), cmocka_unit_test(test_bilinear),
                                       cmocka_unit_test(test_gguf)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
