/* Top-activating inputs: golden lists, the tie rule, contributions, independence of threads. */
#include "support.h"

static const char *const minus[] = {"run", "climb", "eat"};
static const bl_direction swim = {.token = "swim", .minus = minus, .n_minus = 3};
static const long eigs[] = {-1, -2, -3, -4, 0, 1, 2, 3};

static bl_eigen *decompose(const bl_model *model, size_t layer) {
    float u[16];
    bl_error err = {0};
    if (!bl_direction_vector(&swim, support_basis(model), u, &err)) fail_msg("%s", err.message);
    bl_eigen *eigen = bl_eigen_new(model, layer, u, 0, &err);
    if (!eigen) fail_msg("%s", err.message);
    return eigen;
}

static bl_scan *scan_file(const bl_model *model, const bl_eigen *eigen, const char *path,
                          const bl_scan_options *options) {
    bl_error err = {0};
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    if (!corpus) fail_msg("%s", err.message);
    bl_scan *scan = bl_scan_run(model, eigen, eigs, 8, corpus, options, &err);
    if (!scan) fail_msg("%s", err.message);
    bl_corpus_free(corpus);
    return scan;
}

static void compare_match(const bl_model *model, bl_match m, const json_t *wanted) {
    bool same = m.story == (size_t)json_integer_value(json_object_get(wanted, "story")) &&
                m.position == (size_t)json_integer_value(json_object_get(wanted, "position"));
    double similarity = json_number_value(json_object_get(wanted, "similarity"));
    assert_near((double)m.similarity, similarity, 1e-5, fabs(similarity) + 0.1);
    assert_near((double)m.activation, json_number_value(json_object_get(wanted, "activation")), 1e-4,
                fabs((double)m.activation) + 0.01);
    if (!same) { /* stories that begin alike, with [BOS] for one: the order of equals means nothing */
        assert_near((double)m.similarity, similarity, 1e-6, fabs(similarity));
        return;
    }
    assert_string_equal(bl_tokenizer_token(bl_model_tokenizer(model), m.ids[m.position]),
                        json_string_value(json_object_get(wanted, "token")));
    const json_t *contributions = json_object_get(wanted, "contributions");
    assert_int_equal(json_array_size(contributions), m.position + 1);
    for (size_t j = 0; j <= m.position; j++)
        assert_near((double)m.contributions[j], json_number_value(json_array_get(contributions, j)), 1e-5, 1);
}

static void test_golden(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "june"};
    for (size_t i = 0; i < 3; i++) {
        char path[512];
        snprintf(path, sizeof path, TEST_DATA "/models/golden/%s.json", models[i]);
        json_t *golden = support_json(path),
               *vectors = json_object_get(json_object_get(golden, "scan"), "vectors");
        bl_model *model = support_model(models[i]);
        bl_eigen *eigen = decompose(model, bl_model_config(model)->n_layer - 1);
        bl_scan *scan = scan_file(model, eigen, TEST_DATA "/models/stories.txt", NULL);
        assert_int_equal(bl_scan_stories(scan), 12);
        for (size_t j = 0; j < 8; j++) {
            const json_t *matches = json_object_get(json_array_get(vectors, j), "matches");
            assert_int_equal(bl_scan_n_matches(scan, j), json_array_size(matches));
            for (size_t m = 0; m < 8; m++)
                compare_match(model, bl_scan_match(scan, j, m), json_array_get(matches, m));
        }
        bl_scan_free(scan);
        bl_eigen_free(eigen);
        bl_model_free(model);
        json_decref(golden);
    }
}

static void test_contributions_sum(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "bias", "june", "later-bilinear"};
    for (size_t i = 0; i < 5; i++) {
        bl_model *model = support_model(models[i]);
        for (size_t layer = 0; layer < bl_model_config(model)->n_layer; layer++) {
            bl_eigen *eigen = decompose(model, layer);
            bl_scan *scan = scan_file(model, eigen, TEST_DATA "/models/stories.txt", NULL);
            for (size_t j = 0; j < 8; j++)
                for (size_t m = 0; m < bl_scan_n_matches(scan, j); m++) {
                    bl_match match = bl_scan_match(scan, j, m);
                    double sum = (double)match.bias, size = 0;
                    for (size_t p = 0; p <= match.position; p++) {
                        sum += (double)match.contributions[p];
                        size += fabs((double)match.contributions[p]);
                    }
                    assert_near(sum, fabs((double)match.similarity), 1e-5, size + 0.1);
                    if (m)
                        assert_true(fabsf(bl_scan_match(scan, j, m - 1).similarity) >=
                                    fabsf(match.similarity));
                    assert_true(match.n_ids >= match.position + 1 && match.n_ids <= match.position + 4);
                }
            bl_scan_free(scan);
            bl_eigen_free(eigen);
        }
        bl_model_free(model);
    }
}

