/* The reduction, its way back, and bisection, on matrices of many sizes and spectra: residual,
 * orthonormality, agreement with LAPACK's dsterf. */
#include "support.h"
#include "linear/tridiagonal.h"
#include <lapacke.h>
#include <math.h>
#include <omp.h>

static unsigned seed = 1;
static float draw(void) { return (float)((seed = seed * 1664525U + 1013904223U) >> 8) / 8388608.0F - 1.0F; }

enum kind { RANDOM, RANK_THREE, DIAGONAL, EQUAL, ZERO, HUGE_ENTRIES, TINY_ENTRIES, KINDS };

/* q [n, n]; the upper triangle is NaN: nobody may read it. Returns the largest entry. */
static float fill(float *q, size_t n, enum kind kind) {
    float a[3][300], most = 0, size = kind == HUGE_ENTRIES ? 1e18F : kind == TINY_ENTRIES ? 1e-18F : 1.0F;
    for (size_t i = 0; i < 3 * n; i++) a[i / n][i % n] = draw();
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            float x = size * draw();
            if (kind == RANK_THREE) x = a[0][i] * a[0][j] - a[1][i] * a[1][j] + 0.01F * a[2][i] * a[2][j];
            if (kind == DIAGONAL && i != j) x = 0;
            if (kind == EQUAL) x = i == j ? 2 : 0;
            if (kind == ZERO) x = 0;
            q[i * n + j] = j <= i ? x : NAN;
            if (j <= i) most = fmaxf(most, fabsf(x));
        }
    return most;
}

/* Values of T beside LAPACK's in double. */
static void check_values(const bl_tridiagonal *t, double norm) {
    size_t n = t->n;
    bl_error err = {0};
    float *values = calloc(n, sizeof *values);
    double *d = calloc(n, sizeof *d), *e = calloc(n, sizeof *e);
    assert_true(values && d && e && bl_tridiagonal_values(t, values, &err));
    for (size_t i = 0; i < n; i++) {
        d[i] = (double)t->diagonal[i];
        e[i] = i + 1 < n ? (double)t->off[i] : 0;
    }
    assert_int_equal(LAPACKE_dsterf((lapack_int)n, d, e), 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(fabs((double)values[i] - d[i]) <= 1e-6 * norm);
        assert_true(i == 0 || values[i] >= values[i - 1]);
    }
    free(values);
    free(d);
    free(e);
}

/* |Q x - H T H^T x| for x = H z: rows z [count, n] sent back must satisfy Q H z = H T z. */
static void check_back(const bl_tridiagonal *t, const float *q, size_t count, double norm) {
    size_t n = t->n;
    bl_error err = {0};
    float *z = calloc(2 * count * n, sizeof *z), *tz = z + count * n;
    assert_non_null(z);
    for (size_t i = 0; i < count * n; i++) z[i] = draw();
    for (size_t c = 0; c < count; c++)
        for (size_t i = 0; i < n; i++)
            tz[c * n + i] = t->diagonal[i] * z[c * n + i] + (i ? t->off[i - 1] * z[c * n + i - 1] : 0) +
                            (i + 1 < n ? t->off[i] * z[c * n + i + 1] : 0);
    assert_true(bl_tridiagonal_back(t, z, count, &err) && bl_tridiagonal_back(t, tz, count, &err));
    for (size_t c = 0; c < count; c++)
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < n; j++)
                sum += (double)q[j <= i ? i * n + j : j * n + i] * (double)z[c * n + j];
            assert_true(fabs(sum - (double)tz[c * n + i]) <= 1e-5 * norm * sqrt((double)n));
        }
    free(z);
}

/* Eigenvectors of T at both ends: residual and orthonormality. */
static void check_ends(const bl_tridiagonal *t, double norm, size_t low, size_t high) {
    size_t n = t->n, count = low + high;
    bl_error err = {0};
    float *values = calloc(n, sizeof *values), *z = calloc(count * n, sizeof *z);
    assert_true(values && z && bl_tridiagonal_values(t, values, &err) &&
                bl_tridiagonal_ends(t, values, low, high, z, &err));
    for (size_t a = 0; a < count; a++) {
        const float *x = z + a * n;
        double value = (double)values[a < low ? a : n - count + a];
        for (size_t i = 0; i < n; i++) {
            double sum = ((double)t->diagonal[i] - value) * (double)x[i];
            if (i > 0) sum += (double)t->off[i - 1] * (double)x[i - 1];
            if (i + 1 < n) sum += (double)t->off[i] * (double)x[i + 1];
            assert_true(fabs(sum) <= 1e-6 * norm);
        }
        for (size_t b = 0; b <= a; b++) {
            double sum = 0;
            for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)z[b * n + i];
            assert_true(fabs(sum - (a == b)) <= 2e-6);
        }
    }
    free(values);
    free(z);
}

static void test_reduction(void **state) {
    (void)state;
    const size_t sizes[] = {1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 64, 65, 100, 257, 300};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (enum kind kind = RANDOM; kind < KINDS; kind++)
            for (int threads = 1; threads <= 2; threads++) {
                size_t n = sizes[s];
                float *q = calloc(n * n, sizeof *q), most = fill(q, n, kind);
                bl_tridiagonal t;
                bl_error err = {0};
                omp_set_num_threads(threads);
                assert_true(bl_tridiagonal_reduce(&t, q, n, &err));
                double norm = (double)most * (double)n;
                check_values(&t, norm);
                check_back(&t, q, 1, norm);
                check_back(&t, q, 20, norm); /* in blocks */
                check_ends(&t, norm, n / 2, 0);
                check_ends(&t, norm, n / 4, n / 3);
                bl_tridiagonal_free(&t);
                free(q);
            }
}

/* The same bits on any number of threads. */
static void test_threads(void **state) {
    (void)state;
    size_t n = 300;
    float *q = calloc(n * n, sizeof *q), *first = calloc(2 * n, sizeof *first);
    bl_error err = {0};
    fill(q, n, RANDOM);
    for (int threads = 1; threads <= 4; threads++) {
        bl_tridiagonal t;
        omp_set_num_threads(threads);
        assert_true(bl_tridiagonal_reduce(&t, q, n, &err));
        if (threads == 1) {
            memcpy(first, t.diagonal, n * sizeof *first);
            memcpy(first + n, t.off, (n - 1) * sizeof *first);
        }
        assert_memory_equal(first, t.diagonal, n * sizeof *first);
        assert_memory_equal(first + n, t.off, (n - 1) * sizeof *first);
        bl_tridiagonal_free(&t);
    }
    free(q);
    free(first);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reduction), cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
