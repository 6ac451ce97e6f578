/* Decomposition: golden numbers, and the invariants by which eigenpairs are judged. */
#include "support.h"

static const char *const minus[] = {"run", "climb", "eat"};
static const bl_direction swim = {.token = "swim", .minus = minus, .n_minus = 3};

static void random_vector(float *x, size_t n, unsigned seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525U + 1013904223U;
        x[i] = (float)(seed >> 8) / 8388608.0F - 1.0F;
    }
}

/* The slow path: Q = sum_o u[o] B[o], with B formed entry by entry in float64 (docs/specification.md, 4),
 * over [x; 1] where there are biases. */
static double *slow_interaction(const bl_model *model, size_t layer, const float *u) {
    const bl_layer *l = bl_model_layer(model, layer);
    size_t n = bl_interaction_size(model), d = l->w_l.cols, h = l->w_l.rows;
    double *q = calloc(n * n, sizeof *q);
    for (size_t o = 0; o < d; o++)
        for (size_t r = 0; r < h; r++) {
            double weight = (double)u[o] * (double)l->w_p.data[o * l->w_p.stride + r];
            for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < n; j++) {
                    double li = i < d ? (double)l->w_l.data[r * d + i] : (double)l->b_l[r],
                           lj = j < d ? (double)l->w_l.data[r * d + j] : (double)l->b_l[r];
                    double ri = i < d ? (double)l->w_r.data[r * d + i] : (double)l->b_r[r],
                           rj = j < d ? (double)l->w_r.data[r * d + j] : (double)l->b_r[r];
                    q[i * n + j] += 0.5 * weight * (li * rj + ri * lj);
                }
        }
    return q;
}

static void check_invariants(const bl_model *model, size_t layer, const float *u, const bl_eigen *eigen,
                             size_t k) {
    size_t n = bl_eigen_size(eigen);
    double *q = slow_interaction(model, layer, u), scale = 0;
    const float *values = bl_eigen_values(eigen);
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs((double)values[i]));
    for (size_t i = 1; i < n; i++) assert_true(values[i] >= values[i - 1]);
    for (size_t i = 0; i < n; i++) {
        const float *v = bl_eigen_vector(eigen, (long)i);
        if (k && i >= k && i < n - k) {
            assert_null(v);
            continue;
        }
        double residual = 0, largest = 0;
        for (size_t r = 0; r < n; r++) {
            double sum = -(double)values[i] * (double)v[r];
            for (size_t c = 0; c < n; c++) sum += q[r * n + c] * (double)v[c];
            residual += sum * sum;
            if (fabs((double)v[r]) > fabs(largest)) largest = (double)v[r];
        }
        assert_near(sqrt(residual), 0, 5e-6, scale);
        assert_true(largest > 0); /* the sign rule */
        for (size_t other = 0; other <= i; other++) {
            const float *w = bl_eigen_vector(eigen, (long)other);
            double dot = 0;
            for (size_t r = 0; w && r < n; r++) dot += (double)v[r] * (double)w[r];
            if (w) assert_near(dot, other == i ? 1 : 0, 5e-6, 1);
        }
    }
    assert_ptr_equal(bl_eigen_vector(eigen, -1), bl_eigen_vector(eigen, (long)n - 1));
    assert_null(bl_eigen_vector(eigen, (long)n));
    assert_null(bl_eigen_vector(eigen, -(long)n - 1));
    free(q);
}

static void test_invariants(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "bias", "june", "later-bilinear"};
    for (size_t m = 0; m < 5; m++) {
        bl_model *model = support_model(models[m]);
        for (size_t layer = 0; layer < bl_model_config(model)->n_layer; layer++)
            for (size_t k = 0; k <= 3; k += 3) {
                float u[16];
                bl_error err = {0};
                random_vector(u, 16, (unsigned)(m + layer));
                bl_eigen *eigen = bl_eigen_new(model, layer, u, k, &err);
                if (!eigen) fail_msg("%s", err.message);
                check_invariants(model, layer, u, eigen, k);
                bl_eigen_free(eigen);
            }
        bl_model_free(model);
    }
}

