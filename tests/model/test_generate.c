/* The cached pass against the full one on every variant; drawing; and that neither threads nor neighbours
 * change a text. */
#include "support.h"
#include "model/cached.h"
#include "linear/dots.h"
#include "model/forward.h"
#include "model/sampler.h"

static const char *const variants[] = {"plain", "norm",      "bias",  "gelu",          "mlp",
                                       "june",  "june-relu", "later", "later-bilinear"};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

/* A text of ids that fills the context. */
static size_t some_ids(const bl_model *model, int32_t *ids, uint64_t seed) {
    bl_random random;
    bl_random_seed(&random, seed);
    for (size_t i = 0; i < model->config.n_ctx; i++)
        ids[i] = (int32_t)bl_random_below(&random, model->config.n_vocab);
    return model->config.n_ctx;
}

static void compare_with_full(const char *variant) {
    bl_error err = {0};
    bl_model *model = support_model(variant);
    size_t n_ctx = model->config.n_ctx, V = model->config.n_vocab;
    int32_t *ids = malloc(n_ctx * sizeof *ids);
    size_t n = some_ids(model, ids, 1);
    bl_workspace *workspace = bl_workspace_new(model, &err);
    bl_cached *cached = bl_cached_new(model, 1, n_ctx, &err);
    assert_non_null(workspace);
    assert_non_null(cached);
    bl_view full = bl_forward_logits(model, workspace, ids, n, NULL, &err);
    double most = 0, worst = 0;
    for (size_t i = 0; i < n * V; i++) most = fmax(most, fabs((double)full.data[i]));
    bl_cached_begin(cached, 0);
    for (size_t p = 0; p < n; p++) {
        bl_cached_input input = {.slot = 0, .id = ids[p], .wanted = true};
        bl_cached_step(cached, &input, 1);
        for (size_t i = 0; i < V; i++)
            worst = fmax(worst, fabs((double)input.logits[i] - (double)full.data[p * V + i]));
    }
    assert_int_equal(bl_cached_length(cached, 0), n);
    printf("%-16s %3zu positions: off by %.2g of %.3g\n", variant, n, worst, most);
    if (!(worst <= 1e-5 * most)) fail_msg("%s: off by %.3g of %.3g", variant, worst, most);
    bl_cached_free(cached);
    bl_workspace_free(workspace);
    free(ids);
    bl_model_free(model);
}

static void test_cache(void **state) {
    (void)state;
    for (size_t i = 0; i < N_VARIANTS; i++) compare_with_full(variants[i]);
}

/* Texts of different lengths that begin at different times and share the weights: every logit has the bits it
 * has alone. */
static void test_neighbours(void **state) {
    (void)state;
    enum { SLOTS = 7 };
    bl_model *model = support_model("later");
    size_t n_ctx = model->config.n_ctx, V = model->config.n_vocab, n = n_ctx / 2;
    int32_t *ids = malloc(SLOTS * n_ctx * sizeof *ids);
    for (size_t s = 0; s < SLOTS; s++) some_ids(model, ids + s * n_ctx, s);
    float *alone = malloc(SLOTS * n * V * sizeof *alone);
    bl_cached *one = bl_cached_new(model, 1, n_ctx, NULL), *many = bl_cached_new(model, SLOTS, n_ctx, NULL);
    for (size_t s = 0; s < SLOTS; s++) {
        bl_cached_begin(one, 0);
        for (size_t p = 0; p < n; p++) {
            bl_cached_input input = {.id = ids[s * n_ctx + p], .wanted = true};
            bl_cached_step(one, &input, 1);
            memcpy(alone + (s * n + p) * V, input.logits, V * sizeof *alone);
        }
    }
    size_t compared = 0;
    for (size_t time = 0; time < n + SLOTS;
         time++) { /* slot s begins at time s; every third token's logits are not wanted */
        bl_cached_input inputs[SLOTS];
        size_t m = 0;
        for (size_t s = 0; s < SLOTS; s++) {
            if (time < s || time - s >= n) continue;
            if (time == s) bl_cached_begin(many, s);
            inputs[m++] =
                (bl_cached_input){.slot = s, .id = ids[s * n_ctx + time - s], .wanted = (time + s) % 3 != 0};
        }
        bl_cached_step(many, inputs, m);
        for (size_t i = 0; i < m; i++) {
            size_t s = inputs[i].slot;
            assert_true(inputs[i].wanted == (inputs[i].logits != NULL));
            if (!inputs[i].logits) continue;
            assert_memory_equal(inputs[i].logits, alone + (s * n + time - s) * V, V * sizeof *alone);
            compared++;
        }
    }
    assert_true(compared > SLOTS * n / 2);
    bl_cached_free(one);
    bl_cached_free(many);
    free(alone);
    free(ids);
    bl_model_free(model);
}

