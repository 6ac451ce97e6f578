/* Directions: their grammar and canonical texts; vectors from memory and from files of both kinds. */
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
    assert_true(bl_direction_vector(&token, support_basis(model), u, &err));
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
    assert_true(bl_direction_vector(&vector, support_basis(model), again, &err));
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
        assert_false(bl_direction_vector(&(bl_direction){.vector = u, .name = "probe"}, support_basis(model),
                                         out, &err));
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
    assert_false(
        bl_direction_vector(&(bl_direction){.vector = u, .token = "swim"}, support_basis(model), out, &err));
    assert_error(err, BL_ERR_USAGE, "no token");
    assert_false(bl_direction_vector(&(bl_direction){.vector = u, .minus = minus, .n_minus = 1},
                                     support_basis(model), out, &err));
    assert_error(err, BL_ERR_USAGE, "no contrast");
    assert_false(bl_direction_vector(&(bl_direction){.vector = u, .centre_unembedding = true},
                                     support_basis(model), out, &err));
    assert_error(err, BL_ERR_USAGE, "no centring");
    free(u);
    free(out);
    bl_model_free(model);
}

/* A small basis whose labels need all kinds of care. */
static const char *const labels[] = {"swim", "run", "climb",   "a b", "mean(x)", "@home",
                                     "*",    "-",   "q\"\\\n", "#1",  NULL,      ""};
enum { N_LABELS = 12, WIDTH = 3 };
static float rows[N_LABELS * WIDTH];

static bl_basis small_basis(const char *name) {
    for (size_t i = 0; i < N_LABELS * WIDTH; i++) rows[i] = (float)((i * 7 + 3) % 11) - 4;
    return (bl_basis){.name = name, .vectors = {rows, N_LABELS, WIDTH, WIDTH}, .labels = labels};
}

static void test_canonical(void **state) {
    (void)state;
    static const struct {
        const char *text, *canonical;
    } cases[] = {{"swim", "swim"},
                 {"  swim  ", "swim"},
                 {"\"swim\"", "swim"},
                 {"#0", "swim"},
                 {"#10", "#10"},
                 {"swim - run", "swim - run"},
                 {"swim - mean(run)", "swim - run"},
                 {"swim - mean(climb,run)", "swim - mean(run, climb)"},
                 {"swim - mean( #2 , \"run\" )", "swim - mean(run, climb)"},
                 {"swim - mean(run, run)", "swim - mean(run, run)"},
                 {"swim - mean(*)", "swim - mean(*)"},
                 {"swim - mean( * )", "swim - mean(*)"},
                 {"swim - \"*\"", "swim - \"*\""},
                 {"swim - *", "swim - \"*\""},
                 {"\"a b\" - \"mean(x)\"", "\"a b\" - \"mean(x)\""},
                 {"\"\\u0061 b\"", "\"a b\""},
                 {"\"@home\" - -", "\"@home\" - \"-\""},
                 {"\"q\\\"\\\\\\n\"", "\"q\\\"\\\\\\n\""},
                 {"\"\"", "\"\""},
                 {"token:swim - token:run", "swim - run"},
                 {"centred(swim - run)", "centred(swim - run)"},
                 {"centred( swim )", "centred(swim)"},
                 {"@probe.npy:3", "@probe.npy:3"},
                 {"@\"my probe.npy\":3", "@\"my probe.npy:3\""},
                 {"feature:12@dict.npy", "@dict.npy:12"}};
    bl_basis basis = small_basis("token");
    bl_error err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_direction *direction = bl_direction_parse(cases[i].text, &err);
        if (!direction) fail_msg("%s: %s", cases[i].text, err.message);
        char *canonical = bl_direction_text(direction, &basis, &err);
        if (!canonical) fail_msg("%s: %s", cases[i].text, err.message);
        assert_string_equal(canonical, cases[i].canonical);
        bl_direction *again = bl_direction_parse(canonical, &err); /* what was written is read */
        if (!again) fail_msg("%s: %s", canonical, err.message);
        char *same = bl_direction_text(again, &basis, &err);
        assert_string_equal(same, canonical);
        float u[WIDTH], v[WIDTH];
        if (direction->token && strcmp(cases[i].text, "\"@home\" - -") != 0 &&
            bl_direction_vector(direction, &basis, u, &err)) {
            assert_true(bl_direction_vector(again, &basis, v, &err));
            for (size_t e = 0; e < WIDTH; e++) assert_near((double)u[e], (double)v[e], 1e-6, 10);
        }
        bl_free(canonical);
        bl_free(same);
        bl_direction_free(direction);
        bl_direction_free(again);
    }
}

