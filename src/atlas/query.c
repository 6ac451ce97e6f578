/* Looking into an atlas: its rows as trees. Everything here can be had with plain SQL as well
 * (docs/atlas.md). */
#include "atlas/atlas_private.h"
#include "atlas/evidence.h"
#include "atlas/foreign.h"
#include "atlas/who_reads.h"
#include "base/error.h"
#include <bilens/atlas.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                          \
    "token, id, layer, count, largest, highest, lowest, effective_rank, share, constant, null_largest, " \
    "null_highest, null_lowest, null_effective_rank, null_share, excess, effect, q, direction"
#define PAIR_COLUMNS                                                                                      \
    "token, layer, index, eigenvalue, statistic, ratio, p, q, own, effect, effect_error, effect_others, " \
    "effect_total, share, ends, null_eigenvalue, null_statistic, null_effect, null_effect_error, pair"

static const char *column_text(sqlite3_stmt *s, int column) {
    const char *text = (const char *)sqlite3_column_text(s, column);
    return text ? text : "";
}

/* Every column of the row, under its name. */
static void put_columns(bl_builder *b, bl_tree *at, sqlite3_stmt *s) {
    for (int c = 0; c < sqlite3_column_count(s); c++) {
        const char *name = sqlite3_column_name(s, c);
        switch (sqlite3_column_type(s, c)) {
        case SQLITE_INTEGER: bl_put_integer(b, at, name, sqlite3_column_int64(s, c)); break;
        case SQLITE_FLOAT: bl_put_real(b, at, name, sqlite3_column_double(s, c)); break;
        case SQLITE_NULL: bl_put_null(b, at, name); break;
        default: bl_put_text(b, at, name, column_text(s, c));
        }
    }
}

static bool sort_is_known(const char *columns, const char *sort) {
    const char *at = columns;
    size_t n = strlen(sort);
    for (; *at; at += strspn(at, ", ")) {
        size_t length = strcspn(at, ",");
        if (length == n && strncmp(at, sort, n) == 0) return true;
        at += length;
    }
    return false;
}

/* What every answer begins with. */
typedef struct reader {
    bl_foreign_atlas file;
    sqlite3 *db; /* the file's */
    const char *path;
    char *model, *source; /* source: of one's own directions, or NULL */
    char *dead;           /* number of dead hidden units, or NULL in older atlases */
    size_t layers[BL_ATLAS_LAYERS], n_layers;
    uint64_t phase, stories, positions, null_draws, effects;
    int64_t layer;      /* that is asked for; -1: all */
    sqlite3_stmt *word; /* text of a token */
} reader;

static bool reader_open(reader *r, const char *path, const long *layer, bl_error *err) {
    size_t part;
    *r = (reader){.path = path, .layer = -1};
    if (!bl_foreign_open(&r->file, path, err)) return false;
    r->db = r->file.db;
    r->model = bl_meta_get(r->db, "model", err);
    if (!r->model || !bl_foreign_layers(r->db, r->layers, &r->n_layers, err) ||
        !bl_meta_get_number(r->db, "phase", &r->phase, err) ||
        !bl_meta_get_number(r->db, "null_draws", &r->null_draws, err) ||
        !bl_meta_get_number(r->db, "effects", &r->effects, err))
        return false;
    if (layer && !bl_foreign_part(r->db, path, (size_t)*layer, &part, err)) return false;
    if (layer) r->layer = *layer;
    r->source = bl_meta_get(r->db, "source", err);
    r->dead = bl_meta_get(r->db, "dead", err);
    if (err->code != BL_OK) return false;
    if (r->phase > 0 && (!bl_meta_get_number(r->db, "stories", &r->stories, err) ||
                         !bl_meta_get_number(r->db, "positions", &r->positions, err)))
        return false;
    r->word = bl_database_prepare(r->db, "SELECT text FROM token WHERE id = ?", err);
    return r->word != NULL;
}

static void reader_close(reader *r) {
    sqlite3_finalize(r->word);
    bl_foreign_close(&r->file);
    free(r->model);
    free(r->source);
    free(r->dead);
}

static const char *word(reader *r, int32_t id, bl_error *failure) {
    sqlite3_reset(r->word);
    sqlite3_bind_int(r->word, 1, id);
    return bl_database_row(r->word, failure) ? column_text(r->word, 0) : "?";
}

/* The builder's error from a failed statement. */
static void take_failure(bl_builder *b, const bl_error *failure) {
    if (failure->code != BL_OK) bl_builder_fail(b, failure->code, "%s", failure->message);
}

