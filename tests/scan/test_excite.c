/* Predictions of a text, and the eigenvectors that a place excites: held to the logits, to the form x' Q x, and to
 * the whole list. */
#include "support.h"

static const int32_t ids[] = {1, 5, 9, 7, 12};
enum { N = sizeof ids / sizeof *ids };

static void test_predictions(void **state) {
    (void)state;
    bl_error err = {0};
    bl_model *model = support_model("plain");
    size_t V = bl_model_config(model)->n_vocab;
    bl_predictions *p = bl_predict(model, ids, N, V + 5, &err);
    if (!p) fail_msg("%s", err.message);
    assert_int_equal(p->top, V);
    static const char *const points[] = {"logits"};
    bl_trace *trace = bl_trace_run(model, ids, N, points, 1, &err);
    const float *logits = bl_trace_array(trace, 0).data;
    for (size_t i = 0; i < N; i++) {
        double sum = 0, all = 0;
        for (size_t t = 0; t < V; t++) all += exp((double)logits[i * V + t]);
        for (size_t k = 0; k < V; k++) {
            const bl_predicted *best = &p->best[i * V + k];
            sum += best->probability;
            assert_int_equal(best->rank, k + 1);
            if (k > 0) assert_true(best->probability <= best[-1].probability);
            assert_near(best->probability, exp((double)logits[i * V + (size_t)best->id]) / all, 1e-5, 1);
            if (best->id == p->next[i].id) assert_near(p->next[i].probability, best->probability, 1e-12, 1);
        }
        assert_near(sum, 1, 1e-9, 1);
        assert_int_equal(p->next[i].id, i + 1 < N ? ids[i + 1] : -1);
    }
    bl_predictions_free(p);
    static const int32_t bad[] = {1, 1000000};
    assert_null(bl_predict(model, bad, 2, 3, &err));
    assert_int_equal(err.code, BL_ERR_UNSUPPORTED);
    assert_null(bl_predict(model, ids, 0, 3, &err));
    bl_trace_free(trace);
    bl_model_free(model);
}

/* All activations of a direction sum to x' Q x, and a short list is the beginning of the long one. */
static void test_excited(void **state) {
    (void)state;
    static const char *const models[] = {"plain", "norm", "bias"};
    for (size_t m = 0; m < 3; m++) {
        bl_error err = {0};
        bl_model *model = support_model(models[m]);
        size_t n = bl_interaction_size(model), d = bl_model_config(model)->d_model, count, few;
        float *x = calloc(n, sizeof *x), *u = calloc(2 * d, sizeof *u), *q = calloc(n * n, sizeof *q);
        bl_excited *all = calloc(2 * n, sizeof *all), first[5];
        assert_true(x && u && q && all);
        for (size_t i = 0; i < 2 * d; i++) u[i] = (float)((i * 7 + 3) % 11) / 5 - 1;
        assert_true(bl_mlp_input(model, 0, ids, N, 3, x, &err));
        assert_true(bl_excited_directions(model, 0, u, 2, x, 2 * n, all, &count, &err));
        assert_int_equal(count, 2 * n);
        for (size_t k = 0; k < 2; k++) {
            double form = 0, sum = 0, size = 0;
            assert_true(bl_interaction_matrix(model, 0, u + k * d, q, &err));
            for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < n; j++) form += (double)x[i] * (double)q[i * n + j] * (double)x[j];
            for (size_t i = 0; i < count; i++)
                if (all[i].direction == k) {
                    sum += (double)all[i].activation;
                    size += fabs((double)all[i].activation);
                }
            assert_near(sum, form, 1e-4, size);
        }
        assert_true(bl_excited_directions(model, 0, u, 2, x, 5, first, &few, &err));
        assert_int_equal(few, 5);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(first[i].direction, all[i].direction);
            assert_int_equal(first[i].index, all[i].index);
            if (i) assert_true(fabsf(first[i].activation) <= fabsf(first[i - 1].activation));
        }
        assert_false(bl_mlp_input(model, 99, ids, N, 3, x, &err));
        assert_false(bl_mlp_input(model, 0, ids, N, N, x, &err));
        free(x);
        free(u);
        free(q);
        free(all);
        bl_model_free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_predictions), cmocka_unit_test(test_excited)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