static void test_class_basis(void **state) {
    (void)state;
    static const char *const names[] = {"T-shirt", "Ankle boot", "5"};
    bl_basis basis = {.name = "class", .vectors = {rows, 3, WIDTH, WIDTH}, .labels = names};
    bl_error err = {0};
    assert_int_equal(bl_basis_find(&basis, "class:1", &err), 1);
    assert_int_equal(bl_basis_find(&basis, "#2", &err), 2);
    assert_int_equal(bl_basis_find(&basis, "5", &err), 2); /* a label before a number */
    assert_int_equal(bl_basis_find(&basis, "0", &err), 0);
    assert_int_equal(bl_basis_find(&basis, "shoe", &err), -1);
    assert_error(err, BL_ERR_USAGE, "there are T-shirt, Ankle boot, 5");
    bl_direction *direction = bl_direction_parse("class:5 - \"class:Ankle boot\"", &err);
    char *text = bl_direction_text(direction, &basis, &err);
    assert_string_equal(text, "class:5 - \"class:Ankle boot\"");
    bl_free(text);
    bl_direction_free(direction);
}

static void test_malformed(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "swim -",
                                        "swim - ",
                                        "swim -run",
                                        "swim run",
                                        "swim - mean(",
                                        "swim - mean(run",
                                        "swim - mean(run,)",
                                        "swim - mean()",
                                        "swim - mean(*, run)",
                                        "swim - run - climb",
                                        "\"swim",
                                        "\"\\x\"",
                                        "\"\\ud800\"",
                                        "\"\\u00\"",
                                        "\"\\u0000\"",
                                        "@",
                                        "@a.npy - run",
                                        "swim - @a.npy",
                                        "centred(swim",
                                        "centred(@a.npy)",
                                        "swim)",
                                        "feature:x@a.npy - b",
                                        "\xFF"};
    bl_error err = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bl_direction *direction = bl_direction_parse(texts[i], &err);
        if (direction && i != 23) fail_msg("'%s' was taken", texts[i]); /* 23: "feature:x@a.npy" is a label */
        if (!direction) assert_int_equal(err.code, BL_ERR_USAGE);
        bl_direction_free(direction);
    }
}

/* mean(*) is the mean of all rows that stand for something. */
static void test_mean_of_all(void **state) {
    (void)state;
    bl_basis basis = small_basis("token");
    bl_error err = {0};
    float mean[WIDTH], u[WIDTH], v[WIDTH];
    assert_false(bl_basis_used(&basis, 10));
    assert_true(bl_basis_mean(&basis, mean, &err));
    for (size_t e = 0; e < WIDTH; e++) {
        double sum = 0;
        for (size_t i = 0; i < N_LABELS; i++) sum += i == 10 ? 0 : (double)rows[i * WIDTH + e];
        assert_near((double)mean[e], sum / (N_LABELS - 1), 1e-6, 1);
    }
    bl_direction direction = {.token = "run", .minus_all = true};
    assert_true(bl_direction_vector(&direction, &basis, u, &err));
    for (size_t e = 0; e < WIDTH; e++)
        assert_near((double)u[e], (double)rows[WIDTH + e] - (double)mean[e], 1e-6, 1);
    basis.mean = mean;
    assert_true(bl_direction_vector(&direction, &basis, v, &err));
    assert_memory_equal(u, v, sizeof u);
    direction.minus = labels;
    direction.n_minus = 1;
    assert_false(bl_direction_vector(&direction, &basis, u, &err));
    assert_error(err, BL_ERR_USAGE, "not both");
}

