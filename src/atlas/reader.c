/* Reading an atlas: identity, the directions' figures, vectors. Matches and stories: reader_inputs.c.
 */
#include "atlas/reader_private.h"
#include "atlas/atlas_private.h"
#include "base/error.h"
#include "base/memory.h"
#include <inttypes.h>
#include <bilens/direction.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_facts(bl_atlas_reader *reader, bl_error *err) {
    const struct {
        const char *key;
        uint64_t *value;
    } numbers[] = {{"pairs", &reader->facts.pairs},
                   {"top", &reader->facts.top},
                   {"seed", &reader->facts.seed},
                   {"virtual_tokens", &reader->facts.virtual_tokens}};
    uint64_t phase = 0, part = 0, own = 0, space = 0;
    bl_error failure = {0};
    if (!bl_foreign_layers(reader->db, reader->facts.layers, &reader->facts.n_layers, err) ||
        !bl_meta_get_number(reader->db, "part", &part, err) ||
        !bl_meta_get_number(reader->db, "own", &own, err) ||
        !bl_meta_get_number(reader->db, "space", &space, err))
        return false;
    if (reader->part >= reader->facts.n_layers)
        return bl_fail(err, BL_ERR_USAGE, "%s: has %zu layers only", reader->path, reader->facts.n_layers);
    reader->facts.layer = reader->facts.layers[reader->part];
    reader->space = (size_t)space;
    if (own && !(reader->facts.source = reader->source = bl_meta_get(reader->db, "source", err)))
        return bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: it does not say its source",
                       reader->path);
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
    reader->facts.complete = phase == BL_PHASE_DONE || part > reader->part;
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

/* Tokens with their counts; of one's own directions their numbers only. */
static const char *const token_rows = "SELECT id, count FROM token WHERE ?1 = ?1",
                         *const figure_rows =
                             "SELECT id, 0, largest, highest, lowest, effective_rank, share, constant, "
                             "null_largest, null_highest, null_lowest, null_effective_rank, null_share, "
                             "excess, effect, q FROM directions WHERE layer = ?1";

