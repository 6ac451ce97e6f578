/* Identities of dictionaries of features (docs/specification.md, 17), on every variant of MLP and norm, and what the files keep. */
#include "support.h"
#include "base/file.h"

static const char *const variants[] = {"plain", "norm", "bias", "later-bilinear"};
enum { N_VARIANTS = sizeof variants / sizeof *variants, F = 12, T = 10 };

static float draw(uint64_t *state) { /* uniform in -1 … 1 */
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)((double)(*state >> 11) * 0x1p-52 - 1);
}

/* A dictionary of random numbers, offsets and a centre included. */
static bl_dictionary *random_dictionary(size_t d, size_t k, uint64_t seed) {
    bl_dictionary *a = calloc(1, sizeof *a);
    *a = (bl_dictionary){.name = strdup("random"),
                         .F = F,
                         .d = d,
                         .activation = BL_ACTIVATION_TOPK,
                         .k = k,
                         .encoder = calloc(F * d, sizeof(float)),
                         .decoder = calloc(F * d, sizeof(float)),
                         .offset = calloc(F, sizeof(float)),
                         .centre = calloc(d, sizeof(float))};
    for (size_t i = 0; i < F * d; i++) {
        a->encoder[i] = draw(&seed);
        a->decoder[i] = draw(&seed);
    }
    for (size_t i = 0; i < F; i++) a->offset[i] = draw(&seed);
    for (size_t i = 0; i < d; i++) a->centre[i] = draw(&seed);
    return a;
}

/* Positions 0 … T-1 of a text at mlp_in and mlp_out. */
static bl_trace *trace_of(const bl_model *model) {
    static const char *const names[] = {"mlp_in.0", "mlp_out.0"};
    int32_t ids[T];
    bl_error err = {0};
    for (size_t t = 0; t < T; t++) ids[t] = (int32_t)((t * 29 + 3) % bl_model_config(model)->n_vocab);
    bl_trace *trace = bl_trace_run(model, ids, T, names, 2, &err);
    if (!trace) fail_msg("%s", err.message);
    return trace;
}

static const float *rows_of(const bl_trace *trace, const char *name) {
    for (size_t i = 0; i < bl_trace_n(trace); i++)
        if (strcmp(bl_trace_array(trace, i).name, name) == 0) return bl_trace_array(trace, i).data;
    fail_msg("no %s", name);
    return NULL;
}

/* x'^T q x' of a row with its constant coordinate. */
static double form(const float *q, size_t n, const float *x, size_t d, double shift) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double xi = i < d ? (double)x[i] : 1, xj = j < d ? (double)x[j] : 1;
            sum += xi * ((double)q[i * n + j] - (i == j ? shift : 0)) * xj;
        }
    return sum;
}

/* pre_a = x'^T Q_a x' + constant, exactly. */
static void pre_is_the_form(void **state) {
    (void)state;
    for (size_t v = 0; v < N_VARIANTS; v++) {
        bl_model *model = support_model(variants[v]);
        size_t d = bl_model_config(model)->d_model, which[] = {0, 5, F - 1};
        bl_dictionary *in = random_dictionary(d, 4, 1), *out = random_dictionary(d, 4, 2);
        bl_error err = {0};
        bl_bilinear map;
        assert_true(bl_model_bilinear(model, 0, &map, &err));
        size_t n = bl_bilinear_size(&map);
        float *q = calloc(n * n, sizeof *q), pre[T * F];
        bl_feature_options options = {.features = which, .n_features = 3};
        bl_features *features = bl_features_of(model, in, out, &options, &err);
        if (!features) fail_msg("%s", err.message);
        bl_trace *trace = trace_of(model);
        bl_dictionary_pre(out, rows_of(trace, "mlp_out.0"), T, pre);
        for (size_t i = 0; i < 3; i++) {
            size_t a = which[i];
            assert_true(bl_bilinear_matrix(&map, out->encoder + a * d, q, &err));
            for (size_t p = 0; p < T; p++) {
                double x = form(q, n, rows_of(trace, "mlp_in.0") + p * d, d, 0);
                assert_near(pre[p * F + a], x + features->list[i].constant, 1e-5,
                            fmax(1, fabs(x)) + fabs(features->list[i].constant));
            }
        }
        bl_trace_free(trace);
        bl_features_free(features);
        bl_dictionary_free(in);
        bl_dictionary_free(out);
        free(q);
        bl_model_free(model);
    }
}

