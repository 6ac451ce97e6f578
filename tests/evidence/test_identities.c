/* What must hold of any bilinear model, whatever its weights: every identity is tested on every variant of
 * MLP and norm, against sums and forms that are made the slow way. */
#include "support.h"
#include "evidence/outcome.h"

static const char *const variants[] = {"plain", "norm", "bias", "later-bilinear"};
enum { N_VARIANTS = sizeof variants / sizeof *variants, STORIES = 6 };

static bl_corpus *stories(void) {
    const char *path = TEST_DATA "/models/stories.txt";
    bl_error err = {0};
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    if (!corpus) fail_msg("%s", err.message);
    return corpus;
}

static void token_direction(const bl_model *model, int32_t token, float *u) {
    bl_view w_u = bl_model_w_u(model);
    memcpy(u, w_u.data + (size_t)token * w_u.stride, w_u.cols * sizeof *u);
}

static size_t last_layer(const bl_model *model) { return bl_model_config(model)->n_layer - 1; }

/* The account sums to the logit, and the opened layer to its part, within 1e-5 of the largest part. */
/* The predictions' own accounts sum to their logits. */
static void check_predictions(const bl_account *account, size_t asked) {
    for (size_t i = 0; i < account->n_predictions; i++) {
        const bl_account_prediction *p = &account->predictions[i];
        double sum = 0, largest = 1;
        assert_true((p->account != NULL) == (i < asked));
        for (size_t j = 0; p->account && j < p->account->n_parts; j++) {
            sum += p->account->parts[j].value;
            largest = fmax(largest, fabs(p->account->parts[j].value));
        }
        if (!p->account) continue;
        assert_near(sum, p->logit, 1e-4, largest);
        assert_near(p->account->probability, p->probability, 1e-6, 1);
        assert_int_equal(p->account->rank, i + 1);
    }
}

static void account_is_exact(void **state) {
    (void)state;
    for (size_t i = 0; i < N_VARIANTS; i++) {
        bl_model *model = support_model(variants[i]);
        const bl_config *c = bl_model_config(model);
        float *u = calloc(c->d_model, sizeof *u);
        int32_t ids[12];
        for (size_t t = 0; t < 12; t++) ids[t] = (int32_t)((t * 37 + 5) % c->n_vocab);
        for (size_t layer = 0; layer < c->n_layer; layer++) {
            bl_error err = {0};
            bl_account account;
            token_direction(model, 7, u);
            bl_explain_options options = {.u = u,
                                          .token = 7,
                                          .layer = layer,
                                          .position = 9,
                                          .most = 5,
                                          .words = true,
                                          .predictions = 3};
            if (!bl_account_of(model, ids, 12, &options, &account, &err))
                fail_msg("%s: %s", variants[i], err.message);
            double sum = 0, largest = 0, inside = account.constant + account.rest;
            for (size_t p = 0; p < account.n_parts; p++) {
                sum += account.parts[p].value;
                largest = fmax(largest, fabs(account.parts[p].value));
            }
            assert_int_equal(account.n_terms, 5);
            for (size_t t = 0; t < account.n_terms; t++) {
                double share = account.terms[t].bias;
                inside += account.terms[t].value;
                largest = fmax(largest, fabs(account.terms[t].value));
                for (size_t w = 0; w < (1 + account.n_heads) * 10; w++) share += account.terms[t].words[w];
                assert_near(share, account.terms[t].similarity, 1e-4,
                            fmax(1, fabs(account.terms[t].similarity)));
            }
            assert_near(sum, account.logit, 1e-5, largest);
            assert_near(inside, account.total, 1e-5, largest);
            check_predictions(&account, 3);
            /* the logit itself, by the model */
            const char *name = "logits";
            bl_trace *trace = bl_trace_run(model, ids, 12, &name, 1, &err);
            assert_non_null(trace);
            const float *row = bl_trace_array(trace, 0).data + 9 * c->n_vocab;
            assert_near(account.logit, (double)row[7], 1e-4, fmax(largest, 1));
            bl_trace_free(trace);
            bl_account_free(&account);
        }
        free(u);
        bl_model_free(model);
    }
}