/* sum_n lambda_n (v_n . x)^2 + u . p = u . MLP(x) on real activations */
static void test_quadratic_form(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "bias", "later-bilinear"};
    for (size_t m = 0; m < 4; m++) {
        bl_model *model = support_model(models[m]);
        const char *const points[] = {"mlp_in", "mlp_out"};
        const int32_t ids[] = {1, 80, 70, 85, 66, 67, 90, 40};
        bl_error err = {0};
        bl_trace *trace = bl_trace_run(model, ids, 8, points, 2, &err);
        float u[16];
        assert_non_null(trace);
        random_vector(u, 16, 7);
        size_t layers = bl_model_config(model)->n_layer, n = bl_interaction_size(model);
        for (size_t layer = 0; layer < layers; layer++) {
            bl_eigen *eigen = bl_eigen_new(model, layer, u, 0, &err);
            const float *x = bl_trace_array(trace, layer).data,
                        *out = bl_trace_array(trace, layers + layer).data;
            for (size_t p = 0; p < 8; p++) {
                double form = (double)bl_eigen_constant(eigen), direct = 0, scale = 1e-3;
                for (size_t i = 0; i < n; i++) {
                    const float *v = bl_eigen_vector(eigen, (long)i);
                    double sim = n > 16 ? (double)v[16] : 0;
                    for (size_t j = 0; j < 16; j++) sim += (double)v[j] * (double)x[p * 16 + j];
                    form += (double)bl_eigen_values(eigen)[i] * sim * sim;
                    scale += fabs((double)bl_eigen_values(eigen)[i]) * sim * sim;
                }
                for (size_t j = 0; j < 16; j++) direct += (double)u[j] * (double)out[p * 16 + j];
                assert_near(form, direct, 1e-5, scale);
            }
            bl_eigen_free(eigen);
        }
        bl_trace_free(trace);
        bl_model_free(model);
    }
}

static void compare_list(const bl_model *model, const float *row, const json_t *wanted, bool top,
                         double scale) {
    size_t V = bl_model_config(model)->n_vocab;
    bl_entry best[10], least[10];
    bl_named_array array = {NULL, row, 1, {V}};
    size_t found;
    assert_true(bl_describe(&array, 10, best, least, &found, NULL));
    assert_int_equal(found, 10);
    const bl_entry *entries = top ? best : least;
    for (size_t i = 0; i < 10; i++) {
        const json_t *pair = json_array_get(wanted, i);
        double value = json_number_value(json_array_get(pair, 1));
        assert_near((double)entries[i].value, value, 1e-5, scale);
        assert_string_equal(bl_tokenizer_token(bl_model_tokenizer(model), (int32_t)entries[i].index[0]),
                            json_string_value(json_array_get(pair, 0)));
    }
}

