/* SQLite with this library's errors. */
#ifndef BL_ATLAS_DATABASE_H
#define BL_ATLAS_DATABASE_H
#include <bilens/base.h>
#include <sqlite3.h>

/* A file's name as SQLite takes it: ":memory:", "file:x.db" and the like are names, as everywhere else. */
char *bl_database_name(const char *path, bl_error *err);
/* Opens an existing file to read, or a file to write, made if it is not there, from which other processes are
 * shut out. */
sqlite3 *bl_database_open(const char *path, bool write, bl_error *err);
/* Fills in the error that the last call left; returns false. */
bool bl_database_fail(sqlite3 *db, bl_error *err);
/* Runs one or more statements without results. */
bool bl_database_run(sqlite3 *db, const char *sql, bl_error *err);
/* NULL with the error filled in. */
sqlite3_stmt *bl_database_prepare(sqlite3 *db, const char *sql, bl_error *err);
/* One step of a statement that gives no rows, then reset. */
bool bl_database_step(sqlite3_stmt *statement, bl_error *err);
/* The next row: true; false at the end (err->code BL_OK) or on failure. err must not be NULL. */
bool bl_database_row(sqlite3_stmt *statement, bl_error *err);
/* BEGIN … COMMIT; a failed commit is rolled back. */
bool bl_database_begin(sqlite3 *db, bl_error *err);
bool bl_database_commit(sqlite3 *db, bool ok, bl_error *err);

/* False with BL_ERR_INPUT when the database is no atlas, or one of another format (schema.c). */
bool bl_atlas_check_format(sqlite3 *db, const char *path, bl_error *err);

/* The table meta. Text is freed with bl_free; NULL with err->code BL_OK when the key is not there. */
bool bl_meta_set(sqlite3 *db, const char *key, const char *value, bl_error *err);
bool bl_meta_set_number(sqlite3 *db, const char *key, uint64_t value, bl_error *err);
char *bl_meta_get(sqlite3 *db, const char *key, bl_error *err);
bool bl_meta_get_number(sqlite3 *db, const char *key, uint64_t *value, bl_error *err);
#endif