/* 700 stories, each twice: of equal activations the lower story wins, and the number of threads changes no
 * bit. */
static void test_ties_and_threads(void **state) {
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/ties.txt", support_temporary());
    FILE *file = fopen(path, "w");
    const char *const words[] = {"swim", "pool", "the", "fish", "tom", "likes", "water", "mia"};
    for (unsigned i = 0; i < 1400; i++) {
        for (unsigned bits = i % 700 + 1; bits; bits /= 8) fprintf(file, "%s ", words[bits % 8]);
        fprintf(file, "\n<|endoftext|>\n");
    }
    fclose(file);
    bl_model *model = support_model("norm");
    bl_eigen *eigen = decompose(model, 1);
    bl_scan_options options = {.top = 20};
    bl_set_threads(1);
    bl_scan *one = scan_file(model, eigen, path, &options);
    bl_set_threads(3);
    bl_scan *three = scan_file(model, eigen, path, &options);
    bl_set_threads(0);
    assert_int_equal(bl_scan_stories(one), 1400);
    for (size_t j = 0; j < 8; j++) {
        assert_int_equal(bl_scan_n_matches(one, j), 20);
        for (size_t m = 0; m < 20; m++) {
            bl_match a = bl_scan_match(one, j, m), b = bl_scan_match(three, j, m);
            assert_true(a.story == b.story && a.position == b.position && a.similarity == b.similarity);
            assert_memory_equal(a.contributions, b.contributions, (a.position + 1) * sizeof(float));
            if (m % 2) { /* every story has a twin 700 later, which stands right behind it */
                bl_match twin = bl_scan_match(one, j, m - 1);
                if (twin.similarity == a.similarity) assert_true(twin.story < a.story);
            }
        }
    }
    bl_scan_free(one);
    bl_scan_free(three);
    bl_eigen_free(eigen);
    bl_model_free(model);
}

static bool stop(void *context, const char *phase, uint64_t done, uint64_t total) {
    (void)context, (void)phase, (void)done, (void)total;
    return false;
}

static void test_refusals(void **state) {
    (void)state;
    bl_error err = {0};
    bl_model *model = support_model("plain");
    bl_eigen *eigen = decompose(model, 0);
    const char *path = TEST_DATA "/models/stories.txt";
    const long beyond[] = {0, 16};
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    assert_null(bl_scan_run(model, eigen, beyond, 2, corpus, NULL, &err));
    assert_error(err, BL_ERR_USAGE, "eigenvector 16");
    assert_null(bl_scan_run(model, eigen, beyond, 0, corpus, NULL, &err));
    bl_scan_options options = {.progress = {stop, NULL}};
    assert_null(bl_scan_run(model, eigen, eigs, 8, corpus, &options, &err));
    assert_error(err, BL_ERR_CANCELLED, "interrupted");
    bl_corpus_free(corpus);
    bl_eigen_free(eigen);
    bl_model_free(model);
}

static void test_few_stories(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    bl_eigen *eigen = decompose(model, 0);
    bl_scan_options options = {.top = 8, .max_stories = 3};
    bl_scan *scan = scan_file(model, eigen, TEST_DATA "/models/stories.txt", &options);
    assert_int_equal(bl_scan_stories(scan), 3);
    assert_int_equal(bl_scan_n_matches(scan, 0), 3); /* at most one per story */
    bl_scan_free(scan);
    bl_eigen_free(eigen);
    bl_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden),
                                       cmocka_unit_test(test_contributions_sum),
                                       cmocka_unit_test(test_ties_and_threads),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_few_stories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
