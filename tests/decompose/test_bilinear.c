/* A bilinear map that belongs to no model, against its definition in float64; weights of every magnitude; dead
 * units. */
#include "support.h"
#include <bilens/eigen.h>

enum { IN = 6, HIDDEN = 9, OUT = 5, MANY = 4 };

typedef struct matrices {
    float l[HIDDEN * IN], r[HIDDEN * IN], p[OUT * HIDDEN], l_bias[HIDDEN], r_bias[HIDDEN], c[OUT];
    bl_bilinear map;
} matrices;

static void fill(float *x, size_t n, unsigned *seed, float scale) {
    for (size_t i = 0; i < n; i++) {
        *seed = *seed * 1664525U + 1013904223U;
        x[i] = scale * ((float)(*seed >> 8) / 8388608.0F - 1.0F);
    }
}

static void make(matrices *m, unsigned seed, bool biases, float scale) {
    fill(m->l, HIDDEN * IN, &seed, scale);
    fill(m->r, HIDDEN * IN, &seed, scale);
    fill(m->p, OUT * HIDDEN, &seed, scale);
    fill(m->l_bias, HIDDEN, &seed, scale);
    fill(m->r_bias, HIDDEN, &seed, scale);
    fill(m->c, OUT, &seed, scale);
    m->map = (bl_bilinear){.l = {m->l, HIDDEN, IN, IN},
                           .r = {m->r, HIDDEN, IN, IN},
                           .p = {m->p, OUT, HIDDEN, HIDDEN},
                           .l_bias = biases ? m->l_bias : NULL,
                           .r_bias = biases ? m->r_bias : NULL,
                           .constant = biases ? m->c : NULL};
}

/* y of one x [IN], in float64. */
static void slow_apply(const matrices *m, const float *x, double *y) {
    for (size_t o = 0; o < OUT; o++) y[o] = m->map.constant ? (double)m->c[o] : 0;
    for (size_t g = 0; g < HIDDEN; g++) {
        size_t left = m->map.left ? m->map.left[g] : g, right = m->map.right ? m->map.right[g] : g;
        double l = m->map.l_bias ? (double)m->l_bias[left] : 0,
               r = m->map.l_bias ? (double)m->r_bias[right] : 0;
        for (size_t i = 0; i < IN; i++) {
            l += (double)m->l[left * IN + i] * (double)x[i];
            r += (double)m->r[right * IN + i] * (double)x[i];
        }
        for (size_t o = 0; o < OUT; o++) y[o] += (double)m->p[o * HIDDEN + g] * l * r;
    }
}

/* u . y, the form and the eigenpairs say the same of every x. */
static void check_map(const matrices *m, unsigned seed) {
    size_t n = bl_bilinear_size(&m->map);
    float u[OUT], x[MANY * IN], y[MANY * OUT], q[(IN + 1) * (IN + 1)];
    bl_error err = {0};
    fill(u, OUT, &seed, 1);
    fill(x, MANY * IN, &seed, 1);
    assert_true(bl_bilinear_apply(&m->map, x, MANY, y, &err));
    assert_true(bl_bilinear_matrix(&m->map, u, q, &err));
    bl_eigen *eigen = bl_eigen_of(&m->map, u, 0, &err);
    assert_non_null(eigen);
    for (size_t k = 0; k < MANY; k++) {
        double expected[OUT], truth = 0, form = (double)bl_bilinear_constant(&m->map, u), pairs = form;
        double extended[IN + 1];
        slow_apply(m, x + k * IN, expected);
        for (size_t o = 0; o < OUT; o++) {
            assert_near((double)y[k * OUT + o], expected[o], 1e-5, 3);
            truth += (double)u[o] * expected[o];
        }
        for (size_t i = 0; i < n; i++) extended[i] = i < IN ? (double)x[k * IN + i] : 1;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) form += (double)q[i * n + j] * extended[i] * extended[j];
        for (size_t e = 0; e < n; e++) {
            double dot = 0;
            for (size_t i = 0; i < n; i++) dot += (double)bl_eigen_vector(eigen, (long)e)[i] * extended[i];
            pairs += (double)bl_eigen_values(eigen)[e] * dot * dot;
        }
        assert_near(form, truth, 1e-5, 3);
        assert_near(pairs, truth, 1e-5, 3);
    }
    bl_eigen_free(eigen);
}

static void test_definition(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < 4; seed++) {
        matrices m;
        bl_error err = {0};
        make(&m, seed, seed % 2 == 1, 1);
        check_map(&m, seed + 10);
        bl_bilinear draw;
        size_t dead = 99;
        assert_true(bl_bilinear_null(&m.map, seed, &draw, &dead, &err));
        assert_int_equal(dead, 0);
        m.map = draw;
        check_map(&m, seed + 20);
        bl_bilinear_null_free(&draw);
    }
}