/* The form of a reconstruction is the sum of its features' interactions, linear parts and offset. */
static void interactions_add_up(void **state) {
    (void)state;
    for (size_t v = 0; v < N_VARIANTS; v++) {
        bl_model *model = support_model(variants[v]);
        size_t d = bl_model_config(model)->d_model, which = 3, pairs = F * (F - 1) / 2;
        bl_dictionary *in = random_dictionary(d, 5, 7), *out = random_dictionary(d, 4, 8);
        bl_error err = {0};
        bl_bilinear map;
        assert_true(bl_model_bilinear(model, 0, &map, &err));
        size_t n = bl_bilinear_size(&map);
        bl_feature_options options = {.features = &which, .n_features = 1, .most = pairs};
        bl_features *features = bl_features_of(model, in, out, &options, &err);
        if (!features) fail_msg("%s", err.message);
        const bl_feature *f = &features->list[0];
        assert_int_equal(f->self.n, F);
        assert_int_equal(f->pairs.n, pairs);
        assert_true(f->has_linear);
        float *q = calloc(n * n, sizeof *q), *hat = calloc(T * d, sizeof *hat), pre[T * F];
        bool active[T * F];
        bl_trace *trace = trace_of(model);
        const float *x = rows_of(trace, "mlp_in.0");
        bl_dictionary_pre(in, x, T, pre);
        assert_true(bl_dictionary_reconstruct(in, x, T, hat, active, &err));
        assert_true(bl_bilinear_matrix(&map, out->encoder + which * d, q, &err));
        for (size_t p = 0; p < T; p++) {
            double sum = f->offset, largest = fabs(f->offset), z[F];
            size_t on = 0;
            for (size_t b = 0; b < F; b++) {
                z[b] = active[p * F + b] ? (double)pre[p * F + b] : 0;
                on += active[p * F + b];
            }
            assert_in_range(on, 0, 5);
            for (size_t i = 0; i < F; i++) {
                double self = z[f->self.top[i].b] * z[f->self.top[i].b] * f->self.top[i].value,
                       linear = z[f->linear.top[i].b] * f->linear.top[i].value;
                sum += self + linear;
                largest = fmax(largest, fmax(fabs(self), fabs(linear)));
            }
            for (size_t i = 0; i < pairs; i++)
                sum += 2 * z[f->pairs.top[i].b] * z[f->pairs.top[i].c] * f->pairs.top[i].value;
            assert_near(sum, form(q, n, hat + p * d, d, f->shift), 1e-5, 10 * fmax(1, largest));
        }
        bl_trace_free(trace);
        bl_features_free(features);
        bl_dictionary_free(in);
        bl_dictionary_free(out);
        free(q);
        free(hat);
        bl_model_free(model);
    }
}

/* Both layouts keep the function, with and without offsets of their own. */
static void layouts_keep_the_function(void **state) {
    (void)state;
    enum { D = 9 };
    float x[T * D], before[T * D], after[T * D];
    uint64_t seed = 4;
    for (size_t i = 0; i < T * D; i++) x[i] = draw(&seed);
    for (size_t layout = 0; layout < 2; layout++)
        for (size_t own = 0; own < 2; own++) {
            bl_dictionary *a = random_dictionary(D, 4, 5 + own);
            bl_error err = {0};
            char path[200];
            snprintf(path, sizeof path, "%s/%zu-%zu", support_temporary(), layout, own);
            for (size_t f = 0; !own && f < F; f++) { /* o = -e . c: an encoder without a bias */
                double sum = 0;
                for (size_t c = 0; c < D; c++) sum -= (double)a->encoder[f * D + c] * (double)a->centre[c];
                a->offset[f] = (float)sum;
            }
            assert_true(bl_dictionary_write(a, path, (bl_dictionary_layout)layout, "m", "mlp_in", 0, &err));
            bl_dictionary *b = bl_dictionary_read(path, D, &err);
            if (!b) fail_msg("%s", err.message);
            assert_int_equal(b->k, 4);
            for (size_t f = 0; f < F; f++) assert_near(b->offset[f], a->offset[f], 2e-6, 1);
            assert_true(bl_dictionary_reconstruct(a, x, T, before, NULL, &err));
            assert_true(bl_dictionary_reconstruct(b, x, T, after, NULL, &err));
            for (size_t i = 0; i < T * D; i++) assert_near(before[i], after[i], 1e-5, 10);
            bl_dictionary_free(a);
            bl_dictionary_free(b);
        }
}

