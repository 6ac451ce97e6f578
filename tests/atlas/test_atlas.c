/* An atlas against the single decomposition and the oracle scan, on every kind of bilinear model.
 * ctest: begins early 15 */
#include "support.h"
#include <sqlite3.h>

static char path[256];

static sqlite3 *make(const bl_model *model, const bl_atlas_options *options) {
    const char *corpus_path = TEST_DATA "/models/stories.txt";
    bl_error err = {0};
    bl_atlas_summary summary;
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/atlas.db", support_temporary());
    unlink(path);
    bl_corpus *corpus = bl_corpus_open(&corpus_path, 1, &err);
    if (!bl_atlas_run(model, corpus, path, options, &summary, &err)) fail_msg("%s", err.message);
    assert_int_equal(summary.stories, 12);
    assert_false(summary.resumed);
    bl_corpus_free(corpus);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    return db;
}

static sqlite3_stmt *ask(sqlite3 *db, const char *sql) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    return s;
}

/* Eigenvalues, virtual tokens and top inputs of one token, beside what eigen and the exact scan say. */
static void check_token(const bl_model *model, sqlite3 *db, size_t layer, int token) {
    size_t d = bl_model_config(model)->d_model, V = bl_model_config(model)->n_vocab,
           H = bl_model_config(model)->n_head;
    char name[24];
    const char *const corpus_path = TEST_DATA "/models/stories.txt";
    const long indices[] = {-1, -2, -3, -4, 0, 1, 2, 3};
    bl_error err = {0};
    float u[64], *virtual = calloc((1 + H) * V, sizeof *virtual);
    snprintf(name, sizeof name, "#%d", token);
    bl_direction direction = {.token = name};
    assert_true(bl_direction_vector(&direction, support_basis(model), u, &err));
    bl_eigen *eigen = bl_eigen_new(model, layer, u, 4, &err);
    bl_corpus *corpus = bl_corpus_open(&corpus_path, 1, &err);
    bl_scan_options options = {.top = 3, .exact_path = true};
    bl_scan *scan = bl_scan_run(model, eigen, indices, 8, corpus, &options, &err);
    assert_non_null(scan);
    double scale = fmax(fabs((double)bl_eigen_values(eigen)[0]),
                        fabs((double)bl_eigen_values(eigen)[bl_eigen_size(eigen) - 1]));
    sqlite3_stmt *pairs = ask(db, "SELECT id, eigenvalue FROM eigenpair WHERE direction = ? ORDER BY id");
    sqlite3_bind_int(pairs, 1, token);
    for (size_t j = 0; j < 8; j++) {
        assert_int_equal(sqlite3_step(pairs), SQLITE_ROW);
        size_t at = indices[j] < 0 ? bl_eigen_size(eigen) - (size_t)-indices[j] : (size_t)indices[j];
        assert_near(sqlite3_column_double(pairs, 1), (double)bl_eigen_values(eigen)[at], 5e-6, scale);
        assert_true(bl_virtual_tokens(model, layer, bl_eigen_vector(eigen, indices[j]), virtual, &err));
        sqlite3_stmt *words = ask(db, "SELECT source, token, value FROM virtual_token WHERE pair = ?");
        sqlite3_bind_int64(words, 1, sqlite3_column_int64(pairs, 0));
        size_t n = 0;
        for (; sqlite3_step(words) == SQLITE_ROW; n++)
            assert_near(sqlite3_column_double(words, 2),
                        (double)virtual[(size_t)sqlite3_column_int(words, 0) * V +
                                        (size_t)sqlite3_column_int(words, 1)],
                        2e-3, 1);
        assert_int_equal(n, (1 + H) * 2 * 5);
        sqlite3_finalize(words);
        sqlite3_stmt *inputs = ask(db, "SELECT story, position, similarity, scale, contributions, bias FROM "
                                       "top_input WHERE pair = ? ORDER BY rank");
        sqlite3_bind_int64(inputs, 1, sqlite3_column_int64(pairs, 0));
        for (size_t i = 0; i < 3; i++) {
            bl_match m = bl_scan_match(scan, j, i);
            assert_int_equal(sqlite3_step(inputs), SQLITE_ROW);
            double similarity = sqlite3_column_double(inputs, 2), sum = sqlite3_column_double(inputs, 5),
                   limit = 2e-3 * (1 + fabs(similarity));
            assert_near(fabs(similarity), fabs((double)m.similarity), limit, 1);
            const int16_t *shares = sqlite3_column_blob(inputs, 4);
            size_t count = (size_t)sqlite3_column_bytes(inputs, 4) / sizeof *shares;
            assert_int_equal(count, sqlite3_column_int(inputs, 1) + 1);
            for (size_t p = 0; p < count; p++) sum += shares[p] * sqlite3_column_double(inputs, 3);
            assert_near(sum, fabs(similarity), 2e-3, 1 + fabs(similarity));
            if ((size_t)sqlite3_column_int(inputs, 0) != m.story ||
                (size_t)sqlite3_column_int(inputs, 1) != m.position)
                continue; /* as good as equal */
            for (size_t p = 0; p < count; p++)
                assert_near(shares[p] * sqlite3_column_double(inputs, 3), (double)m.contributions[p], limit,
                            1);
        }
        sqlite3_finalize(inputs);
    }
    sqlite3_finalize(pairs);
    bl_scan_free(scan);
    bl_corpus_free(corpus);
    bl_eigen_free(eigen);
    free(virtual);
    (void)d;
}

