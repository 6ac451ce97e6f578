/* Surrogates against the reference (../shared/golden/general/NAME.surrogate.json): coefficients, linear map, quality,
 * losses, the spectrum of a direction's form; files; and that a bilinear MLP's surrogate is itself. */
#include "support.h"
#include <bilens/decompose.h>
#include <bilens/eigen.h>
#include <bilens/surrogate.h>

typedef struct stories {
    int32_t *ids;
    size_t begin[64];
    size_t n;
} stories;

static stories read_stories(const bl_model *model, const char *path, size_t from, size_t to) {
    stories s = {0};
    bl_error err = {0};
    bl_story story;
    bl_ids ids = {0};
    size_t n_ctx = bl_model_config(model)->n_ctx;
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    assert_non_null(corpus);
    for (size_t i = 0; i < to && bl_corpus_next(corpus, &story, &err); i++) {
        if (i < from) continue;
        ids.n = 0;
        assert_true(bl_tokenizer_encode(bl_model_tokenizer(model), story.text, story.length, &ids, &err));
        size_t n = ids.n < n_ctx ? ids.n : n_ctx;
        s.ids = realloc(s.ids, (s.begin[s.n] + n) * sizeof *s.ids);
        memcpy(s.ids + s.begin[s.n], ids.data, n * sizeof *s.ids);
        s.begin[s.n + 1] = s.begin[s.n] + n;
        s.n++;
    }
    bl_ids_free(&ids);
    bl_corpus_free(corpus);
    return s;
}

static bl_story_tokens as_tokens(const stories *s) { return (bl_story_tokens){s->ids, s->begin, s->n}; }

static double number(const json_t *json, const char *key) {
    return json_number_value(json_object_get(json, key));
}

static void compare_coefficients(const json_t *golden, const float *found, size_t h) {
    const json_t *units = json_object_get(golden, "units"), *scale = json_object_get(golden, "scale"),
                 *values = json_object_get(golden, "values");
    for (size_t r = 0; r < BL_SURROGATE_TERMS; r++)
        for (size_t i = 0; i < json_array_size(units); i++) {
            size_t unit = (size_t)json_integer_value(json_array_get(units, i));
            double wanted = json_number_value(json_array_get(json_array_get(values, r), i));
            assert_near((double)found[r * h + unit], wanted, 1e-3,
                        json_number_value(json_array_get(scale, r)) + 1e-12);
        }
}

static void compare_linear(const json_t *golden, const float *found, size_t d) {
    const json_t *rows = json_object_get(golden, "rows"), *values = json_object_get(golden, "values");
    double most = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < json_array_size(rows); i++)
            for (size_t j = 0; j < d + 1; j++) {
                size_t row = (size_t)json_integer_value(json_array_get(rows, i));
                double wanted = json_number_value(json_array_get(json_array_get(values, i), j));
                if (pass == 0) most = fmax(most, fabs(wanted));
                else assert_near((double)found[row * (d + 1) + j], wanted, 2e-3, most);
            }
}

/* The form of u as the surrogate's map has it, the output bias left out. */
static bool form_of(const bl_surrogate *s, const bl_model *model, size_t layer, const float *u, float *a,
                    float *linear, double *constant, bl_error *err) {
    bl_bilinear map;
    if (!bl_surrogate_map(s, model, layer, &map, err) || !bl_bilinear_matrix(&map, u, a, err)) return false;
    bl_bilinear_linear(&map, u, linear);
    *constant = (double)bl_bilinear_constant(&map, u) - bl_surrogate_bias(s, layer, u);
    return true;
}