static void test_identity_output(void **state) {
    (void)state;
    matrices m;
    bl_error err = {0};
    make(&m, 3, false, 1);
    m.map.p = (bl_view){0};
    assert_int_equal(bl_bilinear_out(&m.map), HIDDEN);
    float u[2 * HIDDEN], q[IN * IN], tau[HIDDEN];
    unsigned seed = 5;
    fill(u, 2 * HIDDEN, &seed, 1);
    assert_true(bl_bilinear_matrix(&m.map, u, q, &err));
    for (size_t i = 0; i < IN; i++)
        for (size_t j = 0; j < IN; j++) {
            double sum = 0;
            for (size_t g = 0; g < HIDDEN; g++)
                sum += 0.5 * (double)u[g] *
                       ((double)m.l[g * IN + i] * (double)m.r[g * IN + j] +
                        (double)m.l[g * IN + j] * (double)m.r[g * IN + i]);
            assert_near((double)q[i * IN + j], sum, 1e-6, 3);
        }
    bl_decomposer *z = bl_decomposer_new(&m.map, NULL, &err);
    bl_eigen *out[2];
    assert_true(bl_decomposer_run(z, u, 2, 0, out, &err));
    bl_eigen *one = bl_eigen_of(&m.map, u, 0, &err);
    for (size_t i = 0; i < IN; i++)
        assert_near((double)bl_eigen_values(out[0])[i], (double)bl_eigen_values(one)[i], 1e-6, 3);
    assert_true(bl_bilinear_traces(&m.map, tau, &err));
    m.map.normed = true;
    double trace = 0;
    for (size_t i = 0; i < IN; i++) trace += (double)q[i * IN + i];
    assert_near(bl_bilinear_shift(&m.map, tau, u), trace / IN, 1e-6, 1);
    bl_eigen *normed = bl_eigen_of(&m.map, u, 0, &err);
    assert_near(bl_eigen_shift(normed), trace / IN, 1e-6, 1);
    assert_true(bl_eigen_shift(one) == 0);
    bl_eigen_free(normed);
    bl_eigen_free(one);
    bl_eigen_free(out[0]);
    bl_eigen_free(out[1]);
    bl_decomposer_free(z);
}

/* The eigenvalues of a scaled map are the scaled eigenvalues: on the way of one direction and of many. */
static void test_magnitudes(void **state) {
    (void)state;
    matrices plain, scaled;
    bl_error err = {0};
    make(&plain, 8, true, 1);
    float u[OUT], tiny[OUT];
    unsigned seed = 4;
    fill(u, OUT, &seed, 1);
    bl_eigen *expected = bl_eigen_of(&plain.map, u, 0, &err);
    const double scales[] = {1e-12, 1e-11, 1e-9, 1e-3, 1e6, 1e12}, directions[] = {1e-36, 1e-3, 1, 1e9};
    for (size_t s = 0; s < 6; s++)
        for (size_t t = 0; t < 4; t++) {
            make(&scaled, 8, true, (float)scales[s]);
            for (size_t o = 0; o < OUT; o++) tiny[o] = (float)(directions[t] * (double)u[o]);
            double factor = scales[s] * scales[s] * scales[s] * directions[t];
            bl_decomposer_options options = {.directions = 1000};
            bl_decomposer *z = bl_decomposer_new(&scaled.map, &options, &err);
            bl_eigen *one = bl_eigen_of(&scaled.map, tiny, 0, &err), *many = NULL;
            assert_true(bl_decomposer_held(z) > 0);
            if (factor * (double)bl_eigen_values(expected)[IN] > 3.4e38) {
                assert_null(one);
                assert_error(err, BL_ERR_NUMERIC, "overflow a 32-bit float");
                assert_false(bl_decomposer_run(z, tiny, 1, 0, &many, &err));
                assert_error(err, BL_ERR_NUMERIC, "overflow a 32-bit float");
            } else {
                assert_non_null(one);
                assert_true(bl_decomposer_run(z, tiny, 1, 0, &many, &err));
                for (size_t i = 0; i <= IN; i++) {
                    double truth = factor * (double)bl_eigen_values(expected)[i],
                           error = 1e-5 * factor * (double)bl_eigen_values(expected)[IN] + 0x1p-149;
                    assert_true(fabs((double)bl_eigen_values(one)[i] - truth) <= error);
                    assert_true(fabs((double)bl_eigen_values(many)[i] - truth) <= error);
                }
            }
            bl_eigen_free(one);
            bl_eigen_free(many);
            bl_decomposer_free(z);
        }
    bl_eigen_free(expected);
}

