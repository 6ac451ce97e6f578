/* Reading an atlas: identity, the directions' figures, vectors. Matches and stories: reader_inputs.c.
 */
#include "atlas/reader_private.h"
#include "atlas/atlas_private.h"
#include "base/error.h"
#include "base/memory.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_facts(bl_atlas_reader *reader, bl_error *err) {
    const struct {
        const char *key;
        uint64_t *value;
    } numbers[] = {{"layer", &reader->facts.layer},
                   {"pairs", &reader->facts.pairs},
                   {"top", &reader->facts.top},
                   {"seed", &reader->facts.seed},
                   {"virtual_tokens", &reader->facts.virtual_tokens}};
    uint64_t phase = 0;
    bl_error failure = {0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!bl_meta_get_number(reader->db, numbers[i].key, numbers[i].value, err)) return false;
    if (!bl_meta_get_number(reader->db, "phase", &phase, err)) return false;
    char *contrast = bl_meta_get(reader->db, "contrast", err);
    if (!contrast)
        return bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: it does not say its contrast",
                       reader->path);
    reader->facts.raw = strncmp(contrast, "none", 4) == 0;
    reader->facts.centred = strstr(contrast, "centred") != NULL;
    free(contrast);
    reader->facts.complete = phase == BL_PHASE_DONE;
    if (phase == BL_PHASE_READ) return true; /* nothing is counted yet */
    return bl_meta_get_number(reader->db, "stories", &reader->facts.stories, &failure) &&
                   bl_meta_get_number(reader->db, "positions", &reader->facts.positions, &failure)
             ? true
             : bl_fail(err, failure.code, "%s", failure.message);
}

static bool same_model(bl_atlas_reader *reader, bl_error *err) {
    char here[24];
    if (!bl_atlas_check_format(reader->db, reader->path, err)) return false;
    snprintf(here, sizeof here, "%016" PRIx64, bl_atlas_hash_model(reader->model));
    char *there = bl_meta_get(reader->db, "model_hash", err), *name = bl_meta_get(reader->db, "model", err);
    bool same = there && strcmp(there, here) == 0;
    if (!same)
        bl_fail(err, BL_ERR_INPUT,
                "%s: an atlas of another model (%.200s) than %.200s, or of one that has changed since",
                reader->path, name ? name : "unnamed", bl_model_name(reader->model));
    free(there);
    free(name);
    return same;
}

static double real(sqlite3_stmt *s, int column) {
    return sqlite3_column_type(s, column) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(s, column);
}

static bool damaged(const bl_atlas_reader *reader, const char *what, bl_error *err) {
    return bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: %s", reader->path, what);
}