/* Rank n is the model itself; the order of terms does not matter there; rank 0 keeps the constant. */
static void rank_n_is_the_model(void **state) {
    (void)state;
    for (size_t i = 0; i < N_VARIANTS; i++) {
        bl_model *model = support_model(variants[i]);
        bl_bilinear map;
        bl_error err = {0};
        assert_true(bl_model_bilinear(model, last_layer(model), &map, &err));
        size_t n = bl_bilinear_size(&map), ranks[] = {n, 0, n + 1, 3};
        bl_truncate_options options = {.ranks = ranks, .n_ranks = 4, .max_stories = STORIES};
        bl_truncation curve;
        bl_corpus *corpus = stories();
        if (!bl_truncate(model, corpus, &options, &curve, &err)) fail_msg("%s: %s", variants[i], err.message);
        assert_int_equal(curve.n_ranks, 3); /* n + 1 is left out */
        for (size_t r = 0; r < 3; r++) {
            if (curve.by_size[r].rank != n) continue;
            assert_near(curve.by_size[r].loss, curve.full, 1e-5, curve.full);
            assert_near(curve.random[r].loss, curve.full, 1e-5, curve.full);
            assert_near(curve.lowest[r].loss, curve.full, 1e-5, curve.full);
        }
        bl_truncation_free(&curve);
        bl_corpus_free(corpus);
        corpus = stories();
        bl_token_truncation token;
        float *u = calloc(bl_model_config(model)->d_model, sizeof *u);
        token_direction(model, 7, u);
        assert_true(bl_truncate_token(model, u, 7, corpus, &options, &token, &err));
        for (size_t r = 0; r < 3; r++) {
            if (token.by_size[r].rank != n) continue;
            assert_near(token.by_size[r].correlation, 1, 1e-6, 1);
            assert_near(token.lowest[r].r2, 1, 1e-6, 1);
        }
        free(u);
        bl_token_truncation_free(&token);
        bl_corpus_free(corpus);
        bl_model_free(model);
    }
}

/* All n components ablated: mode component takes u . y out but for its constant, whatever order; keep with
 * all n changes nothing; and the closed form behind the last layer equals running the model again. */
static void ablating_everything(void **state) {
    (void)state;
    for (size_t i = 0; i < N_VARIANTS; i++) {
        bl_model *model = support_model(variants[i]);
        bl_bilinear map;
        bl_error err = {0};
        assert_true(bl_model_bilinear(model, last_layer(model), &map, &err));
        size_t n = bl_bilinear_size(&map);
        long *all = calloc(n, sizeof *all);
        float *u = calloc(bl_model_config(model)->d_model, sizeof *u);
        for (size_t e = 0; e < n; e++) all[e] = (long)e;
        token_direction(model, 7, u);
        for (int zero = 0; zero < 2; zero++) {
            for (int mode = 0; mode < 3; mode++) {
                bl_ablate_options options = {.mode = (bl_ablate_mode)mode,
                                             .zero = zero,
                                             .keep = true,
                                             .max_stories = STORIES};
                bl_ablation kept, none, taken;
                bl_corpus *corpus = stories();
                if (!bl_ablate(model, last_layer(model), u, 7, all, n, corpus, &options, &kept, &err))
                    fail_msg("%s: %s", variants[i], err.message);
                assert_near(kept.result.loss.after, kept.result.loss.before, 2e-5, kept.result.loss.before);
                assert_near(kept.result.kl, 0, 1e-4, 1);
                bl_corpus_free(corpus);
                /* keeping only component 0 = ablating all others */
                corpus = stories();
                assert_true(bl_ablate(model, last_layer(model), u, 7, all, 1, corpus, &options, &none, &err));
                bl_corpus_free(corpus);
                corpus = stories();
                options.keep = false;
                assert_true(bl_ablate(model, last_layer(model), u, 7, all + 1, n - 1, corpus, &options,
                                      &taken, &err));
                bl_corpus_free(corpus);
                assert_near(none.result.loss.after, taken.result.loss.after, 1e-5, taken.result.loss.after);
                assert_near(none.result.kl, taken.result.kl, 1e-3, fmax(taken.result.kl, 0.01));
                bl_ablation_free(&kept);
                bl_ablation_free(&none);
                bl_ablation_free(&taken);
            }
        }
        free(all);
        free(u);
        bl_model_free(model);
    }
}

