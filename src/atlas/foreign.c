/* Opening what somebody else may have made. SQLite's documentation ("Defense Against The Dark Arts") says
 * how to treat such a file: no trusted schema, defensive mode, a progress handler. Beyond that the schema is
 * compared with the one that bilens writes, text by text, so that no statement of ours can run anything but
 * what it says. */
#include "atlas/foreign.h"
#include "atlas/atlas_private.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const schema_sql =
    "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";

static const char *column(sqlite3_stmt *s, int i) {
    const char *text = (const char *)sqlite3_column_text(s, i);
    return text ? text : "";
}

/* A database in memory with the schema as it should be. */
static sqlite3 *model_schema(bl_error *err) {
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        bl_database_fail(db, err);
    } else if (bl_database_run(db, bl_atlas_schema(), err)) {
        return db;
    }
    sqlite3_close(db);
    return NULL;
}

/* Compares both lists row by row; *what names the first difference. */
static bool same_schema(sqlite3_stmt *found, sqlite3_stmt *wanted, char what[128], bl_error *err) {
    for (;;) {
        bl_error failure = {0};
        bool more = bl_database_row(found, &failure);
        if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
        bool expected = bl_database_row(wanted, &failure);
        if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
        if (!more && !expected) return true;
        bool same = more && expected;
        for (int i = 0; same && i < 4; i++) same = strcmp(column(found, i), column(wanted, i)) == 0;
        if (same) continue;
        sqlite3_stmt *named = more ? found : wanted;
        snprintf(what, 128, "%.20s %.60s", column(named, 0), column(named, 1));
        return false;
    }
}

/* Whether meta is the table that it is in every format. */
static bool has_meta(sqlite3 *db) {
    bl_error failure = {0};
    sqlite3_stmt *s =
        bl_database_prepare(db,
                            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta' AND sql = "
                            "'CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID'",
                            &failure);
    bool found = s && bl_database_row(s, &failure);
    sqlite3_finalize(s);
    return found;
}

bool bl_foreign_check_schema(sqlite3 *db, const char *path, bl_error *err) {
    bl_error failure = {0};
    char what[128] = "";
    sqlite3 *model = model_schema(err);
    if (!model) return false;
    sqlite3_stmt *found = bl_database_prepare(db, schema_sql, &failure),
                 *wanted = found ? bl_database_prepare(model, schema_sql, &failure) : NULL;
    bool same = wanted && same_schema(found, wanted, what, &failure);
    sqlite3_finalize(found);
    sqlite3_finalize(wanted);
    sqlite3_close(model);
    if (same) return true;
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    if (has_meta(db) && !bl_atlas_check_format(db, path, err)) return false;
    return bl_fail(
        err, BL_ERR_INPUT,
        "%s: a database, but no atlas of bilens (its %s is not what bilens writes): it is of another "
        "version, or has been changed; make it again",
        path, what);
}

/* Feeds a row's values with their types. */
static uint64_t hash_row(uint64_t hash, sqlite3_stmt *s) {
    for (int i = 0; i < sqlite3_column_count(s); i++) {
        int type = sqlite3_column_type(s, i);
        int64_t whole = sqlite3_column_int64(s, i);
        double real = sqlite3_column_double(s, i);
        hash = bl_hash(hash, &type, sizeof type);
        if (type == SQLITE_INTEGER) hash = bl_hash(hash, &whole, sizeof whole);
        else if (type == SQLITE_FLOAT) hash = bl_hash(hash, &real, sizeof real);
        else if (type != SQLITE_NULL) {
            const void *bytes = sqlite3_column_blob(s, i);
            hash = bl_hash(hash, bytes ? bytes : "", (size_t)sqlite3_column_bytes(s, i));
        }
    }
    return hash;
}

