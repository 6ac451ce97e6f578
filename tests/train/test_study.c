/* A study of image models: its mean, deviation and Student's interval by hand, runs that are not trained
 * again, what a small form has not, bad options. */
#include "support.h"
#include <bilens/image_result.h>
#include <bilens/study.h>

static size_t n_done;
static void count(void *context, const bl_study_setting *setting, const bl_study_run_figures *run) {
    (void)context, (void)setting, (void)run;
    n_done++;
}

/* The 64 images of the sample as a training set and as a test set. */
static void sample_as_both(char folder[256]) {
    char command[1024];
    snprintf(folder, 256, "%s/data", support_temporary());
    snprintf(
        command, sizeof command,
        "mkdir -p %s && cd %s && for f in images-idx3 labels-idx1; do cp %s/images/sample/t10k-$f-ubyte.gz . && "
        "cp t10k-$f-ubyte.gz train-$f-ubyte.gz || exit 1; done",
        folder, folder, TEST_DATA);
    assert_int_equal(system(command), 0);
}

static double mean_of(const bl_tree *setting, const char *key) {
    return bl_tree_real(json_object_get(setting, key), "mean");
}

static void numbers(void **state) {
    (void)state;
    char images[256], output[256];
    bl_error err;
    double noise[] = {0, 0.3}, decay[] = {0.5};
    bl_image_train_options recipe;
    bl_image_train_defaults(&recipe);
    recipe.model.d_hidden = 12;
    recipe.epochs = 2;
    recipe.batch = 32;
    sample_as_both(images);
    snprintf(output, sizeof output, "%s/study", support_temporary());
    bl_study_options options = {images, output, noise, 2, decay, 1, 3, &recipe, count, NULL};
    bl_study *study = bl_study_run(&options, &err);
    if (!study) fail_msg("%s", err.message);
    assert_int_equal(study->n_settings, 2);
    assert_int_equal(n_done, 6);
    const bl_study_setting *s = &study->settings[1];
    assert_true(s->noise == 0.3 && s->decay == 0.5 && s->runs[2].seed == 44);
    assert_true(s->matched[0] > 0 && s->matched[0] <= 1 && s->other_class[0] > 0);

    bl_tree *tree = bl_study_tree(study, &err);
    const bl_tree *setting = json_array_get(json_object_get(tree, "settings"), 1);
    double a = s->runs[0].effective_rank[0], b = s->runs[1].effective_rank[0],
           c = s->runs[2].effective_rank[0];
    double mean = (a + b + c) / 3,
           sd = sqrt(((a - mean) * (a - mean) + (b - mean) * (b - mean) + (c - mean) * (c - mean)) / 2);
    const bl_tree *rank = json_object_get(setting, "effective_rank");
    assert_true(fabs(bl_tree_real(rank, "mean") - mean) < 1e-7 * mean);
    assert_true(fabs(bl_tree_real(rank, "sd") - sd) < 1e-6 * mean);
    assert_true(fabs(bl_tree_real(rank, "interval") - 4.303 * sd / sqrt(3)) < 1e-6 * mean);
    assert_true(mean_of(setting, "accuracy_rank10") > 0);
    assert_true(isnan(mean_of(setting, "accuracy_rank20"))); /* a form of 12 has no 20 eigenvectors */
    bl_table *rows = bl_study_rows(tree, &err);
    assert_non_null(rows);
    bl_table_free(rows);

    n_done = 0;
    bl_study *again = bl_study_run(&options, &err);
    assert_non_null(again);
    assert_int_equal(n_done, 6);
    bl_tree *same = bl_study_tree(again, &err);
    assert_true(json_equal(tree, same));
    bl_tree_free(same);
    bl_tree_free(tree);
    bl_study_free(again);
    bl_study_free(study);
}

static void bad_options(void **state) {
    (void)state;
    bl_error err;
    double value = 0;
    bl_image_train_options recipe;
    bl_image_train_defaults(&recipe);
    const bl_study_options good = {"images", "output", &value, 1, &value, 1, 2, &recipe, NULL, NULL};
    bl_study_options cases[] = {good, good, good, good, good, good};
    cases[0].images = NULL;
    cases[1].output = NULL;
    cases[2].seeds = 0;
    cases[3].seeds = BL_STUDY_SEEDS + 1;
    cases[4].n_noise = 0;
    cases[5].n_noise = SIZE_MAX;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(bl_study_run(&cases[i], &err));
        assert_int_equal(err.code, BL_ERR_USAGE);
    }
    bl_study_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers), cmocka_unit_test(bad_options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