/* Row of a matrix; directions that mean nothing. */
static void test_rows_and_zeros(void **state) {
    (void)state;
    bl_error err = {0};
    bl_basis basis = small_basis("token");
    char path[256], row[300];
    float u[WIDTH] = {0};
    const float zeros[WIDTH] = {0}, tiny[WIDTH] = {1e-40F, 0, 0};
    assert_true(bl_npy_write(place(path, "m.npy"), &(bl_named_array){"m", rows, 2, {N_LABELS, WIDTH}}, &err));
    snprintf(row, sizeof row, "%s:4", path);
    assert_true(bl_direction_read(row, WIDTH, u, &err));
    assert_memory_equal(u, rows + 4 * WIDTH, sizeof u);
    snprintf(row, sizeof row, "%s:12", path);
    assert_false(bl_direction_read(row, WIDTH, u, &err));
    assert_error(err, BL_ERR_INPUT, "no row 12; its 12 rows");
    assert_false(bl_direction_read(path, WIDTH, u, &err));
    assert_error(err, BL_ERR_INPUT, "FILE:ROW");
    snprintf(row, sizeof row, "%s-missing.npy:1", path);
    assert_false(bl_direction_read(row, WIDTH, u, &err));
    assert_error(err, BL_ERR_INPUT, "m.npy-missing.npy");
    assert_true(bl_npy_write(place(path, "zero.npy"), &(bl_named_array){"z", zeros, 1, {WIDTH}}, &err));
    assert_false(bl_direction_read(path, WIDTH, u, &err));
    assert_error(err, BL_ERR_INPUT, "every component is 0");
    assert_true(bl_npy_write(place(path, "tiny.npy"), &(bl_named_array){"t", tiny, 1, {WIDTH}}, &err));
    assert_false(bl_direction_read(path, WIDTH, u, &err));
    assert_error(err, BL_ERR_INPUT, "too small for a 32-bit float");
    assert_false(bl_direction_vector(&(bl_direction){.vector = zeros, .name = "probe"}, &basis, u, &err));
    assert_error(err, BL_ERR_USAGE, "probe: every component is 0");
    const char *const self[] = {"swim"};
    assert_false(
        bl_direction_vector(&(bl_direction){.token = "swim", .minus = self, .n_minus = 1}, &basis, u, &err));
    assert_error(err, BL_ERR_USAGE, "zero in every component");
}

/* One vector and many are read alike, through every path, and against the definition. */
static void test_readout(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "bias", "later-bilinear"};
    for (size_t m = 0; m < 4; m++) {
        bl_model *model = support_model(models[m]);
        bl_error err = {0};
        bl_basis basis = bl_model_basis_in(model);
        size_t layer = bl_model_config(model)->n_layer - 1, n = bl_basis_size(&basis),
               d = bl_basis_width(&basis), P = bl_model_n_paths(model), count = 40;
        enum { K = 3 };
        bl_path *paths = bl_model_paths(model, layer, &err);
        float *v = calloc(count * (d + 1), sizeof *v), *out = calloc(P * n, sizeof *out);
        bl_reading *many = calloc(count * P * 2 * K, sizeof *many);
        for (size_t i = 0; i < count * (d + 1); i++) v[i] = (float)((i * 2654435761U >> 7) % 1000) / 500 - 1;
        bl_readout_many *readout = bl_readout_many_new(&basis, paths, P, &err);
        assert_non_null(readout);
        assert_true(bl_readout_extremes(readout, v, d + 1, count, K, many, &err));
        for (size_t c = 0; c < count; c++) {
            assert_true(bl_readout(&basis, paths, P, v + c * (d + 1), out, &err));
            for (size_t s = 0; s < P; s++) {
                const bl_reading *top = many + ((c * P + s) * 2) * K, *bottom = top + K;
                for (size_t k = 0; k < K; k++) {
                    assert_near((double)top[k].value, (double)out[s * n + (size_t)top[k].index], 1e-5, 1);
                    assert_near((double)bottom[k].value, (double)out[s * n + (size_t)bottom[k].index], 1e-5,
                                1);
                }
                for (size_t i = 0; i < n; i++) {
                    assert_true(out[s * n + i] <= top[0].value + 1e-5F);
                    assert_true(out[s * n + i] >= bottom[0].value - 1e-5F);
                }
            }
        }
        bl_readout_many_free(readout);
        free(paths);
        free(v);
        free(out);
        free(many);
        bl_model_free(model);
    }
}

/* Rows that pad a vocabulary are in no list. */
static void test_padding_is_not_read(void **state) {
    (void)state;
    enum { N = 6, K = 2 };
    static const char *const names[N] = {"a", NULL, "b", "c", NULL, "d"};
    float e[N * WIDTH] = {0}, v[WIDTH] = {1, 0, 0};
    for (size_t i = 0; i < N; i++) e[i * WIDTH] = names[i] ? (float)i : i == 1 ? -100.0F : 100.0F;
    bl_basis basis = {.name = "token", .vectors = {e, N, WIDTH, WIDTH}, .labels = names};
    bl_path direct = {.name = "direct", .scale = 1};
    bl_error err = {0};
    bl_reading out[2 * K];
    assert_int_equal(bl_basis_n_used(&basis), 4);
    bl_readout_many *readout = bl_readout_many_new(&basis, &direct, 1, &err);
    assert_true(bl_readout_extremes(readout, v, WIDTH, 1, K, out, &err));
    assert_true(out[0].index == 5 && out[1].index == 3 && out[2].index == 0 && out[3].index == 2);
    bl_readout_many_free(readout);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_half),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_class_basis), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_mean_of_all), cmocka_unit_test(test_rows_and_zeros),
        cmocka_unit_test(test_readout),     cmocka_unit_test(test_padding_is_not_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