/* Products of every awkward size, against sums in double. */
static void test_dots(void **state) {
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1},   {3, 15, 2}, {5, 16, 3},     {7, 17, 4},
                                      {2, 100, 5}, {9, 64, 8}, {1100, 1000, 6}};
    bl_random random;
    bl_random_seed(&random, 5);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t rows = sizes[k][0], cols = sizes[k][1], n = sizes[k][2];
        float *w = malloc(rows * cols * sizeof *w), *x = malloc(n * cols * sizeof *x),
              *out = malloc(n * rows * sizeof *out), *bias = malloc(rows * sizeof *bias);
        for (size_t i = 0; i < rows * cols; i++) w[i] = (float)bl_random_normal(&random);
        for (size_t i = 0; i < n * cols; i++) x[i] = (float)bl_random_normal(&random);
        for (size_t i = 0; i < rows; i++) bias[i] = (float)bl_random_normal(&random);
        bl_set_threads(3);
        bl_dots(out, rows, x, n, (bl_view){w, rows, cols, cols}, bias);
        bl_set_threads(1);
        for (size_t c = 0; c < n; c++) {
            for (size_t r = 0; r < rows; r++) {
                double sum = (double)bias[r];
                for (size_t i = 0; i < cols; i++) sum += (double)w[r * cols + i] * (double)x[c * cols + i];
                assert_near((double)out[c * rows + r], sum, 1e-5, sqrt((double)cols) + fabs(sum));
                assert_true(out[c * rows + r] ==
                            bl_dot(w + r * cols, x + c * cols, cols) + bias[r]); /* the same bits */
            }
        }
        free(w), free(x), free(out), free(bias);
    }
    bl_set_threads(0);
}

/* Frequencies of many draws against the probabilities they should have. */
static void check_frequencies(const bl_generate_options *options, const double *wanted) {
    enum { V = 6, DRAWS = 200000 };
    const float logits[V] = {1.0F, 3.0F, -1.0F, 2.0F, 9.0F, 2.0F};
    const bool allowed[V] = {true, true, true, true, false, true}; /* the most probable is no token */
    size_t counts[V] = {0};
    bl_sampler sampler;
    bl_random random;
    bl_random_seed(&random, 11);
    assert_true(bl_sampler_init(&sampler, options, allowed, V, NULL));
    for (size_t i = 0; i < DRAWS; i++) {
        int32_t id = bl_sampler_draw(&sampler, logits, &random);
        assert_true(id >= 0 && id < V);
        counts[id]++;
    }
    for (size_t i = 0; i < V; i++) {
        double p = (double)counts[i] / DRAWS, deviation = sqrt(wanted[i] * (1 - wanted[i]) / DRAWS);
        if (wanted[i] == 0) assert_int_equal(counts[i], 0);
        else assert_near(p, wanted[i], 5, deviation + 1e-9);
    }
    bl_sampler_free(&sampler);
}

static void test_sampler(void **state) {
    (void)state;
    const double e1 = exp(1), e2 = exp(2), e3 = exp(3), all = e1 + e3 + exp(-1) + 2 * e2,
                 half = exp(0.5) + exp(1.5) + exp(-0.5) + 2 * e1;
    check_frequencies(&(bl_generate_options){.temperature = 1},
                      (double[]){e1 / all, e3 / all, exp(-1) / all, e2 / all, 0, e2 / all});
    check_frequencies(&(bl_generate_options){.temperature = 2},
                      (double[]){exp(0.5) / half, exp(1.5) / half, exp(-0.5) / half, e1 / half, 0,
                                 e1 / half});
    check_frequencies(&(bl_generate_options){.temperature = 1, .top_k = 2},
                      (double[]){0, e3 / (e3 + e2), 0, e2 / (e3 + e2), 0, 0}); /* of equals the lower id */
    check_frequencies(&(bl_generate_options){.temperature = 1, .top_k = 100},
                      (double[]){e1 / all, e3 / all, exp(-1) / all, e2 / all, 0, e2 / all});
    /* 0.529 for the first, 0.195 for each of the next two, 0.072 for the fourth */
    check_frequencies(&(bl_generate_options){.temperature = 1, .top_p = 0.5}, (double[]){0, 1, 0, 0, 0, 0});
    check_frequencies(&(bl_generate_options){.temperature = 1, .top_p = 0.7},
                      (double[]){0, e3 / (e3 + e2), 0, e2 / (e3 + e2), 0, 0});
    check_frequencies(&(bl_generate_options){.temperature = 1, .top_p = 0.9},
                      (double[]){0, e3 / (e3 + 2 * e2), 0, e2 / (e3 + 2 * e2), 0, e2 / (e3 + 2 * e2)});
    /* of the two that top_k leaves the first alone has 0.73 */
    check_frequencies(&(bl_generate_options){.temperature = 1, .top_k = 2, .top_p = 0.7},
                      (double[]){0, 1, 0, 0, 0, 0});
    check_frequencies(&(bl_generate_options){.temperature = 0}, (double[]){0, 1, 0, 0, 0, 0});
    check_frequencies(&(bl_generate_options){.temperature = 1e-300}, (double[]){0, 1, 0, 0, 0, 0});
    check_frequencies(&(bl_generate_options){.temperature = 1, .top_p = 1e-12}, (double[]){0, 1, 0, 0, 0, 0});
}