/* T[a, b] = sum_n lambda~_n (m_a . v_n)(m_b . v_n), and no pair beyond the list is larger. */
static void pairs_are_the_form(void **state) {
    (void)state;
    for (size_t i = 0; i < N_VARIANTS; i++) {
        bl_model *model = support_model(variants[i]);
        const bl_config *c = bl_model_config(model);
        bl_error err = {0};
        bl_bilinear map;
        size_t V = c->n_vocab, H = c->n_head;
        float *u = calloc(c->d_model, sizeof *u), *read = calloc((1 + H) * V, sizeof *read);
        double *left = calloc(V * V, sizeof *left);
        token_direction(model, 7, u);
        assert_true(bl_model_bilinear(model, 0, &map, &err));
        bl_eigen *eigen = bl_eigen_of(&map, u, 0, &err);
        const int paths[][2] = {{BL_PATH_DIRECT, BL_PATH_DIRECT},
                                {BL_PATH_DIRECT, 0},
                                {1, BL_PATH_DIRECT},
                                {0, 1}};
        size_t n = bl_eigen_size(eigen);
        for (size_t k = 0; k < 4; k++) {
            bl_path *all = bl_model_paths(model, 0, &err);
            bl_basis basis = bl_model_basis_in(model);
            memset(left, 0, V * V * sizeof *left);
            double largest = 0;
            for (size_t e = 0; e < n; e++) {
                double lambda = (double)bl_eigen_values(eigen)[e] - bl_eigen_shift(eigen);
                assert_true(bl_readout(&basis, all, 1 + H, bl_eigen_vector(eigen, (long)e), read, &err));
                const float *a = read + (size_t)(paths[k][0] + 1) * V,
                            *b = read + (size_t)(paths[k][1] + 1) * V;
                for (size_t x = 0; x < V; x++)
                    for (size_t y = 0; y < V; y++) left[x * V + y] += lambda * (double)a[x] * (double)b[y];
            }
            bl_token_pairs_options options = {.left = paths[k][0], .right = paths[k][1], .k = 9};
            bl_token_pairs pairs;
            assert_true(bl_token_pairs_of(model, 0, u, &options, &pairs, &err));
            assert_int_equal(pairs.n_top, 9);
            bool same = paths[k][0] == paths[k][1];
            for (size_t x = 0; x < V * V; x++) largest = fmax(largest, fabs(left[x]));
            for (size_t p = 0; p < 9; p++) {
                bl_token_pair top = pairs.top[p], low = pairs.bottom[p];
                assert_near((double)top.value, left[(size_t)top.a * V + (size_t)top.b], 1e-4, largest);
                assert_near((double)low.value, left[(size_t)low.a * V + (size_t)low.b], 1e-4, largest);
                if (same) assert_true(top.a <= top.b && low.a <= low.b);
            }
            size_t above = 0;
            for (size_t x = 0; x < V; x++)
                for (size_t y = same ? x : 0; y < V; y++)
                    above += left[x * V + y] > (double)pairs.top[8].value + 1e-4 * largest;
            assert_true(above <= 8);
            bl_token_pairs_free(&pairs);
            free(all);
        }
        free(u);
        free(read);
        free(left);
        bl_eigen_free(eigen);
        bl_model_free(model);
    }
}