static bool hash_rows(sqlite3 *db, const char *sql, uint64_t *hash, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(db, sql, err);
    if (!s) return false;
    while (bl_database_row(s, &failure)) *hash = hash_row(*hash, s);
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

static bool hash_facts(sqlite3 *db, uint64_t *hash, bl_error *err) {
    *hash = 0;
    return hash_rows(db, "SELECT key, value FROM meta WHERE key <> 'seal' ORDER BY key", hash, err);
}

/* All tables but meta, in the order of their names; rows in the order of their keys. */
static bool hash_content(sqlite3 *db, uint64_t *hash, bl_error *err) {
    bl_error failure = {0};
    char sql[160];
    sqlite3_stmt *tables = bl_database_prepare(
        db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'meta' ORDER BY name", err);
    bool ok = tables != NULL;
    *hash = 0;
    while (ok && bl_database_row(tables, &failure)) {
        snprintf(sql, sizeof sql, "SELECT * FROM \"%.100s\"", column(tables, 0));
        ok = hash_rows(db, sql, hash, err);
    }
    sqlite3_finalize(tables);
    return ok && (failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message));
}

static bool set_hash(sqlite3 *db, const char *key, uint64_t hash, bl_error *err) {
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    return bl_meta_set(db, key, text, err);
}

bool bl_seal_facts(sqlite3 *db, bl_error *err) {
    uint64_t hash;
    return hash_facts(db, &hash, err) && set_hash(db, "seal", hash, err);
}

bool bl_seal_content(sqlite3 *db, bl_error *err) {
    uint64_t hash;
    return hash_content(db, &hash, err) && set_hash(db, "content", hash, err) && bl_seal_facts(db, err);
}

static bool has_hash(sqlite3 *db, const char *key, uint64_t hash, bool *same, bl_error *err) {
    char text[24];
    bl_error failure = {0};
    char *found = bl_meta_get(db, key, &failure);
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    *same = found && strcmp(found, text) == 0;
    free(found);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

bool bl_foreign_layers(sqlite3 *db, size_t *layers, size_t *n, bl_error *err) {
    bl_error failure = {0};
    char *text = bl_meta_get(db, "layers", &failure), *at = text;
    bool ok = text != NULL;
    *n = 0;
    while (ok) {
        char *end;
        unsigned long layer = strtoul(at, &end, 10);
        ok = *at >= '0' && *at <= '9' && layer < 100000 && *n < BL_ATLAS_LAYERS &&
             (*n == 0 || layer > layers[*n - 1]) && (*end == '\0' || *end == ',');
        if (ok) layers[(*n)++] = layer;
        if (*end == '\0') break;
        at = end + 1;
    }
    free(text);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return ok || bl_fail(err, BL_ERR_INPUT, "the atlas is damaged: it does not say its layers");
}

bool bl_foreign_part(sqlite3 *db, const char *path, size_t layer, size_t *part, bl_error *err) {
    size_t layers[BL_ATLAS_LAYERS], n;
    if (!bl_foreign_layers(db, layers, &n, err)) return false;
    for (*part = 0; *part < n; ++*part)
        if (layers[*part] == layer) return true;
    char *list = bl_meta_get(db, "layers", err);
    if (list) bl_fail(err, BL_ERR_USAGE, "%s: layer %zu is not in this atlas: it has %s", path, layer, list);
    free(list);
    return false;
}

/* Bounds that hold for any atlas, so that no reader has to think of them. */
static bool check_facts(sqlite3 *db, const char *path, bl_error *err) {
    static const struct {
        const char *key;
        uint64_t least, most;
    } numbers[] = {{"part", 0, BL_ATLAS_LAYERS},
                   {"pairs", 1, 1000000},
                   {"top", 1, 1000000},
                   {"virtual_tokens", 1, 1000000},
                   {"heads", 0, 100000},
                   {"size", 1, 1 << 24},
                   {"d_model", 1, 1 << 24},
                   {"phase", 0, BL_PHASE_DONE},
                   {"done", 0, UINT64_MAX / 4},
                   {"null_draws", 1, 1000000},
                   {"own", 0, 1},
                   {"effects", 0, 1},
                   {"space", 1, INT32_MAX}};
    uint64_t value, hash, d = 0, size = 0;
    bool same;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!bl_meta_get_number(db, numbers[i].key, &value, err)) return bl_error_prefix(err, path);
        if (value < numbers[i].least || value > numbers[i].most)
            return bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: %s is %" PRIu64, path,
                           numbers[i].key, value);
        if (strcmp(numbers[i].key, "d_model") == 0) d = value;
        if (strcmp(numbers[i].key, "size") == 0) size = value;
    }
    if (size != d && size != d + 1)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: the atlas is damaged: its forms have size %" PRIu64 ", d_model is %" PRIu64, path,
                       size, d);
    size_t layers[BL_ATLAS_LAYERS], n;
    if (!bl_foreign_layers(db, layers, &n, err)) return bl_error_prefix(err, path);
    if (!hash_facts(db, &hash, err) || !has_hash(db, "seal", hash, &same, err)) return false;
    return same ||
           bl_fail(
               err, BL_ERR_INPUT,
               "%s: the atlas is damaged, or was changed by another program: its facts (table meta) are not "
               "those that were written",
               path);
}

static bool take_state(bl_foreign_atlas *a, const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return false;
    a->device = (uint64_t)status.st_dev;
    a->inode = (uint64_t)status.st_ino;
    a->size = (uint64_t)status.st_size;
    a->changed = (uint64_t)status.st_mtim.tv_sec * 1000000000U + (uint64_t)status.st_mtim.tv_nsec;
    return true;
}

bool bl_foreign_open(bl_foreign_atlas *a, const char *path, bl_error *err) {
    *a = (bl_foreign_atlas){0};
    a->db = bl_database_open(path, false, err);
    if (!a->db) return false;
    bool ok = bl_foreign_check_schema(a->db, path, err) && bl_atlas_check_format(a->db, path, err) &&
              check_facts(a->db, path, err);
    if (ok) take_state(a, path); /* after a journal was rolled back */
    else bl_foreign_close(a);
    return ok;
}

void bl_foreign_close(bl_foreign_atlas *a) {
    sqlite3_close(a->db);
    a->db = NULL;
}

bool bl_foreign_unchanged(const bl_foreign_atlas *a, const char *path, bl_error *err) {
    bl_foreign_atlas now = {0};
    bool same = take_state(&now, path) && now.device == a->device && now.inode == a->inode &&
                now.size == a->size && now.changed == a->changed;
    return same || bl_fail(err, BL_ERR_IO,
                           "the atlas has changed since it was opened: start again to read the new one");
}

bool bl_foreign_verify(const bl_foreign_atlas *a, const char *path, bl_error *err) {
    uint64_t hash;
    bool same;
    bl_error failure = {0};
    char *sealed = bl_meta_get(a->db, "content", &failure);
    bool finished = sealed != NULL;
    free(sealed);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    if (!finished)
        return bl_fail(err, BL_ERR_INPUT, "%s: the atlas is not finished, its content is not sealed yet",
                       path);
    if (!hash_content(a->db, &hash, err) || !has_hash(a->db, "content", hash, &same, err)) return false;
    return same ||
           bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: its content is not what was written", path);
}