/* The spectrum, the length of the linear part and the constant of "#300 - mean(#301, #17)". */
static void compare_form(const json_t *golden, const bl_surrogate *s, const bl_model *model, size_t layer) {
    bl_error err = {0};
    size_t d = s->d;
    assert_string_equal(json_string_value(json_object_get(golden, "token")), "#300");
    assert_true(bl_model_unfold(model, layer, &err));
    bl_view w_u = bl_model_w_u(model);
    float *u = malloc(d * sizeof *u), *a = malloc(d * d * sizeof *a), *linear = malloc(d * sizeof *linear);
    for (size_t i = 0; i < d; i++)
        u[i] = w_u.data[300 * d + i] - 0.5F * (w_u.data[301 * d + i] + w_u.data[17 * d + i]);
    double constant = 0, norm = 0, most = 0;
    if (!form_of(s, model, layer, u, a, linear, &constant, &err)) fail_msg("%s", err.message);
    bl_eigen *eigen = bl_eigen_of_matrix(a, d, 0, 0, &err);
    assert_non_null(eigen);
    const json_t *values = json_object_get(golden, "eigenvalues");
    assert_int_equal(json_array_size(values), d);
    for (size_t i = 0; i < d; i++) most = fmax(most, fabs(json_number_value(json_array_get(values, i))));
    for (size_t i = 0; i < d; i++)
        assert_near((double)bl_eigen_values(eigen)[i], json_number_value(json_array_get(values, i)), 1e-3,
                    most);
    for (size_t i = 0; i < d; i++) norm += (double)linear[i] * (double)linear[i];
    assert_near(sqrt(norm), number(golden, "linear_norm"), 1e-3, sqrt(norm));
    assert_near(constant, number(golden, "constant"), 1e-3, fabs(constant) + most);
    bl_eigen_free(eigen);
    free(u), free(a), free(linear);
}

static void compare(const char *folder, const char *name) {
    char path[512];
    bl_error err = {0};
    snprintf(path, sizeof path, SHARED "/%s/%s", folder, name);
    bl_model *model = bl_model_load(path, &err);
    if (!model) fail_msg("%s", err.message);
    snprintf(path, sizeof path, SHARED "/golden/general/%s.surrogate.json", name);
    json_t *golden = support_json(path);
    size_t layer = (size_t)json_integer_value(json_object_get(golden, "layer"));
    stories fit = read_stories(model, SHARED "/corpus/valid.txt", 0, 32),
            valid = read_stories(model, SHARED "/corpus/valid.txt", 32, 48);
    bl_story_tokens on = as_tokens(&fit), off = as_tokens(&valid);
    bl_surrogate *s = bl_surrogate_fit(model, &layer, 1, &on, &off, (bl_progress){0}, &err);
    if (!s) fail_msg("%s: %s", name, err.message);
    assert_int_equal(s->fit_positions,
                     json_integer_value(json_object_get(json_object_get(golden, "fit"), "positions")));
    const bl_surrogate_layer *l = &s->layers[0];
    compare_coefficients(json_object_get(golden, "coefficients"), l->coefficients, s->h);
    compare_linear(json_object_get(golden, "linear"), l->linear, s->d);
    assert_near(l->r2_fit, number(golden, "r2_fit"), 1e-3, 1.0);
    assert_near(l->r2, number(golden, "r2"), 1e-3, 1.0);
    assert_near(l->r2_linear, number(golden, "r2_linear"), 1e-3, 1.0);
    assert_near(s->loss, number(golden, "loss"), 2e-4, 1.0);
    assert_near(l->loss_mean, number(golden, "loss_mean"), 2e-4, 1.0);
    assert_near(l->loss_surrogate, number(golden, "loss_surrogate"), 2e-4, 1.0);
    compare_form(json_object_get(golden, "eigen"), s, model, layer);
    snprintf(path, sizeof path, "%s/%s.safetensors", support_temporary(), name);
    assert_true(bl_surrogate_write(s, model, path, &err));
    bl_surrogate *back = bl_surrogate_read(path, model, &err);
    if (!back) fail_msg("%s", err.message);
    assert_memory_equal(back->layers[0].coefficients, l->coefficients,
                        BL_SURROGATE_TERMS * s->h * sizeof(float));
    assert_near(back->layers[0].r2, l->r2, 1e-8, 1.0);
    assert_null(bl_surrogate_of(back, layer + 1, &err));
    assert_error(err, BL_ERR_INPUT, "--layers");
    bl_surrogate_free(back);
    bl_surrogate_free(s);
    free(fit.ids), free(valid.ids);
    json_decref(golden);
    bl_model_free(model);
}

