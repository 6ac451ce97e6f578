/* Looking into an atlas: SQL rows into JSON, CSV or a table. Everything here can be had with plain SQL as
 * well (docs/atlas.md). */
#include "atlas/database.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include <bilens/atlas.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEFORE 20 /* words before a match in the table */
#define COLUMNS                                                                                   \
    "token, id, count, largest, highest, lowest, effective_rank, share, constant, null_largest, " \
    "null_highest, null_lowest, null_effective_rank, null_share, excess"

static void json_text(bl_buffer *out, const char *text) {
    bl_buffer_add(out, "\"", 1);
    for (; text && *text; text++) { /* NULL: the database gave none */
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') bl_buffer_print(out, "\\%c", c);
        else if (c < 0x20) bl_buffer_print(out, "\\u%04x", c);
        else bl_buffer_add(out, text, 1);
    }
    bl_buffer_add(out, "\"", 1);
}

static void json_number(bl_buffer *out, double value) {
    if (isfinite(value)) bl_buffer_print(out, "%.9g", value);
    else bl_buffer_text(out, "null");
}

static const char *column_text(sqlite3_stmt *s, int column) {
    const char *text = (const char *)sqlite3_column_text(s, column);
    return text ? text : "";
}

static void json_value(bl_buffer *out, sqlite3_stmt *s, int column) {
    switch (sqlite3_column_type(s, column)) {
    case SQLITE_INTEGER: bl_buffer_print(out, "%lld", (long long)sqlite3_column_int64(s, column)); break;
    case SQLITE_FLOAT: json_number(out, sqlite3_column_double(s, column)); break;
    case SQLITE_NULL: bl_buffer_text(out, "null"); break;
    default: json_text(out, column_text(s, column));
    }
}

/* "name": value for every column of the row, separated by commas. */
static void json_columns(bl_buffer *out, sqlite3_stmt *s) {
    for (int c = 0; c < sqlite3_column_count(s); c++) {
        if (c) bl_buffer_text(out, ", ");
        json_text(out, sqlite3_column_name(s, c));
        bl_buffer_text(out, ": ");
        json_value(out, s, c);
    }
}