/* Mixed magnitudes: L tiny, R huge. */
static void test_unbalanced(void **state) {
    (void)state;
    matrices plain, scaled;
    bl_error err = {0};
    make(&plain, 2, false, 1);
    scaled = plain;
    make(&scaled, 2, false, 1);
    for (size_t i = 0; i < HIDDEN * IN; i++) {
        scaled.l[i] *= 0x1p-110F;
        scaled.r[i] *= 0x1p100F;
    }
    float u[OUT] = {1, -2, 3, 0, 1};
    bl_eigen *a = bl_eigen_of(&plain.map, u, 0, &err), *b = bl_eigen_of(&scaled.map, u, 0, &err);
    for (size_t i = 0; i < IN; i++)
        assert_near((double)bl_eigen_values(b)[i] * 1024, (double)bl_eigen_values(a)[i], 1e-5, 5);
    bl_eigen_free(a);
    bl_eigen_free(b);
}

/* Dead units of any kind stay where they are, and their number is said. */
static void test_dead_units(void **state) {
    (void)state;
    matrices m;
    bl_error err = {0};
    bl_bilinear draw;
    size_t dead = 0, moved = 0;
    make(&m, 6, false, 1);
    for (size_t i = 0; i < IN; i++) m.l[0 * IN + i] = 0, m.r[3 * IN + i] *= 1e-8F;
    for (size_t o = 0; o < OUT; o++) m.p[o * HIDDEN + 7] = 0;
    assert_true(bl_bilinear_null(&m.map, 1, &draw, &dead, &err));
    assert_int_equal(dead, 3);
    for (size_t g = 0; g < HIDDEN; g++) {
        bool is_dead = g == 0 || g == 3 || g == 7;
        if (is_dead) assert_true(draw.left[g] == g && draw.right[g] == g);
        else assert_true(draw.left[g] % 9 != 0 && draw.left[g] != 3 && draw.left[g] != 7);
        moved += draw.left[g] != g || draw.right[g] != g;
    }
    assert_true(moved >= 3);
    bl_bilinear_null_free(&draw);
}

static void test_in_basis(void **state) {
    (void)state;
    matrices m;
    bl_error err = {0};
    make(&m, 9, true, 1);
    float f[3 * IN], u[OUT], q[(IN + 1) * (IN + 1)], out[9];
    unsigned seed = 12;
    fill(f, 3 * IN, &seed, 1);
    fill(u, OUT, &seed, 1);
    assert_true(bl_bilinear_in_basis(&m.map, u, (bl_view){f, 3, IN, IN}, out, &err));
    assert_true(bl_bilinear_matrix(&m.map, u, q, &err));
    for (size_t a = 0; a < 3; a++)
        for (size_t b = 0; b < 3; b++) {
            double sum = 0;
            for (size_t i = 0; i < IN; i++)
                for (size_t j = 0; j < IN; j++)
                    sum += (double)f[a * IN + i] * (double)q[i * (IN + 1) + j] * (double)f[b * IN + j];
            assert_near((double)out[a * 3 + b], sum, 1e-5, 5);
        }
    assert_false(bl_bilinear_in_basis(&m.map, u, (bl_view){f, 3, IN - 1, IN}, out, &err));
    assert_error(err, BL_ERR_USAGE, "width 5");
}

static void test_refusals(void **state) {
    (void)state;
    matrices m;
    bl_error err = {0};
    make(&m, 1, false, 1);
    float u[OUT] = {1, NAN, 0, 0, 0}, fine[OUT] = {1, 1, 1, 1, 1};
    assert_null(bl_eigen_of(&m.map, u, 0, &err));
    assert_error(err, BL_ERR_NUMERIC, "element 1 of the direction is NaN");
    m.l[4] = INFINITY;
    assert_null(bl_eigen_of(&m.map, fine, 0, &err));
    assert_error(err, BL_ERR_NUMERIC, "so do the weights of layer 0");
    const float nan[4] = {1, 0, NAN, 1};
    assert_null(bl_eigen_of_matrix(nan, 2, 0, 0, &err));
    assert_error(err, BL_ERR_NUMERIC, "the matrix holds NaN");
    const float q[4] = {2, 77, 1, 2}; /* the upper triangle is not read */
    bl_eigen *eigen = bl_eigen_of_matrix(q, 2, 0, 0.5, &err);
    assert_near((double)bl_eigen_values(eigen)[0], 1, 1e-6, 1);
    assert_near((double)bl_eigen_values(eigen)[1], 3, 1e-6, 1);
    assert_near(bl_eigen_effective_rank(eigen), 9 / (0.25 + 6.25), 1e-6, 1);
    bl_eigen_free(eigen);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_definition),
                                       cmocka_unit_test(test_identity_output),
                                       cmocka_unit_test(test_magnitudes),
                                       cmocka_unit_test(test_unbalanced),
                                       cmocka_unit_test(test_dead_units),
                                       cmocka_unit_test(test_in_basis),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
