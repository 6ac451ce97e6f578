/* Reading the corpus: stories as tokens into the atlas, how often each token occurs, and whether the corpus
 * is still the same. */
#include "atlas/atlas_private.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/threads.h"
#include "text/corpus/batch.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256

/* Row `story`, after empty rows for the blank entries before it: a row's id is its entry's place in the
 * corpus. */
static bool store_story(sqlite3_stmt *s, uint64_t story, const bl_ids *ids, uint64_t *next, bl_error *err) {
    static const bl_ids none = {0};
    for (; *next <= story; ++*next) {
        const bl_ids *row = *next == story ? ids : &none;
        sqlite3_bind_int64(s, 1, (sqlite3_int64)*next);
        sqlite3_bind_int64(s, 2, (sqlite3_int64)row->n);
        sqlite3_bind_blob64(s, 3, row->n ? (const void *)row->data : "", row->n * sizeof *row->data,
                            SQLITE_STATIC);
        if (!bl_database_step(s, err)) return false;
    }
    return true;
}

/* The batch's stories, in one transaction; a->done entries are there already. */
static bool store(bl_atlas *a, const bl_batch *batch, uint64_t hash, bl_error *err) {
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    if (!bl_database_begin(a->db, err)) return false;
    sqlite3_stmt *s = bl_database_prepare(a->db, "INSERT INTO story VALUES (?, ?, ?)", err);
    bool ok = s != NULL;
    uint64_t next = a->done;
    for (size_t i = 0; ok && i < batch->n; i++)
        ok = store_story(s, batch->number[i], &batch->ids[i], &next, err);
    sqlite3_finalize(s);
    ok = ok && bl_meta_set(a->db, "corpus_hash", text, err) && bl_atlas_mark(a, BL_PHASE_READ, next, err);
    return bl_database_commit(a->db, ok, err);
}

/* The table token, from the stories; ends the phase. */
static bool count_tokens(bl_atlas *a, bl_error *err) {
    bl_basis tokens = bl_model_basis_in(a->model);
    uint64_t *counts = bl_alloc_zero(a->V, sizeof *counts, err), stories = 0, positions = 0;
    bl_story_reader reader = {0};
    bl_error failure = {0};
    bool ok = counts && bl_story_reader_open(&reader, a, 0, err);
    while (ok && bl_story_reader_next(&reader, a, &failure)) {
        for (size_t p = 0; p < reader.length; p++) counts[reader.ids[p]]++;
        stories++;
        positions += reader.length;
    }
    bl_story_reader_close(&reader);
    if (ok && failure.code) ok = bl_fail(err, failure.code, "%s", failure.message);
    if (ok && bl_database_begin(a->db, err)) {
        sqlite3_stmt *s = bl_database_prepare(a->db, "INSERT INTO token VALUES (?, ?, ?)", err);
        ok = s != NULL;
        for (size_t id = 0; ok && id < a->V; id++) {
            char space[BL_LABEL_SPACE];
            sqlite3_bind_int64(s, 1, (sqlite3_int64)id);
            sqlite3_bind_text(s, 2, bl_basis_label(&tokens, id, space), -1, SQLITE_TRANSIENT);
            sqlite3_bind_int64(s, 3, (sqlite3_int64)counts[id]);
            ok = bl_database_step(s, err);
        }
        sqlite3_finalize(s);
        ok = ok && bl_meta_set_number(a->db, "stories", stories, err) &&
             bl_meta_set_number(a->db, "positions", positions, err) &&
             bl_atlas_mark(a, BL_PHASE_DECOMPOSE, 0, err);
        ok = bl_database_commit(a->db, ok, err);
    } else {
        ok = false;
    }
    free(counts);
    return ok;
}

/* Compares with the hash that was stored when this many stories had been read. */
static bool same_corpus(bl_atlas *a, uint64_t hash, bool complete, bl_error *err) {
    char text[24];
    bl_error failure = {0};
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    char *found = bl_meta_get(a->db, "corpus_hash", &failure);
    bool same = complete && found && strcmp(found, text) == 0;
    free(found);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return same || bl_fail(err, BL_ERR_INPUT,
                           "%s: an atlas of another corpus, or of one that has changed since. Name another "
                           "file, the corpus it was begun with, or --overwrite it",
                           a->path);
}

