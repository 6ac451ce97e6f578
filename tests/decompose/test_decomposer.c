/* Many directions at once: equal to one at a time, with B held and without; the null model against its
 * definition. */
#include "support.h"
#include <bilens/decompose.h>

enum { M = 7, D = 16 };

static void random_vector(float *x, size_t n, unsigned seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525U + 1013904223U;
        x[i] = (float)(seed >> 8) / 8388608.0F - 1.0F;
    }
}

static void same(const bl_eigen *a, const bl_eigen *b) {
    size_t n = bl_eigen_size(a);
    assert_int_equal(n, bl_eigen_size(b));
    double scale = fmax(fabs((double)bl_eigen_values(a)[0]), fabs((double)bl_eigen_values(a)[n - 1]));
    for (size_t i = 0; i < n; i++)
        assert_near((double)bl_eigen_values(a)[i], (double)bl_eigen_values(b)[i], 3e-6, scale);
    for (long i = -2; i < 2; i++) {
        const float *v = bl_eigen_vector(a, i), *w = bl_eigen_vector(b, i);
        double dot = 0;
        for (size_t j = 0; j < n; j++) dot += (double)v[j] * (double)w[j];
        assert_near(fabs(dot), 1, 1e-4, 1);
    }
    assert_near((double)bl_eigen_constant(a), (double)bl_eigen_constant(b), 1e-6, 1);
}

static void test_equals_single(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "bias", "june", "later-bilinear"};
    for (size_t i = 0; i < 5; i++) {
        bl_model *model = support_model(models[i]);
        size_t layer = bl_model_config(model)->n_layer - 1;
        float u[M * D];
        bl_error err = {0};
        random_vector(u, M * D, (unsigned)i);
        for (size_t directions = 0; directions <= 1000; directions += 1000) {
            bl_decomposer_options options = {.directions = directions};
            bl_bilinear map;
            assert_true(bl_model_bilinear(model, layer, &map, &err));
            bl_decomposer *z = bl_decomposer_new(&map, &options, &err);
            assert_non_null(z);
            assert_true((bl_decomposer_held(z) > 0) == (directions > 0));
            bl_eigen *out[M];
            assert_true(bl_decomposer_run(z, u, M, 2, out, &err));
            for (size_t m = 0; m < M; m++) {
                bl_eigen *one = bl_eigen_new(model, layer, u + m * D, 2, &err);
                same(one, out[m]);
                bl_eigen_free(one);
                bl_eigen_free(out[m]);
            }
            bl_decomposer_free(z);
        }
        bl_model_free(model);
    }
}

/* The trace and the squared norm of sym(sum_g (P^T u)[g] L[left g] R[right g]^T) over [x; 1], in float64. */
static void slow_sums(const bl_model *model, const float *u, const size_t *left, const size_t *right,
                      double *trace, double *square) {
    const bl_layer *l = bl_model_layer(model, 0);
    size_t d = l->w_l.cols, n = bl_interaction_size(model);
    *trace = *square = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double q = 0;
            for (size_t g = 0; g < l->w_l.rows; g++) {
                const float *a = l->w_l.data + left[g] * d, *b = l->w_r.data + right[g] * d;
                double ai = (double)(i < d ? a[i] : l->b_l[left[g]]),
                       aj = (double)(j < d ? a[j] : l->b_l[left[g]]);
                double bi = (double)(i < d ? b[i] : l->b_r[right[g]]),
                       bj = (double)(j < d ? b[j] : l->b_r[right[g]]), w = 0;
                for (size_t o = 0; o < d; o++) w += (double)u[o] * (double)l->w_p.data[o * l->w_p.stride + g];
                q += 0.5 * w * (ai * bj + aj * bi);
            }
            if (i == j) *trace += q;
            *square += q * q;
        }
}

static void test_null_model(void **state) {
    (void)state;
    const char *const models[] = {"plain", "bias"};
    for (size_t i = 0; i < 2; i++) {
        bl_model *model = support_model(models[i]);
        size_t h = bl_model_config(model)->d_hidden, moved = 0, apart = 0;
        float u[D];
        bl_error err = {0};
        bl_bilinear map, draw, again;
        random_vector(u, D, 3);
        assert_true(bl_model_bilinear(model, 0, &map, &err));
        assert_true(bl_bilinear_null(&map, 5, &draw, NULL, &err));
        assert_true(bl_bilinear_null(&map, 5, &again, NULL, &err));
        bl_decomposer_options options = {.directions = i * 1000};
        bl_decomposer *z = bl_decomposer_new(&draw, &options, &err);
        const size_t *left = draw.left, *right = draw.right;
        bool seen_left[64] = {false}, seen_right[64] = {false};
        for (size_t g = 0; g < h; g++) {
            assert_false(seen_left[left[g]] || seen_right[right[g]]); /* permutations */
            seen_left[left[g]] = seen_right[right[g]] = true;
            moved += left[g] != g;
            apart += left[g] != right[g];
            assert_true(left[g] == again.left[g] && right[g] == again.right[g]); /* the same each time */
        }
        assert_true(moved > h / 2 && apart > h / 2);
        bl_eigen *eigen;
        assert_true(bl_decomposer_run(z, u, 1, 2, &eigen, &err));
        double trace, square, sum = 0, squares = 0;
        slow_sums(model, u, left, right, &trace, &square);
        for (size_t e = 0; e < bl_eigen_size(eigen); e++) {
            double value = (double)bl_eigen_values(eigen)[e];
            sum += value;
            squares += value * value;
        }
        assert_near(sum, trace, 1e-5, sqrt(square));
        assert_near(squares, square, 1e-5, square);
        bl_eigen *one = bl_eigen_of(&draw, u, 2, &err);
        assert_non_null(one);
        same(eigen, one);
        bl_eigen_free(one);
        bl_eigen_free(eigen);
        bl_decomposer_free(z);
        bl_bilinear_null_free(&draw);
        bl_bilinear_null_free(&again);
        bl_model_free(model);
    }
}

