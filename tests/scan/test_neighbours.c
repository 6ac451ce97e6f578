/* Contextual neighbours against cosines of traced inputs, place by place. */
#include "support.h"

enum { TOP = 4, MOST = 64 };

static bl_corpus *stories(void) {
    const char *path = TEST_DATA "/models/stories.txt";
    bl_error err = {0};
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    if (!corpus) fail_msg("%s", err.message);
    return corpus;
}

static int descending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* The best cosines of every story, by the trace. */
static size_t by_trace(const bl_model *model, const float *v, size_t width, double *high, double *low) {
    bl_corpus *corpus = stories();
    bl_story story;
    bl_ids ids = {0};
    bl_error err = {0};
    size_t n = 0, d = bl_model_config(model)->d_model, n_ctx = bl_model_config(model)->n_ctx;
    const char *name = "mlp_in.0";
    double norm = 0;
    for (size_t c = 0; c < width; c++) norm += (double)v[c] * (double)v[c];
    while (bl_corpus_next(corpus, &story, &err)) {
        assert_true(bl_tokenizer_encode(bl_model_tokenizer(model), story.text, story.length, &ids, &err));
        size_t T = ids.n < n_ctx ? ids.n : n_ctx;
        bl_trace *trace = bl_trace_run(model, ids.data, T, &name, 1, &err);
        assert_non_null(trace);
        const float *x = bl_trace_array(trace, 0).data;
        high[n] = -2;
        low[n] = 2;
        for (size_t p = 1; p < T; p++) {
            double dot = width > d ? (double)v[d] : 0, size = width > d ? 1 : 0;
            for (size_t c = 0; c < d; c++) {
                dot += (double)v[c] * (double)x[p * d + c];
                size += (double)x[p * d + c] * (double)x[p * d + c];
            }
            double cosine = dot / sqrt(size * norm);
            high[n] = fmax(high[n], cosine);
            low[n] = fmin(low[n], cosine);
        }
        bl_trace_free(trace);
        n++;
    }
    bl_ids_free(&ids);
    bl_corpus_free(corpus);
    return n;
}

static void cosines_are_those_of_the_trace(void **state) {
    (void)state;
    static const char *const names[] = {"plain", "norm", "bias", "gelu"};
    for (size_t m = 0; m < 4; m++) {
        bl_model *model = support_model(names[m]);
        size_t d = bl_model_config(model)->d_model;
        for (size_t more = 0; more < 2; more++) { /* with the constant coordinate, too */
            size_t width = d + more;
            float *v = calloc(2 * width, sizeof *v);
            double high[MOST], low[MOST];
            bl_error err = {0};
            for (size_t i = 0; i < 2 * width; i++) v[i] = (float)((i * 7919 + 13) % 101) / 50 - 1;
            bl_corpus *corpus = stories();
            bl_neighbours_options options = {.top = TOP};
            bl_neighbours *found = bl_neighbours_find(model, v, 2, width, corpus, &options, &err);
            if (!found) fail_msg("%s: %s", names[m], err.message);
            assert_int_equal(found->n, 2);
            for (size_t j = 0; j < 2; j++) {
                size_t n = by_trace(model, v + j * width, width, high, low);
                assert_int_equal(found->stories, n);
                for (size_t i = 0; i < n; i++) low[i] = -low[i];
                qsort(high, n, sizeof *high, descending);
                qsort(low, n, sizeof *low, descending);
                const bl_neighbour_list *list = &found->list[j];
                assert_int_equal(list->n_top, TOP);
                assert_int_equal(list->n_bottom, TOP);
                for (size_t i = 0; i < TOP; i++) {
                    assert_near(list->top[i].cosine, high[i], 1e-5, 1);
                    assert_near(list->bottom[i].cosine, -low[i], 1e-5, 1);
                    assert_true(list->top[i].position > 0 && *list->top[i].word);
                    assert_null(strstr(list->top[i].word, "##"));
                }
            }
            bl_neighbours_free(found);
            bl_corpus_free(corpus);
            free(v);
        }
        bl_model_free(model);
    }
}

static void bad_vectors_are_refused(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    size_t d = bl_model_config(model)->d_model;
    float *v = calloc(d + 2, sizeof *v);
    bl_error err = {0};
    bl_corpus *corpus = stories();
    bl_neighbours_options options = {.layer = 9};
    assert_null(bl_neighbours_find(model, v, 1, d, corpus, &options, &err));
    assert_error(err, BL_ERR_USAGE, "layer 9 does not exist");
    options.layer = 0;
    assert_null(bl_neighbours_find(model, v, 1, d + 2, corpus, &options, &err));
    assert_error(err, BL_ERR_USAGE, "MLP reads");
    assert_null(bl_neighbours_find(model, v, 1, d, corpus, &options, &err));
    assert_error(err, BL_ERR_USAGE, "has no direction");
    bl_corpus_free(corpus);
    free(v);
    bl_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(cosines_are_those_of_the_trace),
                                       cmocka_unit_test(bad_vectors_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
