/* Every architecture with odd settings against transformers in float64 (tests/data/general, made by
 * make_general.py): logits and mlp_in, ids of hostile texts, the loss over a corpus. */
#include "model/general.h"
#include <dirent.h>
#include <sys/stat.h>

#ifndef GENERAL
#define GENERAL TEST_DATA "/general"
#define MODELS 14 /* at least */
#endif

static void compare_texts(const char *name, const bl_model *model, const json_t *texts) {
    bl_error err = {0};
    bl_ids ids = {0};
    json_t *entry;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)texts, i, entry) {
        const json_t *text = json_object_get(entry, "text"), *wanted = json_object_get(entry, "ids");
        ids.n = 0;
        if (!bl_tokenizer_encode(bl_model_tokenizer(model), json_string_value(text), json_string_length(text),
                                 &ids, &err))
            fail_msg("%s: %s", name, err.message);
        if (ids.n != json_array_size(wanted)) fail_msg("%s: text %zu has %zu ids", name, i, ids.n);
        for (size_t j = 0; j < ids.n; j++)
            if (ids.data[j] != (int32_t)json_integer_value(json_array_get(wanted, j)))
                fail_msg("%s: text %zu: id %zu is %d", name, i, j, (int)ids.data[j]);
    }
    bl_ids_free(&ids);
}

static void compare_loss(const char *name, const bl_model *model, const json_t *wanted) {
    bl_error err = {0};
    const char *path = GENERAL "/corpus.txt";
    bl_loss loss;
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    assert_non_null(corpus);
    if (!bl_model_eval(model, corpus, 0, (bl_progress){0}, &loss, &err))
        fail_msg("%s: %s", name, err.message);
    assert_int_equal(loss.predictions, json_integer_value(json_object_get(wanted, "predictions")));
    double expected = json_number_value(json_object_get(wanted, "loss"));
    if (!(fabs(loss.loss - expected) < 1e-4))
        fail_msg("%s: loss %.7f, expected %.7f", name, loss.loss, expected);
    bl_corpus_free(corpus);
}

static void compare_reading(const char *name, const char *path, const char *golden_path) {
    bl_error err = {0};
    bl_model *model = bl_model_load(path, &err);
    if (!model) fail_msg("%s: %s", name, err.message);
    json_t *golden = support_json(golden_path);
    compare_texts(name, model, json_object_get(golden, "texts"));
    compare_loss(name, model, json_object_get(golden, "eval"));
    json_decref(golden);
    bl_model_free(model);
}

/* NAME.json is of the directory NAME or of NAME.gguf, which has no tokenizer. */
static void test_all(void **state) {
    (void)state;
    size_t n = 0;
    DIR *directory = opendir(GENERAL);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[1024], golden[1024], name[256];
        size_t length = strlen(entry->d_name);
        if (length < 6 || strcmp(entry->d_name + length - 5, ".json") != 0) continue;
        snprintf(name, sizeof name, "%.*s", (int)(length - 5), entry->d_name);
        snprintf(golden, sizeof golden, GENERAL "/%s.json", name);
        bool gguf = length > 10 && strcmp(entry->d_name + length - 10, "-gguf.json") == 0;
        snprintf(path, sizeof path, GENERAL "/%s%s", name, gguf ? ".gguf" : "");
        compare(name, path, golden);
        if (!gguf) compare_reading(name, path, golden);
        n++;
    }
    closedir(directory);
    assert_true(n >= MODELS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
