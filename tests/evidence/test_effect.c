/* Effects of a null draw's pairs, and of the model's, beside a slow plain twin: every logit row edited and every
 * loss taken again, in double. With a sample of the positions, those of the token's own are still all there. */
#include "support.h"
#include "evidence/effect.h"
#include "model/forward.h"
#include "text/corpus/batch.h"

enum { PER = 4, TOKENS = 3 };

typedef struct given {
    bl_model *model;
    bl_bilinear map;
    size_t n, d, layer;
    int32_t tokens[TOKENS];
    float *u, *v[2];
    double lambda[2][TOKENS * PER];
    bl_samples stories;
    const int32_t **ids;
    size_t *lengths;
} given;

/* Kind 0: the model, 1: a null draw. */
static void take_pairs(given *g, size_t kind, const bl_bilinear *map) {
    bl_error err = {0};
    for (size_t t = 0; t < TOKENS; t++) {
        bl_eigen *eigen = bl_eigen_of(map, g->u + t * g->d, 0, &err);
        assert_non_null(eigen);
        for (size_t k = 0; k < PER; k++) {
            size_t at = k < 2 ? g->n - 1 - k : k - 2, j = t * PER + k;
            memcpy(g->v[kind] + j * g->n, bl_eigen_vector(eigen, (long)at), g->n * sizeof(float));
            g->lambda[kind][j] = (double)bl_eigen_values(eigen)[at] - bl_eigen_shift(eigen);
        }
        bl_eigen_free(eigen);
    }
}

static void prepare(given *g, const char *name) {
    static const char *const words[TOKENS] = {"the", "swim", "a"};
    const char *path = TEST_DATA "/models/stories.txt";
    bl_error err = {0};
    bl_bilinear draw;
    *g = (given){.model = support_model(name)};
    g->layer = bl_model_config(g->model)->n_layer - 1;
    g->d = bl_model_config(g->model)->d_model;
    g->n = bl_interaction_size(g->model);
    assert_true(bl_model_bilinear(g->model, g->layer, &g->map, &err));
    bl_basis basis = bl_model_basis_out(g->model);
    g->u = calloc(TOKENS * g->d, sizeof *g->u);
    for (size_t k = 0; k < 2; k++) g->v[k] = calloc(TOKENS * PER * g->n, sizeof(float));
    for (size_t t = 0; t < TOKENS; t++) {
        const bl_direction direction = {.token = words[t], .minus_all = true};
        assert_true(bl_direction_vector(&direction, &basis, g->u + t * g->d, &err));
        g->tokens[t] = (int32_t)bl_basis_find(&basis, words[t], &err);
    }
    assert_true(bl_bilinear_null(&g->map, 5, &draw, NULL, &err));
    take_pairs(g, 0, &g->map);
    take_pairs(g, 1, &draw);
    bl_bilinear_null_free(&draw);
    bl_corpus *c = bl_corpus_open(&path, 1, &err);
    assert_true(bl_samples_read(&g->stories, c, bl_model_tokenizer(g->model),
                                bl_model_config(g->model)->n_ctx, 0, NULL, &err));
    bl_corpus_free(c);
    g->ids = calloc(g->stories.n, sizeof(const int32_t *));
    g->lengths = calloc(g->stories.n, sizeof *g->lengths);
    for (size_t i = 0; i < g->stories.n; i++) {
        g->ids[i] = g->stories.ids + g->stories.begin[i];
        g->lengths[i] = g->stories.begin[i + 1] - g->stories.begin[i];
    }
}

static void release(given *g) {
    bl_samples_free(&g->stories);
    free(g->ids);
    free(g->lengths);
    free(g->u);
    free(g->v[0]);
    free(g->v[1]);
    bl_model_free(g->model);
}

static void found(void *context, size_t j, size_t i, const float *similarity, size_t n) {
    double *most = context;
    (void)i;
    for (size_t p = 0; p < n; p++) most[j] = fmax(most[j], fabs((double)similarity[p]));
}

/* The stories in two chunks. */
static bl_effects *run(const given *g, uint64_t positions, double *sums, double *most) {
    const bl_effect_pairs pairs = {g->model, TOKENS,       PER,     g->tokens,    g->u,
                                   g->v[0],  g->lambda[0], g->v[1], g->lambda[1], positions};
    bl_error err = {0};
    bl_effects *e = bl_effects_new(&pairs, bl_model_config(g->model)->n_ctx, &err);
    assert_non_null(e);
    size_t count, half = g->stories.n / 2;
    const double *part = bl_effects_second(e, &count);
    double *second = calloc(count, sizeof *second);
    for (size_t at = 0; at < g->stories.n; at += half) {
        size_t stories = g->stories.n - at < half ? g->stories.n - at : half;
        assert_true(bl_effects_measure(e, g->ids + at, g->lengths + at, stories, &err));
        for (size_t i = 0; i < count; i++) second[i] += part[i];
    }
    assert_true(bl_effects_means(e, second, &err));
    part = bl_effects_sums(e, &count);
    memset(sums, 0, count * sizeof *sums);
    for (size_t at = 0; at < g->stories.n; at += half) {
        size_t stories = g->stories.n - at < half ? g->stories.n - at : half;
        assert_true(bl_effects_add(e, at, g->ids + at, g->lengths + at, stories, found, most, &err));
        for (size_t i = 0; i < count; i++) sums[i] += part[i];
    }
    free(second);
    return e;
}