/* One number of threads or another: the same bits. */
static void test_threads(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    float u[M * D];
    random_vector(u, M * D, 9);
    for (size_t directions = 0; directions <= 1000; directions += 1000) {
        bl_eigen *out[2][M];
        for (int t = 0; t < 2; t++) {
            bl_set_threads(t ? 3 : 1);
            bl_decomposer_options options = {.directions = directions};
            bl_bilinear map;
            assert_true(bl_model_bilinear(model, 0, &map, NULL));
            bl_decomposer *z = bl_decomposer_new(&map, &options, NULL);
            assert_true(bl_decomposer_run(z, u, M, 3, out[t], NULL));
            bl_decomposer_free(z);
        }
        bl_set_threads(0);
        for (size_t m = 0; m < M; m++) {
            assert_memory_equal(bl_eigen_values(out[0][m]), bl_eigen_values(out[1][m]), D * sizeof(float));
            assert_memory_equal(bl_eigen_vector(out[0][m], -1), bl_eigen_vector(out[1][m], -1),
                                D * sizeof(float));
            bl_eigen_free(out[0][m]);
            bl_eigen_free(out[1][m]);
        }
    }
    bl_model_free(model);
}

static void test_refusals(void **state) {
    (void)state;
    bl_error err = {0};
    bl_model *model = support_model("gelu");
    bl_bilinear map;
    assert_false(bl_model_bilinear(model, 0, &map, &err));
    assert_error(err, BL_ERR_UNSUPPORTED, "no quadratic form of its input");
    bl_model_free(model);
    model = support_model("plain");
    assert_false(bl_model_bilinear(model, 1, &map, &err));
    assert_error(err, BL_ERR_USAGE, "layer 1");
    assert_true(bl_model_bilinear(model, 0, &map, &err));
    bl_decomposer *z = bl_decomposer_new(&map, NULL, &err);
    float u[2 * D] = {0};
    bl_eigen *out[2];
    u[0] = 1;
    u[D] = NAN;
    assert_false(bl_decomposer_run(z, u, 2, 2, out, &err));
    assert_error(err, BL_ERR_NUMERIC, "NaN");
    assert_true(!out[0] && !out[1]);
    bl_decomposer_free(z);
    bl_model_free(model);
}

/* The k of largest |lambda - shift| are what the whole decomposition orders first, whichever way they are found. */
static void test_largest(void **state) {
    (void)state;
    static const char *const models[] = {"plain", "norm", "bias"};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 1; k < 16; k += 2) {
            bl_model *model = support_model(models[i]);
            bl_error err = {0};
            bl_bilinear map;
            assert_true(bl_model_bilinear(model, 0, &map, &err));
            bl_decomposer_options options = {.largest = true};
            bl_decomposer *z = bl_decomposer_new(&map, &options, &err);
            bl_view w_u = bl_model_w_u(model);
            size_t n = bl_bilinear_size(&map), there = 0;
            bl_eigen *some, *all = bl_eigen_of(&map, w_u.data + 7 * w_u.stride, 0, &err);
            assert_true(bl_decomposer_run(z, w_u.data + 7 * w_u.stride, 1, k, &some, &err));
            double shift = bl_eigen_shift(all), least = 1e30, most = 0;
            for (size_t j = 0; j < n; j++) {
                const float *v = bl_eigen_vector(some, (long)j), *w = bl_eigen_vector(all, (long)j);
                double size = fabs((double)bl_eigen_values(all)[j] - shift), dot = 0;
                if (v) least = fmin(least, size);
                else most = fmax(most, size);
                for (size_t c = 0; v && c < n; c++) dot += (double)v[c] * (double)w[c];
                if (v) assert_near(dot, 1, 1e-3, 1);
                there += v != NULL;
            }
            assert_int_equal(there, k < n ? k : n);
            assert_true(least >= most * (1 - 1e-5));
            bl_eigen_free(some);
            bl_eigen_free(all);
            bl_decomposer_free(z);
            bl_model_free(model);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equals_single),
                                       cmocka_unit_test(test_null_model), cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_largest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