static void csv_row(bl_buffer *out, sqlite3_stmt *s) {
    for (int c = 0; c < sqlite3_column_count(s); c++) {
        if (c) bl_buffer_text(out, ",");
        if (sqlite3_column_type(s, c) == SQLITE_FLOAT) {
            bl_buffer_print(out, "%.9g", sqlite3_column_double(s, c));
            continue;
        }
        const char *text = column_text(s, c);
        if (!strpbrk(text, ",\"\r\n")) {
            bl_buffer_text(out, text);
            continue;
        }
        bl_buffer_text(out, "\"");
        for (; *text; text++) bl_buffer_add(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
        bl_buffer_text(out, "\"");
    }
    bl_buffer_text(out, "\n");
}

static void csv_head(bl_buffer *out, sqlite3_stmt *s) {
    for (int c = 0; c < sqlite3_column_count(s); c++)
        bl_buffer_print(out, "%s%s", c ? "," : "", sqlite3_column_name(s, c));
    bl_buffer_text(out, "\n");
}

/* Control characters would command the terminal. */
static void plain_text(bl_buffer *out, const char *text) {
    for (; text && *text; text++)
        bl_buffer_add(out, (unsigned char)*text < 0x20 || *text == 0x7f ? "?" : text, 1);
}

static bool sort_is_known(const char *sort) {
    static const char *const known[] = {"token",
                                        "id",
                                        "count",
                                        "largest",
                                        "highest",
                                        "lowest",
                                        "effective_rank",
                                        "share",
                                        "constant",
                                        "null_largest",
                                        "null_highest",
                                        "null_lowest",
                                        "null_effective_rank",
                                        "null_share",
                                        "excess"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(sort, known[i]) == 0) return true;
    return false;
}

/* What every answer begins with. */
typedef struct reader {
    sqlite3 *db;
    const char *path;
    char *model;
    uint64_t layer, phase;
    sqlite3_stmt *word; /* text of a token */
} reader;

static bool reader_open(reader *r, const char *path, bl_error *err) {
    *r = (reader){.path = path};
    bl_error failure = {0};
    r->db = bl_database_open(path, false, err);
    if (!r->db) return false;
    char *format = bl_meta_get(r->db, "format", &failure);
    bool known = format && strcmp(format, "bilens atlas 1") == 0;
    free(format);
    if (!known && failure.code && !strstr(failure.message, "no such table"))
        return bl_fail(err, failure.code, "%s", failure.message);
    if (!known) return bl_fail(err, BL_ERR_INPUT, "%s: a database, but no atlas of this bilens", path);
    r->model = bl_meta_get(r->db, "model", err);
    if (!r->model || !bl_meta_get_number(r->db, "layer", &r->layer, err) ||
        !bl_meta_get_number(r->db, "phase", &r->phase, err))
        return false;
    r->word = bl_database_prepare(r->db, "SELECT text FROM token WHERE id = ?", err);
    return r->word != NULL;
}

static void reader_close(reader *r) {
    sqlite3_finalize(r->word);
    sqlite3_close(r->db);
    free(r->model);
}

static const char *word(reader *r, int32_t id, bl_error *failure) {
    sqlite3_reset(r->word);
    sqlite3_bind_int(r->word, 1, id);
    return bl_database_row(r->word, failure) ? column_text(r->word, 0) : "?";
}

static void json_head(bl_buffer *out, const reader *r) {
    bl_buffer_text(out, "{\"atlas\": ");
    json_text(out, r->path);
    bl_buffer_text(out, ", \"model\": ");
    json_text(out, r->model);
    bl_buffer_print(out, ", \"layer\": %" PRIu64 ", \"complete\": %s", r->layer,
                    r->phase == 5 ? "true" : "false");
}

static void table_head(bl_buffer *out, const reader *r) {
    plain_text(out, r->path);
    bl_buffer_text(out, ": ");
    plain_text(out, r->model);
    bl_buffer_print(out, ", layer %" PRIu64 "%s\n", r->layer,
                    r->phase == 5 ? "" : " (unfinished: give the command that made it again)");
}

static void list_row(bl_buffer *out, sqlite3_stmt *s) {
    char name[64];
    snprintf(name, sizeof name, "%s", column_text(s, 0));
    bl_buffer_text(out, "  ");
    plain_text(out, name);
    for (size_t i = strlen(name); i < 18; i++) bl_buffer_text(out, " ");
    bl_buffer_print(out, " %8lld", (long long)sqlite3_column_int64(s, 2));
    const int columns[] = {3, 9, 14, 6, 12, 7, 13};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        if (sqlite3_column_type(s, columns[i]) == SQLITE_NULL) bl_buffer_print(out, " %9s", "-");
        else bl_buffer_print(out, " %9.4g", sqlite3_column_double(s, columns[i]));
    }
    bl_buffer_text(out, "\n");
}