/* Energy is ||B~||^2 by its definition; patterns are orthonormal; the cosine of two tokens' forms is that of
 * the matrices. */
static void hosvd_is_the_norm(void **state) {
    (void)state;
    for (size_t i = 0; i < N_VARIANTS; i++) {
        bl_model *model = support_model(variants[i]);
        bl_error err = {0};
        bl_bilinear map;
        bl_hosvd hosvd;
        assert_true(bl_model_bilinear(model, 0, &map, &err));
        size_t d = bl_bilinear_out(&map), n = bl_bilinear_size(&map);
        float *u = calloc(d, sizeof *u), *q = calloc(n * n, sizeof *q), *other = calloc(n * n, sizeof *other);
        double energy = 0, ab = 0, aa = 0, bb = 0;
        for (size_t o = 0; o < d; o++) {
            double trace = 0;
            memset(u, 0, d * sizeof *u);
            u[o] = 1;
            assert_true(bl_bilinear_matrix(&map, u, q, &err));
            for (size_t x = 0; x < n; x++) trace += (double)q[x * n + x];
            for (size_t x = 0; x < n * n; x++) energy += (double)q[x] * (double)q[x];
            if (map.normed) energy -= trace * trace / (double)n;
        }
        assert_true(bl_hosvd_of(&map, 3, &hosvd, &err));
        assert_near(hosvd.energy, energy, 1e-5, energy);
        for (size_t a = 0; a < 3; a++)
            for (size_t b = 0; b < 3; b++) {
                double dot = 0;
                for (size_t o = 0; o < d; o++)
                    dot += (double)hosvd.patterns[a * d + o] * (double)hosvd.patterns[b * d + o];
                assert_near(dot, a == b, 1e-4, 1);
            }
        bl_hosvd_free(&hosvd);
        float both[2], *w = calloc(2 * d, sizeof *w);
        token_direction(model, 7, u);
        token_direction(model, 7, w);
        token_direction(model, 9, w + d);
        assert_true(bl_bilinear_similar(&map, u, w, 2, both, &err));
        assert_true(bl_bilinear_matrix(&map, u, q, &err) && bl_bilinear_matrix(&map, w + d, other, &err));
        double ta = 0, tb = 0;
        for (size_t x = 0; x < n; x++) ta += (double)q[x * n + x], tb += (double)other[x * n + x];
        for (size_t x = 0; x < n * n; x++) {
            double p = (double)q[x], r = (double)other[x];
            if (map.normed && x % (n + 1) == 0) p -= ta / (double)n, r -= tb / (double)n;
            ab += p * r, aa += p * p, bb += r * r;
        }
        assert_near((double)both[0], 1, 1e-5, 1);
        assert_near((double)both[1], ab / sqrt(aa * bb), 1e-4, 1);
        free(u);
        free(q);
        free(other);
        free(w);
        bl_model_free(model);
    }
}

/* A map with itself is 1, in whole and by direction, by whatever way the products are made. */
static void diff_with_itself(void **state) {
    (void)state;
    for (size_t i = 0; i < N_VARIANTS; i++) {
        bl_model *model = support_model(variants[i]);
        bl_error err = {0};
        bl_bilinear map, copy;
        bl_diff diff;
        assert_true(bl_model_bilinear(model, 0, &map, &err));
        copy = map;
        assert_true(bl_diff_of(&map, &copy, &diff, &err));
        assert_near(diff.frobenius, 1, 1e-5, 1);
        assert_near(diff.similarity, 1, 1e-5, 1);
        size_t d = bl_bilinear_out(&map);
        float *u = calloc(d, sizeof *u);
        double cosine;
        token_direction(model, 7, u);
        assert_true(bl_diff_cosines(&diff, u, u, 1, &cosine, &err));
        assert_near(cosine, 1, 1e-5, 1);
        free(u);
        bl_diff_free(&diff);
        bl_model_free(model);
    }
}

