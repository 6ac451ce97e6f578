/* An atlas opened to look at: identity, the directions' figures, vectors. Matches and stories: look_inputs.c.
 */
#include "atlas/look_private.h"
#include "atlas/atlas_private.h"
#include "base/error.h"
#include "base/memory.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_facts(bl_look *look, bl_error *err) {
    const struct {
        const char *key;
        uint64_t *value;
    } numbers[] = {{"layer", &look->facts.layer},
                   {"pairs", &look->facts.pairs},
                   {"top", &look->facts.top},
                   {"seed", &look->facts.seed},
                   {"virtual_tokens", &look->facts.virtual_tokens}};
    uint64_t phase = 0;
    bl_error failure = {0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!bl_meta_get_number(look->db, numbers[i].key, numbers[i].value, err)) return false;
    if (!bl_meta_get_number(look->db, "phase", &phase, err)) return false;
    char *contrast = bl_meta_get(look->db, "contrast", err);
    if (!contrast)
        return bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: it does not say its contrast",
                       look->path);
    look->facts.raw = strncmp(contrast, "none", 4) == 0;
    look->facts.centred = strstr(contrast, "centred") != NULL;
    free(contrast);
    look->facts.complete = phase == BL_PHASE_DONE;
    if (phase == BL_PHASE_READ) return true; /* nothing is counted yet */
    return bl_meta_get_number(look->db, "stories", &look->facts.stories, &failure) &&
                   bl_meta_get_number(look->db, "positions", &look->facts.positions, &failure)
             ? true
             : bl_fail(err, failure.code, "%s", failure.message);
}

static bool same_model(bl_look *look, bl_error *err) {
    char here[24];
    if (!bl_atlas_check_format(look->db, look->path, err)) return false;
    snprintf(here, sizeof here, "%016" PRIx64, bl_atlas_hash_model(look->model));
    char *there = bl_meta_get(look->db, "model_hash", err), *name = bl_meta_get(look->db, "model", err);
    bool same = there && strcmp(there, here) == 0;
    if (!same)
        bl_fail(err, BL_ERR_INPUT,
                "%s: an atlas of another model (%.200s) than %.200s, or of one that has changed since",
                look->path, name ? name : "unnamed", bl_model_name(look->model));
    free(there);
    free(name);
    return same;
}

static double real(sqlite3_stmt *s, int column) {
    return sqlite3_column_type(s, column) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(s, column);
}

static bool damaged(const bl_look *look, const char *what, bl_error *err) {
    return bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: %s", look->path, what);
}

