/* Attention equals its plain twin, sums in float64 written from the formula: a head's pattern and values for
 * every setting (window, cap, two patterns, steady sums), and packed stories forward and, by central
 * differences of the twin, backward. */
#include "support.h"
#include "linear/attention.h"
#include <omp.h>

static unsigned seed = 3;
static float draw(void) { return (float)((seed = seed * 1664525U + 1013904223U) >> 8) / 8388608.0F - 1.0F; }

static void near(const char *what, double a, double b, double share) {
    if (!(fabs(a - b) <= share)) fail_msg("%s: %.9g for %.9g", what, a, b);
}

/* What the twin computes from: queries, keys and values of one head, one or two patterns. */
typedef struct head {
    size_t k, stride;
    const double *q[2], *key[2], *v; /* rows `stride` apart; q[1] NULL: a softmax */
    double scale, cap;
    size_t window;
} head;

static double score(const head *h, size_t m, size_t p, size_t j) {
    double sum = 0;
    for (size_t i = 0; i < h->k; i++) sum += h->q[m][p * h->stride + i] * h->key[m][j * h->stride + i];
    sum *= h->scale;
    return h->cap > 0 ? h->cap * tanh(sum / h->cap) : sum;
}

/* row [p + 1]: what position p attends to. */
static void plain_pattern(const head *h, size_t p, double *row) {
    double sum = 0;
    for (size_t j = 0; j <= p; j++) {
        bool seen = !h->window || p - j < h->window;
        double s = score(h, 0, p, j);
        row[j] = !seen ? 0 : h->q[1] ? s * score(h, 1, p, j) : exp(s);
        sum += row[j];
    }
    for (size_t j = 0; !h->q[1] && j <= p; j++) row[j] /= sum;
}

static void test_head(void **state) {
    (void)state;
    enum { T = 37, K = 6, STRIDE = 5 * K, ROWS = 9 };
    const size_t windows[] = {0, 1, 5, 100};
    static float data[T * STRIDE], scores[ROWS * T], second[ROWS * T], z[ROWS * K];
    static double wide[T * STRIDE], row[T];
    for (size_t i = 0; i < T * STRIDE; i++) wide[i] = (double)(data[i] = draw());
    for (size_t w = 0; w < 4; w++)
        for (int kind = 0; kind < 16; kind++) {
            bool capped = kind & 1, two = kind & 2, steady = kind & 4, late = (kind & 8) && !two;
            size_t begin = T - ROWS;
            float inverse[ROWS];
            head h = {.k = K,
                      .stride = STRIDE,
                      .q = {wide, two ? wide + 2 * K : NULL},
                      .key = {wide + K, wide + 3 * K},
                      .v = wide + 4 * K,
                      .scale = 0.9,
                      .cap = capped ? 0.5 : 0,
                      .window = windows[w]};
            bl_attention a = {.queries = ROWS,
                              .keys = T,
                              .k = K,
                              .stride = STRIDE,
                              .scale = 0.9F,
                              .cap = capped ? 0.5F : 0,
                              .window = windows[w],
                              .steady = steady};
            bl_attention_scores(&a, data + begin * STRIDE, data + K, scores);
            if (two) bl_attention_scores(&a, data + begin * STRIDE + 2 * K, data + 3 * K, second);
            bl_attention_pattern(&a, scores, two ? second : NULL, late ? inverse : NULL, NULL);
            bl_attention_values(&a, scores, late ? inverse : NULL, data + 4 * K, z, K);
            for (size_t i = 0; i < ROWS; i++) {
                plain_pattern(&h, begin + i, row);
                for (size_t j = 0; j < T; j++)
                    near("pattern", (double)(scores[i * T + j] * (late ? inverse[i] : 1.0F)),
                         j <= begin + i ? row[j] : 0, 2e-6);
                for (size_t e = 0; e < K; e++) {
                    double sum = 0;
                    for (size_t j = 0; j <= begin + i; j++) sum += row[j] * wide[j * STRIDE + 4 * K + e];
                    near("values", (double)z[i * K + e], sum, 1e-5);
                }
            }
        }
}

/* Packed stories: sum of dz * z of all heads, as a function of qkv. */
enum { HEADS = 2, D = 8, N = 90, STORIES = 3 };
static const size_t start[STORIES + 1] = {0, 1, 71, N}; /* one row; more rows than a block has; the rest */

static void plain_forward(const double *qkv, bool bilinear, double *z) {
    size_t width = bl_attention_width(D, bilinear), k = D / HEADS;
    static double row[N];
    for (size_t s = 0; s < STORIES; s++)
        for (size_t h = 0; h < HEADS; h++) {
            const double *base = qkv + start[s] * width + h * k;
            head one = {.k = k,
                        .stride = width,
                        .q = {base, bilinear ? base + 2 * D : NULL},
                        .key = {base + D, base + 3 * D},
                        .v = base + (bilinear ? 4 : 2) * D,
                        .scale = 1 / sqrt((double)k)};
            for (size_t p = 0; p < start[s + 1] - start[s]; p++) {
                plain_pattern(&one, p, row);
                for (size_t e = 0; e < k; e++) {
                    double sum = 0;
                    for (size_t j = 0; j <= p; j++) sum += row[j] * one.v[j * width + e];
                    z[(start[s] + p) * D + h * k + e] = sum;
                }
            }
        }
}

static double weighted(const double *qkv, bool bilinear, const float *dz) {
    static double z[N * D];
    double sum = 0;
    plain_forward(qkv, bilinear, z);
    for (size_t i = 0; i < N * D; i++) sum += z[i] * (double)dz[i];
    return sum;
}

static void test_packed(void **state) {
    (void)state;
    static float qkv[N * 5 * D], z[N * D], dz[N * D], lse[HEADS * N];
    static double wide[N * 5 * D], exact[N * D];
    for (int bilinear = 0; bilinear < 2; bilinear++) {
        size_t count = N * bl_attention_width(D, bilinear);
        size_t floats = bl_attention_scratch(70, D, HEADS, bilinear);
        bl_packed_stories stories = {.n_stories = STORIES,
                                     .n_head = HEADS,
                                     .d_model = D,
                                     .bilinear = bilinear,
                                     .start = start,
                                     .longest = 70};
        stories.scratch = malloc(floats * (size_t)omp_get_max_threads() * sizeof(float));
        assert_non_null(stories.scratch);
        for (size_t i = 0; i < count; i++) wide[i] = (double)(qkv[i] = draw());
        for (size_t i = 0; i < N * D; i++) dz[i] = draw();
        bl_attention_forward(&stories, qkv, z, lse);
        plain_forward(wide, bilinear, exact);
        for (size_t i = 0; i < N * D; i++) near("z", (double)z[i], exact[i], 1e-5);
        bl_attention_backward(&stories, qkv, z, lse, dz);
        for (size_t i = 0; i < count; i += 7) {
            double kept = wide[i], step = 1e-4;
            wide[i] = kept + step;
            double above = weighted(wide, bilinear, dz);
            wide[i] = kept - step;
            double slope = (above - weighted(wide, bilinear, dz)) / (2 * step);
            wide[i] = kept;
            near("slope", (double)qkv[i], slope, 2e-5);
        }
        free(stories.scratch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_head), cmocka_unit_test(test_packed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