static void test_not_finite(void **state) {
    (void)state;
    const bool allowed[2] = {true, true};
    bl_sampler sampler;
    bl_random random;
    bl_random_seed(&random, 1);
    assert_true(bl_sampler_init(&sampler, &(bl_generate_options){.temperature = 1}, allowed, 2, NULL));
    assert_int_equal(bl_sampler_draw(&sampler, (float[]){NAN, 1}, &random), -1);
    assert_int_equal(bl_sampler_draw(&sampler, (float[]){1, INFINITY}, &random), -1);
    bl_sampler_free(&sampler);
}

/* Temperature 0 follows the arg max of the full pass; the context ends it. */
static void test_greedy(void **state) {
    (void)state;
    bl_error err = {0};
    bl_model *model = support_model("plain");
    bl_generate_options options = {.temperature = 0};
    bl_generated story, again;
    if (!bl_generate(model, "Tom likes", &options, &story, (bl_progress){0}, &err))
        fail_msg("%s", err.message);
    assert_int_equal(story.n_prompt, 3);
    assert_true(story.stop == BL_STOP_CONTEXT || story.stop == BL_STOP_END);
    assert_int_equal(story.steps, story.ids.n - story.n_prompt);
    if (story.stop == BL_STOP_CONTEXT) assert_int_equal(story.ids.n, model->config.n_ctx);
    bl_workspace *workspace = bl_workspace_new(model, &err);
    bl_view logits = bl_forward_logits(model, workspace, story.ids.data, story.ids.n, NULL, &err);
    for (size_t p = story.n_prompt; p < story.ids.n; p++) {
        const float *row = logits.data + (p - 1) * logits.stride;
        for (size_t i = 0; i < logits.cols; i++)
            assert_true(row[i] <= row[story.ids.data[p]] + 1e-5F * fabsf(row[i]));
    }
    assert_true(bl_generate(model, "Tom likes", &options, &again, (bl_progress){0}, &err));
    assert_string_equal(story.text, again.text);
    bl_generated_free(&again);
    options.max_tokens = 2;
    assert_true(bl_generate(model, "Tom likes", &options, &again, (bl_progress){0}, &err));
    assert_int_equal(again.ids.n, 5);
    assert_int_equal(again.stop, BL_STOP_TOKENS);
    assert_memory_equal(again.ids.data, story.ids.data, 5 * sizeof(int32_t));
    bl_generated_free(&again);
    bl_generated_free(&story);
    bl_workspace_free(workspace);
    bl_model_free(model);
}

typedef struct collection {
    char *texts[64];
    size_t n, stop_at;
} collection;

static bool collect(void *context, size_t i, const bl_generated *story, bl_error *err) {
    collection *c = context;
    assert_int_equal(i, c->n);
    if (c->stop_at && i == c->stop_at) {
        err->code = BL_ERR_IO;
        snprintf(err->message, sizeof err->message, "that is enough");
        return false;
    }
    c->texts[c->n++] = strdup(story->text);
    return true;
}

static collection stories(const bl_model *model, size_t n, int threads, uint64_t seed) {
    bl_error err = {0};
    collection c = {0};
    bl_generate_options options = {.temperature = 1, .seed = seed, .max_tokens = 30};
    bl_set_threads(threads);
    if (!bl_generate_stories(model, "", &options, n, collect, &c, (bl_progress){0}, &err))
        fail_msg("%s", err.message);
    assert_int_equal(c.n, n);
    return c;
}

