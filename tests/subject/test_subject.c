/* Every kind of subject through the same calls: u . y of a sample's inputs is its form and its eigenpairs. */
#include "support.h"
#include <bilens/subject.h>

/* One sample through layer `layer` in direction `text`, as a user of any subject would go. */
static void check(const bl_subject *subject, size_t layer, const char *text, const bl_sample *sample) {
    bl_error err = {0};
    bl_bilinear map;
    bl_basis out = bl_subject_basis_out(subject), in = bl_subject_basis_in(subject);
    if (!bl_subject_map(subject, layer, &map, &err)) fail_msg("%s", err.message);
    size_t d = bl_basis_width(&out), n = bl_bilinear_size(&map), n_paths;
    bl_path *paths = bl_subject_paths(subject, layer, &n_paths, &err);
    bl_direction *direction = bl_direction_parse(text, &err);
    float *u = calloc(d, sizeof *u), *readings = calloc(n_paths * bl_basis_size(&in), sizeof *readings);
    if (!bl_direction_vector(direction, &out, u, &err)) fail_msg("%s", err.message);
    bl_eigen *eigen = bl_eigen_of(&map, u, 0, &err);
    bl_runner *runner = bl_runner_new(subject, layer, &err);
    if (!runner) fail_msg("%s", err.message);
    bl_view x = bl_runner_inputs(runner, sample, &err);
    if (!x.data) fail_msg("%s", err.message);
    assert_int_equal(x.cols, bl_bilinear_in(&map));
    float *y = calloc(x.rows * d, sizeof *y);
    assert_true(bl_bilinear_apply(&map, x.data, x.rows, y, &err));
    for (size_t p = 0; p < x.rows; p++) {
        double written = 0, form = (double)bl_eigen_constant(eigen), size = 1e-3;
        for (size_t o = 0; o < d; o++) written += (double)u[o] * (double)y[p * d + o];
        for (size_t i = 0; i < n; i++) {
            const float *v = bl_eigen_vector(eigen, (long)i);
            double dot = n > x.cols ? (double)v[x.cols] : 0;
            for (size_t e = 0; e < x.cols; e++) dot += (double)v[e] * (double)x.data[p * x.stride + e];
            form += (double)bl_eigen_values(eigen)[i] * dot * dot;
            size += fabs((double)bl_eigen_values(eigen)[i]) * dot * dot;
        }
        assert_near(form, written, 1e-5, size);
    }
    if (n_paths) assert_true(bl_readout(&in, paths, n_paths, bl_eigen_vector(eigen, -1), readings, &err));
    if (n_paths) /* "direct" is the product with each basis vector */
        for (size_t i = 0; i < bl_basis_size(&in); i++) {
            double dot = 0;
            for (size_t e = 0; e < in.vectors.cols; e++)
                dot += (double)in.vectors.data[i * in.vectors.stride + e] *
                       (double)bl_eigen_vector(eigen, -1)[e];
            assert_near((double)readings[i], dot, 1e-4, 1);
        }
    bl_runner_free(runner);
    bl_eigen_free(eigen);
    bl_direction_free(direction);
    bl_free(paths);
    free(u);
    free(y);
    free(readings);
}

static void test_transformers(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "bias", "june", "later-bilinear"};
    const int32_t ids[] = {1, 5, 9, 2, 7};
    for (size_t m = 0; m < 5; m++) {
        char path[512];
        bl_error err = {0};
        snprintf(path, sizeof path, TEST_DATA "/models/%s", models[m]);
        bl_subject *subject = bl_subject_load(path, &err);
        if (!subject) fail_msg("%s", err.message);
        assert_string_equal(bl_subject_kind_of(subject), "transformer");
        assert_string_equal(bl_subject_name(subject), path);
        assert_non_null(bl_subject_model(subject));
        assert_null(bl_subject_image_model(subject));
        for (size_t layer = 0; layer < bl_subject_n_layers(subject); layer++)
            check(subject, layer, "swim - mean(*)", &(bl_sample){.ids = ids, .n = 5});
        bl_runner *runner = bl_runner_new(subject, 0, &err);
        const int32_t beyond[] = {1 << 20};
        assert_null(bl_runner_inputs(runner, &(bl_sample){.ids = beyond, .n = 1}, &err).data);
        assert_error(err, BL_ERR_USAGE, "a sample of this model");
        size_t n;
        assert_null(bl_subject_paths(subject, 99, &n, &err));
        assert_error(err, BL_ERR_USAGE, "layer 99");
        bl_runner_free(runner);
        bl_subject_free(subject);
    }
}

static void test_images(void **state) {
    (void)state;
    bl_error err = {0};
    if (!support_have_shared()) skip();
    bl_subject *subject = bl_subject_load(SHARED "/models-images/fashion-64", &err);
    if (!subject) fail_msg("%s", err.message);
    assert_string_equal(bl_subject_kind_of(subject), "image");
    bl_basis in = bl_subject_basis_in(subject), out = bl_subject_basis_out(subject);
    size_t n = bl_basis_size(&in);
    assert_int_equal(in.shape[0] * in.shape[1] * in.shape[2], n);
    float *row = calloc(n, sizeof *row);
    for (size_t i = 0; i < n; i++) row[i] = (float)((i * 37) % 101) / 101;
    size_t last = bl_subject_n_layers(subject) - 1;
    check(subject, last, "class:#5 - class:#3", &(bl_sample){.row = row});
    check(subject, last, "#7 - mean(*)", &(bl_sample){.row = row});
    bl_direction *direction = bl_direction_parse("#5 - #3", &err);
    char *text = bl_direction_text(direction, &out, &err);
    assert_true(strncmp(text, "class:", 6) == 0 || strncmp(text, "\"class:", 7) == 0);
    bl_free(text);
    bl_direction_free(direction);
    free(row);
    bl_subject_free(subject);
}

static void test_refused(void **state) {
    (void)state;
    bl_error err = {0};
    bl_bilinear map;
    assert_null(bl_subject_load("no such directory", &err));
    assert_error(err, BL_ERR_INPUT, "no such model directory");
    bl_model *model = support_model("gelu");
    bl_subject *subject = bl_subject_of_model(model, &err);
    assert_false(bl_subject_map(subject, 0, &map, &err));
    assert_error(err, BL_ERR_UNSUPPORTED, "gated");
    assert_null(bl_runner_new(subject, 0, &err));
    assert_error(err, BL_ERR_UNSUPPORTED, "gated");
    bl_subject_free(subject); /* the model stays */
    assert_int_equal(bl_model_config(model)->n_layer > 0, 1);
    bl_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_transformers), cmocka_unit_test(test_images),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
