/* Looking into an atlas: an eigenvector's virtual tokens, the inputs that excite it most, and the stories. */
#include "atlas/evidence.h"
#include "atlas/reader_private.h"
#include "atlas/who_reads.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

/* Tokens behind the position that a match shows. */
#define AFTER 3

static const char *const match_sql = "SELECT m.story, m.position, m.similarity, m.activation, m.bias, "
                                     "m.scale, m.contributions, s.tokens FROM top_input m"
                                     " JOIN story s ON s.id = m.story WHERE m.pair = (SELECT id FROM "
                                     "eigenpair WHERE direction = ? AND idx = ?) ORDER BY m.rank LIMIT ?";

/* The row as a match; its contributions and tokens in `memory`, [n_ctx] floats and [n_ctx] ids. */
static bool read_match(const bl_atlas_reader *reader, sqlite3_stmt *s, float *memory, bl_match *out,
                       bl_error *err) {
    size_t n_ctx = bl_model_config(reader->model)->n_ctx;
    size_t position = (size_t)sqlite3_column_int64(s, 1),
           length = (size_t)sqlite3_column_bytes(s, 7) / sizeof(int32_t);
    const char *shares = sqlite3_column_blob(s, 6), *tokens = sqlite3_column_blob(s, 7);
    bool ok = shares && tokens && length <= n_ctx && position < length &&
              (size_t)sqlite3_column_bytes(s, 6) == (position + 1) * sizeof(int16_t);
    size_t n = !ok || length < position + 1 + AFTER ? length : position + 1 + AFTER;
    int32_t *ids = (int32_t *)(void *)(memory + n_ctx);
    for (size_t p = 0; ok && p < n; p++) {
        memcpy(&ids[p], tokens + p * sizeof *ids, sizeof *ids);
        ok = ids[p] >= 0 && (size_t)ids[p] < reader->V;
    }
    if (!ok)
        return bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: a match does not fit its story",
                       reader->path);
    for (size_t p = 0; p <= position; p++) {
        int16_t share;
        memcpy(&share, shares + p * sizeof share, sizeof share);
        memory[p] = (float)(share * sqlite3_column_double(s, 5));
    }
    *out = (bl_match){.story = (size_t)sqlite3_column_int64(s, 0),
                      .position = position,
                      .similarity = (float)sqlite3_column_double(s, 2),
                      .activation = (float)sqlite3_column_double(s, 3),
                      .bias = (float)sqlite3_column_double(s, 4),
                      .contributions = memory,
                      .ids = ids,
                      .n_ids = n};
    return true;
}

bool bl_atlas_reader_get_matches(bl_atlas_reader *reader, int32_t direction, long index, size_t top,
                                 bl_atlas_reader_matches *out, bl_error *err) {
    size_t n_ctx = bl_model_config(reader->model)->n_ctx, count;
    bl_error failure = {0};
    if (top > reader->facts.top) top = (size_t)reader->facts.top;
    if (!bl_mul_size(top, 2 * n_ctx, &count)) count = SIZE_MAX;
    *out = (bl_atlas_reader_matches){.list = bl_alloc(top, sizeof *out->list, err),
                                     .memory = bl_alloc(count, sizeof(float), err)};
    bool ok = out->list && out->memory;
    pthread_mutex_lock(&reader->lock);
    sqlite3_stmt *s = ok ? bl_atlas_reader_prepare(reader, match_sql, err) : NULL;
    ok = s != NULL;
    if (ok) {
        sqlite3_bind_int64(s, 1, bl_atlas_reader_id(reader, (size_t)direction));
        sqlite3_bind_int64(s, 2, index);
        sqlite3_bind_int64(s, 3, (sqlite3_int64)top);
    }
    while (ok && out->n < top && bl_database_row(s, &failure)) {
        ok = read_match(reader, s, (float *)out->memory + out->n * 2 * n_ctx, &out->list[out->n], err);
        out->n += ok;
    }
    sqlite3_finalize(s);
    pthread_mutex_unlock(&reader->lock);
    if (ok && failure.code) ok = bl_fail(err, failure.code, "%s", failure.message);
    if (!ok) bl_atlas_reader_matches_free(out);
    return ok;
}

void bl_atlas_reader_matches_free(bl_atlas_reader_matches *matches) {
    free(matches->list);
    free(matches->memory);
    *matches = (bl_atlas_reader_matches){0};
}

