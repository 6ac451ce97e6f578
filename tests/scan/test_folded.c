/* The folded scan equals the full forward pass, on every bilinear variant, at every layer, for few vectors
 * (tau) and many (values), and on trained models at their own size. What each variant's largest difference is
 * goes to standard error. */
#include "support.h"
#include "scan/contributions.h"
#include "scan/folded.h"

#define MOST_J 17

/* Differences of one variant, and what they are relative to. */
typedef struct worst {
    double similarity, contribution, largest;
} worst;

static void differ(double *most, float a, double b) { *most = fmax(*most, fabs((double)a - b)); }

/* Contributions of the first probes at the first and the last position, whole and by head. */
static void compare_contributions(const bl_probes *probes, const bl_folded *folded, bl_folded_workspace *fast,
                                  bl_workspace *slow, const int32_t *ids, size_t n, worst *w) {
    const bl_config *c = bl_model_config(probes->model);
    size_t d = c->d_model, rows = 1 + c->n_head;
    float *memory = calloc(2 * n * (1 + rows), sizeof *memory), *a = memory, *b = a + n, *a_heads = b + n,
          *b_heads = a_heads + rows * n;
    for (size_t j = 0; j < probes->J && j < 5; j++)
        for (size_t p = 0; p<n; p += n> 1 ? n - 1 : 1) {
            bl_error err = {0};
            const bl_cause cause = {.v = probes->v + j * d, .position = p, .c = b, .heads = b_heads};
            assert_true(bl_contributions(probes->model, slow, probes->layer, ids, n, &cause, 1, &err));
            assert_true(bl_folded_contributions(folded, fast, j, ids, n, p, a, a_heads, &err));
            for (size_t i = 0; i <= p; i++) {
                double a_sum = 0, b_sum = 0;
                differ(&w->contribution, a[i], (double)b[i]);
                for (size_t row = 0; row < rows; row++) {
                    a_sum += (double)a_heads[row * (p + 1) + i];
                    b_sum += (double)b_heads[row * (p + 1) + i];
                }
                differ(&w->contribution, a[i], a_sum);
                differ(&w->contribution, b[i], b_sum);
            }
            for (size_t i = 0; i < rows * (p + 1); i++)
                differ(&w->contribution, a_heads[i], (double)b_heads[i]);
        }
    free(memory);
}

static unsigned next(unsigned *seed) { return (*seed = *seed * 1664525U + 1013904223U) >> 8; }

/* J eigenvectors of a random direction, on random stories of one token to the whole context. */
static void compare(const bl_model *model, size_t layer, size_t J, unsigned seed, worst *w) {
    bl_error err = {0};
    const bl_config *c = bl_model_config(model);
    size_t T = c->n_ctx, n_eigen = bl_interaction_size(model);
    float *u = calloc(c->d_model, sizeof *u), *a = calloc(2 * T * J, sizeof *a), *b = a + T * J;
    int32_t *ids = calloc(T, sizeof *ids);
    for (size_t i = 0; i < c->d_model; i++) u[i] = (float)next(&seed) / 8388608.0F - 1.0F;
    bl_eigen *eigen = bl_eigen_new(model, layer, u, 0, &err);
    assert_non_null(eigen);
    long indices[MOST_J];
    for (size_t j = 0; j < J; j++)
        indices[j] = j % 2 ? -(long)(j / 2 % n_eigen) - 1 : (long)(j / 2 % n_eigen); /* both ends */
    bl_probes probes;
    assert_true(bl_probes_init(&probes, model, eigen, indices, J, &err));
    bl_folded *folded = bl_folded_new(&probes, &err);
    bl_folded_workspace *fast = bl_folded_workspace_new(folded, T, &err);
    bl_workspace *slow = bl_workspace_new(model, &err);
    assert_true(folded && fast && slow);
    for (size_t n = 1; n <= T; n += n < 4 ? 1 : T / 4 - 1) {
        for (size_t p = 0; p < n; p++) ids[p] = p ? (int32_t)(next(&seed) % c->n_vocab) : 1;
        assert_true(bl_folded_similarity(folded, fast, ids, n, a, &err));
        assert_true(bl_similarity(&probes, slow, ids, n, b, &err));
        for (size_t i = 0; i < n * J; i++) {
            differ(&w->similarity, a[i], (double)b[i]);
            w->largest = fmax(w->largest, fabs((double)b[i]));
        }
        compare_contributions(&probes, folded, fast, slow, ids, n, w);
    }
    bl_workspace_free(slow);
    bl_folded_workspace_free(fast);
    bl_folded_free(folded);
    bl_probes_free(&probes);
    bl_eigen_free(eigen);
    free(ids);
    free(a);
    free(u);
}

static void judge(const char *what, size_t layer, const worst *w) {
    fprintf(stderr, "%-62s layer %zu: similarities %.1e, contributions %.1e of the largest similarity\n",
            what, layer, w->similarity / w->largest, w->contribution / w->largest);
    assert_true(w->largest > 0 && w->similarity < 5e-6 * w->largest && w->contribution < 5e-6 * w->largest);
}

static void test_equal(void **state) {
    (void)state;
    const struct {
        const char *name, *what;
        size_t layers;
    } variants[] = {{"plain", "2024-05, no norm", 1},
                    {"norm", "2024-05, norms with weights, two layers", 2},
                    {"bias", "2024-05, biases, no norm", 1},
                    {"june", "2024-06, norms with weights, tied head", 1},
                    {"later-bilinear", "later, norms, biases, attention scaled, two layers", 2}};
    for (size_t m = 0; m < sizeof variants / sizeof *variants; m++)
        for (size_t layer = 0; layer < variants[m].layers; layer++) {
            worst w = {0};
            bl_model *model = support_model(variants[m].name);
            for (size_t J = 1; J <= MOST_J; J += 4)
                for (unsigned seed = 0; seed < 5; seed++) compare(model, layer, J, seed, &w);
            judge(variants[m].what, layer, &w);
            bl_model_free(model);
        }
}

static void compare_trained(const char *path, const char *what) {
    bl_error err = {0};
    worst w = {0};
    bl_model *model = bl_model_load(path, &err);
    if (!model) fail_msg("%s", err.message);
    compare(model, 0, 8, 1, &w);
    compare(model, 0, MOST_J, 2, &w);
    judge(what, 0, &w);
    bl_model_free(model);
}

static void test_embedded(void **state) {
    (void)state;
    compare_trained(TEST_DATA "/../../data/stories-1-256", "the embedded default, trained, d 256");
}

static void test_attention2(void **state) {
    (void)state;
    if (!support_have_shared()) skip();
    for (size_t m = 0; m < 2; m++) {
        bl_error err = {0};
        bl_model *model =
            bl_model_load(m ? SHARED "/models/tiny-attention2-norm" : SHARED "/models/tiny-attention2", &err);
        if (!model) fail_msg("%s", err.message);
        for (size_t layer = 0; layer < bl_model_config(model)->n_layer; layer++) {
            worst w = {0};
            for (size_t J = 1; J <= MOST_J; J += 8) compare(model, layer, J, (unsigned)J, &w);
            judge(m ? "bilinear attention, norm, biases" : "bilinear attention, a polynomial", layer, &w);
        }
        bl_model_free(model);
    }
}

static void test_trained(void **state) {
    (void)state;
    if (!support_have_shared()) skip();
    compare_trained(SHARED "/models/ts-1-256", "ts-1-256, trained, d 256");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal), cmocka_unit_test(test_embedded),
                                       cmocka_unit_test(test_attention2), cmocka_unit_test(test_trained)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
