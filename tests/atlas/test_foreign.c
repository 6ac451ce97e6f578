/* An atlas that somebody else has made or changed: refused at once, by every reader, and never run. */
#include "support.h"
#include "atlas/foreign.h"
#include "atlas/reader.h"
#include <bilens/atlas.h>
#include <sqlite3.h>
#include <fcntl.h>
#include <sys/stat.h>

static char whole[256];

static bl_model *made(void) {
    const char *corpus_path = TEST_DATA "/models/stories.txt", *tokens[] = {"#30", "#31"};
    bl_error err = {0};
    bl_model *model = support_model("plain");
    bl_corpus *corpus = bl_corpus_open(&corpus_path, 1, &err);
    bl_atlas_options options = {.tokens = tokens, .n_tokens = 2};
    bl_atlas_summary summary;
    snprintf(whole, sizeof whole, "%s/whole.db", support_temporary());
    unlink(whole);
    if (!bl_atlas_run(model, corpus, whole, &options, &summary, &err)) fail_msg("%s", err.message);
    bl_corpus_free(corpus);
    return model;
}

static void copy(const char *to) {
    char command[600];
    snprintf(command, sizeof command, "cp '%s' '%s'", whole, to);
    assert_int_equal(system(command), 0);
}

/* The atlas after these statements must be refused with `part` in the message. */
static void refused(const bl_model *model, const char *sql, const char *part) {
    char path[256];
    sqlite3 *db;
    bl_error err = {0};
    snprintf(path, sizeof path, "%s/changed.db", support_temporary());
    copy(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
    alarm(60);
    bl_atlas_reader *reader = bl_atlas_reader_open(path, model, 0, &err);
    if (reader) fail_msg("taken: %s", sql);
    assert_int_equal(err.code, BL_ERR_INPUT);
    if (!strstr(err.message, part)) fail_msg("%s: '%s' is not in: %s", sql, part, err.message);
    bl_foreign_atlas file;
    assert_false(bl_foreign_open(&file, path, &err));
    alarm(0);
    unlink(path);
}

static void schemas(void **state) {
    (void)state;
    bl_model *model = made();
    static const char *const changes[] = {
        "CREATE TABLE more (x)",
        "CREATE INDEX more ON token (count)",
        "CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM token; END",
        "DROP INDEX token_text",
        "DROP VIEW directions; CREATE VIEW directions AS SELECT 1 AS token",
        "ALTER TABLE token RENAME COLUMN count TO number",
        "ALTER TABLE meta RENAME TO old; CREATE VIEW meta AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL "
        "SELECT "
        "x + 1 FROM n) SELECT 'k' || x AS key, x AS value FROM n",
        "ALTER TABLE story RENAME TO old; CREATE VIEW story AS SELECT a.id, a.length, a.tokens FROM old "
        "a, old b, old c",
        "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'text TEXT', 'text "
        "BLOB') WHERE "
        "name = 'token'"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        refused(model, changes[i], "no atlas of bilens");
    bl_model_free(model);
}

static void facts(void **state) {
    (void)state;
    bl_model *model = made();
    static const struct {
        const char *sql, *part;
    } changes[] = {{"UPDATE meta SET value = '100000000' WHERE key = 'heads'", "heads is 100000000"},
                   {"UPDATE meta SET value = '-1' WHERE key = 'heads'", "heads is '-1'"},
                   {"UPDATE meta SET value = 'abc' WHERE key = 'layers'", "does not say its layers"},
                   {"UPDATE meta SET value = '1.5' WHERE key = 'pairs'", "pairs is '1.5'"},
                   {"UPDATE meta SET value = '0' WHERE key = 'top'", "top is 0"},
                   {"UPDATE meta SET value = '99' WHERE key = 'phase'", "phase is 99"},
                   {"UPDATE meta SET value = 9 WHERE key = 'heads'", "not those that were written"},
                   {"UPDATE meta SET value = 7 WHERE key = 'stories'", "not those that were written"},
                   {"UPDATE meta SET value = x'ff00' WHERE key = 'model'", "not those that were written"},
                   {"UPDATE meta SET value = 3 WHERE key = 'd_model'", "size"},
                   {"DELETE FROM meta WHERE key = 'layers'", "does not say its layers"},
                   {"DELETE FROM meta WHERE key = 'part'", "missing"},
                   {"UPDATE meta SET value = '1,0' WHERE key = 'layers'", "does not say its layers"},
                   {"UPDATE meta SET value = '9999' WHERE key = 'space'", "not those that were written"},
                   {"DELETE FROM meta WHERE key = 'seal'", "not those that were written"}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        refused(model, changes[i].sql, changes[i].part);
    bl_model_free(model);
}

static void sealed(void **state) {
    (void)state;
    bl_model *model = made();
    bl_foreign_atlas file;
    bl_error err = {0};
    sqlite3 *db;
    assert_true(bl_foreign_open(&file, whole, &err));
    if (!bl_foreign_verify(&file, whole, &err)) fail_msg("%s", err.message);
    bl_foreign_close(&file);
    assert_int_equal(sqlite3_open(whole, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE eigenpair SET eigenvalue = eigenvalue + 1e-9 WHERE id = 3",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_true(bl_foreign_open(&file, whole, &err));
    assert_false(bl_foreign_verify(&file, whole, &err));
    assert_non_null(strstr(err.message, "its content is not what was written"));
    bl_foreign_close(&file);
    bl_model_free(model);
}

/* Copied over in place, or replaced, under a reader. */
static void changed_meanwhile(void **state) {
    (void)state;
    bl_model *model = made();
    bl_error err = {0};
    int32_t *ids;
    size_t *begin, n;
    bl_atlas_reader *reader = bl_atlas_reader_open(whole, model, 0, &err);
    assert_non_null(reader);
    assert_true(bl_atlas_reader_stories(reader, 4, &ids, &begin, &n, &err));
    free(ids), free(begin);
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, whole, times, 0), 0);
    assert_false(bl_atlas_reader_stories(reader, 4, &ids, &begin, &n, &err));
    assert_int_equal(err.code, BL_ERR_IO);
    assert_non_null(strstr(err.message, "has changed"));
    assert_null(strstr(err.message, whole)); /* the server's page shows it */
    bl_atlas_reader_free(reader);
    bl_model_free(model);
}

static bool stop(void) { return true; }

/* Names are files, and a signal ends any statement. */
static void names_and_signals(void **state) {
    (void)state;
    bl_error err = {0};
    char *here = getcwd(NULL, 0);
    assert_int_equal(chdir(support_temporary()), 0);
    static const char *const names[] = {"file:x.db", ":memory:", "file::memory:?cache=shared"};
    for (size_t i = 0; i < 3; i++) {
        sqlite3 *db = bl_database_open(names[i], true, &err);
        if (!db) fail_msg("%s", err.message);
        assert_true(bl_database_run(db, "CREATE TABLE t (x)", &err));
        if (i == 0) {
            bl_set_stop(stop);
            assert_false(
                bl_database_run(db,
                                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT "
                                "sum(x) FROM n",
                                &err));
            assert_int_equal(err.code, BL_ERR_CANCELLED);
            bl_set_stop(NULL);
        }
        sqlite3_close(db);
        struct stat status;
        assert_int_equal(stat(names[i], &status), 0);
    }
    assert_int_equal(chdir(here), 0);
    free(here);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(schemas), cmocka_unit_test(facts),
                                       cmocka_unit_test(sealed), cmocka_unit_test(changed_meanwhile),
                                       cmocka_unit_test(names_and_signals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
