/* Directions that are vectors: from memory and from files of both kinds. */
#include "support.h"
#include <unistd.h>

static const char *place(char path[256], const char *name) {
    snprintf(path, 256, "%s/%s", support_temporary(), name);
    return path;
}

/* A token's direction through a file gives the same bits as the token. */
static void test_round_trip(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    bl_error err = {0};
    char path[256], named[300];
    size_t d = bl_model_config(model)->d_model;
    float *u = calloc(d, sizeof *u), *read = calloc(d, sizeof *read), *again = calloc(d, sizeof *again);
    bl_direction token = {.token = "swim"};
    assert_true(bl_direction_vector(model, &token, u, &err));
    const bl_named_array arrays[] = {{"other", u, 1, {3}}, {"a:b", u, 2, {1, d}}};
    assert_true(bl_npy_write(place(path, "u.npy"), &(bl_named_array){"u", u, 2, {d, 1}}, &err));
    assert_true(bl_direction_read(path, d, read, &err));
    assert_memory_equal(u, read, d * sizeof *u);
    assert_true(bl_safetensors_write(place(path, "two:files.safetensors"), arrays, 2, &err));
    snprintf(named, sizeof named, "%s:a:b", path);
    memset(read, 0, d * sizeof *read);
    assert_true(bl_direction_read(named, d, read, &err)); /* colons in both names */
    assert_memory_equal(u, read, d * sizeof *u);
    bl_direction vector = {.vector = read, .name = "swim"};
    assert_true(bl_direction_vector(model, &vector, again, &err));
    assert_memory_equal(u, again, d * sizeof *u);
    free(u);
    free(read);
    free(again);
    bl_model_free(model);
}

static void test_half(void **state) {
    (void)state;
    const float values[] = {1, -0.5F, 0.25F, 65504};
    float read[4];
    char path[256];
    bl_error err = {0};
    assert_true(bl_safetensors_write_as(place(path, "half.safetensors"),
                                        &(bl_named_array){"h", values, 1, {4}}, 1, BL_STORE_F16, &err));
    assert_true(bl_direction_read(path, 4, read, &err));
    assert_memory_equal(values, read, sizeof values);
}

static void test_refused(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    size_t d = bl_model_config(model)->d_model;
    float *u = calloc(d, sizeof *u), *out = calloc(d, sizeof *out);
    const char *const minus[] = {"run"};
    char path[256];
    bl_error err = {0};
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        u[d - 1] = bad[i];
        assert_true(bl_npy_write(place(path, "bad.npy"), &(bl_named_array){"u", u, 1, {d}}, &err));
        assert_false(bl_direction_read(path, d, out, &err));
        assert_error(err, BL_ERR_INPUT, i ? "is infinite" : "is NaN");
        assert_false(bl_direction_vector(model, &(bl_direction){.vector = u, .name = "probe"}, out, &err));
        assert_error(err, BL_ERR_USAGE, "probe: element");
    }
    u[d - 1] = 0;
    assert_true(bl_npy_write(place(path, "square.npy"), &(bl_named_array){"u", u, 2, {2, d / 2}}, &err));
    assert_false(bl_direction_read(path, d, out, &err)); /* d numbers in another shape are no direction */
    assert_error(err, BL_ERR_INPUT, "its shape is [2, ");
    assert_false(bl_direction_read(path, d / 2, out, &err));
    assert_error(err, BL_ERR_INPUT, "square.npy");
    assert_true(bl_npy_write(place(path, "scalar.npy"), &(bl_named_array){"u", u, 0, {0}}, &err));
    assert_false(bl_direction_read(path, 1, out, &err));
    assert_error(err, BL_ERR_INPUT, "its shape is []");
    assert_true(bl_npy_write(place(path, "empty.npy"), &(bl_named_array){"u", u, 2, {0, 5}}, &err));
    assert_false(bl_direction_read(path, d, out, &err));
    assert_error(err, BL_ERR_INPUT, "[0, 5]");
    assert_false(bl_direction_vector(model, &(bl_direction){.vector = u, .token = "swim"}, out, &err));
    assert_error(err, BL_ERR_USAGE, "no token");
    assert_false(
        bl_direction_vector(model, &(bl_direction){.vector = u, .minus = minus, .n_minus = 1}, out, &err));
    assert_error(err, BL_ERR_USAGE, "no contrast");
    assert_false(
        bl_direction_vector(model, &(bl_direction){.vector = u, .centre_unembedding = true}, out, &err));
    assert_error(err, BL_ERR_USAGE, "no centring");
    free(u);
    free(out);
    bl_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_half),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