/* own mean, others' mean, total, ends of pair j of a kind, all again; *most: the largest |v . x'|. */
static void slowly(const given *g, size_t kind, size_t j, double out[4], double *most) {
    size_t V = bl_model_config(g->model)->n_vocab, t = j / PER;
    bl_error err = {0};
    bl_workspace *w = bl_workspace_new(g->model, &err);
    double m = 0, N = 0, own = 0, n_own = 0, others = 0, energy = 0, positive = 0;
    *most = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < g->stories.n; i++) {
            size_t length = g->lengths[i];
            bl_view x = bl_forward_mlp_in(g->model, w, g->ids[i], length, g->layer, NULL, &err);
            double *a = calloc(length, sizeof *a);
            const float *v = g->v[kind] + j * g->n;
            for (size_t p = 0; p < length; p++) {
                if (g->n > g->d) a[p] = (double)v[g->d];
                for (size_t c = 0; c < g->d; c++) a[p] += (double)v[c] * (double)x.data[p * x.stride + c];
                *most = fmax(*most, fabs(a[p]));
            }
            for (size_t p = 0; pass == 0 && p + 1 < length; p++, N++) m += a[p] * a[p];
            if (pass == 0) {
                free(a);
                continue;
            }
            bl_view logits = bl_forward_logits(g->model, w, g->ids[i], length, NULL, &err);
            for (size_t p = 0; p + 1 < length; p++) {
                const float *row = logits.data + p * logits.stride;
                double delta = g->lambda[kind][j] * (a[p] * a[p] - m / N), before = 0, after = 0;
                for (size_t k = 0; k < V; k++) {
                    before += exp((double)row[k]);
                    after += exp((double)row[k] - (k == (size_t)g->tokens[t] ? delta : 0));
                }
                bool is_own = g->ids[i][p + 1] == g->tokens[t];
                double rise = log(after) - log(before) + (is_own ? delta : 0);
                own += is_own ? rise : 0;
                n_own += is_own;
                others += is_own ? 0 : rise;
                energy += a[p] * a[p];
                positive += a[p] > 0 ? a[p] * a[p] : 0;
            }
            free(a);
        }
    out[0] = n_own > 0 ? own / n_own : NAN;
    out[1] = others / (N - n_own);
    out[2] = (own + others) / N;
    out[3] = positive / energy;
    bl_workspace_free(w);
}

static void beside_the_twin(void **state) {
    (void)state;
    static const char *const models[] = {"plain", "bias"};
    static double sums[4096];
    for (size_t i = 0; i < 2; i++) {
        given g;
        double most[TOKENS * PER] = {0};
        prepare(&g, models[i]);
        bl_effects *e = run(&g, 0, sums, most);
        for (size_t kind = 0; kind < 2; kind++)
            for (size_t j = 0; j < TOKENS * PER; j++) {
                double slow[4], largest;
                slowly(&g, kind, j, slow, &largest);
                bl_effect fast = bl_effects_result(e, sums, j, kind == 1);
                if (isnan(slow[0])) assert_true(isnan(fast.own_mean));
                else assert_near(fast.own_mean, slow[0], 1e-4, fmax(fabs(slow[0]), 0.02));
                assert_near(fast.others_mean, slow[1], 1e-4, fmax(fabs(slow[1]), 0.02));
                assert_near(fast.total, slow[2], 1e-4, fmax(fabs(slow[2]), 0.02));
                assert_near(fast.ends, slow[3], 1e-4, 1);
                if (kind == 0) assert_near(most[j], largest, 1e-5, largest);
            }
        bl_effects_free(e);
        release(&g);
    }
}

static void own_positions_are_never_sampled(void **state) {
    (void)state;
    static double whole[4096], part[4096];
    double most[TOKENS * PER] = {0};
    given g;
    prepare(&g, "norm");
    bl_effects *e = run(&g, 0, whole, most), *some = run(&g, UINT64_C(100000000000), part, most);
    for (size_t j = 0; j < TOKENS * PER; j++) {
        bl_effect a = bl_effects_result(e, whole, j, true), b = bl_effects_result(some, part, j, true);
        bl_effect model = bl_effects_result(some, part, j, false);
        assert_int_equal(a.own, b.own);
        assert_int_equal(b.others, 0); /* no group is one in a million */
        assert_int_equal(model.others, a.others);
        if (a.own) assert_near(b.own_mean, a.own_mean, 1e-5, fmax(fabs(a.own_mean), 0.05));
        if (a.own) assert_true(isnan(b.own_error) == isnan(a.own_error));
        assert_true(isnan(b.share) && isnan(b.others_mean));
    }
    bl_effects_free(e);
    bl_effects_free(some);
    release(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(beside_the_twin),
                                       cmocka_unit_test(own_positions_are_never_sampled)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