bool bl_atlas_read(bl_atlas *a, bl_error *err) {
    bl_batch batch = {0};
    const uint64_t there = a->phase == BL_PHASE_READ ? a->done : UINT64_MAX;
    uint64_t seen = 0, n_read = 0, hash = 0, known = there, read, total; /* seen: entries; n_read: stories */
    bool ok = true, compared = there == 0;
    if (a->phase > BL_PHASE_READ) ok = bl_meta_get_number(a->db, "stories", &known, err);
    while (ok) {
        bl_corpus_position(a->corpus, &read, &total);
        size_t left = a->options.max_stories ? a->options.max_stories - (size_t)n_read : BATCH;
        ok = bl_progress_step(&a->options.progress, "reading", read, total, err) &&
             bl_batch_read(&batch, a->corpus, left < BATCH ? left : BATCH, err);
        if (!ok || batch.n == 0) break;
        for (size_t i = 0; i < batch.n; i++)
            hash = bl_hash(hash, batch.text + batch.begin[i], batch.begin[i + 1] - batch.begin[i]);
        seen = batch.number[batch.n - 1] + 1;
        n_read += batch.n;
        if (seen <= known) {
            if (seen == known) {
                ok = same_corpus(a, hash, true, err);
                compared = true;
            }
            continue;
        }
        if (!compared || a->phase > BL_PHASE_READ) ok = same_corpus(a, 0, false, err);
        ok = ok &&
             bl_batch_encode_all(&batch, bl_model_tokenizer(a->model), bl_model_config(a->model)->n_ctx,
                                 err) &&
             store(a, &batch, hash, err);
    }
    if (ok && !compared) ok = same_corpus(a, 0, false, err);
    if (ok && a->phase == BL_PHASE_READ) ok = count_tokens(a, err);
    bl_batch_free(&batch);
    return ok && bl_meta_get_number(a->db, "stories", &a->stories, err) &&
           bl_meta_get_number(a->db, "positions", &a->positions, err);
}

bool bl_story_reader_open(bl_story_reader *reader, const bl_atlas *a, uint64_t first, bl_error *err) {
    reader->statement =
        bl_database_prepare(a->db, "SELECT id, tokens FROM story WHERE id >= ? ORDER BY id", err);
    if (!reader->statement) return false;
    sqlite3_bind_int64(reader->statement, 1, (sqlite3_int64)first);
    return true;
}

bool bl_story_reader_next(bl_story_reader *reader, const bl_atlas *a, bl_error *err) {
    bl_error_clear(err);
    if (reader->ended) return false;
    if (!bl_database_row(reader->statement, err)) {
        reader->ended = true;
        return false;
    }
    reader->story = (uint64_t)sqlite3_column_int64(reader->statement, 0);
    const void *blob = sqlite3_column_blob(reader->statement, 1);
    reader->length = (size_t)sqlite3_column_bytes(reader->statement, 1) / sizeof *reader->ids;
    if (!bl_grow(&reader->ids, &reader->capacity, reader->length + 1, sizeof *reader->ids, err)) return false;
    if (reader->length) memcpy(reader->ids, blob, reader->length * sizeof *reader->ids);
    bool ok = reader->length <= bl_model_config(a->model)->n_ctx;
    for (size_t p = 0; p < reader->length; p++)
        ok = ok && reader->ids[p] >= 0 && (size_t)reader->ids[p] < a->V;
    return ok || bl_fail(err, BL_ERR_INPUT,
                         "%s: the atlas is damaged: story %llu holds what this model cannot read", a->path,
                         (unsigned long long)reader->story);
}

void bl_story_reader_close(bl_story_reader *reader) {
    sqlite3_finalize(reader->statement);
    free(reader->ids);
    *reader = (bl_story_reader){0};
}
