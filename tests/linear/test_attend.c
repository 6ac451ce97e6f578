/* Every kernel of the folded scan that this processor can run equals sums in double, at sizes on both sides
 * of every block and tile.
 * ctest: begins early 15 */
#include "support.h"
#include "linear/attend.h"
#include <math.h>

typedef struct problem {
    bl_attend a;
    float *table, *angles, *attended, *scratch;
    bl_rotary rotary;
    int32_t *ids;
    size_t N, V;
} problem;

static unsigned seed = 1;
static float draw(void) { return (float)((seed = seed * 1664525U + 1013904223U) >> 8) / 8388608.0F - 1.0F; }

static size_t up(size_t n, size_t to) { return (n + to - 1) / to * to; }

static problem make(size_t n, size_t k, size_t columns, float size, bool bilinear) {
    problem p = {.N = up(n, BL_ATTEND_BLOCK), .V = 50};
    size_t groups = up(columns, BL_ATTEND_COLUMNS), rows = n > p.V ? n : p.V;
    p.table =
        calloc((rows + 1) * 4 * k, sizeof *p.table); /* a row more, for what is fetched of the next head */
    p.angles = calloc(n * k, sizeof *p.angles);
    p.attended = calloc(groups * p.N, sizeof *p.attended);
    p.scratch = calloc(2 * (p.N * k + BL_ATTEND_BLOCK * (k + p.N)) + groups * p.N, sizeof *p.scratch);
    p.ids = calloc(n, sizeof *p.ids);
    assert_true(p.table && p.angles && p.attended && p.scratch && p.ids);
    for (size_t i = 0; i < rows * 4 * k; i++) p.table[i] = size * draw();
    for (size_t i = 0; i < n * k / 2; i++) {
        float angle = 3 * draw();
        p.angles[i] = cosf(angle);
        p.angles[n * k / 2 + i] = sinf(angle);
    }
    for (size_t i = 0; i < n; i++) p.ids[i] = (int32_t)(fabsf(draw()) * 49);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < columns; c++) p.attended[(c / 12 * p.N + i) * 12 + c % 12] = draw();
    p.a = (bl_attend){.n = n,
                      .k = k,
                      .columns = columns,
                      .queries = p.table,
                      .keys = p.table + k,
                      .stride = 4 * k,
                      .queries2 = bilinear ? p.table + 2 * k : NULL,
                      .keys2 = bilinear ? p.table + 3 * k : NULL,
                      .attended = p.attended,
                      .turned = p.scratch,
                      .panel = p.scratch + 2 * p.N * k};
    p.rotary = (bl_rotary){n, k / 2, p.angles, p.angles + n * k / 2};
    p.a.scores = p.a.panel + 2 * BL_ATTEND_BLOCK * k;
    p.a.out = p.a.scores + 2 * BL_ATTEND_BLOCK * p.N;
    return p;
}

static void drop(problem *p) {
    free(p->table);
    free(p->angles);
    free(p->attended);
    free(p->scratch);
    free(p->ids);
}

/* Element i of the query or key of position p. */
static double rotated(const bl_attend *a, const float *table, size_t p, size_t i) {
    size_t half = a->k / 2, j = i % half;
    const float *row = table + (a->ids ? (size_t)a->ids[p] : p) * a->stride;
    double x = (double)row[j], y = (double)row[j + half], c = (double)a->rotary->cosine[p * half + j],
           s = (double)a->rotary->sine[p * half + j];
    return i < half ? x * c - y * s : y * c + x * s;
}

/* expected [n, columns] */
static void plainly(const bl_attend *a, size_t N, double *expected) {
    for (size_t p = 0; p < a->n; p++) {
        double weight[256], most = -INFINITY, sum = 0;
        for (size_t j = 0; j <= p; j++) {
            weight[j] = 0;
            for (size_t i = 0; i < a->k; i++)
                weight[j] += rotated(a, a->queries, p, i) * rotated(a, a->keys, j, i);
            most = fmax(most, weight[j]);
        }
        for (size_t j = 0; j <= p; j++) {
            double second = 0;
            for (size_t i = 0; a->queries2 && i < a->k; i++)
                second += rotated(a, a->queries2, p, i) * rotated(a, a->keys2, j, i);
            weight[j] = a->queries2 ? weight[j] * second : exp(weight[j] - most);
            sum += weight[j];
        }
        if (a->queries2) sum = 1;
        for (size_t c = 0; c < a->columns; c++) {
            expected[p * a->columns + c] = 0;
            for (size_t j = 0; j <= p; j++)
                expected[p * a->columns + c] +=
                    weight[j] / sum * (double)a->attended[(c / 12 * N + j) * 12 + c % 12];
        }
    }
}