static void test_equals_single(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "bias", "june", "later-bilinear"};
    for (size_t i = 0; i < 5; i++) {
        bl_model *model = support_model(models[i]);
        size_t layer = bl_model_config(model)->n_layer - 1;
        bl_atlas_options options = {.layer = layer, .raw = true, .top = 3};
        sqlite3 *db = make(model, &options);
        check_token(model, db, layer, 62);
        check_token(model, db, layer, 0);
        sqlite3_stmt *s = ask(db, "SELECT (SELECT count(*) FROM direction), (SELECT count(*) FROM "
                                  "null_direction), (SELECT sum(count) FROM token)");
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(s, 0), bl_model_config(model)->n_vocab);
        assert_int_equal(sqlite3_column_int(s, 1), bl_model_config(model)->n_vocab);
        assert_int_equal(sqlite3_column_int(s, 2), 146);
        sqlite3_finalize(s);
        sqlite3_close(db);
        bl_model_free(model);
    }
}

/* Each list is in order, one match a story, and no better one was left out (against the whole table of one
 * vector's stories). */
static void test_order(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    bl_atlas_options options = {.top = 100, .frequent = 7};
    sqlite3 *db = make(model, &options);
    sqlite3_stmt *s = ask(db, "SELECT pair, rank, story, abs(similarity) FROM top_input ORDER BY pair, rank");
    double last = 0;
    size_t rows = 0;
    for (; sqlite3_step(s) == SQLITE_ROW; rows++) {
        if (sqlite3_column_int(s, 1) > 0) assert_true(sqlite3_column_double(s, 3) <= last);
        last = sqlite3_column_double(s, 3);
    }
    assert_int_equal(rows, 7 * 8 * 12); /* every story once */
    sqlite3_finalize(s);
    s = ask(db, "SELECT count(*) FROM (SELECT DISTINCT pair, story FROM top_input)");
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(s, 0), rows);
    sqlite3_finalize(s);
    sqlite3_close(db);
    bl_model_free(model);
}

