#include "atlas/who_reads.h"
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHERE_LAYER " AND (?4 < 0 OR e.direction IN (SELECT id FROM direction WHERE layer = ?4))"
#define WHERE_READS " WHERE v.token = ?1 AND (?2 < 0 OR v.source = ?2)"

/* Sorted before anything else is joined, for most readers are not shown; eigenpair_value holds all that
 * sorting needs, so that no eigenvector is read. */
static const char *const readers_sql =
    "SELECT d.label, r.idx, r.eigenvalue, r.source, r.rank, r.value, r.activation, c.ratio, c.q, "
    "f.own_mean, d.layer, d.text "
    "FROM (SELECT e.id AS pair, e.direction, e.idx, e.eigenvalue, v.source, v.rank, v.value, "
    "e.eigenvalue * v.value * v.value AS activation FROM virtual_token v "
    "JOIN eigenpair e INDEXED BY eigenpair_value ON e.id = v.pair" WHERE_READS WHERE_LAYER
    " ORDER BY abs(activation) DESC, e.id, v.source, v.rank LIMIT ?3) r JOIN direction d ON d.id = "
    "r.direction "
    "LEFT JOIN chance c ON c.pair = r.pair LEFT JOIN effect f ON f.pair = r.pair "
    "ORDER BY abs(r.activation) DESC, r.pair, r.source, r.rank";

static const char *const count_sql = "SELECT count(*) FROM virtual_token v" WHERE_READS,
                         *const count_of_layer_sql =
                             "SELECT count(*) FROM virtual_token v JOIN eigenpair e INDEXED BY "
                             "eigenpair_value ON e.id = v.pair" WHERE_READS WHERE_LAYER;

bool bl_atlas_source(const char *text, int64_t *source) {
    char *end;
    *source = strcmp(text, "direct") == 0 ? 0 : -1;
    if (!*text || *source == 0) return true;
    if (strncmp(text, "head ", 5) != 0 || text[5] < '0' || text[5] > '9') return false;
    errno = 0;
    long head = strtol(text + 5, &end, 10);
    *source = 1 + (int64_t)head;
    return !*end && !errno && head < 100000;
}

static sqlite3_stmt *ask(bl_builder *b, sqlite3 *db, const char *sql, int64_t token, int64_t source,
                         int64_t layer) {
    bl_error failure = {0};
    sqlite3_stmt *s = b->failed ? NULL : bl_database_prepare(db, sql, &failure);
    if (failure.code) bl_builder_fail(b, failure.code, "%s", failure.message);
    if (s) sqlite3_bind_int64(s, 1, token);
    if (s && sqlite3_bind_parameter_count(s) > 1) sqlite3_bind_int64(s, 2, source);
    if (s && sqlite3_bind_parameter_count(s) > 3) sqlite3_bind_int64(s, 4, layer);
    return s;
}

static void put_number(bl_builder *b, bl_tree *at, const char *key, sqlite3_stmt *s, int column) {
    if (sqlite3_column_type(s, column) == SQLITE_NULL) bl_put_null(b, at, key);
    else bl_put_real(b, at, key, sqlite3_column_double(s, column));
}

static void put_reader(bl_builder *b, bl_tree *at, sqlite3_stmt *s) {
    int64_t from = sqlite3_column_int64(s, 3), rank = sqlite3_column_int64(s, 4);
    const char *text = (const char *)sqlite3_column_text(s, 0);
    char source[40] = "direct";
    if (from > 0) snprintf(source, sizeof source, "head %lld", (long long)from - 1);
    bl_put_text(b, at, "token", text ? text : "");
    bl_put_integer(b, at, "index", sqlite3_column_int64(s, 1));
    put_number(b, at, "eigenvalue", s, 2);
    bl_put_text(b, at, "source", source);
    bl_put_text(b, at, "side", rank < 0 ? "bottom" : "top");
    bl_put_integer(b, at, "rank", rank < 0 ? -rank - 1 : rank);
    put_number(b, at, "value", s, 5);
    put_number(b, at, "activation", s, 6);
    put_number(b, at, "ratio", s, 7);
    put_number(b, at, "q", s, 8);
    put_number(b, at, "effect", s, 9);
    bl_put_integer(b, at, "layer", sqlite3_column_int64(s, 10));
    bl_put_text(b, at, "direction", (const char *)sqlite3_column_text(s, 11));
}

void bl_atlas_put_who_reads(bl_builder *b, bl_tree *at, sqlite3 *db, int64_t token, int64_t source,
                            int64_t layer, size_t limit) {
    bl_error failure = {0};
    sqlite3_stmt *s = ask(b, db, "SELECT text FROM token WHERE id = ?1", token, source, layer);
    if (s && bl_database_row(s, &failure)) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        bl_put_text(b, at, "reads", text ? text : "");
    }
    sqlite3_finalize(s);
    s = ask(b, db, layer < 0 ? count_sql : count_of_layer_sql, token, source, layer);
    if (s && bl_database_row(s, &failure)) bl_put_integer(b, at, "total", sqlite3_column_int64(s, 0));
    sqlite3_finalize(s);
    s = ask(b, db, readers_sql, token, source, layer);
    if (s) sqlite3_bind_int64(s, 3, (sqlite3_int64)limit);
    bl_tree *list = bl_put_array(b, at, "readers");
    while (s && bl_database_row(s, &failure)) put_reader(b, bl_put_object(b, list, NULL), s);
    sqlite3_finalize(s);
    if (failure.code) bl_builder_fail(b, failure.code, "%s", failure.message);
}