/* The largest error, of the largest number where that is beyond 1 (a softmax stays within). */
static double compare(problem *p, const bl_attend_kernel *kernel, const double *expected) {
    double worst = 0, largest = 1;
    for (size_t i = 0; i < p->a.columns * p->N; i++) p->a.out[i] = 1; /* is added to */
    kernel->run(&p->a);
    for (size_t i = 0; i < p->a.n * p->a.columns; i++) largest = fmax(largest, fabs(expected[i]));
    for (size_t i = 0; i < p->a.n; i++)
        for (size_t c = 0; c < p->a.columns; c++)
            worst = fmax(worst, fabs((double)p->a.out[c * p->N + i] - 1 - expected[i * p->a.columns + c]));
    return worst / largest;
}

static void test_kernels(void **state) {
    (void)state;
    const size_t n[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 47, 48, 49, 64, 65, 100, 200},
                 k[] = {2, 6, 8, 64, 128}, columns[] = {1, 4, 5, 8, 9, 12, 13, 40};
    const bl_attend_kernel *kernels[3];
    size_t count = bl_attend_all(kernels);
    assert_string_equal(kernels[count - 1]->name, "portable");
    assert_ptr_equal(kernels[0], bl_attend_best());
    double *expected = calloc(200 * 40, sizeof *expected), worst[3] = {0};
    for (size_t i = 0; i < sizeof n / sizeof *n; i++)
        for (size_t j = 0; j < 5; j++)
            for (size_t c = 0; c < 8; c++)
                for (int how = 0; how < 4; how++) {
                    problem p = make(n[i], k[j], columns[c], c % 2 ? 1.0F : 0.2F, how >= 2);
                    p.a.ids = how % 2 ? p.ids : NULL;
                    p.a.rotary = &p.rotary;
                    plainly(&p.a, p.N, expected);
                    for (size_t x = 0; x < count; x++)
                        worst[x] = fmax(worst[x], compare(&p, kernels[x], expected));
                    drop(&p);
                }
    for (size_t x = 0; x < count; x++) {
        fprintf(stderr, "%s: largest error %.1e\n", kernels[x]->name, worst[x]);
        assert_true(worst[x] < 1e-5);
    }
    free(expected);
}

/* Far apart scores neither overflow nor lose the row; a position's result does not depend on what stands
 * behind it, to the bit. */
static void test_extremes(void **state) {
    (void)state;
    const bl_attend_kernel *kernels[3];
    size_t count = bl_attend_all(kernels);
    double expected[70 * 12];
    for (size_t x = 0; x < count; x++) {
        problem p = make(70, 16, 12, 15.0F, false); /* scores of some thousands */
        float first[12 * 40];
        p.a.rotary = &p.rotary;
        plainly(&p.a, p.N, expected);
        assert_true(compare(&p, kernels[x], expected) <
                    1e-2); /* the scores' own rounding, 1e-7 of thousands, is in the exponent */
        for (size_t n = 1; n <= 70; n++) {
            size_t N = up(n, BL_ATTEND_BLOCK);
            problem part = p;
            part.a.n = n;
            part.a.columns = 12;
            memset(p.a.out, 0, 12 * N * sizeof(float));
            kernels[x]->run(&part.a);
            for (size_t c = 0; c < 12; c++)
                for (size_t i = 0; i < n && i < 40; i++) {
                    if (i == n - 1) first[c * 40 + i] = p.a.out[c * N + i];
                    else assert_true(memcmp(&first[c * 40 + i], &p.a.out[c * N + i], sizeof(float)) == 0);
                }
        }
        drop(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels), cmocka_unit_test(test_extremes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