static void test_goldens(void **state) {
    (void)state;
    if (!support_have_shared()) skip();
    compare("models", "tiny-later");
    compare("models-general", "qwen2");
    compare("models-general", "gemma2");
    compare("models-general", "gpt2");
}

/* What stands for a bilinear MLP writes what the MLP writes, and has its interaction matrix. */
static void compare_itself(const bl_surrogate *s, bl_model *model) {
    bl_error err = {0};
    enum { ROWS = 5 };
    size_t d = s->d, n = d * d;
    float *x = calloc(ROWS * d, sizeof *x), *y = calloc(2 * ROWS * d, sizeof *y),
          *q = calloc(2 * n, sizeof *q);
    for (size_t i = 0; i < ROWS * d; i++) x[i] = (float)((i * 7919 + 13) % 101) / 50 - 1;
    for (size_t layer = 0; layer < s->n; layer++) {
        bl_bilinear own, other;
        assert_true(bl_model_bilinear(model, layer, &own, &err));
        bl_model_adopt(model, s);
        assert_true(bl_model_bilinear(model, layer, &other, &err));
        assert_ptr_equal(other.origin, s->layers[layer].origin);
        bl_model_adopt(model, NULL);
        assert_true(bl_bilinear_apply(&own, x, ROWS, y, &err));
        assert_true(bl_bilinear_apply(&other, x, ROWS, y + ROWS * d, &err));
        assert_true(bl_bilinear_matrix(&own, x, q, &err));
        assert_true(bl_bilinear_matrix(&other, x, q + n, &err));
        double most = 0, largest = 0;
        for (size_t i = 0; i < ROWS * d; i++) most = fmax(most, fabs((double)y[i]));
        for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)q[i]));
        for (size_t i = 0; i < ROWS * d; i++) assert_near((double)y[ROWS * d + i], (double)y[i], 1e-3, most);
        for (size_t i = 0; i < n; i++) assert_near((double)q[n + i], (double)q[i], 1e-3, largest);
    }
    free(x), free(y), free(q);
}

/* A bilinear MLP: c is 1 on gu and 0 elsewhere, nothing is left for the linear map; and a file of another model's weights
 * is refused. */
static void test_itself(void **state) {
    (void)state;
    bl_error err = {0};
    char path[300];
    bl_model *model = support_model("norm"), *other = support_model("plain");
    stories all = read_stories(model, TEST_DATA "/models/stories.txt", 0, 40);
    bl_story_tokens tokens = as_tokens(&all);
    bl_surrogate *s = bl_surrogate_fit(model, NULL, 0, &tokens, &tokens, (bl_progress){0}, &err);
    if (!s) fail_msg("%s", err.message);
    assert_int_equal(s->n, bl_model_config(model)->n_layer);
    for (size_t i = 0; i < s->n; i++) assert_true(s->layers[i].r2 > 1 - 1e-6);
    compare_itself(s, model);
    assert_near(s->all_surrogate, s->loss, 1e-5, s->loss);
    snprintf(path, sizeof path, "%s/norm.safetensors", support_temporary());
    assert_true(bl_surrogate_write(s, model, path, &err));
    assert_null(bl_surrogate_read(path, other, &err));
    assert_error(err, BL_ERR_INPUT, "other weights");
    assert_null(bl_surrogate_read(TEST_DATA "/models/norm/model.safetensors", model, &err));
    assert_error(err, BL_ERR_INPUT, "is no surrogate");
    bl_surrogate_free(s);
    free(all.ids);
    bl_model_free(model);
    bl_model_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_goldens), cmocka_unit_test(test_itself)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