static bool read_rows(bl_atlas_reader *reader, const char *sql, bool figures, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(reader->db, sql, err);
    if (!s) return false;
    sqlite3_bind_int64(s, 1, (sqlite3_int64)reader->facts.layer);
    while (bl_database_row(s, &failure)) {
        int64_t id = sqlite3_column_int64(s, 0);
        if (id < 0 || (size_t)id >= reader->space) {
            damaged(reader, "a direction is not the model's", &failure);
            break;
        }
        bl_atlas_reader_direction *row = &reader->directions[id];
        if (!figures) row->count = (uint64_t)sqlite3_column_int64(s, 1);
        for (int i = 0; figures && i < BL_ATLAS_READER_FIGURES; i++) row->figures[i] = real(s, 2 + i);
        row->there = row->there || figures;
        reader->facts.directions += figures;
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

/* values [space, 2K] of a table, NaN where there are none. */
static bool read_values(bl_atlas_reader *reader, const char *sql, float *values, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(reader->db, sql, err);
    if (!s) return false;
    sqlite3_bind_int64(s, 1, bl_atlas_reader_id(reader, 0));
    sqlite3_bind_int64(s, 2, bl_atlas_reader_id(reader, reader->space));
    for (size_t i = 0; i < reader->space * 2 * reader->K; i++) values[i] = NAN;
    while (bl_database_row(s, &failure)) {
        int64_t direction = sqlite3_column_int64(s, 0) - bl_atlas_reader_id(reader, 0);
        size_t place = place_of(reader, (long)sqlite3_column_int64(s, 1));
        if (direction < 0 || (size_t)direction >= reader->space || place == 2 * reader->K) {
            damaged(reader, "an eigenpair is not the model's", &failure);
            break;
        }
        values[(size_t)direction * 2 * reader->K + place] = (float)sqlite3_column_double(s, 2);
    }
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

#define OF_PART " WHERE direction >= ?1 AND direction < ?2"

/* One's own directions and their names. */
static bool read_own(bl_atlas_reader *reader, bl_error *err) {
    size_t d = bl_model_config(reader->model)->d_model, count, n = 0;
    bl_error failure = {0};
    if (!bl_mul_size(reader->space, d, &count)) count = SIZE_MAX;
    reader->own = bl_alloc(count, sizeof *reader->own, err);
    reader->labels = bl_alloc_zero(reader->space, sizeof *reader->labels, err);
    sqlite3_stmt *s =
        reader->own && reader->labels
            ? bl_database_prepare(reader->db, "SELECT number, label, vector FROM vector ORDER BY number", err)
            : NULL;
    if (!s) return false;
    while (failure.code == BL_OK && bl_database_row(s, &failure)) {
        const char *label = (const char *)sqlite3_column_text(s, 1);
        const void *blob = sqlite3_column_blob(s, 2);
        char number[BL_LABEL_SPACE];
        if (n >= reader->space || sqlite3_column_int64(s, 0) != (int64_t)n || !blob ||
            (size_t)sqlite3_column_bytes(s, 2) != d * sizeof *reader->own) {
            damaged(reader, "a direction is not the model's", &failure);
            break;
        }
        snprintf(number, sizeof number, "#%zu", n);
        reader->labels[n] = bl_strdup(label ? label : number, &failure);
        memcpy(reader->own + n++ * d, blob, d * sizeof *reader->own);
    }
    sqlite3_finalize(s);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return n == reader->space || damaged(reader, "a direction is missing", err);
}

bl_basis bl_atlas_reader_basis(const bl_atlas_reader *reader) {
    size_t d = bl_model_config(reader->model)->d_model;
    if (!reader->source) return bl_model_basis_out(reader->model);
    return (bl_basis){.name = "direction",
                      .vectors = {reader->own, reader->space, d, d},
                      .labels = (const char *const *)reader->labels};
}

bool bl_atlas_reader_vector(const bl_atlas_reader *reader, const bl_basis *basis, size_t direction, float *u,
                            bl_error *err) {
    if (!reader->source)
        return bl_direction_of_row(basis, direction, !reader->facts.raw, reader->facts.centred, u, err);
    memcpy(u, basis->vectors.data + direction * basis->vectors.stride, basis->vectors.cols * sizeof *u);
    return true;
}

static bool read_all(bl_atlas_reader *reader, bl_error *err) {
    size_t count;
    if (!bl_mul_size(reader->space, 4 * reader->K, &count)) count = SIZE_MAX;
    reader->directions = bl_alloc_zero(reader->space, sizeof *reader->directions, err);
    reader->values = bl_alloc(count, sizeof *reader->values, err);
    if (!reader->directions || !reader->values) return false;
    for (size_t i = 0; i < reader->space; i++)
        for (int f = 0; f < BL_ATLAS_READER_FIGURES; f++) reader->directions[i].figures[f] = NAN;
    float *null_values = reader->values + reader->space * 2 * reader->K;
    if (!(reader->source ? read_own(reader, err) : read_rows(reader, token_rows, false, err)) ||
        !read_rows(reader, figure_rows, true, err) ||
        !read_values(reader, "SELECT direction, idx, eigenvalue FROM eigenpair" OF_PART, reader->values,
                     err) ||
        !read_values(reader, "SELECT direction, idx, eigenvalue FROM null_eigenpair" OF_PART, null_values,
                     err))
        return false;
    for (size_t id = 0; id < reader->space; id++) {
        reader->directions[id].values = reader->values + id * 2 * reader->K;
        reader->directions[id].null_values = null_values + id * 2 * reader->K;
    }
    return true;
}

/* As many of one's own directions as the facts say: before memory is taken for them. */
static bool has_own(bl_atlas_reader *reader, bl_error *err) {
    bl_error failure = {0};
    int64_t n = -1;
    sqlite3_stmt *s = bl_database_prepare(reader->db, "SELECT count(*) FROM vector", &failure);
    if (s && bl_database_row(s, &failure)) n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return n == (int64_t)reader->space || damaged(reader, "a direction is missing", err);
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
    if (reader->source && !has_own(reader, err)) return false;
    if (!reader->source && reader->space != c->n_vocab)
        return damaged(reader, "its sizes are not the model's", err);
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

bl_atlas_reader *bl_atlas_reader_open(const char *path, const bl_model *model, size_t part, bl_error *err) {
    bl_error_clear(err);
    bl_atlas_reader *reader = bl_alloc_zero(1, sizeof *reader, err);
    if (!reader) return NULL;
    reader->model = model;
    reader->part = part;
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
    for (size_t i = 0; reader->labels && i < reader->space; i++) free(reader->labels[i]);
    free(reader->labels);
    free(reader->own);
    free(reader->source);
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
const bl_atlas_reader_direction *bl_atlas_reader_get_direction(const bl_atlas_reader *reader,
                                                               size_t direction) {
    return &reader->directions[direction];
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
                                      "SELECT direction, idx, eigenvalue, vector FROM eigenpair" OF_PART
                                      " ORDER BY id",
                                      err)
            : NULL;
    bool ok = s != NULL;
    int64_t first = bl_atlas_reader_id(reader, 0);
    if (s) sqlite3_bind_int64(s, 1, first);
    if (s) sqlite3_bind_int64(s, 2, bl_atlas_reader_id(reader, reader->space));
    while (ok && bl_database_row(s, &failure)) {
        const void *blob = sqlite3_column_blob(s, 3);
        ok = n < most && blob && (size_t)sqlite3_column_bytes(s, 3) == reader->n * sizeof *v;
        if (!ok) {
            damaged(reader, "an eigenvector has not the model's size", err);
            break;
        }
        memcpy(v + n * reader->n, blob, reader->n * sizeof *v);
        pairs[n++] = (bl_atlas_reader_pair){(int32_t)(sqlite3_column_int64(s, 0) - first),
                                            sqlite3_column_int(s, 1), (float)sqlite3_column_double(s, 2)};
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