/* p against counting in the pool of three draws, q against its definition, the calibration against both. */
static void test_chance(void **state) {
    (void)state;
    bl_model *model = support_model("norm");
    bl_atlas_options options = {.layer = bl_model_config(model)->n_layer - 1, .null_draws = 3, .pairs = 2};
    sqlite3 *db = make(model, &options);
    /* all draws' statistics as (draw, pair, statistic); draw 3 is not in the pool */
    const char *const wrong[] = {
        "WITH d AS (SELECT 0 AS draw, id AS pair, statistic FROM null_eigenpair UNION ALL SELECT * FROM "
        "null_statistic),"
        " pool AS (SELECT p.idx, d.statistic FROM d JOIN eigenpair p ON p.id = d.pair WHERE d.draw < 3),"
        " n AS (SELECT idx, count(*) AS n FROM pool GROUP BY idx)"
        " SELECT count(*) FROM eigenpair e JOIN chance c ON c.pair = e.id JOIN n ON n.idx = e.idx WHERE"
        " abs(c.p - (1 + (SELECT count(*) FROM pool WHERE pool.idx = e.idx AND"
        " CASE WHEN e.idx < 0 THEN pool.statistic >= e.statistic ELSE pool.statistic <= e.statistic END)) "
        "/ (n.n + 1.0))"
        " > 1e-12",
        "SELECT count(*) FROM chance c WHERE abs(c.q - (SELECT min(d.p * (SELECT count(*) FROM chance) /"
        " (SELECT count(*) FROM chance e WHERE e.p <= d.p)) FROM chance d WHERE d.p >= c.p)) > 1e-12",
        "SELECT count(*) FROM eigenpair e JOIN direction d ON d.id = e.direction WHERE"
        " abs(e.statistic - (e.eigenvalue - d.shift) / d.norm) > 1e-6",
        "SELECT count(*) FROM null_eigenpair WHERE vector IS NOT NULL",
        "SELECT 4 - count(*) FROM calibration WHERE pool = 3 * judged AND distance BETWEEN 0 AND 1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sqlite3_stmt *s = ask(db, wrong[i]);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        if (sqlite3_column_int(s, 0) != 0) fail_msg("%zu: %d rows", i, sqlite3_column_int(s, 0));
        sqlite3_finalize(s);
    }
    sqlite3_close(db);
    bl_model_free(model);
}

/* What a statement's first row says. */
static double number(sqlite3 *db, const char *sql) {
    sqlite3_stmt *s = ask(db, sql);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    double value = sqlite3_column_double(s, 0);
    sqlite3_finalize(s);
    return value;
}

/* Rows of the unembedding as directions of one's own: the numbers that the tokens have; no own positions. */
static void test_own(void **state) {
    (void)state;
    const char *labels[] = {"first", "zero", "third"};
    const char *const corpus_path = TEST_DATA "/models/stories.txt";
    bl_model *model = support_model("plain");
    const bl_basis *tokens = support_basis(model);
    size_t d = bl_basis_width(tokens);
    float *u = calloc(3 * d, sizeof *u);
    memcpy(u, tokens->vectors.data + 7 * tokens->vectors.stride, d * sizeof *u);
    memcpy(u + 2 * d, tokens->vectors.data + 9 * tokens->vectors.stride, d * sizeof *u);
    bl_basis own = {.name = "feature", .vectors = {u, 3, d, d}, .labels = labels};
    bl_atlas_options options = {.directions = &own, .source = "probes.npy", .top = 3};
    bl_error err = {0};
    sqlite3 *db = make(model, &options);
    assert_true(number(db, "SELECT count(*) FROM directions") == 2); /* the row of zeros is none */
    assert_true(number(db,
                       "SELECT count(*) FROM direction WHERE token IS NULL AND text = '@probes.npy:2' AND "
                       "label = 'third' AND number = 2") == 1);
    assert_true(number(db, "SELECT count(*) FROM effect") == 16);
    assert_true(number(db, "SELECT count(*) FROM effect WHERE own_positions IS NOT NULL OR others_positions "
                           "IS NOT NULL OR own_mean IS NOT NULL OR others_mean IS NOT NULL OR total IS NOT "
                           "NULL OR share IS NULL OR ends IS NULL") == 0);
    assert_true(number(db, "SELECT count(*) FROM chance") == 16);
    assert_true(number(db, "SELECT count(*) FROM directions WHERE count IS NOT NULL") == 0);
    double largest = number(db, "SELECT largest FROM directions WHERE id = 2"),
           share = number(db, "SELECT share FROM effect WHERE pair = 8");
    sqlite3_close(db);
    labels[0] = "renamed"; /* another digest: not the same atlas */
    bl_corpus *corpus = bl_corpus_open(&corpus_path, 1, &err);
    assert_false(bl_atlas_run(model, corpus, path, &options, NULL, &err));
    assert_error(err, BL_ERR_INPUT, "the selection of directions differs");
    options.raw = true;
    assert_false(bl_atlas_run(model, corpus, path, &options, NULL, &err));
    assert_error(err, BL_ERR_USAGE, "taken as they are");
    bl_corpus_free(corpus);
    options = (bl_atlas_options){.raw = true, .top = 3};
    db = make(model, &options);
    assert_near(number(db, "SELECT largest FROM directions WHERE id = 9"), largest, 1e-6, 1);
    assert_near(number(db, "SELECT f.share FROM effect f JOIN eigenpair e ON e.id = f.pair WHERE e.direction "
                           "= 9 AND e.idx = -1"),
                share, 1e-5, 1);
    sqlite3_close(db);
    free(u);
    bl_model_free(model);
}

