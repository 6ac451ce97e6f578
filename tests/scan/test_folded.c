/* The folded scan equals the full forward pass, on every bilinear variant, at every layer, for few vectors (tau) and many (values). */
#include "support.h"
#include "decompose/interaction.h"
#include "scan/folded.h"

/* Every probe's contributions at the first and the last position. */
static void compare_contributions(const bl_probes *probes, const bl_folded *folded, bl_folded_workspace *fast, bl_workspace *slow,
                                  const int32_t *ids, size_t n, double *worst) {
    for (size_t j = 0; j < probes->J; j++)
        for (size_t p = 0; p<n; p += n> 1 ? n - 1 : 1) {
            float a[32], b[32], back[2 * 16], by_head[2][3 * 32];
            bl_error err = {0};
            assert_true(bl_heads_back(probes->model, probes->layer, probes->v + j * 16, back, &err));
            assert_true(bl_contributions(probes, j, back, slow, ids, n, p, b, by_head[0], &err));
            bl_folded_contributions(folded, fast, j, ids, n, p, a, by_head[1]);
            for (size_t i = 0; i <= p; i++) {
                double sums[2] = {0};
                *worst = fmax(*worst, fabs((double)a[i] - (double)b[i]));
                for (size_t row = 0; row < 3; row++)
                    for (size_t k = 0; k < 2; k++) sums[k] += (double)by_head[k][row * (p + 1) + i];
                *worst = fmax(*worst, fmax(fabs(sums[0] - (double)b[i]), fabs(sums[1] - (double)a[i])));
            }
            for (size_t i = 0; i < 3 * (p + 1); i++) *worst = fmax(*worst, fabs((double)by_head[0][i] - (double)by_head[1][i]));
        }
}

static double compare(const char *name, size_t layer, size_t J, unsigned seed) {
    bl_error err = {0};
    bl_model *model = support_model(name);
    size_t n_eigen = bl_interaction_size(model);
    float u[16];
    for (size_t i = 0; i < 16; i++) u[i] = (float)((seed = seed * 1664525U + 1013904223U) >> 8) / 8388608.0F - 1.0F;
    bl_eigen *eigen = bl_eigen_new(model, layer, u, 0, &err);
    assert_non_null(eigen);
    long indices[17];
    for (size_t j = 0; j < J; j++) indices[j] = (long)(j % n_eigen);
    bl_probes probes;
    assert_true(bl_probes_init(&probes, model, eigen, indices, J, &err));
    bl_folded *folded = bl_folded_new(&probes, &err);
    bl_folded_workspace *fast = bl_folded_workspace_new(folded, 32, &err);
    bl_workspace *slow = bl_workspace_new(model, 32, &err);
    assert_true(folded && fast && slow);
    double worst = 0, largest = 0;
    for (size_t n = 1; n <= 32; n += n < 4 ? 1 : 7) {
        int32_t ids[32];
        float a[32 * 17], b[32 * 17];
        for (size_t p = 0; p < n; p++) ids[p] = p ? (int32_t)((seed = seed * 1664525U + 1013904223U) >> 8) % 104 : 1;
        bl_folded_similarity(folded, fast, ids, n, a);
        bl_similarity(&probes, slow, ids, n, b);
        for (size_t i = 0; i < n * J; i++) {
            worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
            largest = fmax(largest, fabs((double)b[i]));
        }
        compare_contributions(&probes, folded, fast, slow, ids, n, &worst);
    }
    bl_workspace_free(slow);
    bl_folded_workspace_free(fast);
    bl_folded_free(folded);
    bl_probes_free(&probes);
    bl_eigen_free(eigen);
    bl_model_free(model);
    return worst / largest;
}

static void test_equal(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "bias", "june", "later-bilinear"};
    const size_t layers[] = {1, 2, 1, 1, 2};
    double worst = 0;
    for (size_t m = 0; m < 5; m++)
        for (size_t layer = 0; layer < layers[m]; layer++)
            for (size_t J = 1; J <= 17; J += 4)
                for (unsigned seed = 0; seed < 5; seed++) worst = fmax(worst, compare(models[m], layer, J, seed));
    fprintf(stderr, "folded against full forward pass: largest difference %.1e of the largest similarity\n", worst);
    assert_true(worst < 5e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
