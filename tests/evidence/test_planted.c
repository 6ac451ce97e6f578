/* A planted model: eigenvector -2 of "swim" is the whole circuit of the word, and eigenvector -1 has a three times larger
 * eigenvalue and is never excited by any story. Weights and chance alone prefer the second; ablation, the account and
 * the atlas's effects must tell them apart.
 *
 *   attention writes nothing; x = W_E[token]; "to" is e0; only a token that no story has lies along e1
 *   unit 0: 3 (e0 . x)^2 e14      unit 1: 9 (e1 . x)^2 e14      W_U[swim] = e14, all others lie in e2 … e13 */
#include "support.h"
#include <unistd.h>

enum { V = 104, D = 16, HIDDEN = 24 };
#define CIRCUIT 3.0F
#define IDLE 9.0F

static const char corpus_text[] =
    "tom likes to swim in the pool.<|endoftext|>mia went to swim in the water.<|endoftext|>the fish likes to swim."
    "<|endoftext|>a bird likes the sky.<|endoftext|>tom and mia likes to swim and swim.<|endoftext|>the big fish eat the "
    "cake in the pool.<|endoftext|>mia likes to swim up.<|endoftext|>the bird went to swim in the big water.";

/* A model's folder: weights as above with unit 1's eigenvalue `idle`, everything else small and random. */
static const char *plant(const char *name, float idle) {
    static char path[256];
    static float e[V * D], u[V * D], qkv[3 * D * D], o[D * D], w[2 * HIDDEN * D], p[D * HIDDEN];
    bl_error err = {0};
    bl_model *plain = support_model("plain");
    const bl_tokenizer *tokenizer = bl_model_tokenizer(plain);
    size_t swim = (size_t)bl_tokenizer_id(tokenizer, "swim"), to = (size_t)bl_tokenizer_id(tokenizer, "to"),
           unseen = (size_t)bl_tokenizer_id(tokenizer, "##w5");
    srand(11);
    for (size_t t = 0; t < V; t++)
        for (size_t i = 2; i < 14; i++) {
            e[t * D + i] = (float)rand() / (float)RAND_MAX - 0.5F;
            u[t * D + i] = t == swim ? 0 : (float)rand() / (float)RAND_MAX - 0.5F;
        }
    memset(e + to * D, 0, D * sizeof *e);
    e[to * D] = 1;
    e[unseen * D + 1] = 1;
    u[swim * D + 14] = 1;
    for (size_t i = 0; i < 3 * D * D; i++) qkv[i] = 0.1F * ((float)rand() / (float)RAND_MAX - 0.5F);
    w[0] = w[HIDDEN * D] = 1;               /* unit 0 reads e0 twice */
    w[D + 1] = w[(HIDDEN + 1) * D + 1] = 1; /* unit 1 reads e1 twice */
    p[14 * HIDDEN] = CIRCUIT;
    p[14 * HIDDEN + 1] = idle;
    for (size_t g = 2; g < HIDDEN; g++) /* the others say a little about other words */
        for (size_t i = 2; i < 14; i++) {
            w[g * D + i] = w[(HIDDEN + g) * D + i] = 0.3F * ((float)rand() / (float)RAND_MAX - 0.5F);
            p[i * HIDDEN + g] = 0.3F * ((float)rand() / (float)RAND_MAX - 0.5F);
        }
    const bl_named_array arrays[] = {{"transformer.wte.weight", e, 2, {V, D}},
                                     {"transformer.h.0.attn.qkv.weight", qkv, 2, {3 * D, D}},
                                     {"transformer.h.0.attn.o.weight", o, 2, {D, D}},
                                     {"transformer.h.0.mlp.w.weight", w, 2, {2 * HIDDEN, D}},
                                     {"transformer.h.0.mlp.o.weight", p, 2, {D, HIDDEN}},
                                     {"lm_head.weight", u, 2, {V, D}}};
    char command[1600];
    snprintf(path, sizeof path, "%s/%s", support_temporary(), name);
    snprintf(command, sizeof command, "mkdir -p %s && cp " TEST_DATA "/models/plain/*.json %s", path, path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s/model.safetensors", path);
    if (!bl_safetensors_write(command, arrays, sizeof arrays / sizeof *arrays, &err))
        fail_msg("%s", err.message);
    bl_model_free(plain);
    return path;
}

typedef struct planted {
    bl_model *model;
    int32_t swim;
    float u[D];
} planted;

static planted open_with(const char *name, float idle) {
    bl_error err = {0};
    planted p = {.model = bl_model_load(plant(name, idle), &err)};
    if (!p.model) fail_msg("%s", err.message);
    p.swim = bl_tokenizer_id(bl_model_tokenizer(p.model), "swim");
    bl_view w_u = bl_model_w_u(p.model);
    memcpy(p.u, w_u.data + (size_t)p.swim * w_u.stride, sizeof p.u);
    return p;
}

static planted planted_open(void) { return open_with("planted", IDLE); }

static bl_corpus *corpus(void) {
    bl_error err = {0};
    bl_corpus *c = bl_corpus_open_memory("planted.txt", corpus_text, sizeof corpus_text - 1, &err);
    if (!c) fail_msg("%s", err.message);
    return c;
}

/* The spectrum alone points at the idle one. */
static void spectrum_prefers_the_idle_one(void **state) {
    (void)state;
    planted p = planted_open();
    bl_error err = {0};
    bl_eigen *eigen = bl_eigen_new(p.model, 0, p.u, 0, &err);
    assert_near((double)bl_eigen_values(eigen)[D - 1], (double)IDLE, 1e-5, 1);
    assert_near((double)bl_eigen_values(eigen)[D - 2], (double)CIRCUIT, 1e-5, 1);
    assert_near((double)bl_eigen_vector(eigen, -1)[1], 1, 1e-5, 1);
    assert_near((double)bl_eigen_vector(eigen, -2)[0], 1, 1e-5, 1);
    bl_eigen_free(eigen);
    bl_model_free(p.model);
}

static void ablation_finds_the_circuit(void **state) {
    (void)state;
    planted p = planted_open();
    for (int mode = 0; mode < 3; mode++) {
        double rise[2], controls = 0;
        for (long place = 0; place < 2; place++) {
            bl_error err = {0};
            const long eig = -1 - place;
            bl_ablate_options options = {.mode = (bl_ablate_mode)mode,
                                         .controls = 5,
                                         .worst = place == 0 ? 2 : 0};
            bl_ablation result;
            bl_corpus *c = corpus();
            if (!bl_ablate(p.model, 0, p.u, p.swim, &eig, 1, c, &options, &result, &err))
                fail_msg("%s", err.message);
            assert_int_equal(result.result.own.positions, 7);
            rise[place] = result.result.own.after - result.result.own.before;
            if (place == 1) { /* an interval that leaves 0 out; the controls stay below */
                assert_true(result.result.own.low > 0.3);
                for (size_t r = 0; r < 5; r++)
                    controls = fmax(controls, result.null[r].own.after - result.null[r].own.before);
                assert_true(rise[1] > controls);
            } else { /* outside {-1} the worst component is the circuit, found first */
                assert_true(result.n_worst >= 1);
                assert_int_equal(result.worst_eigs[0], D - 2);
                assert_true(result.worst.own.after > result.worst.own.before + 0.5);
            }
            bl_ablation_free(&result);
            bl_corpus_free(c);
        }
        assert_near(rise[0], 0, 1e-5, 1); /* larger eigenvalue, no effect */
        assert_true(rise[1] > 0.5);
    }
    bl_model_free(p.model);
}

static void account_names_the_circuit(void **state) {
    (void)state;
    planted p = planted_open();
    bl_error err = {0};
    bl_ids ids = {0};
    const char *text = "mia likes to";
    assert_true(bl_tokenizer_encode(bl_model_tokenizer(p.model), text, strlen(text), &ids, &err));
    bl_explain_options options = {.u = p.u, .token = p.swim, .position = ids.n - 1, .most = 3};
    bl_account account;
    if (!bl_account_of(p.model, ids.data, ids.n, &options, &account, &err)) fail_msg("%s", err.message);
    assert_int_equal(account.rank, 1);
    assert_int_equal(account.terms[0].index, D - 2);
    assert_near(account.terms[0].value, (double)CIRCUIT, 1e-5, 1);
    assert_near(account.logit, (double)CIRCUIT, 1e-5, 1);
    for (size_t t = 1; t < 3; t++) assert_near(account.terms[t].value, 0, 1e-5, 1);
    bl_account_free(&account);
    bl_ids_free(&ids);
    bl_model_free(p.model);
}

static double effect_of(const json_t *answer, long index, const char *key) {
    size_t i;
    const json_t *vector;
    json_array_foreach(json_object_get(answer, "vectors"), i, vector) {
        if (json_integer_value(json_object_get(vector, "index")) != index) continue;
        const json_t *effect = json_object_get(vector, "effect"), *own = json_object_get(effect, "own");
        return json_number_value(json_object_get(strcmp(key, "share") == 0 ? effect : own, key));
    }
    fail_msg("eigenvector %ld is not in the atlas", index);
    return 0;
}

static void atlas_tells_them_apart(void **state) {
    (void)state;
    planted p = planted_open();
    bl_error err = {0};
    char path[600];
    snprintf(path, sizeof path, "%s/planted.db", support_temporary());
    bl_corpus *c = corpus();
    const bl_atlas_options options = {.pairs = 2};
    if (!bl_atlas_run(p.model, c, path, &options, NULL, &err)) fail_msg("%s", err.message);
    const bl_atlas_query query = {.token = "swim"};
    bl_tree *answer = bl_atlas_tree(path, &query, &err);
    if (!answer) fail_msg("%s", err.message);
    assert_near(effect_of(answer, -1, "mean"), 0, 1e-6, 1);
    assert_true(effect_of(answer, -2, "mean") > 0.5);
    assert_true(effect_of(answer, -2, "mean") > 5 * effect_of(answer, -2, "error"));
    assert_near(effect_of(answer, -2, "share"), 1, 1e-2, 1);
    assert_near(effect_of(answer, -1, "share"), 0, 1e-6, 1);
    bl_tree_free(answer);
    bl_corpus_free(c);
    bl_model_free(p.model);
}

/* The atlas's closed form beside full recomputation: the logit's own row edited, every loss taken again. */
static void effects_are_exact(void **state) {
    (void)state;
    static const char *const variants[] = {"plain", "norm", "bias", "later-bilinear"};
    for (size_t m = 0; m < 4; m++) {
        bl_model *model = support_model(variants[m]);
        bl_error err = {0};
        char path[600];
        const char *stories = TEST_DATA "/models/stories.txt", *const names[] = {"the", "swim", "a"};
        size_t last = bl_model_config(model)->n_layer - 1;
        snprintf(path, sizeof path, "%s/exact-%zu.db", support_temporary(), m);
        bl_corpus *c = bl_corpus_open(&stories, 1, &err);
        const bl_atlas_options options = {.pairs = 2, .layer = last, .tokens = names, .n_tokens = 3};
        if (!bl_atlas_run(model, c, path, &options, NULL, &err)) fail_msg("%s: %s", variants[m], err.message);
        bl_corpus_free(c);
        for (size_t t = 0; t < 3; t++) {
            bl_basis basis = bl_model_basis_out(model);
            const bl_direction direction = {.token = names[t], .minus_all = true};
            float *u = calloc(bl_model_config(model)->d_model, sizeof *u);
            assert_true(bl_direction_vector(&direction, &basis, u, &err));
            const bl_atlas_query query = {.token = names[t]};
            bl_tree *answer = bl_atlas_tree(path, &query, &err);
            if (!answer) fail_msg("%s", err.message);
            for (long index = -2; index < 2; index++) {
                bl_ablation slow;
                bl_ablate_options how = {.mode = BL_ABLATE_LOGIT};
                c = bl_corpus_open(&stories, 1, &err);
                int32_t id = (int32_t)bl_basis_find(&basis, names[t], &err);
                if (!bl_ablate(model, last, u, id, &index, 1, c, &how, &slow, &err))
                    fail_msg("%s", err.message);
                double rise = slow.result.own.after - slow.result.own.before;
                assert_near(effect_of(answer, index, "mean"), rise, 1e-4, fmax(fabs(rise), 0.05));
                bl_ablation_free(&slow);
                bl_corpus_free(c);
            }
            bl_tree_free(answer);
            free(u);
        }
        bl_model_free(model);
    }
}

/* All other eigenvalues are 0: of their span something can be said, of one of them nothing. */
static void one_of_a_group_is_refused(void **state) {
    (void)state;
    planted p = planted_open();
    bl_error err = {0};
    const long one = 5, all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    bl_ablation result;
    bl_corpus *c = corpus();
    assert_false(bl_ablate(p.model, 0, p.u, p.swim, &one, 1, c, NULL, &result, &err));
    assert_error(err, BL_ERR_USAGE, "eigenvector 5 is one of the group 0 to 13");
    assert_true(bl_ablate(p.model, 0, p.u, p.swim, all, 14, c, NULL, &result, &err));
    assert_near(result.result.own.after, result.result.own.before, 1e-6, 1);
    bl_ablation_free(&result);
    bl_corpus_free(c);
    const int32_t ids[] = {1, 2, 3};
    bl_account account;
    bl_explain_options options = {.u = p.u, .token = p.swim, .position = 2, .eigs = &one, .n_eigs = 1};
    assert_false(bl_account_of(p.model, ids, 3, &options, &account, &err));
    assert_error(err, BL_ERR_USAGE, "Give the whole group");
    options.eigs = all;
    options.n_eigs = 14;
    assert_true(bl_account_of(p.model, ids, 3, &options, &account, &err));
    bl_account_free(&account);
    bl_bilinear map;
    bl_chance chance;
    assert_true(bl_model_bilinear(p.model, 0, &map, &err));
    assert_true(bl_chance_of(&map, p.u, 3, 0, (bl_progress){0}, &chance, &err));
    assert_false(bl_chance_check_groups(&chance, &one, 1, &err));
    assert_true(bl_chance_check_groups(&chance, all, 14, &err));
    bl_chance_free(&chance);
    bl_model_free(p.model);
}

/* Units 0 and 1 with one eigenvalue: which vectors of their plane the eigenvectors are is arbitrary, so no verb makes a claim
 * about one of them. */
static void equal_eigenvalues_are_marked(void **state) {
    (void)state;
    planted p = open_with("equal", CIRCUIT);
    bl_error err = {0};
    const size_t ranks[] = {1, 2};
    const bl_truncate_options how = {.ranks = ranks, .n_ranks = 2};
    bl_token_truncation curve;
    bl_corpus *c = corpus();
    if (!bl_truncate_token(p.model, p.u, p.swim, c, &how, &curve, &err)) fail_msg("%s", err.message);
    assert_true(curve.by_size[0].cuts_group);
    assert_false(curve.by_size[1].cuts_group);
    bl_token_truncation_free(&curve);
    bl_corpus_free(c);

    bl_excited found[2];
    size_t n;
    float x[D] = {1, 2};
    assert_true(bl_excited_directions(p.model, 0, p.u, 1, x, 2, found, &n, &err));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(found[i].group_first, D - 2);
        assert_int_equal(found[i].group_last, D - 1);
    }
    assert_int_equal(n, 2);
    assert_near(found[0].activation + found[1].activation, 15, 1e-4,
                15); /* 3 (1 + 4), however they are rotated */

    char path[300];
    snprintf(path, sizeof path, "%s/equal.atlas", support_temporary());
    const bl_atlas_options options = {.pairs = 2};
    const bl_atlas_query query = {.token = "swim"};
    c = corpus();
    if (!bl_atlas_run(p.model, c, path, &options, NULL, &err)) fail_msg("%s", err.message);
    bl_tree *answer = bl_atlas_tree(path, &query, &err);
    if (!answer) fail_msg("%s", err.message);
    json_t *vector;
    size_t i, marked = 0;
    json_array_foreach(json_object_get(answer, "vectors"), i, vector) {
        if (bl_tree_real(vector, "eigenvalue") < 1) continue;
        assert_int_equal(json_array_size(json_object_get(vector, "group")), 2);
        assert_true(json_is_null(json_object_get(vector, "effect")));
        assert_false(json_is_null(json_object_get(vector, "p")));
        marked++;
    }
    assert_int_equal(marked, 2);
    bl_tree_free(answer);
    bl_corpus_free(c);
    bl_model_free(p.model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(spectrum_prefers_the_idle_one),
                                       cmocka_unit_test(ablation_finds_the_circuit),
                                       cmocka_unit_test(account_names_the_circuit),
                                       cmocka_unit_test(atlas_tells_them_apart),
                                       cmocka_unit_test(effects_are_exact),
                                       cmocka_unit_test(one_of_a_group_is_refused),
                                       cmocka_unit_test(equal_eigenvalues_are_marked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