/* Two layers in one file: what each has in a file of its own. */
static void test_layers(void **state) {
    (void)state;
    static const size_t both[] = {1, 0};
    static const char *const sums[] = {
        "SELECT sum(largest * (1 + id)) FROM directions WHERE layer = ",
        "SELECT sum(p * (2 + idx)) FROM eigenpairs WHERE layer = ",
        "SELECT sum(q * (2 + idx)) FROM eigenpairs WHERE layer = ",
        "SELECT sum(value * (9 + rank)) FROM virtual_tokens WHERE layer = ",
        "SELECT sum(similarity * (9 + rank)) FROM top_inputs WHERE layer = ",
        "SELECT sum(distance * (9 + idx)) FROM calibration WHERE layer = ",
        "SELECT count(*) FROM eigenpairs e JOIN effect f ON f.pair = e.pair WHERE layer = "};
    enum { SUMS = sizeof sums / sizeof *sums };
    bl_model *model = support_model("later-bilinear");
    bl_atlas_options options = {.layers = both, .n_layers = 2, .frequent = 9, .top = 3, .null_draws = 2};
    double found[2][SUMS];
    char sql[200];
    sqlite3 *db = make(model, &options);
    for (int layer = 0; layer < 2; layer++)
        for (size_t i = 0; i < SUMS; i++) {
            snprintf(sql, sizeof sql, "%s%d", sums[i], layer);
            found[layer][i] = number(db, sql);
        }
    assert_true(number(db, "SELECT count(*) FROM eigenpair") == 2 * 9 * 8);
    sqlite3_close(db);
    for (int layer = 0; layer < 2; layer++) {
        options = (bl_atlas_options){.layer = (size_t)layer, .frequent = 9, .top = 3, .null_draws = 2};
        db = make(model, &options);
        for (size_t i = 0; i < SUMS; i++) {
            snprintf(sql, sizeof sql, "%s%d", sums[i], layer);
            assert_near(number(db, sql), found[layer][i], 1e-9, fabs(found[layer][i]) + 1);
        }
        sqlite3_close(db);
    }
    bl_model_free(model);
}

static void test_refusals(void **state) {
    (void)state;
    const char *corpus_path = TEST_DATA "/models/stories.txt", *unknown = "swum";
    bl_error err = {0};
    bl_model *gated = support_model("gelu"), *model = support_model("plain");
    bl_corpus *corpus = bl_corpus_open(&corpus_path, 1, &err);
    snprintf(path, sizeof path, "%s/refused.db", support_temporary());
    assert_false(bl_atlas_run(gated, corpus, path, NULL, NULL, &err));
    assert_error(err, BL_ERR_UNSUPPORTED, "no quadratic form of its input");
    assert_int_equal(access(path, F_OK), -1); /* no file for nothing */
    bl_atlas_options options = {.tokens = &unknown, .n_tokens = 1};
    assert_false(bl_atlas_run(model, corpus, path, &options, NULL, &err));
    assert_error(err, BL_ERR_USAGE, "swim");
    bl_corpus_free(corpus);
    bl_model_free(gated);
    bl_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equals_single), cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_own),           cmocka_unit_test(test_layers),
                                       cmocka_unit_test(test_chance),        cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