static void test_golden(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "june"};
    for (size_t m = 0; m < 3; m++) {
        char path[512];
        snprintf(path, sizeof path, TEST_DATA "/models/golden/%s.json", models[m]);
        json_t *golden = support_json(path), *eigen_golden = json_object_get(golden, "eigen"), *vector;
        bl_model *model = support_model(models[m]);
        size_t layer = bl_model_config(model)->n_layer - 1, V = bl_model_config(model)->n_vocab, i;
        float u[16], *virtual_tokens = malloc(3 * V * sizeof(float));
        bl_error err = {0};
        assert_true(bl_direction_vector(&swim, support_basis(model), u, &err));
        bl_eigen *eigen = bl_eigen_new(model, layer, u, 4, &err);
        assert_non_null(eigen);
        const json_t *values = json_object_get(eigen_golden, "eigenvalues");
        double scale = fmax(fabs(json_number_value(json_array_get(values, 0))),
                            fabs(json_number_value(json_array_get(values, 15))));
        for (i = 0; i < 16; i++)
            assert_near((double)bl_eigen_values(eigen)[i], json_number_value(json_array_get(values, i)), 2e-6,
                        scale);
        json_array_foreach(json_object_get(eigen_golden, "vectors"), i, vector) {
            const float *v =
                bl_eigen_vector(eigen, (long)json_integer_value(json_object_get(vector, "index")));
            const json_t *sources = json_object_get(vector, "sources");
            const char *const names[] = {"direct", "head 0", "head 1"};
            assert_true(bl_virtual_tokens(model, layer, v, virtual_tokens, &err));
            for (size_t s = 0; s < 3; s++) {
                const json_t *source = json_object_get(sources, names[s]);
                compare_list(model, virtual_tokens + s * V, json_object_get(source, "top"), true, 1);
                compare_list(model, virtual_tokens + s * V, json_object_get(source, "bottom"), false, 1);
            }
        }
        free(virtual_tokens);
        bl_eigen_free(eigen);
        bl_model_free(model);
        json_decref(golden);
    }
}

/* head_h[t] = v^T OV_h W_E[t], against the OV and OVE tensors formed whole */
static void test_virtual_tokens_slow(void **state) {
    (void)state;
    bl_model *model = support_model("later-bilinear");
    bl_error err = {0};
    size_t V = 104;
    float v[17], *fast = malloc(3 * V * sizeof(float));
    random_vector(v, 17, 3);
    bl_weight_array ove, ov;
    assert_true(bl_virtual_tokens(model, 1, v, fast, &err));
    assert_true(bl_weight_array_get(model, "ove", 1, &ove, &err));
    assert_true(bl_weight_array_get(model, "ov", 1, &ov, &err));
    bl_view w_e = bl_model_w_e(model);
    for (size_t t = 0; t < V; t++) {
        double direct = 0;
        for (size_t i = 0; i < 16; i++) direct += (double)v[i] * (double)w_e.data[t * 16 + i];
        assert_near((double)fast[t], direct, 1e-5, 1);
        for (size_t head = 0; head < 2; head++) {
            double a = 0, b = 0;
            for (size_t i = 0; i < 16; i++) {
                a += (double)v[i] * (double)ove.array.data[(head * V + t) * 16 + i];
                for (size_t j = 0; j < 16; j++)
                    b += (double)v[i] * (double)ov.array.data[(head * 16 + i) * 16 + j] *
                         (double)w_e.data[t * 16 + j];
            }
            assert_near((double)fast[(1 + head) * V + t], a, 1e-5, 1);
            assert_near((double)fast[(1 + head) * V + t], b, 1e-5, 1);
        }
    }
    bl_weight_array_free(&ove);
    bl_weight_array_free(&ov);
    free(fast);
    bl_model_free(model);
}

/* B contracted with u is Q */
static void test_b(void **state) {
    (void)state;
    bl_model *model = support_model("bias");
    bl_error err = {0};
    bl_weight_array b;
    float u[16], q[17 * 17];
    random_vector(u, 16, 5);
    assert_true(bl_weight_array_get(model, "b", 0, &b, &err));
    assert_int_equal(bl_weight_array_bytes(model, "b"), 16 * 17 * 17 * 4);
    assert_true(bl_interaction_matrix(model, 0, u, q, &err));
    for (size_t i = 0; i < 17 * 17; i++) {
        double sum = 0;
        for (size_t o = 0; o < 16; o++) sum += (double)u[o] * (double)b.array.data[o * 17 * 17 + i];
        assert_near((double)q[i], sum, 1e-5, 1);
    }
    bl_weight_array_free(&b);
    bl_model_free(model);
}