bool bl_atlas_reader_stories(bl_atlas_reader *reader, size_t most, int32_t **ids, size_t **begin, size_t *n,
                             bl_error *err) {
    size_t n_ctx = bl_model_config(reader->model)->n_ctx, used = 0, capacity = 0, room = 0;
    bl_error failure = {0};
    *ids = NULL;
    *begin = NULL;
    *n = 0;
    pthread_mutex_lock(&reader->lock);
    sqlite3_stmt *s = bl_atlas_reader_prepare(reader, "SELECT tokens FROM story ORDER BY id LIMIT ?", err);
    bool ok =
        s && bl_grow(begin, &room, 1, sizeof **begin, err) && bl_grow(ids, &capacity, 1, sizeof **ids, err);
    if (ok) {
        (*begin)[0] = 0;
        sqlite3_bind_int64(s, 1, (sqlite3_int64)most);
    }
    while (ok && bl_database_row(s, &failure)) {
        const void *blob = sqlite3_column_blob(s, 0);
        size_t length = (size_t)sqlite3_column_bytes(s, 0) / sizeof **ids;
        ok = length <= n_ctx ||
             bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: a story is longer than the context",
                     reader->path);
        ok = ok && bl_grow(ids, &capacity, used + length + 1, sizeof **ids, err) &&
             bl_grow(begin, &room, *n + 2, sizeof **begin, err);
        if (ok && length) memcpy(*ids + used, blob, length * sizeof **ids);
        for (size_t p = used; ok && p < used + length; p++)
            if ((*ids)[p] < 0 || (size_t)(*ids)[p] >= reader->V)
                ok = bl_fail(err, BL_ERR_INPUT,
                             "%s: the atlas is damaged: a story holds what this model cannot read",
                             reader->path);
        if (ok) (*begin)[++*n] = used += length;
    }
    sqlite3_finalize(s);
    pthread_mutex_unlock(&reader->lock);
    if (ok && failure.code) ok = bl_fail(err, failure.code, "%s", failure.message);
    if (ok) return true;
    free(*ids);
    free(*begin);
    *ids = NULL;
    *begin = NULL;
    return false;
}

/* The constant coordinate of an eigenvector, where there is one. */
static bool read_bias(bl_atlas_reader *reader, int64_t pair, float *bias, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_atlas_reader_prepare(reader, "SELECT vector FROM eigenpair WHERE id = ?", err);
    if (!s) return false;
    sqlite3_bind_int64(s, 1, pair);
    if (bl_database_row(s, &failure) && (size_t)sqlite3_column_bytes(s, 0) == reader->n * sizeof *bias)
        memcpy(bias, (const char *)sqlite3_column_blob(s, 0) + (reader->n - 1) * sizeof *bias, sizeof *bias);
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

/* ORDER BY: ranks 0, 1, … are the highest, -1, -2, … the lowest. */
static const char *const words_sql =
    "SELECT v.pair, v.source, v.rank, v.token, v.value FROM virtual_token v "
    "WHERE v.pair = (SELECT id FROM eigenpair WHERE direction = ? AND idx = ?)"
    " ORDER BY v.source, v.rank < 0, abs(v.rank)";

bool bl_atlas_reader_get_words(bl_atlas_reader *reader, int32_t direction, long index,
                               bl_atlas_reader_words *out, bl_error *err) {
    bl_error failure = {0};
    int64_t pair = -1;
    *out = (bl_atlas_reader_words){0};
    pthread_mutex_lock(&reader->lock);
    sqlite3_stmt *s = bl_atlas_reader_prepare(reader, words_sql, err);
    bool ok = s != NULL;
    if (ok) {
        sqlite3_bind_int64(s, 1, bl_atlas_reader_id(reader, (size_t)direction));
        sqlite3_bind_int64(s, 2, index);
    }
    while (ok && bl_database_row(s, &failure)) {
        bl_atlas_reader_word word = {.source = sqlite3_column_int(s, 1),
                                     .token = sqlite3_column_int(s, 3),
                                     .top = sqlite3_column_int(s, 2) >= 0,
                                     .value = (float)sqlite3_column_double(s, 4)};
        pair = sqlite3_column_int64(s, 0);
        ok = word.token >= 0 && (size_t)word.token < reader->V && word.source >= 0 &&
             (size_t)word.source <= bl_model_config(reader->model)->n_head;
        if (!ok)
            bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: a virtual token is not the model's",
                    reader->path);
        ok = ok && bl_grow(&out->list, &out->capacity, out->n + 1, sizeof *out->list, err);
        if (ok) out->list[out->n++] = word;
    }
    sqlite3_finalize(s);
    if (ok && failure.code) ok = bl_fail(err, failure.code, "%s", failure.message);
    if (ok && reader->n > bl_model_config(reader->model)->d_model)
        ok = read_bias(reader, pair, &out->bias, err);
    pthread_mutex_unlock(&reader->lock);
    if (!ok) bl_atlas_reader_words_free(out);
    return ok;
}

void bl_atlas_reader_words_free(bl_atlas_reader_words *words) {
    free(words->list);
    *words = (bl_atlas_reader_words){0};
}

void bl_atlas_reader_put_evidence(bl_atlas_reader *reader, int32_t direction, long index, bl_builder *b,
                                  bl_tree *at) {
    bl_error failure = {0};
    pthread_mutex_lock(&reader->lock);
    sqlite3_stmt *s =
        bl_atlas_reader_prepare(reader, "SELECT id FROM eigenpair WHERE direction = ? AND idx = ?", &failure);
    if (s) {
        sqlite3_bind_int64(s, 1, bl_atlas_reader_id(reader, (size_t)direction));
        sqlite3_bind_int64(s, 2, index);
        if (bl_database_row(s, &failure))
            bl_atlas_put_evidence(b, at, reader->db, sqlite3_column_int64(s, 0));
    }
    sqlite3_finalize(s);
    pthread_mutex_unlock(&reader->lock);
    if (failure.code) bl_builder_fail(b, failure.code, "%s", failure.message);
}

void bl_atlas_reader_put_who_reads(bl_atlas_reader *reader, int32_t token, int64_t source, size_t limit,
                                   bl_builder *b, bl_tree *at) {
    pthread_mutex_lock(&reader->lock);
    bl_atlas_put_who_reads(b, at, reader->db, token, source, (int64_t)reader->facts.layer, limit);
    pthread_mutex_unlock(&reader->lock);
}
