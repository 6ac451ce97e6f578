/* The gradient of a TopK dictionary against finite differences, and against the sums written out. */
#include "support.h"
#include "train/dictionary_net.h"

enum { F = 21, D = 10, K = 3, N = 130 };

static float draw(uint64_t *state) { /* uniform in -1 … 1 */
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)((double)(*state >> 11) * 0x1p-52 - 1);
}

static float vectors[N * D];
static uint32_t order[N];

static void fill(bl_dictionary_net *net, uint64_t seed) {
    bl_error err = {0};
    assert_true(bl_dictionary_net_init(net, F, D, K, N, false, &err));
    for (size_t p = 0; p < net->params.n; p++)
        for (size_t i = 0; i < net->params.list[p].count; i++)
            net->weights[net->params.list[p].offset + i] = draw(&seed);
    for (size_t i = 0; i < N * D; i++) vectors[i] = 2 * draw(&seed);
    for (size_t i = 0; i < N; i++) order[i] = (uint32_t)((i * 37) % N);
}

/* The loss in float64 from the definition, for the first n rows. */
static double plain_loss(const bl_dictionary_net *net, const float *weights, size_t n) {
    const float *E = weights + net->params.list[0].offset, *dec = weights + net->params.list[1].offset,
                *c = weights + net->params.list[2].offset;
    double loss = 0;
    for (size_t p = 0; p < n; p++) {
        const float *x = vectors + order[p] * D;
        double pre[F], hat[D];
        for (size_t j = 0; j < D; j++) hat[j] = (double)c[j];
        for (size_t f = 0; f < F; f++) {
            pre[f] = 0;
            for (size_t j = 0; j < D; j++) pre[f] += (double)E[f * D + j] * ((double)x[j] - (double)c[j]);
        }
        for (size_t f = 0; f < F; f++) {
            size_t above = 0;
            for (size_t g = 0; g < F; g++) above += pre[g] > pre[f];
            if (above >= K || !(pre[f] > 0)) continue;
            for (size_t j = 0; j < D; j++) hat[j] += pre[f] * (double)dec[f * D + j];
        }
        for (size_t j = 0; j < D; j++) loss += (hat[j] - (double)x[j]) * (hat[j] - (double)x[j]);
    }
    return loss;
}

static void gradient_is_the_slope(void **state) {
    (void)state;
    bl_dictionary_net net;
    double loss, scale = 1.0 / N;
    fill(&net, 1);
    bl_dictionary_net_run(&net, vectors, order, N, (float)scale, &loss);
    assert_near(loss, plain_loss(&net, net.weights, N), 1e-5, loss);
    double largest = 0;
    for (size_t i = 0; i < net.params.total; i++) largest = fmax(largest, fabs((double)net.gradient[i]));
    assert_true(largest > 0);
    float *moved = malloc(net.params.total * sizeof *moved);
    for (size_t p = 0; p < net.params.n; p++)
        for (size_t i = 0; i < net.params.list[p].count; i++) {
            size_t at = net.params.list[p].offset + i;
            double h = 1e-3, sides[2];
            for (size_t s = 0; s < 2; s++) {
                memcpy(moved, net.weights, net.params.total * sizeof *moved);
                moved[at] = (float)((double)moved[at] + (s ? h : -h));
                sides[s] = plain_loss(&net, moved, N) * scale;
            }
            /* a step may change who is among the k largest: few entries, and little */
            assert_near(net.gradient[at], (sides[1] - sides[0]) / (2 * h), 2e-2, largest);
        }
    free(moved);
    bl_dictionary_net_free(&net);
}

/* The same bits whatever the number of threads; fewer rows than there is room for. */
static void threads_do_not_matter(void **state) {
    (void)state;
    float *first = NULL;
    double losses[3];
    size_t total = 0;
    for (int threads = 1; threads <= 3; threads++) {
        bl_dictionary_net net;
        bl_set_threads(threads);
        fill(&net, 2);
        total = net.params.total;
        bl_dictionary_net_run(&net, vectors, order, 77, 1, &losses[threads - 1]);
        if (!first) {
            first = malloc(total * sizeof *first);
            memcpy(first, net.gradient, total * sizeof *first);
        }
        assert_memory_equal(first, net.gradient, total * sizeof *first);
        assert_true(losses[threads - 1] == losses[0]);
        bl_dictionary_net_free(&net);
    }
    free(first);
    bl_set_threads(0);
}

static void decoder_has_norm_one(void **state) {
    (void)state;
    bl_dictionary_net net;
    fill(&net, 3);
    float *decoder = bl_dictionary_net_decoder(&net, net.weights);
    memset(decoder, 0, D * sizeof *decoder); /* a row of zeros stays, and is no NaN */
    bl_dictionary_net_normalize(&net);
    for (size_t f = 0; f < F; f++) {
        double norm = 0;
        for (size_t j = 0; j < D; j++) norm += (double)decoder[f * D + j] * (double)decoder[f * D + j];
        assert_near(norm, f ? 1 : 0, 1e-6, 1);
    }
    bl_dictionary_net_free(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradient_is_the_slope),
                                       cmocka_unit_test(threads_do_not_matter),
                                       cmocka_unit_test(decoder_has_norm_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