static void free_collection(collection *c) {
    for (size_t i = 0; i < c->n; i++) free(c->texts[i]);
}

/* Neither the number of threads nor that of texts changes a text; the seed does. */
static void test_seeds(void **state) {
    (void)state;
    bl_model *model = support_model("norm");
    collection one = stories(model, 50, 1, 3), three = stories(model, 50, 3, 3),
               few = stories(model, 5, 2, 3), other = stories(model, 5, 1, 4);
    size_t different = 0;
    for (size_t i = 0; i < 50; i++) assert_string_equal(one.texts[i], three.texts[i]);
    for (size_t i = 0; i < 5; i++) assert_string_equal(one.texts[i], few.texts[i]);
    for (size_t i = 1; i < 50; i++) different += strcmp(one.texts[i], one.texts[0]) != 0;
    assert_int_equal(different, 49);
    for (size_t i = 0; i < 5; i++) assert_string_not_equal(one.texts[i], other.texts[i]);
    bl_generated single;
    bl_generate_options options = {.temperature = 1, .seed = 3, .max_tokens = 30};
    assert_true(bl_generate(model, "", &options, &single, (bl_progress){0}, NULL));
    assert_string_equal(single.text, one.texts[0]);
    bl_generated_free(&single);
    free_collection(&one), free_collection(&three), free_collection(&few), free_collection(&other);
    bl_set_threads(0);
    bl_model_free(model);
}

static void test_refusals(void **state) {
    (void)state;
    bl_error err = {0};
    bl_model *model = support_model("plain");
    bl_generated story;
    char *longest = malloc(5000);
    longest[0] = '\0';
    for (size_t i = 0; i < 400; i++) strcat(longest, "swim ");
    assert_false(bl_generate(model, longest, &(bl_generate_options){.temperature = 1}, &story,
                             (bl_progress){0}, &err));
    assert_error(err, BL_ERR_USAGE, "the prompt has 401 tokens");
    assert_null(story.text);
    assert_false(bl_generate(model, "a\xff", &(bl_generate_options){.temperature = 1}, &story,
                             (bl_progress){0}, &err));
    assert_error(err, BL_ERR_INPUT, "not valid UTF-8");
    assert_false(
        bl_generate(model, "", &(bl_generate_options){.temperature = -1}, &story, (bl_progress){0}, &err));
    assert_error(err, BL_ERR_USAGE, "temperature");
    assert_false(
        bl_generate(model, "", &(bl_generate_options){.temperature = NAN}, &story, (bl_progress){0}, &err));
    assert_error(err, BL_ERR_USAGE, "temperature");
    assert_false(bl_generate(model, "", &(bl_generate_options){.temperature = 1, .top_p = 1.5}, &story,
                             (bl_progress){0}, &err));
    assert_error(err, BL_ERR_USAGE, "top_p");
    collection some = {.stop_at = 3};
    assert_false(bl_generate_stories(model, "", &(bl_generate_options){.temperature = 1}, 20, collect, &some,
                                     (bl_progress){0}, &err));
    assert_error(err, BL_ERR_IO, "that is enough");
    assert_int_equal(some.n, 3);
    free_collection(&some);
    free(longest);
    bl_model_free(model);
}

static bool stop_at_ten(void *context, const char *phase, uint64_t done, uint64_t total) {
    (void)phase, (void)total;
    *(uint64_t *)context = done;
    return done < 10;
}

static void test_cancel(void **state) {
    (void)state;
    bl_error err = {0};
    bl_model *model = support_model("plain");
    bl_generated story;
    uint64_t done = 0;
    collection some = {0};
    bl_progress progress = {stop_at_ten, &done};
    bl_generate_options options = {.temperature = 1};
    assert_false(bl_generate_stories(model, "", &options, 1000000, collect, &some, progress, &err));
    assert_error(err, BL_ERR_CANCELLED, "interrupted");
    assert_true(done >= 10 && some.n < 64);
    free_collection(&some);
    assert_false(bl_generate(model, "", &options, &story, progress, &err));
    assert_error(err, BL_ERR_CANCELLED, "interrupted");
    bl_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cache),      cmocka_unit_test(test_neighbours),
                                       cmocka_unit_test(test_dots),       cmocka_unit_test(test_sampler),
                                       cmocka_unit_test(test_not_finite), cmocka_unit_test(test_greedy),
                                       cmocka_unit_test(test_seeds),      cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_cancel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