static sqlite3_stmt *prepare(bl_builder *b, reader *r, const char *sql, int64_t parameter) {
    bl_error failure = {0};
    sqlite3_stmt *s = b->failed ? NULL : bl_database_prepare(r->db, sql, &failure);
    take_failure(b, &failure);
    if (s) sqlite3_bind_int64(s, 1, parameter);
    return s;
}

/* "surrogates": [{"layer", "surrogate"}] of an atlas made with one, and "surrogate" of the layer at hand. */
static void put_quality(bl_builder *b, bl_tree *root, const reader *r) {
    bl_error failure = {0};
    char *text = b->failed ? NULL : bl_meta_get(r->db, "surrogate", &failure);
    bl_tree *list = text ? bl_tree_parse(text, r->path, &failure) : NULL;
    json_int_t layer = r->layer < 0 ? (json_int_t)r->layers[0] : r->layer;
    bool one = r->layer >= 0 || r->n_layers == 1;
    size_t i;
    json_t *item;
    take_failure(b, &failure);
    free(text);
    if (!list) return;
    json_array_foreach((json_t *)(uintptr_t)list, i, item) {
        json_t *quality = json_object_get(item, "surrogate");
        if (one && quality && json_integer_value(json_object_get(item, "layer")) == layer)
            bl_put_tree(b, root, "surrogate", json_incref(quality));
    }
    bl_put_tree(b, root, "surrogates", list);
}

static void put_head(bl_builder *b, bl_tree *root, const reader *r) {
    bl_put_text(b, root, "atlas", r->path);
    bl_put_text(b, root, "model", r->model);
    bl_put_count(b, root, "layer", r->layer < 0 ? r->layers[0] : (size_t)r->layer);
    bl_tree *layers = bl_put_array(b, root, "layers");
    for (size_t i = 0; i < r->n_layers; i++) bl_put_count(b, layers, NULL, r->layers[i]);
    bl_put_text(b, root, "source", r->source);
    bl_put_flag(b, root, "complete", r->phase == BL_PHASE_DONE);
    bl_put_count(b, root, "stories", r->stories);
    bl_put_count(b, root, "positions", r->positions);
    bl_put_count(b, root, "null_draws", r->null_draws);
    if (r->dead) bl_put_count(b, root, "dead", strtoull(r->dead, NULL, 10));
    bl_put_flag(b, root, "effects", r->effects != 0);
    put_quality(b, root, r);
}

/* Rows of a view. */
typedef struct listing {
    const char *name, *columns, *selected, *sort; /* sort: by default */
} listing;

static const listing directions_list = {"directions", COLUMNS, COLUMNS, "largest"},
                     eigenpairs_list = {
                         "eigenpairs", PAIR_COLUMNS,
                         "token, layer, idx AS \"index\", eigenvalue, statistic, ratio, p, q, own, effect, "
                         "effect_error, effect_others, effect_total, share, ends, null_eigenvalue, "
                         "null_statistic, null_effect, null_effect_error, pair",
                         "effect"};

static void put_list(bl_builder *b, bl_tree *root, reader *r, const bl_atlas_query *query) {
    const listing *l = query->eigenpairs ? &eigenpairs_list : &directions_list;
    const char *sort = query->sort ? query->sort : l->sort;
    char sql[800];
    bl_error failure = {0};
    if (!sort_is_known(l->columns, sort)) {
        bl_builder_fail(b, BL_ERR_USAGE, "cannot sort %s by '%.40s': there are %s", l->name, sort,
                        l->columns);
        return;
    }
    snprintf(sql, sizeof sql,
             "SELECT %s FROM %s WHERE ?2 < 0 OR layer = ?2 ORDER BY \"%s\" %s NULLS LAST, %s LIMIT ?1",
             l->selected, l->name, sort, query->ascending ? "ASC" : "DESC",
             query->eigenpairs ? "pair" : "layer, id");
    sqlite3_stmt *s = prepare(b, r, sql, (int64_t)(query->limit ? query->limit : 20));
    if (s) sqlite3_bind_int64(s, 2, r->layer);
    bl_tree *list = bl_put_array(b, root, l->name);
    while (s && bl_database_row(s, &failure)) put_columns(b, bl_put_object(b, list, NULL), s);
    sqlite3_finalize(s);
    take_failure(b, &failure);
}

/* ORDER BY: ranks 0, 1, … are the highest, -1, -2, … the lowest. */
static const char *const words_sql =
    "SELECT v.source, v.rank, t.text, v.value FROM virtual_token v JOIN token t ON t.id = v.token"
    " WHERE v.pair = ? ORDER BY v.source, v.rank < 0, abs(v.rank)";

