/* An atlas that somebody has changed. The first byte says how: 0, the input is the file; else it is a list of
 * changes to a whole one, each a table, a column, a row and a value of any type; odd, its facts are sealed
 * again, so that the checks behind the seal are reached. Every reader refuses it with a message, or answers
 * with JSON. */
#include "fuzz_model.h"
#include "atlas/atlas_private.h"
#include "atlas/database.h"
#include "atlas/foreign.h"
#include "atlas/reader.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bl_model *model;
static char *whole;
static size_t whole_n;

static void make_whole(void) {
    bl_error err = {0};
    bl_atlas_options options = {.pairs = 1, .top = 2, .virtual_tokens = 2};
    const char *path = fuzz_path("whole.db");
    bl_set_threads(1);
    model = fuzz_model();
    bl_corpus *corpus = fuzz_stories();
    if (!bl_atlas_run(model, corpus, path, &options, NULL, &err)) abort();
    bl_corpus_free(corpus);
    whole = bl_file_read(path, SIZE_MAX / 2, &whole_n, &err);
    if (!whole) abort();
}

typedef struct bytes {
    const uint8_t *at;
    size_t left;
} bytes;

static unsigned next(bytes *b) {
    if (!b->left) return 0;
    b->left--;
    return *b->at++;
}

/* The name in column `column` of the row with number `number` (wrapped) of a query. */
static bool pick(sqlite3 *db, const char *sql, unsigned number, int column, char out[64]) {
    sqlite3_stmt *s = NULL;
    unsigned n = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) return false;
    while (sqlite3_step(s) == SQLITE_ROW) n++;
    sqlite3_reset(s);
    for (unsigned i = 0; n && i <= number % n; i++) sqlite3_step(s);
    const char *text = n ? (const char *)sqlite3_column_text(s, column) : NULL;
    snprintf(out, 64, "%s", text ? text : "");
    sqlite3_finalize(s);
    return out[0] != '\0';
}

static void bind_value(sqlite3_stmt *s, bytes *b) {
    static const double reals[] = {0, -1, 1e308, -1e308, 1e-310, 0.5};
    static const int64_t wholes[] = {0, -1, 1, INT32_MAX, INT64_MAX, INT64_MIN, 100000, UINT32_MAX};
    unsigned kind = next(b), n;
    switch (kind % 6) {
    case 0: sqlite3_bind_null(s, 1); break;
    case 1: sqlite3_bind_int64(s, 1, wholes[next(b) % 8]); break;
    case 2: sqlite3_bind_double(s, 1, reals[next(b) % 6]); break;
    case 3: sqlite3_bind_int64(s, 1, (int8_t)next(b)); break;
    default:
        n = next(b);
        n = n < b->left ? n : (unsigned)b->left;
        if (kind % 6 == 4) sqlite3_bind_text(s, 1, (const char *)b->at, (int)n, SQLITE_TRANSIENT);
        else sqlite3_bind_blob(s, 1, b->at, (int)n, SQLITE_TRANSIENT);
        b->at += n;
        b->left -= n;
    }
}

static void change(const char *path, bytes *b, bool seal) {
    sqlite3 *db = NULL;
    bl_error err = {0};
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) abort();
    for (int i = 0; b->left && i < 16; i++) {
        char table[64], column[64], sql[400];
        sqlite3_stmt *s = NULL;
        if (!pick(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", next(b), 0, table))
            break;
        snprintf(sql, sizeof sql, "PRAGMA table_info(\"%s\")", table);
        if (!pick(db, sql, next(b), 1, column)) continue;
        snprintf(
            sql, sizeof sql,
            "UPDATE \"%s\" SET \"%s\" = ?1 WHERE \"%s\" IN (SELECT \"%s\" FROM \"%s\" LIMIT 1 OFFSET %u)",
            table, column, column, column, table, next(b));
        if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK) {
            bind_value(s, b);
            sqlite3_step(s);
        }
        sqlite3_finalize(s);
    }
    if (seal) (void)bl_seal_facts(db, &err);
    sqlite3_close(db);
}

static void query(const char *path, const bl_atlas_query *what) {
    bl_error err = {0};
    bl_tree *tree = bl_atlas_tree(path, what, &err);
    if (!tree && (err.code == BL_OK || !err.message[0])) abort();
    char *text = tree ? bl_tree_text(tree, &err) : NULL;
    bl_tree *again = text ? bl_tree_parse(text, "answer", &err) : NULL;
    if (tree && !again) abort();
    bl_tree_free(again);
    bl_free(text);
    bl_tree_free(tree);
}

static void look_at(const char *path) {
    bl_error err = {0};
    bl_atlas_reader *reader = bl_atlas_reader_open(path, model, &err);
    if (!reader) {
        if (err.code == BL_OK || !err.message[0]) abort();
        return;
    }
    const float *v;
    const bl_atlas_reader_pair *pairs;
    int32_t *ids = NULL;
    size_t n, *begin = NULL, V = bl_model_config(model)->n_vocab;
    (void)bl_atlas_reader_vectors(reader, &v, &pairs, &n, &err);
    if (bl_atlas_reader_stories(reader, 100, &ids, &begin, &n, &err)) {
        for (size_t i = 0; i < begin[n]; i++)
            if (ids[i] < 0 || (size_t)ids[i] >= V) abort();
    }
    bl_free(ids);
    bl_free(begin);
    for (int32_t token = 0; token < (int32_t)V; token++) {
        bl_atlas_reader_matches matches;
        bl_atlas_reader_words words;
        if (bl_atlas_reader_get_matches(reader, token, -1, 4, &matches, &err))
            bl_atlas_reader_matches_free(&matches);
        if (bl_atlas_reader_get_words(reader, token, 0, &words, &err)) bl_atlas_reader_words_free(&words);
    }
    bl_atlas_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_error err = {0};
    if (size == 0) return 0;
    if (!model) make_whole();
    const char *path = fuzz_path("changed.db");
    bytes b = {data + 1, size - 1};
    bool ok =
        data[0] ? bl_file_write(path, whole, whole_n, &err) : bl_file_write(path, data + 1, size - 1, &err);
    if (!ok) abort();
    if (data[0]) change(path, &b, data[0] & 1);
    query(path, &(bl_atlas_query){.token = "swim"});
    query(path, &(bl_atlas_query){.sort = "largest", .limit = 3});
    query(path, &(bl_atlas_query){.eigenpairs = true, .limit = 3});
    look_at(path);
    return 0;
}