/* "text" and arrays as a SAELens folder. */
static void write_folder(const char *path, const char *config, const bl_named_array *arrays, size_t n) {
    char name[300];
    bl_error err = {0};
    assert_true(bl_make_directories(path, &err));
    snprintf(name, sizeof name, "%s/cfg.json", path);
    assert_true(bl_text_write(name, config, &err));
    snprintf(name, sizeof name, "%s/sae_weights.safetensors", path);
    assert_true(bl_safetensors_write(name, arrays, n, &err));
}

/* A transcoder's sides: its encoder with what makes a feature active, its decoder as a plain matrix. */
static void transcoders_have_two_sides(void **state) {
    (void)state;
    enum { IN = 5, OUT = 7 };
    float w_enc[IN * F], w_dec[F * OUT], b_enc[F], b_dec[OUT], threshold[F];
    uint64_t seed = 11;
    for (size_t i = 0; i < IN * F; i++) w_enc[i] = draw(&seed);
    for (size_t i = 0; i < F * OUT; i++) w_dec[i] = draw(&seed);
    for (size_t i = 0; i < F; i++) b_enc[i] = draw(&seed), threshold[i] = 0.5F;
    for (size_t i = 0; i < OUT; i++) b_dec[i] = draw(&seed);
    const bl_named_array arrays[] = {{"W_dec", w_dec, 2, {F, OUT}},
                                     {"W_enc", w_enc, 2, {IN, F}},
                                     {"b_dec", b_dec, 1, {OUT}},
                                     {"b_enc", b_enc, 1, {F}},
                                     {"threshold", threshold, 1, {F}}};
    char path[200], side[220];
    bl_error err = {0};
    snprintf(path, sizeof path, "%s/transcoder", support_temporary());
    write_folder(path, "{\"architecture\": \"jumprelu_transcoder\", \"d_in\": 5, \"d_out\": 7}", arrays, 5);
    assert_null(bl_dictionary_read(path, 0, &err));
    assert_error(err, BL_ERR_INPUT, "is a transcoder: say");
    snprintf(side, sizeof side, "%s:in", path);
    assert_true(bl_dictionary_is_folder(side) && bl_dictionary_is_folder(path));
    assert_null(bl_dictionary_read(side, OUT, &err));
    assert_error(err, BL_ERR_INPUT, "have 5 numbers");
    bl_dictionary *in = bl_dictionary_read(side, IN, &err);
    assert_non_null(in);
    assert_int_equal(in->activation, BL_ACTIVATION_JUMPRELU);
    snprintf(side, sizeof side, "%s:out", path);
    bl_dictionary *out = bl_dictionary_read(side, OUT, &err);
    assert_non_null(out);
    assert_int_equal(out->activation, BL_ACTIVATION_RELU);
    for (size_t f = 0; f < F; f++) {
        for (size_t i = 0; i < IN; i++) assert_near(in->encoder[f * IN + i], w_enc[i * F + f], 0, 1);
        for (size_t i = 0; i < OUT; i++) assert_near(out->encoder[f * OUT + i], w_dec[f * OUT + i], 0, 1);
        assert_near(in->offset[f], b_enc[f], 0, 1);
        assert_near(out->offset[f], 0, 0, 1);
    }
    float x[IN] = {1, -1, 0.5F, 2, 0}, pre[F], u[OUT];
    bool active[F];
    bl_dictionary_pre(in, x, 1, pre);
    assert_true(bl_dictionary_active(in, pre, 1, active, &err));
    for (size_t f = 0; f < F; f++) {
        double sum = (double)b_enc[f];
        for (size_t i = 0; i < IN; i++) sum += (double)x[i] * (double)w_enc[i * F + f];
        assert_near(pre[f], sum, 1e-6, 3);
        assert_int_equal(active[f], sum > 0.5);
    }
    snprintf(side, sizeof side, "%s:out:3", path);
    assert_true(bl_direction_read(side, OUT, u, &err));
    for (size_t i = 0; i < OUT; i++) assert_near(u[i], w_dec[3 * OUT + i], 0, 1);
    bl_dictionary_free(in);
    bl_dictionary_free(out);
    write_folder(path, "{\"architecture\": \"skip_transcoder\"}", arrays, 5);
    snprintf(side, sizeof side, "%s:in", path);
    assert_null(bl_dictionary_read(side, 0, &err));
    assert_error(err, BL_ERR_UNSUPPORTED, "skip_transcoder");
    write_folder(path, "{}", arrays, 5);
    assert_null(bl_dictionary_read(side, 0, &err));
    assert_error(err, BL_ERR_INPUT, "is no transcoder");
    write_folder(path, "{\"architecture\": \"transcoder\", \"normalize_activations\": \"layer_norm\"}",
                 arrays, 5);
    assert_null(bl_dictionary_read(side, 0, &err));
    assert_error(err, BL_ERR_UNSUPPORTED, "normalize_activations");
}