/* "sources": {"direct": {"top": [[token, value]…], "bottom": […]}, "head 0": …} */
static void put_sources(bl_builder *b, bl_tree *at, reader *r, int64_t pair) {
    bl_tree *sources = bl_put_object(b, at, "sources"), *ends[2] = {NULL, NULL};
    sqlite3_stmt *s = prepare(b, r, words_sql, pair);
    bl_error failure = {0};
    int64_t before = -1;
    while (s && bl_database_row(s, &failure)) {
        int64_t source = sqlite3_column_int64(s, 0);
        if (source != before) {
            char name[40] = "direct";
            if (source > 0) snprintf(name, sizeof name, "head %lld", (long long)source - 1);
            bl_tree *object = bl_put_object(b, sources, name);
            ends[0] = bl_put_array(b, object, "top");
            ends[1] = bl_put_array(b, object, "bottom");
            before = source;
        }
        bl_tree *entry = bl_put_array(b, ends[sqlite3_column_int64(s, 1) < 0], NULL);
        bl_put_text(b, entry, NULL, column_text(s, 2));
        bl_put_real(b, entry, NULL, sqlite3_column_double(s, 3));
    }
    sqlite3_finalize(s);
    take_failure(b, &failure);
}

/* A match's row: story, position, token, similarity, activation, bias, scale, contributions, the story's
 * tokens. */
static const char *const match_sql =
    "SELECT m.story, m.position, t.text, m.similarity, m.activation, m.bias, m.scale, m.contributions,"
    " s.tokens FROM top_input m JOIN story s ON s.id = m.story JOIN token t ON t.id = m.token"
    " WHERE m.pair = ? ORDER BY m.rank";

/* Token p of the row's story. */
static int32_t token_at(sqlite3_stmt *s, size_t p) {
    int32_t id;
    memcpy(&id, (const char *)sqlite3_column_blob(s, 8) + p * sizeof id, sizeof id);
    return id;
}

static bool put_match(bl_builder *b, bl_tree *list, reader *r, sqlite3_stmt *s, bl_error *failure) {
    size_t position = (size_t)sqlite3_column_int64(s, 1),
           length = (size_t)sqlite3_column_bytes(s, 8) / sizeof(int32_t);
    const char *shares = sqlite3_column_blob(s, 7);
    if (!shares || (size_t)sqlite3_column_bytes(s, 7) / sizeof(int16_t) != position + 1 || position >= length)
        return bl_fail(failure, BL_ERR_INPUT, "%s: the atlas is damaged: a match does not fit its story",
                       r->path);
    bl_tree *match = bl_put_object(b, list, NULL);
    bl_put_integer(b, match, "story", sqlite3_column_int64(s, 0));
    bl_put_count(b, match, "position", position);
    bl_put_text(b, match, "token", column_text(s, 2));
    bl_put_real(b, match, "similarity", sqlite3_column_double(s, 3));
    bl_put_real(b, match, "activation", sqlite3_column_double(s, 4));
    bl_put_real(b, match, "bias", sqlite3_column_double(s, 5));
    bl_tree *contributions = bl_put_array(b, match, "contributions");
    for (size_t p = 0; p <= position; p++) {
        int16_t share;
        memcpy(&share, shares + p * sizeof share, sizeof share);
        bl_put_real(b, contributions, NULL, share * sqlite3_column_double(s, 6));
    }
    bl_tree *tokens = bl_put_array(b, match, "tokens"), *next = bl_put_array(b, match, "next");
    for (size_t p = 0; p < length && p <= position + 3 && failure->code == BL_OK; p++)
        bl_put_text(b, p <= position ? tokens : next, NULL, word(r, token_at(s, p), failure));
    return failure->code == BL_OK;
}

static void put_matches(bl_builder *b, bl_tree *at, reader *r, int64_t pair) {
    bl_error failure = {0};
    sqlite3_stmt *s = prepare(b, r, match_sql, pair);
    bl_tree *list = bl_put_array(b, at, "matches");
    while (s && bl_database_row(s, &failure) && put_match(b, list, r, s, &failure)) continue;
    sqlite3_finalize(s);
    take_failure(b, &failure);
}

static const char *const pair_sql = "SELECT pair, idx AS 'index', eigenvalue, "
                                    "direct_max, direct_min, "
                                    "head_max, head_min, null_eigenvalue, null_direct_max, null_direct_min,"
                                    " null_head_max, null_head_min FROM eigenpairs WHERE pair IN (SELECT id "
                                    "FROM eigenpair WHERE direction = ?) ORDER BY pair";