/* p-values of one null draw judged by others are uniform; so q-values of a null model find nothing. */
static void chance_is_uniform(void **state) {
    (void)state;
    enum { M = 200, POOL = 99 };
    bl_model *model = support_model("plain");
    bl_error err = {0};
    bl_bilinear map;
    double p[M], q[M];
    float *u = calloc(bl_model_config(model)->d_model, sizeof *u);
    assert_true(bl_model_bilinear(model, 0, &map, &err));
    for (size_t i = 0; i < M; i++) {
        bl_bilinear draw;
        bl_chance chance;
        token_direction(model, (int32_t)(i % 100), u);
        assert_true(bl_bilinear_null(&map, 1000 + i, &draw, NULL, &err));
        assert_true(bl_chance_of(&draw, u, 19, 5000 + 20 * i, (bl_progress){0}, &chance, &err));
        p[i] = chance.place[0].p;
        assert_true(p[i] >= 1.0 / 20 && p[i] <= 1);
        bl_chance_free(&chance);
        bl_bilinear_null_free(&draw);
    }
    assert_true(bl_chance_q(p, M, q, &err));
    for (size_t i = 0; i < M; i++) assert_true(q[i] >= p[i] && q[i] > 0.2);
    /* 20 equally probable values: the distance from uniform is at least 1/20; 1.63 / sqrt(M) is the 1 %
     * point */
    assert_true(bl_chance_distance(p, M) < 0.05 + 1.63 / sqrt(M));
    free(u);
    bl_model_free(model);
}

/* q-values by hand, and the p-value at ties. */
static void chance_by_hand(void **state) {
    (void)state;
    const float pool[] = {0.1F, 0.2F, 0.2F, 0.5F};
    const double p[] = {0.01, 0.04, 0.03, NAN, 0.5};
    double q[5];
    bl_error err = {0};
    assert_near(bl_chance_p(pool, 4, (double)0.2F, true), 4.0 / 5, 1e-12, 1);
    assert_near(bl_chance_p(pool, 4, (double)0.2F, false), 4.0 / 5, 1e-12, 1);
    assert_near(bl_chance_p(pool, 4, 0.6, true), 1.0 / 5, 1e-12, 1);
    assert_true(bl_chance_q(p, 5, q, &err));
    assert_near(q[0], 0.04, 1e-12, 1);
    assert_near(q[1], 4 * 0.04 / 3, 1e-12, 1);
    assert_near(q[2], 4 * 0.04 / 3, 1e-12, 1);
    assert_true(isnan(q[3]));
    assert_near(q[4], 0.5, 1e-12, 1);
}

/* The two forms of log(1 + p (e^-delta - 1)) agree where both are good, and none overflows. */
static void rise_of_a_logit(void **state) {
    (void)state;
    for (double delta = -5; delta <= 5; delta += 0.37)
        for (double p = 1e-6; p < 1; p += 0.0999)
            assert_near(bl_log_rest(log(p), log1p(-p), delta), log(1 + p * (exp(-delta) - 1)), 1e-9, 1);
    assert_near(bl_log_rest(log(0.5), log(0.5), -1000), 1000 + log(0.5), 1e-9, 1000);
    assert_near(bl_log_rest(log(1e-9), 0, -1000), 1000 + log(1e-9), 1e-9, 1000);
    assert_near(bl_log_rest(-1e-9, log(1e-9), 1000), log(1e-9), 1e-9, 20);
}