static bool read_directions(bl_look *look, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(
        look->db,
        "SELECT t.id, t.count, d.id, d.largest, d.highest, d.lowest, d.effective_rank, "
        "d.share, d.constant, d.null_largest, d.null_highest, d.null_lowest, "
        "d.null_effective_rank, d.null_share, d.excess, d.effect, d.q FROM token t LEFT JOIN "
        "directions d ON d.id = t.id",
        err);
    if (!s) return false;
    while (bl_database_row(s, &failure)) {
        int64_t id = sqlite3_column_int64(s, 0);
        if (id < 0 || (size_t)id >= look->V) {
            damaged(look, "a token is not the model's", &failure);
            break;
        }
        bl_look_direction *row = &look->directions[id];
        row->count = (uint64_t)sqlite3_column_int64(s, 1);
        row->there = sqlite3_column_type(s, 2) != SQLITE_NULL;
        for (int i = 0; i < BL_LOOK_FIGURES; i++) row->figures[i] = real(s, 3 + i);
        look->facts.directions += row->there;
    }
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

/* Where eigenvector `index` stands among a direction's stored ones, ascending; 2K when it is not one of them.
 */
static size_t place_of(const bl_look *look, long index) {
    long K = (long)look->K;
    if (index >= 0) return index < K ? (size_t)index : 2 * look->K;
    return index >= -K ? (size_t)(2 * K + index) : 2 * look->K;
}

/* values [V, 2K] of a table, NaN where there are none. */
static bool read_values(bl_look *look, const char *sql, float *values, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(look->db, sql, err);
    if (!s) return false;
    for (size_t i = 0; i < look->V * 2 * look->K; i++) values[i] = NAN;
    while (bl_database_row(s, &failure)) {
        int64_t token = sqlite3_column_int64(s, 0);
        size_t place = place_of(look, (long)sqlite3_column_int64(s, 1));
        if (token < 0 || (size_t)token >= look->V || place == 2 * look->K) {
            damaged(look, "an eigenpair is not the model's", &failure);
            break;
        }
        values[(size_t)token * 2 * look->K + place] = (float)sqlite3_column_double(s, 2);
    }
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

static bool read_all(bl_look *look, bl_error *err) {
    size_t count;
    if (!bl_mul_size(look->V, 4 * look->K, &count)) count = SIZE_MAX;
    look->directions = bl_alloc_zero(look->V, sizeof *look->directions, err);
    look->values = bl_alloc(count, sizeof *look->values, err);
    if (!look->directions || !look->values) return false;
    float *null_values = look->values + look->V * 2 * look->K;
    if (!read_directions(look, err) ||
        !read_values(look, "SELECT token, idx, eigenvalue FROM eigenpair", look->values, err) ||
        !read_values(look, "SELECT token, idx, eigenvalue FROM null_eigenpair", null_values, err))
        return false;
    for (size_t id = 0; id < look->V; id++) {
        look->directions[id].values = look->values + id * 2 * look->K;
        look->directions[id].null_values = null_values + id * 2 * look->K;
    }
    return true;
}

/* What the facts say of the model is what the model is. */
static bool fits_model(bl_look *look, bl_error *err) {
    const bl_config *c = bl_model_config(look->model);
    const struct {
        const char *key;
        uint64_t here;
    } same[] = {{"d_model", c->d_model}, {"heads", c->n_head}, {"size", look->n}};
    uint64_t there;
    if (look->facts.layer >= c->n_layer) return damaged(look, "the model does not have its layer", err);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (!bl_meta_get_number(look->db, same[i].key, &there, err)) return false;
        if (there != same[i].here) return damaged(look, "its sizes are not the model's", err);
    }
    return true;
}

sqlite3_stmt *bl_look_prepare(bl_look *look, const char *sql, bl_error *err) {
    return bl_foreign_unchanged(&look->file, look->path, err) ? bl_database_prepare(look->db, sql, err)
                                                              : NULL;
}

bl_look *bl_look_open(const char *path, const bl_model *model, bl_error *err) {
    bl_error_clear(err);
    bl_look *look = bl_alloc_zero(1, sizeof *look, err);
    if (!look) return NULL;
    look->model = model;
    look->V = bl_model_config(model)->n_vocab;
    look->n = bl_interaction_size(model);
    pthread_mutex_init(&look->lock, NULL);
    look->path = bl_strdup(path, err);
    if (look->path && bl_foreign_open(&look->file, path, err)) look->db = look->file.db;
    bool ok = look->db && same_model(look, err) && read_facts(look, err) && fits_model(look, err);
    look->K = look->facts.pairs < look->n / 2 ? (size_t)look->facts.pairs : look->n / 2;
    if (ok && read_all(look, err)) return look;
    bl_look_free(look);
    return NULL;
}

void bl_look_free(bl_look *look) {
    if (!look) return;
    bl_foreign_close(&look->file);
    pthread_mutex_destroy(&look->lock);
    free(look->directions);
    free(look->values);
    free(look->vectors);
    free(look->pairs);
    free(look->path);
    free(look);
}

bool bl_look_is_own(const bl_look *look, bl_error *err) {
    const char *names[] = {look->path, sqlite3_db_filename(look->db, NULL)};
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

const bl_look_facts *bl_look_get_facts(const bl_look *look) { return &look->facts; }
size_t bl_look_n_values(const bl_look *look) { return 2 * look->K; }
const bl_look_direction *bl_look_get_direction(const bl_look *look, size_t token) {
    return &look->directions[token];
}

static bool read_vectors(bl_look *look, bl_error *err) {
    bl_error failure = {0};
    size_t most = look->facts.directions * 2 * look->K, n = 0, count;
    if (!bl_mul_size(most, look->n, &count)) count = SIZE_MAX;
    float *v = bl_alloc(count, sizeof *v, err);
    bl_look_pair *pairs = bl_alloc(most, sizeof *pairs, err);
    sqlite3_stmt *s =
        v && pairs
            ? bl_look_prepare(look, "SELECT token, idx, eigenvalue, vector FROM eigenpair ORDER BY id", err)
            : NULL;
    bool ok = s != NULL;
    while (ok && bl_database_row(s, &failure)) {
        const void *blob = sqlite3_column_blob(s, 3);
        ok = n < most && blob && (size_t)sqlite3_column_bytes(s, 3) == look->n * sizeof *v;
        if (!ok) {
            damaged(look, "an eigenvector has not the model's size", err);
            break;
        }
        memcpy(v + n * look->n, blob, look->n * sizeof *v);
        pairs[n++] = (bl_look_pair){sqlite3_column_int(s, 0), sqlite3_column_int(s, 1),
                                    (float)sqlite3_column_double(s, 2)};
    }
    sqlite3_finalize(s);
    if (ok && failure.code) ok = bl_fail(err, failure.code, "%s", failure.message);
    if (ok) {
        look->vectors = v;
        look->pairs = pairs;
        look->n_pairs = n;
        return true;
    }
    free(v);
    free(pairs);
    return false;
}

bool bl_look_vectors(bl_look *look, const float **v, const bl_look_pair **pairs, size_t *n_pairs,
                     bl_error *err) {
    pthread_mutex_lock(&look->lock);
    bool ok = look->vectors || read_vectors(look, err);
    pthread_mutex_unlock(&look->lock);
    *v = look->vectors;
    *pairs = look->pairs;
    *n_pairs = look->n_pairs;
    return ok;
}