static void test_centring(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    bl_error err = {0};
    float u[16], centred[16];
    bl_direction direction = swim;
    assert_true(bl_direction_vector(&direction, support_basis(model), u, &err));
    direction.centre_unembedding = true;
    assert_true(bl_direction_vector(&direction, support_basis(model), centred, &err));
    double mean = 0, sum = 0;
    for (size_t i = 0; i < 16; i++) mean += (double)u[i] / 16;
    for (size_t i = 0; i < 16; i++) {
        assert_near((double)centred[i], (double)u[i] - mean, 1e-6, 1);
        sum += (double)centred[i];
    }
    assert_near(sum, 0, 1e-6, 1);
    bl_model_free(model);
}

/* A direction orthogonal to nothing of P but zero: all eigenvalues equal, one group. */
static void test_groups(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    bl_error err = {0};
    float zero[16] = {0}, u[16];
    size_t first, last;
    bl_eigen *eigen = bl_eigen_new(model, 0, zero, 0, &err);
    assert_non_null(eigen);
    bl_eigen_group(eigen, 3, &first, &last);
    assert_int_equal(first, 0);
    assert_int_equal(last, 15);
    assert_true(bl_eigen_effective_rank(eigen) == 0);
    bl_eigen_free(eigen);
    assert_true(bl_direction_vector(&swim, support_basis(model), u, &err));
    eigen = bl_eigen_new(model, 0, u, 0, &err);
    bl_eigen_group(eigen, 0, &first, &last);
    assert_true(first == 0 && last == 0);
    double rank = bl_eigen_effective_rank(eigen);
    assert_true(rank > 1 && rank < 16);
    bl_eigen_free(eigen);
    bl_model_free(model);
}

static void test_refusals(void **state) {
    (void)state;
    const char *const gated[] = {"gelu", "mlp", "june-relu", "later"};
    float u[16] = {1};
    bl_error err = {0};
    for (size_t i = 0; i < 4; i++) {
        bl_model *model = support_model(gated[i]);
        assert_null(bl_eigen_new(model, 0, u, 0, &err));
        assert_error(err, BL_ERR_UNSUPPORTED, "no quadratic form of its input");
        bl_model_free(model);
    }
    bl_model *model = support_model("plain");
    assert_null(bl_eigen_new(model, 1, u, 0, &err));
    assert_error(err, BL_ERR_USAGE, "layer 1");
    u[3] = NAN;
    assert_null(bl_eigen_new(model, 0, u, 0, &err));
    assert_error(err, BL_ERR_NUMERIC, "NaN");
    bl_direction unknown = {.token = "swum"};
    assert_false(bl_direction_vector(&unknown, support_basis(model), u, &err));
    assert_error(err, BL_ERR_USAGE, "swim");
    bl_model_free(model);
}

static void test_describe(void **state) {
    (void)state;
    const float values[] = {1, 5, NAN, 5, -2, 0, -2, 3};
    bl_named_array array = {"x", values, 2, {2, 4}};
    bl_entry top[9], bottom[9];
    size_t found;
    assert_true(bl_describe(&array, 3, top, bottom, &found, NULL));
    assert_int_equal(found, 3);
    assert_true(top[0].value == 5 && top[0].index[0] == 0 && top[0].index[1] == 1);
    assert_true(top[1].value == 5 && top[1].index[1] == 3);
    assert_true(top[2].value == 3 && top[2].index[0] == 1 && top[2].index[1] == 3);
    assert_true(bottom[0].value == -2 && bottom[0].index[0] == 1 && bottom[0].index[1] == 0);
    assert_true(bottom[1].value == -2 && bottom[1].index[1] == 2);
    assert_true(bl_describe(&array, 100, top, bottom, &found, NULL));
    assert_int_equal(found, 7); /* the NaN is left out */
    assert_true(top[6].value == -2 && bottom[6].value == 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invariants), cmocka_unit_test(test_quadratic_form),
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_virtual_tokens_slow),
        cmocka_unit_test(test_b),          cmocka_unit_test(test_centring),
        cmocka_unit_test(test_groups),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_describe)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