static void refusals(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    bl_error err = {0};
    size_t d = bl_model_config(model)->d_model;
    float *u = calloc(d, sizeof *u);
    token_direction(model, 7, u);
    bl_corpus *corpus = stories();
    bl_ablation ablation;
    const long far[] = {(long)d + 3}, one[] = {0};
    assert_false(bl_ablate(model, 0, u, 7, far, 1, corpus, NULL, &ablation, &err));
    assert_error(err, BL_ERR_USAGE, "does not exist");
    bl_ablate_options options = {.mode = BL_ABLATE_LOGIT};
    assert_false(bl_ablate(model, last_layer(model), u, -1, one, 1, corpus, &options, &ablation, &err));
    assert_error(err, BL_ERR_USAGE, "no token");
    assert_false(bl_ablate(model, 99, u, 7, one, 1, corpus, NULL, &ablation, &err));
    assert_error(err, BL_ERR_USAGE, "layer");
    bl_token_pairs pairs;
    bl_token_pairs_options paths = {.left = 99, .right = BL_PATH_DIRECT};
    assert_false(bl_token_pairs_of(model, 0, u, &paths, &pairs, &err));
    assert_error(err, BL_ERR_USAGE, "head 99");
    bl_account account;
    int32_t ids[] = {1, 2};
    bl_explain_options explain = {.u = u, .token = 7, .position = 2};
    assert_false(bl_account_of(model, ids, 2, &explain, &account, &err));
    assert_error(err, BL_ERR_USAGE, "position 2");
    bl_corpus_free(corpus);
    bl_model_free(model);
    model = support_model("gelu");
    bl_bilinear map;
    assert_false(bl_model_bilinear(model, 0, &map, &err));
    bl_model_free(model);
    free(u);
}

/* What is told of a scan's inputs is what the account of the same place says. */
static void told_equals_account(void **state) {
    (void)state;
    static const char *const models[] = {"plain", "norm", "bias"};
    for (size_t m = 0; m < 3; m++) {
        bl_model *model = support_model(models[m]);
        bl_error err = {0};
        bl_basis basis = bl_model_basis_out(model);
        const char *stories = TEST_DATA "/models/stories.txt";
        const bl_direction direction = {.token = "swim", .minus_all = true};
        size_t layer = bl_model_config(model)->n_layer - 1;
        const long index = -1;
        float *u = calloc(bl_model_config(model)->d_model, sizeof *u);
        assert_true(bl_direction_vector(&direction, &basis, u, &err));
        int32_t token = (int32_t)bl_basis_find(&basis, "swim", &err);
        bl_eigen *eigen = bl_eigen_new(model, layer, u, 1, &err);
        bl_corpus *c = bl_corpus_open(&stories, 1, &err);
        bl_scan_options options = {.top = 3};
        bl_scan *scan = bl_scan_run(model, eigen, &index, 1, c, &options, &err);
        assert_non_null(scan);
        bl_match matches[3];
        bl_told told[3];
        for (size_t i = 0; i < 3; i++) matches[i] = bl_scan_match(scan, 0, i);
        assert_true(bl_told_of(model, layer, u, token, matches, 3, told, &err));
        for (size_t i = 0; i < 3; i++) {
            bl_account account;
            bl_explain_options at = {
                .u = u, .token = token, .layer = layer, .position = matches[i].position, .most = 1};
            assert_true(bl_account_of(model, matches[i].ids, matches[i].position + 1, &at, &account, &err));
            assert_near(told[i].probability, account.probability, 1e-5, account.probability);
            assert_int_equal(told[i].rank, account.rank);
            assert_near(told[i].total * account.scale, account.total, 1e-4, fmax(fabs(account.total), 0.1));
            bl_account_free(&account);
        }
        assert_false(bl_told_of(model, layer, u, -1, matches, 3, told, &err));
        assert_error(err, BL_ERR_USAGE, "token -1 does not exist");
        bl_scan_free(scan);
        bl_corpus_free(c);
        bl_eigen_free(eigen);
        free(u);
        bl_model_free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(account_is_exact),    cmocka_unit_test(rank_n_is_the_model),
        cmocka_unit_test(ablating_everything), cmocka_unit_test(pairs_are_the_form),
        cmocka_unit_test(hosvd_is_the_norm),   cmocka_unit_test(diff_with_itself),
        cmocka_unit_test(chance_is_uniform),   cmocka_unit_test(chance_by_hand),
        cmocka_unit_test(rise_of_a_logit),     cmocka_unit_test(refusals),
        cmocka_unit_test(told_equals_account)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