/* Nothing active: the reconstruction is the centre; all active: every feature counts. */
static void reconstruction_has_both_ends(void **state) {
    (void)state;
    enum { D = 6 };
    bl_dictionary *a = random_dictionary(D, F, 9);
    bl_error err = {0};
    float x[D] = {0}, hat[D];
    bool active[F];
    for (size_t f = 0; f < F; f++) a->offset[f] = -1e6F;
    assert_true(bl_dictionary_reconstruct(a, x, 1, hat, active, &err));
    for (size_t c = 0; c < D; c++) assert_near(hat[c], a->centre[c], 0, 1);
    for (size_t f = 0; f < F; f++) {
        assert_false(active[f]);
        a->offset[f] = 1;
    }
    assert_true(bl_dictionary_reconstruct(a, x, 1, hat, active, &err));
    for (size_t c = 0; c < D; c++) {
        double sum = (double)a->centre[c];
        for (size_t f = 0; f < F; f++) sum += (double)a->decoder[f * D + c];
        assert_near(hat[c], sum, 1e-5, 1);
    }
    bl_dictionary_free(a);
}

/* --basis: what an eigenvector reads in a dictionary is v . f. */
static void eigenvectors_read_in_features(void **state) {
    (void)state;
    bl_model *model = support_model("bias");
    size_t d = bl_model_config(model)->d_model;
    bl_dictionary *a = random_dictionary(d, 4, 3), *narrow = random_dictionary(d - 1, 4, 3);
    bl_error err = {0};
    bl_direction *direction = bl_direction_parse("#7", &err);
    assert_non_null(direction);
    float *u = calloc(d, sizeof *u);
    bl_bilinear map;
    assert_true(bl_direction_vector(direction, support_basis(model), u, &err));
    assert_true(bl_model_bilinear(model, 0, &map, &err));
    bl_eigen *eigen = bl_eigen_of(&map, u, 0, &err);
    bl_question question = {.model = model, .direction = direction};
    long indices[] = {-1, 2};
    bl_tree *tree = bl_eigen_tree(&question, eigen, indices, 2, &err);
    assert_non_null(tree);
    assert_false(bl_eigen_tree_read_in(tree, eigen, narrow, &err));
    assert_error(err, BL_ERR_INPUT, "features have");
    if (!bl_eigen_tree_read_in(tree, eigen, a, &err)) fail_msg("%s", err.message);
    for (size_t j = 0; j < 2; j++) {
        const json_t *vector = json_array_get(json_object_get(tree, "vectors"), j),
                     *source = json_object_get(json_object_get(vector, "sources"), "features"),
                     *top = json_object_get(source, "top");
        const float *v = bl_eigen_vector(eigen, indices[j]);
        assert_int_equal(json_array_size(top), 10);
        double last = INFINITY;
        for (size_t i = 0; i < 10; i++) {
            const json_t *entry = json_array_get(top, i);
            size_t f = (size_t)strtoul(json_string_value(json_array_get(entry, 0)) + 1, NULL, 10);
            double value = json_number_value(json_array_get(entry, 1)), dot = 0;
            for (size_t c = 0; c < d; c++) dot += (double)v[c] * (double)a->decoder[f * d + c];
            assert_near(value, dot, 1e-6, 4);
            assert_true(value <= last);
            last = value;
        }
    }
    bl_tree_free(tree);
    bl_eigen_free(eigen);
    bl_direction_free(direction);
    bl_dictionary_free(a);
    bl_dictionary_free(narrow);
    free(u);
    bl_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pre_is_the_form),
                                       cmocka_unit_test(interactions_add_up),
                                       cmocka_unit_test(layouts_keep_the_function),
                                       cmocka_unit_test(transcoders_have_two_sides),
                                       cmocka_unit_test(reconstruction_has_both_ends),
                                       cmocka_unit_test(eigenvectors_read_in_features)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
