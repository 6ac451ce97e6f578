/* The k best of a stream against a full sort, with many equal values, NaN and every order of offers. */
#include "support.h"
#include "linear/best.h"
#include <math.h>

enum { N = 300 };

static unsigned seed = 1;
static unsigned draw(unsigned n) { return ((seed = seed * 1664525U + 1013904223U) >> 8) % n; }

static float values[N];

static bool before(size_t a, size_t b) { return values[a] > values[b] || (values[a] == values[b] && a < b); }

/* The plain twin: k times the best of those that are left. */
static size_t plain(size_t k, size_t *out) {
    bool taken[N] = {false};
    size_t n = 0;
    for (; n < k; n++) {
        size_t best = N;
        for (size_t i = 0; i < N; i++)
            if (!taken[i] && !isnan(values[i]) && (best == N || before(i, best))) best = i;
        if (best == N) break;
        taken[best] = true;
        out[n] = best;
    }
    return n;
}

static void check(bl_best *best, size_t k) {
    size_t expected[N], n = plain(k, expected);
    bool slots[N] = {false};
    bl_best_sort(best);
    assert_int_equal(best->n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(best->list[i].id, expected[i]);
        assert_true(best->list[i].value == values[expected[i]]);
        assert_true(best->list[i].slot < k && !slots[best->list[i].slot]);
        slots[best->list[i].slot] = true;
    }
}

static void test_against_sort(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 7, 64, 299, 300};
    for (size_t round = 0; round < 40; round++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            bl_scored list[N];
            size_t order[N], k = sizes[s];
            for (size_t i = 0; i < N; i++) {
                values[i] = draw(20) == 0 ? NAN : (float)draw(round % 2 ? 9 : 100000) - 4;
                order[i] = i;
            }
            if (round % 5 == 0) values[0] = values[64] = NAN;
            bl_best best = bl_best_begin(list, k);
            bl_best_offer_row(&best, 1.0F, values, N, 0);
            check(&best, k);
            best = bl_best_begin(list, k);
            for (size_t i = N; i > 1; i--) {
                size_t j = draw((unsigned)i), t = order[j];
                order[j] = order[i - 1];
                order[i - 1] = t;
            }
            for (size_t i = 0; i < N; i++) bl_best_offer(&best, values[order[i]], order[i]);
            check(&best, k);
        }
}

static void test_lowest(void **state) {
    (void)state;
    static const float x[] = {3, -1, 4, -1, 5};
    bl_scored list[2];
    bl_best best = bl_best_begin(list, 2);
    bl_best_offer_row(&best, -1.0F, x, 5, 10);
    bl_best_sort(&best);
    assert_int_equal(list[0].id, 11);
    assert_int_equal(list[1].id, 13);
    assert_true(list[0].value == 1.0F);
}

/* Offering some is offering a row whose others are NaN. */
static void test_some(void **state) {
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        bool some[N];
        float all[N];
        bl_scored list[N];
        for (size_t i = 0; i < N; i++) {
            some[i] = round == 0 ? i < N - 3 : draw(4) > 0;
            all[i] = (float)draw(100) - 50;
            values[i] = some[i] ? all[i] : NAN;
        }
        bl_best best = bl_best_begin(list, 20);
        bl_best_offer_some(&best, 1.0F, all, N, 0, some);
        check(&best, 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_sort), cmocka_unit_test(test_lowest),
                                       cmocka_unit_test(test_some)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
