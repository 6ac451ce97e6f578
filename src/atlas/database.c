/* SQLite with this library's errors. A rollback journal, not a write-ahead log: one file when nobody writes,
 * and it can be read where nothing can be written. Large transactions are few, so syncing costs nothing. */
#include "atlas/database.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "format/kind.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool bl_database_fail(sqlite3 *db, bl_error *err) {
    const char *path = db ? sqlite3_db_filename(db, NULL) : NULL,
               *text = db ? sqlite3_errmsg(db) : "out of memory";
    int code = (db ? sqlite3_errcode(db) : SQLITE_NOMEM) & 0xff;
    if (!path) path = "the database";
    if (code == SQLITE_NOTADB && !bl_kind_unknown_file(path, "an SQLite database", err)) return false;
    switch (code) {
    case SQLITE_NOMEM: return bl_fail(err, BL_ERR_MEMORY, "%s: out of memory in SQLite", path);
    case SQLITE_FULL:
        return bl_fail(err, BL_ERR_IO,
                       "%s: the disk is full; what was finished is kept: free some space and give the same "
                       "command again",
                       path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: another process is writing it; it can be read when that has ended or is stopped",
                       path);
    case SQLITE_INTERRUPT: return bl_fail(err, BL_ERR_CANCELLED, "interrupted");
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return bl_fail(err, BL_ERR_INPUT, "%s: no SQLite database, or a damaged one (%s)", path, text);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM: return bl_fail(err, BL_ERR_INPUT, "%s: %s", path, text);
    case SQLITE_IOERR: /* SQLite keeps errno to itself */
        return bl_fail(
            err, BL_ERR_IO,
            "%s: %s (a limit on the size of files?); what was finished is kept: the same command goes on",
            path, text);
    default: return bl_fail(err, BL_ERR_IO, "%s: %s", path, text);
    }
}

/* A signal ends any statement. */
static int stop(void *context) {
    (void)context;
    return !bl_go_on(NULL);
}

/* Nothing of the file's schema may run by itself, and no statement may harm the file's structure. */
static void guard(sqlite3 *db) {
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_progress_handler(db, 10000, stop, NULL);
}

char *bl_database_name(const char *path, bl_error *err) {
    bool special = path[0] == ':' || strncmp(path, "file:", 5) == 0;
    return special ? bl_path_join(".", path, err) : bl_strdup(path, err);
}

sqlite3 *bl_database_open(const char *path, bool write, bl_error *err) {
    sqlite3 *db = NULL;
    /* To read, too, it is opened to be written where that can be: a journal that a killed writer left is
     * rolled back. */
    int flags = write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
    if (bl_is_directory(path))
        return bl_fail_null(err, BL_ERR_INPUT, "%s: is a directory; an atlas is a file", path);
    char *name = bl_database_name(path, err);
    if (!name) return NULL;
    int code = sqlite3_open_v2(name, &db, flags, NULL);
    if (code != SQLITE_OK && !write) {
        sqlite3_close(db);
        code = sqlite3_open_v2(name, &db, SQLITE_OPEN_READONLY, NULL);
    }
    free(name);
    if (code == SQLITE_OK && db) guard(db);
    if (code == SQLITE_OK && db) {
        bool ok = !write || bl_database_run(db,
                                            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=DELETE; "
                                            "PRAGMA cache_size=-100000; BEGIN EXCLUSIVE; COMMIT",
                                            err);
        if (ok && write && sqlite3_db_readonly(db, NULL) == 1)
            ok = bl_fail(err, BL_ERR_INPUT, "%s: cannot be written", path);
        if (ok) return db;
    } else {
        int reason = db && code == SQLITE_CANTOPEN ? sqlite3_system_errno(db) : 0;
        const char *said = db ? sqlite3_errmsg(db) : "out of memory";
        bl_fail(err, code == SQLITE_NOMEM ? BL_ERR_MEMORY : BL_ERR_INPUT,
                reason ? "%s: cannot open: %s" : "%s: %s", path, reason ? strerror(reason) : said);
    }
    sqlite3_close(db);
    return NULL;
}

bool bl_database_run(sqlite3 *db, const char *sql, bl_error *err) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK || bl_database_fail(db, err);
}

sqlite3_stmt *bl_database_prepare(sqlite3 *db, const char *sql, bl_error *err) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) return statement;
    bl_database_fail(db, err);
    return NULL;
}

bool bl_database_step(sqlite3_stmt *statement, bl_error *err) {
    bool ok = sqlite3_step(statement) == SQLITE_DONE || bl_database_fail(sqlite3_db_handle(statement), err);
    sqlite3_reset(statement);
    return ok;
}

bool bl_database_row(sqlite3_stmt *statement, bl_error *err) {
    int code = sqlite3_step(statement);
    bl_error_clear(err);
    if (code == SQLITE_ROW) return true;
    return code != SQLITE_DONE && bl_database_fail(sqlite3_db_handle(statement), err);
}

bool bl_database_begin(sqlite3 *db, bl_error *err) { return bl_database_run(db, "BEGIN IMMEDIATE", err); }

bool bl_database_commit(sqlite3 *db, bool ok, bl_error *err) {
    if (ok) ok = bl_database_run(db, "COMMIT", err);
    if (!ok && !sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return ok;
}

static bool set(sqlite3 *db, const char *key, const char *text, uint64_t number, bl_error *err) {
    sqlite3_stmt *s = bl_database_prepare(db, "INSERT OR REPLACE INTO meta VALUES (?, ?)", err);
    if (!s) return false;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    if (text) sqlite3_bind_text(s, 2, text, -1, SQLITE_STATIC);
    else sqlite3_bind_int64(s, 2, (sqlite3_int64)number);
    bool ok = bl_database_step(s, err);
    sqlite3_finalize(s);
    return ok;
}

bool bl_meta_set(sqlite3 *db, const char *key, const char *value, bl_error *err) {
    return set(db, key, value, 0, err);
}
bool bl_meta_set_number(sqlite3 *db, const char *key, uint64_t value, bl_error *err) {
    return set(db, key, NULL, value, err);
}

char *bl_meta_get(sqlite3 *db, const char *key, bl_error *err) {
    bl_error failure = {0};
    char *out = NULL;
    sqlite3_stmt *s = bl_database_prepare(db, "SELECT value FROM meta WHERE key = ?", &failure);
    if (s) {
        sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
        if (bl_database_row(s, &failure)) {
            const char *text = (const char *)sqlite3_column_text(s, 0);
            out = bl_strdup(text ? text : "", &failure);
        }
    }
    sqlite3_finalize(s);
    bl_error_clear(err);
    if (failure.code) bl_fail(err, failure.code, "%s", failure.message);
    return out;
}

bool bl_meta_get_number(sqlite3 *db, const char *key, uint64_t *value, bl_error *err) {
    bl_error failure = {0};
    char *text = bl_meta_get(db, key, &failure);
    if (!text)
        return bl_fail(err, failure.code ? failure.code : BL_ERR_INPUT, "%s",
                       failure.code ? failure.message
                                    : "the atlas is damaged: a key of its table meta is missing");
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    bool whole = text[0] >= '0' && text[0] <= '9' && !*end && !errno;
    if (!whole)
        bl_fail(err, BL_ERR_INPUT, "the atlas is damaged: %s is '%.40s', not a whole number", key, text);
    free(text);
    return whole;
}