static void put_vectors(bl_builder *b, bl_tree *root, reader *r, int64_t direction) {
    bl_error failure = {0};
    sqlite3_stmt *s = prepare(b, r, pair_sql, direction);
    bl_tree *list = bl_put_array(b, root, "vectors");
    while (s && !b->failed && bl_database_row(s, &failure)) {
        bl_tree *vector = bl_put_object(b, list, NULL);
        put_columns(b, vector, s);
        bl_atlas_put_evidence(b, vector, r->db, sqlite3_column_int64(s, 0));
        put_sources(b, vector, r, sqlite3_column_int64(s, 0));
        put_matches(b, vector, r, sqlite3_column_int64(s, 0));
    }
    sqlite3_finalize(s);
    take_failure(b, &failure);
}

/* The number of "#1234"; -1. */
static int64_t id_of(const char *token) {
    char *end = NULL;
    long long id = token[0] == '#' && token[1] >= '0' && token[1] <= '9' ? strtoll(token + 1, &end, 10) : -1;
    return end && *end ? -1 : id;
}

/* The direction's id in the file: by its number, label or text, in the layer that is asked for, else the
 * first.
 */
static const char *const find_sql =
    "SELECT id FROM direction WHERE layer = ?3 AND (number = ?1 OR label = ?2 OR text = ?2) "
    "ORDER BY number = ?1 DESC, text = ?2 DESC, id LIMIT 1";

static void put_token(bl_builder *b, bl_tree *root, reader *r, const char *token) {
    int64_t layer = r->layer < 0 ? (int64_t)r->layers[0] : r->layer, direction = -1;
    bl_error failure = {0};
    sqlite3_stmt *s = prepare(b, r, find_sql, id_of(token));
    if (s) sqlite3_bind_text(s, 2, token, -1, SQLITE_STATIC);
    if (s) sqlite3_bind_int64(s, 3, layer);
    if (s && bl_database_row(s, &failure)) direction = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    if (direction < 0 && !b->failed && failure.code == BL_OK)
        bl_builder_fail(
            b, BL_ERR_USAGE,
            "%.200s: no direction '%.60s' in this atlas: a token is the vocabulary's own string, "
            "its id as #1234, or the whole direction as eigen writes it; a direction of one's own "
            "is its name, or its row as #7",
            r->path, token);
    take_failure(b, &failure);
    s = direction < 0
          ? NULL
          : prepare(b, r,
                    "SELECT " COLUMNS " FROM directions WHERE (layer, id) = (SELECT layer, number "
                    "FROM direction WHERE direction.id = ?1)",
                    direction);
    if (s && bl_database_row(s, &failure)) {
        put_columns(b, root, s);
        bl_put_array(b, root, "minus");
        put_vectors(b, root, r, direction);
    }
    sqlite3_finalize(s);
    take_failure(b, &failure);
}

static void put_reads(bl_builder *b, bl_tree *root, reader *r, const bl_atlas_query *query) {
    int64_t source = -1, token = -1;
    bl_error failure = {0};
    if (query->source && !bl_atlas_source(query->source, &source)) {
        bl_builder_fail(b, BL_ERR_USAGE, "source: '%.40s' is neither direct nor a head, as 'head 3'",
                        query->source);
        return;
    }
    sqlite3_stmt *s =
        prepare(b, r, "SELECT id FROM token WHERE text = ?2 OR id = ?1 ORDER BY text <> ?2 LIMIT 1",
                id_of(query->reads));
    if (s) sqlite3_bind_text(s, 2, query->reads, -1, SQLITE_STATIC);
    if (s && bl_database_row(s, &failure)) token = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    take_failure(b, &failure);
    if (token < 0 && !b->failed)
        bl_builder_fail(
            b, BL_ERR_USAGE,
            "%.200s: no token '%.60s' in this atlas: a token is the vocabulary's own string, or its "
            "id as #1234",
            r->path, query->reads);
    if (token >= 0)
        bl_atlas_put_who_reads(b, root, r->db, token, source, r->layer, query->limit ? query->limit : 20);
}

bl_tree *bl_atlas_tree(const char *path, const bl_atlas_query *query, bl_error *err) {
    bl_error_clear(err);
    reader r;
    bl_builder b = {err, false};
    bl_tree *root = NULL;
    if (reader_open(&r, path, query->layer, err)) {
        root = bl_put_object(&b, NULL, NULL);
        put_head(&b, root, &r);
        bl_atlas_put_calibration(&b, root, r.db, r.layer);
        if (query->reads) put_reads(&b, root, &r, query);
        else if (query->token) put_token(&b, root, &r, query->token);
        else put_list(&b, root, &r, query);
        root = bl_tree_built(&b, root);
    }
    reader_close(&r);
    return root;
}