static bool list(reader *r, const bl_atlas_query *query, bl_atlas_form form, bl_buffer *out, bl_error *err) {
    const char *sort = query->sort ? query->sort : "largest";
    char sql[512];
    if (!sort_is_known(sort))
        return bl_fail(err, BL_ERR_USAGE,
                       "cannot sort by '%.40s': there are token, count, largest, highest, lowest, "
                       "effective_rank, share, null_…, excess",
                       sort);
    snprintf(sql, sizeof sql, "SELECT " COLUMNS " FROM directions ORDER BY %s %s, id LIMIT ?", sort,
             query->ascending ? "ASC" : "DESC");
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(r->db, sql, err);
    if (!s) return false;
    sqlite3_bind_int64(s, 1, (sqlite3_int64)(query->limit ? query->limit : 20));
    if (form == BL_ATLAS_JSON) {
        json_head(out, r);
        bl_buffer_text(out, ", \"directions\": [");
    } else if (form == BL_ATLAS_CSV) {
        csv_head(out, s);
    } else {
        table_head(out, r);
        bl_buffer_print(out, "  %-18s %8s %9s %9s %9s %9s %9s %9s %9s\n", "token", "count", "largest", "null",
                        "ratio", "eff. rank", "null", "share", "null");
    }
    for (size_t i = 0; bl_database_row(s, &failure); i++) {
        if (form == BL_ATLAS_CSV) csv_row(out, s);
        if (form == BL_ATLAS_TABLE) list_row(out, s);
        if (form != BL_ATLAS_JSON) continue;
        bl_buffer_text(out, i ? ",\n  {" : "\n  {");
        json_columns(out, s);
        bl_buffer_text(out, "}");
    }
    if (form == BL_ATLAS_JSON) bl_buffer_text(out, "]}\n");
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

/* Virtual tokens of one end of one source: [[token, value], …] or words. */
static bool words(reader *r, int64_t pair, int source, bool top, bool json, bl_buffer *out, bl_error *err) {
    sqlite3_stmt *s =
        bl_database_prepare(r->db,
                            top ? "SELECT t.text, v.value FROM virtual_token v JOIN token t ON t.id = "
                                  "v.token WHERE pair = ? AND source = ? AND rank >= 0 ORDER BY rank"
                                : "SELECT t.text, v.value FROM virtual_token v JOIN token t ON t.id = "
                                  "v.token WHERE pair = ? AND source = ? AND rank < 0 ORDER BY rank DESC",
                            err);
    bl_error failure = {0};
    if (!s) return false;
    sqlite3_bind_int64(s, 1, pair);
    sqlite3_bind_int(s, 2, source);
    for (size_t i = 0; bl_database_row(s, &failure); i++) {
        if (json) {
            bl_buffer_text(out, i ? ", [" : "[");
            json_text(out, column_text(s, 0));
            bl_buffer_text(out, ", ");
            json_number(out, sqlite3_column_double(s, 1));
            bl_buffer_text(out, "]");
        } else {
            bl_buffer_text(out, " ");
            plain_text(out, column_text(s, 0));
        }
    }
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

static bool json_sources(reader *r, int64_t pair, uint64_t heads, bl_buffer *out, bl_error *err) {
    bool ok = true;
    bl_buffer_text(out, ", \"sources\": {");
    for (uint64_t source = 0; ok && source <= heads; source++) {
        if (source) bl_buffer_print(out, ", \"head %" PRIu64 "\": {\"top\": [", source - 1);
        else bl_buffer_text(out, "\"direct\": {\"top\": [");
        ok = words(r, pair, (int)source, true, true, out, err);
        bl_buffer_text(out, "], \"bottom\": [");
        ok = ok && words(r, pair, (int)source, false, true, out, err);
        bl_buffer_text(out, "]}");
    }
    bl_buffer_text(out, "}");
    return ok;
}

/* A match's row: rank, story, position, token, similarity, activation, bias, scale, contributions, the
 * story's tokens. */
static const char *const match_sql =
    "SELECT m.rank, m.story, m.position, t.text, m.similarity, m.activation, m.bias, m.scale, "
    "m.contributions, s.tokens FROM top_input m"
    " JOIN story s ON s.id = m.story JOIN token t ON t.id = m.token WHERE m.pair = ? ORDER BY m.rank";

/* Token p of the row's story. */
static int32_t token_at(sqlite3_stmt *s, size_t p) {
    int32_t id;
    memcpy(&id, (const char *)sqlite3_column_blob(s, 9) + p * sizeof id, sizeof id);
    return id;
}

static bool json_match(reader *r, sqlite3_stmt *s, bl_buffer *out, bl_error *failure) {
    size_t position = (size_t)sqlite3_column_int64(s, 2),
           length = (size_t)sqlite3_column_bytes(s, 9) / sizeof(int32_t);
    const char *shares = sqlite3_column_blob(s, 8);
    if (!shares || (size_t)sqlite3_column_bytes(s, 8) != (position + 1) * sizeof(int16_t) ||
        position >= length)
        return bl_fail(failure, BL_ERR_INPUT, "%s: the atlas is damaged: a match does not fit its story",
                       r->path);
    bl_buffer_print(out,
                    "{\"story\": %lld, \"position\": %zu, \"token\": ", (long long)sqlite3_column_int64(s, 1),
                    position);
    json_text(out, column_text(s, 3));
    const char *const names[] = {", \"similarity\": ", ", \"activation\": ", ", \"bias\": "};
    for (int c = 0; c < 3; c++) {
        bl_buffer_text(out, names[c]);
        json_number(out, sqlite3_column_double(s, 4 + c));
    }
    bl_buffer_text(out, ", \"contributions\": [");
    for (size_t p = 0; p <= position; p++) {
        int16_t share;
        memcpy(&share, shares + p * sizeof share, sizeof share);
        bl_buffer_print(out, "%s%.6g", p ? ", " : "", share * sqlite3_column_double(s, 7));
    }
    bl_buffer_text(out, "], \"tokens\": [");
    for (size_t p = 0; p < length && p <= position + 3 && failure->code == BL_OK; p++) {
        if (p == position + 1) bl_buffer_text(out, "], \"next\": [");
        else if (p) bl_buffer_text(out, ", ");
        json_text(out, word(r, token_at(s, p), failure));
    }
    bl_buffer_text(out, position + 1 < length ? "]}" : "], \"next\": []}");
    return failure->code == BL_OK;
}

static bool table_match(reader *r, sqlite3_stmt *s, bl_buffer *out, bl_error *failure) {
    size_t position = (size_t)sqlite3_column_int64(s, 2),
           length = (size_t)sqlite3_column_bytes(s, 9) / sizeof(int32_t);
    if (position >= length)
        return bl_fail(failure, BL_ERR_INPUT, "%s: the atlas is damaged: a match does not fit its story",
                       r->path);
    bl_buffer_print(out, "      %9.3f  story %-5lld", sqlite3_column_double(s, 5),
                    (long long)sqlite3_column_int64(s, 1));
    for (size_t p = position > BEFORE ? position - BEFORE : 0;
         p < length && p <= position + 3 && failure->code == BL_OK; p++) {
        const char *text = word(r, token_at(s, p), failure);
        bool glued = text[0] == '#' && text[1] == '#' && text[2];
        if (!glued) bl_buffer_text(out, " ");
        if (p == position) bl_buffer_text(out, "[");
        plain_text(out, glued ? text + 2 : text);
        if (p == position) bl_buffer_text(out, "]");
    }
    bl_buffer_text(out, "\n");
    return failure->code == BL_OK;
}

static bool matches(reader *r, int64_t pair, bool json, bl_buffer *out, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(r->db, match_sql, err);
    if (!s) return false;
    sqlite3_bind_int64(s, 1, pair);
    if (json) bl_buffer_text(out, ", \"matches\": [");
    for (size_t i = 0; bl_database_row(s, &failure); i++) {
        if (json && i) bl_buffer_text(out, ", ");
        if (json ? !json_match(r, s, out, &failure) : !table_match(r, s, out, &failure)) break;
    }
    if (json) bl_buffer_text(out, "]");
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

static bool one_pair(reader *r, sqlite3_stmt *s, uint64_t heads, bool json, bl_buffer *out, bl_error *err) {
    int64_t pair = sqlite3_column_int64(s, 0);
    if (json) {
        bl_buffer_text(out, "{");
        json_columns(out, s);
        bool ok = json_sources(r, pair, heads, out, err) && matches(r, pair, true, out, err);
        bl_buffer_text(out, "}");
        return ok;
    }
    bl_buffer_print(out, "\n  eigenvector %lld, eigenvalue %.4g", (long long)sqlite3_column_int64(s, 1),
                    sqlite3_column_double(s, 2));
    if (sqlite3_column_type(s, 7) != SQLITE_NULL)
        bl_buffer_print(out, " (null model %.4g)", sqlite3_column_double(s, 7));
    bl_buffer_text(out, "\n    direct, highest:");
    bool ok = words(r, pair, 0, true, false, out, err);
    bl_buffer_text(out, "\n    direct, lowest: ");
    ok = ok && words(r, pair, 0, false, false, out, err);
    bl_buffer_text(out, "\n");
    return ok && matches(r, pair, false, out, err);
}

static const char *const pair_sql = "SELECT pair, idx AS 'index', eigenvalue, direct_max, direct_min, "
                                    "head_max, head_min, null_eigenvalue, null_direct_max, null_direct_min,"
                                    " null_head_max, null_head_min FROM eigenpairs WHERE pair IN (SELECT id "
                                    "FROM eigenpair WHERE token = ?) ORDER BY pair";

static bool pairs(reader *r, int64_t token, bl_atlas_form form, bl_buffer *out, bl_error *err) {
    uint64_t heads;
    bl_error failure = {0};
    if (!bl_meta_get_number(r->db, "heads", &heads, err)) return false;
    sqlite3_stmt *s = bl_database_prepare(r->db, pair_sql, err);
    if (!s) return false;
    sqlite3_bind_int64(s, 1, token);
    if (form == BL_ATLAS_CSV) csv_head(out, s);
    if (form == BL_ATLAS_JSON) bl_buffer_text(out, ", \"vectors\": [");
    for (size_t i = 0; bl_database_row(s, &failure); i++) {
        if (form == BL_ATLAS_CSV) {
            csv_row(out, s);
            continue;
        }
        if (form == BL_ATLAS_JSON) bl_buffer_text(out, i ? ",\n  " : "\n  ");
        if (!one_pair(r, s, heads, form == BL_ATLAS_JSON, out, &failure)) break;
    }
    if (form == BL_ATLAS_JSON) bl_buffer_text(out, "]}\n");
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

static void table_direction(bl_buffer *out, sqlite3_stmt *s) {
    bl_buffer_text(out, "token ");
    plain_text(out, column_text(s, 0));
    bl_buffer_print(out, " (#%lld), %lld times in the corpus\n", (long long)sqlite3_column_int64(s, 1),
                    (long long)sqlite3_column_int64(s, 2));
    bl_buffer_print(out, "  %-12s %10s %10s %10s %10s %10s\n", "", "largest", "highest", "lowest",
                    "eff. rank", "share");
    for (int null_model = 0; null_model < 2; null_model++) {
        if (null_model && sqlite3_column_type(s, 9) == SQLITE_NULL) break;
        bl_buffer_print(out, "  %-12s", null_model ? "null model" : "model");
        for (int c = 0; c < 5; c++)
            bl_buffer_print(out, " %10.4g", sqlite3_column_double(s, (null_model ? 9 : 3) + c));
        bl_buffer_text(out, "\n");
    }
}

static bool one_token(reader *r, const char *token, bl_atlas_form form, bl_buffer *out, bl_error *err) {
    char *end = NULL;
    long long id = token[0] == '#' && token[1] >= '0' && token[1] <= '9' ? strtoll(token + 1, &end, 10) : -1;
    if (end && *end) id = -1;
    bl_error failure = {0};
    sqlite3_stmt *s =
        bl_database_prepare(r->db, "SELECT " COLUMNS " FROM directions WHERE token = ?1 OR id = ?2", err);
    if (!s) return false;
    sqlite3_bind_text(s, 1, token, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, id);
    if (bl_database_row(s, &failure)) {
        if (form == BL_ATLAS_JSON) {
            json_head(out, r);
            bl_buffer_text(out, ", ");
            json_columns(out, s);
        } else if (form == BL_ATLAS_TABLE) {
            table_head(out, r);
            table_direction(out, s);
        }
        pairs(r, sqlite3_column_int64(s, 1), form, out, &failure);
    } else if (failure.code == BL_OK) {
        bl_fail(&failure, BL_ERR_USAGE,
                "%s: no direction '%.60s' in this atlas: a token is the vocabulary's own string, or its id "
                "as #1234",
                r->path, token);
    }
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

char *bl_atlas_answer(const char *path, const bl_atlas_query *query, bl_atlas_form form, bl_error *err) {
    bl_error_clear(err);
    reader r;
    bl_buffer out = {0};
    char *text = NULL;
    bool ok = reader_open(&r, path, err) && (query->token ? one_token(&r, query->token, form, &out, err)
                                                          : list(&r, query, form, &out, err));
    if (ok) text = bl_buffer_take(&out, err);
    bl_buffer_free(&out);
    reader_close(&r);
    return text;
}