static bool read_directions(bl_atlas_reader *reader, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(
        reader->db,
        "SELECT t.id, t.count, d.id, d.largest, d.highest, d.lowest, d.effective_rank, "
        "d.share, d.constant, d.null_largest, d.null_highest, d.null_lowest, "
        "d.null_effective_rank, d.null_share, d.excess, d.effect, d.q FROM token t LEFT JOIN "
        "directions d ON d.id = t.id",
        err);
    if (!s) return false;
    while (bl_database_row(s, &failure)) {
        int64_t id = sqlite3_column_int64(s, 0);
        if (id < 0 || (size_t)id >= reader->V) {
            damaged(reader, "a token is not the model's", &failure);
            break;
        }
        bl_atlas_reader_direction *row = &reader->directions[id];
        row->count = (uint64_t)sqlite3_column_int64(s, 1);
        row->there = sqlite3_column_type(s, 2) != SQLITE_NULL;
        for (int i = 0; i < BL_ATLAS_READER_FIGURES; i++) row->figures[i] = real(s, 3 + i);
        reader->facts.directions += row->there;
    }
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

/* Where eigenvector `index` stands among a direction's stored ones, ascending; 2K when it is not one of them.
 */
static size_t place_of(const bl_atlas_reader *reader, long index) {
    long K = (long)reader->K;
    if (index >= 0) return index < K ? (size_t)index : 2 * reader->K;
    return index >= -K ? (size_t)(2 * K + index) : 2 * reader->K;
}

/* values [V, 2K] of a table, NaN where there are none. */
static bool read_values(bl_atlas_reader *reader, const char *sql, float *values, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(reader->db, sql, err);
    if (!s) return false;
    for (size_t i = 0; i < reader->V * 2 * reader->K; i++) values[i] = NAN;
    while (bl_database_row(s, &failure)) {
        int64_t token = sqlite3_column_int64(s, 0);
        size_t place = place_of(reader, (long)sqlite3_column_int64(s, 1));
        if (token < 0 || (size_t)token >= reader->V || place == 2 * reader->K) {
            damaged(reader, "an eigenpair is not the model's", &failure);
            break;
        }
        values[(size_t)token * 2 * reader->K + place] = (float)sqlite3_column_double(s, 2);
    }
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

static bool read_all(bl_atlas_reader *reader, bl_error *err) {
    size_t count;
    if (!bl_mul_size(reader->V, 4 * reader->K, &count)) count = SIZE_MAX;
    reader->directions = bl_alloc_zero(reader->V, sizeof *reader->directions, err);
    reader->values = bl_alloc(count, sizeof *reader->values, err);
    if (!reader->directions || !reader->values) return false;
    float *null_values = reader->values + reader->V * 2 * reader->K;
    if (!read_directions(reader, err) ||
        !read_values(reader, "SELECT token, idx, eigenvalue FROM eigenpair", reader->values, err) ||
        !read_values(reader, "SELECT token, idx, eigenvalue FROM null_eigenpair", null_values, err))
        return false;
    for (size_t id = 0; id < reader->V; id++) {
        reader->directions[id].values = reader->values + id * 2 * reader->K;
        reader->directions[id].null_values = null_values + id * 2 * reader->K;
    }
    return true;
}

/* What the facts say of the model is what the model is. */
static bool fits_model(bl_atlas_reader *reader, bl_error *err) {
    const bl_config *c = bl_model_config(reader->model);
    const struct {
        const char *key;
        uint64_t here;
    } same[] = {{"d_model", c->d_model}, {"heads", c->n_head}, {"size", reader->n}};
    uint64_t there;
    if (reader->facts.layer >= c->n_layer) return damaged(reader, "the model does not have its layer", err);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (!bl_meta_get_number(reader->db, same[i].key, &there, err)) return false;
        if (there != same[i].here) return damaged(reader, "its sizes are not the model's", err);
    }
    return true;
}

sqlite3_stmt *bl_atlas_reader_prepare(bl_atlas_reader *reader, const char *sql, bl_error *err) {
    return bl_foreign_unchanged(&reader->file, reader->path, err) ? bl_database_prepare(reader->db, sql, err)
                                                                  : NULL;
}

bl_atlas_reader *bl_atlas_reader_open(const char *path, const bl_model *model, bl_error *err) {
    bl_error_clear(err);
    bl_atlas_reader *reader = bl_alloc_zero(1, sizeof *reader, err);
    if (!reader) return NULL;
    reader->model = model;
    reader->V = bl_model_config(model)->n_vocab;
    reader->n = bl_interaction_size(model);
    pthread_mutex_init(&reader->lock, NULL);
    reader->path = bl_strdup(path, err);
    if (reader->path && bl_foreign_open(&reader->file, path, err)) reader->db = reader->file.db;
    bool ok = reader->db && same_model(reader, err) && read_facts(reader, err) && fits_model(reader, err);
    reader->K = reader->facts.pairs < reader->n / 2 ? (size_t)reader->facts.pairs : reader->n / 2;
    if (ok && read_all(reader, err)) return reader;
    bl_atlas_reader_free(reader);
    return NULL;
}

void bl_atlas_reader_free(bl_atlas_reader *reader) {
    if (!reader) return;
    bl_foreign_close(&reader->file);
    pthread_mutex_destroy(&reader->lock);
    free(reader->directions);
    free(reader->values);
    free(reader->vectors);
    free(reader->pairs);
    free(reader->path);
    free(reader);
}

bool bl_atlas_reader_is_own(const bl_atlas_reader *reader, bl_error *err) {
    const char *names[] = {reader->path, sqlite3_db_filename(reader->db, NULL)};
    bl_error found = *err;
    if (found.code != BL_ERR_INPUT && found.code != BL_ERR_IO) return false;
    for (size_t i = 0; i < 2; i++) {
        size_t n = names[i] ? strlen(names[i]) : 0;
        if (n > 0 && strncmp(found.message, names[i], n) == 0 && found.message[n] == ':')
            return !bl_fail(err, BL_ERR_IO, "the atlas%s", found.message + n);
    }
    static const char damaged_text[] = "the atlas ";
    if (strncmp(found.message, damaged_text, sizeof damaged_text - 1) != 0) return false;
    err->code = BL_ERR_IO;
    return true;
}

const bl_atlas_reader_facts *bl_atlas_reader_get_facts(const bl_atlas_reader *reader) {
    return &reader->facts;
}
size_t bl_atlas_reader_n_values(const bl_atlas_reader *reader) { return 2 * reader->K; }
const bl_atlas_reader_direction *bl_atlas_reader_get_direction(const bl_atlas_reader *reader, size_t token) {
    return &reader->directions[token];
}

static bool read_vectors(bl_atlas_reader *reader, bl_error *err) {
    bl_error failure = {0};
    size_t most = reader->facts.directions * 2 * reader->K, n = 0, count;
    if (!bl_mul_size(most, reader->n, &count)) count = SIZE_MAX;
    float *v = bl_alloc(count, sizeof *v, err);
    bl_atlas_reader_pair *pairs = bl_alloc(most, sizeof *pairs, err);
    sqlite3_stmt *s =
        v && pairs
            ? bl_atlas_reader_prepare(reader,
                                      "SELECT token, idx, eigenvalue, vector FROM eigenpair ORDER BY id", err)
            : NULL;
    bool ok = s != NULL;
    while (ok && bl_database_row(s, &failure)) {
        const void *blob = sqlite3_column_blob(s, 3);
        ok = n < most && blob && (size_t)sqlite3_column_bytes(s, 3) == reader->n * sizeof *v;
        if (!ok) {
            damaged(reader, "an eigenvector has not the model's size", err);
            break;
        }
        memcpy(v + n * reader->n, blob, reader->n * sizeof *v);
        pairs[n++] = (bl_atlas_reader_pair){sqlite3_column_int(s, 0), sqlite3_column_int(s, 1),
                                            (float)sqlite3_column_double(s, 2)};
    }
    sqlite3_finalize(s);
    if (ok && failure.code) ok = bl_fail(err, failure.code, "%s", failure.message);
    if (ok) {
        reader->vectors = v;
        reader->pairs = pairs;
        reader->n_pairs = n;
        return true;
    }
    free(v);
    free(pairs);
    return false;
}

bool bl_atlas_reader_vectors(bl_atlas_reader *reader, const float **v, const bl_atlas_reader_pair **pairs,
                             size_t *n_pairs, bl_error *err) {
    pthread_mutex_lock(&reader->lock);
    bool ok = reader->vectors || read_vectors(reader, err);
    pthread_mutex_unlock(&reader->lock);
    *v = reader->vectors;
    *pairs = reader->pairs;
    *n_pairs = reader->n_pairs;
    return ok;
}
