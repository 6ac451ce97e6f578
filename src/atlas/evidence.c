/* What an atlas knows of an eigenpair beyond what the weights say: chance and effects, as a tree. */
#include "atlas/evidence.h"
#include <sqlite3.h>
#include <stdlib.h>

/* The columns of a statement's row, under the names given; NULL values are null. */
static void put_numbers(bl_builder *b, bl_tree *at, sqlite3_stmt *s, const char *const *keys, int first) {
    for (int c = 0; keys[c]; c++) {
        int column = first + c;
        switch (sqlite3_column_type(s, column)) {
        case SQLITE_NULL: bl_put_null(b, at, keys[c]); break;
        case SQLITE_INTEGER: bl_put_integer(b, at, keys[c], sqlite3_column_int64(s, column)); break;
        default: bl_put_real(b, at, keys[c], sqlite3_column_double(s, column));
        }
    }
}

/* One row for a pair, or none. */
static sqlite3_stmt *row_of(bl_builder *b, sqlite3 *db, const char *sql, int64_t pair) {
    bl_error failure = {0};
    sqlite3_stmt *s = b->failed ? NULL : bl_database_prepare(db, sql, &failure);
    if (s) sqlite3_bind_int64(s, 1, pair);
    if (s && bl_database_row(s, &failure)) return s;
    sqlite3_finalize(s);
    if (failure.code) bl_builder_fail(b, failure.code, "%s", failure.message);
    return NULL;
}

static void put_effect(bl_builder *b, bl_tree *at, const char *key, sqlite3 *db, const char *sql,
                       int64_t pair) {
    static const char *const of_own[] = {"positions", "mean", "error", NULL},
                             *const of_others[] = {"positions", "mean", NULL},
                             *const rest[] = {"total", "share", "ends", NULL};
    sqlite3_stmt *s = row_of(b, db, sql, pair);
    if (!s) {
        bl_put_null(b, at, key);
        return;
    }
    bl_tree *effect = bl_put_object(b, at, key);
    bl_put_text(b, effect, "with", "mean");
    if (sqlite3_column_type(s, 0) == SQLITE_NULL) { /* a direction that is no token */
        bl_put_null(b, effect, "own");
        bl_put_null(b, effect, "others");
    } else {
        put_numbers(b, bl_put_object(b, effect, "own"), s, of_own, 0);
        put_numbers(b, bl_put_object(b, effect, "others"), s, of_others, 3);
    }
    put_numbers(b, effect, s, rest, 5);
    sqlite3_finalize(s);
}

#define EFFECT "own_positions, own_mean, own_error, others_positions, others_mean, total, share, ends"

/* "group": the indices of the direction's eigenpairs whose eigenvalues are closer than 1e-5 of the largest to
 * this one's, where it is not alone. */
static bool put_group(bl_builder *b, bl_tree *at, sqlite3 *db, int64_t pair) {
    sqlite3_stmt *s = row_of(
        b, db,
        "SELECT count(*), group_concat(n.idx) FROM eigenpair e JOIN "
        "direction d ON d.id = e.direction JOIN eigenpair n ON n.direction = e.direction AND "
        "abs(n.eigenvalue - e.eigenvalue) <= 1e-5 * max(abs(d.highest + d.shift), abs(d.lowest + d.shift)) "
        "WHERE e.id = ?",
        pair);
    bool many = s && sqlite3_column_int64(s, 0) > 1;
    if (many) {
        bl_tree *group = bl_put_array(b, at, "group");
        const char *list = (const char *)sqlite3_column_text(s, 1);
        for (char *end; list && *list; list = *end ? end + 1 : end)
            bl_put_integer(b, group, NULL, strtol(list, &end, 10));
    }
    sqlite3_finalize(s);
    return many;
}

void bl_atlas_put_evidence(bl_builder *b, bl_tree *at, sqlite3 *db, int64_t pair) {
    static const char *const keys[] = {"statistic", "ratio", "p", "q", NULL};
    sqlite3_stmt *s = row_of(b, db,
                             "SELECT e.statistic, c.ratio, c.p, c.q FROM eigenpair e LEFT JOIN chance c ON "
                             "c.pair = e.id WHERE e.id = ?",
                             pair);
    if (s) put_numbers(b, at, s, keys, 0);
    sqlite3_finalize(s);
    if (put_group(b, at, db, pair)) bl_put_null(b, at, "effect"); /* of one vector of a group alone */
    else put_effect(b, at, "effect", db, "SELECT " EFFECT " FROM effect WHERE pair = ?", pair);
    put_effect(b, at, "null_effect", db, "SELECT " EFFECT " FROM null_effect WHERE pair = ?", pair);
}

void bl_atlas_put_calibration(bl_builder *b, bl_tree *at, sqlite3 *db, int64_t layer) {
    static const char *const keys[] = {"layer", "index", "pool", "judged", "distance", NULL};
    bl_error failure = {0};
    sqlite3_stmt *s =
        bl_database_prepare(db,
                            "SELECT layer, idx, pool, judged, distance FROM calibration WHERE ?1 < 0 OR "
                            "layer = ?1 ORDER BY layer, idx >= 0, abs(idx)",
                            &failure);
    if (s) sqlite3_bind_int64(s, 1, layer);
    bl_tree *list = bl_put_array(b, at, "calibration");
    while (s && bl_database_row(s, &failure)) put_numbers(b, bl_put_object(b, list, NULL), s, keys, 0);
    sqlite3_finalize(s);
    if (failure.code) bl_builder_fail(b, failure.code, "%s", failure.message);
}
