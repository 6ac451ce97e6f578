/* The atlas's tables (docs/atlas.md), and whether a file that is there is the atlas of this run.
 *
 * What makes an atlas the same: model, options and corpus. The first two are compared here, as text under the
 * keys of `identity`; the corpus when it is read (corpus.c). */
#include "atlas/atlas_private.h"
#include "atlas/foreign.h"
#include "model/model_private.h"
#include "result/results.h"
#include <bilens/surrogate.h>
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include <bilens/blas.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "bilens atlas 5"
#define SUMMARY                                                                                           \
    " largest REAL NOT NULL, highest REAL NOT NULL, lowest REAL NOT NULL, effective_rank REAL NOT NULL, " \
    "share REAL NOT NULL, constant REAL NOT NULL, shift REAL NOT NULL, norm REAL NOT NULL"
#define EXTREMES                                                                                \
    " eigenvalue REAL NOT NULL, statistic REAL NOT NULL, direct_max REAL NOT NULL, direct_min " \
    "REAL NOT NULL, head_max REAL NOT NULL, head_min REAL NOT NULL"

#define EFFECT                                                                          \
    " own_positions INTEGER, others_positions INTEGER, own_mean REAL, own_error REAL, " \
    "others_mean REAL, total REAL, share REAL, ends REAL"

static const char tables[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE token (id INTEGER PRIMARY KEY, text TEXT NOT NULL, count INTEGER NOT NULL);"
    "CREATE TABLE story (id INTEGER PRIMARY KEY, length INTEGER NOT NULL, tokens BLOB NOT NULL);"
    "CREATE TABLE vector (number INTEGER PRIMARY KEY, label TEXT, vector BLOB NOT NULL);"
    "CREATE TABLE direction (id INTEGER PRIMARY KEY," SUMMARY ", layer INTEGER NOT NULL, number INTEGER NOT "
    "NULL, token INTEGER, label TEXT NOT NULL, text TEXT NOT NULL);"
    "CREATE TABLE null_direction (id INTEGER PRIMARY KEY," SUMMARY ");"
    "CREATE TABLE eigenpair (id INTEGER PRIMARY KEY, direction INTEGER NOT NULL, "
    "idx INTEGER NOT NULL," EXTREMES ", vector BLOB NOT NULL);"
    "CREATE TABLE null_eigenpair (id INTEGER PRIMARY KEY, direction INTEGER NOT NULL, "
    "idx INTEGER NOT NULL," EXTREMES ", vector BLOB);"
    "CREATE TABLE null_statistic (draw INTEGER, pair INTEGER, statistic REAL NOT NULL, PRIMARY KEY (draw, "
    "pair)) WITHOUT ROWID;"
    "CREATE TABLE chance (pair INTEGER PRIMARY KEY, ratio REAL, p REAL NOT NULL, q REAL NOT NULL);"
    "CREATE TABLE calibration (layer INTEGER, idx INTEGER, pool INTEGER NOT NULL, judged INTEGER NOT NULL, "
    "distance REAL NOT NULL, PRIMARY KEY (layer, idx)) WITHOUT ROWID;"
    "CREATE TABLE virtual_token (pair INTEGER, source INTEGER, rank INTEGER, token INTEGER NOT NULL, value "
    "REAL NOT NULL,"
    " PRIMARY KEY (pair, source, rank)) WITHOUT ROWID;"
    "CREATE TABLE top_input (pair INTEGER, rank INTEGER, story INTEGER NOT NULL, position INTEGER NOT NULL, "
    "token INTEGER NOT NULL, similarity REAL NOT NULL,"
    " activation REAL NOT NULL, bias REAL NOT NULL, scale REAL NOT NULL, contributions BLOB NOT NULL, "
    "PRIMARY KEY (pair, rank)) WITHOUT ROWID;"
    "CREATE TABLE effect (pair INTEGER PRIMARY KEY," EFFECT ");"
    "CREATE TABLE null_effect (pair INTEGER PRIMARY KEY," EFFECT ");"
    "CREATE TABLE scan_state (id INTEGER PRIMARY KEY, hits BLOB NOT NULL);"
    "CREATE VIEW directions AS SELECT d.label AS token, d.number AS id, d.layer, t.count AS count, "
    "d.largest, d.highest, "
    "d.lowest, d.effective_rank, d.share, d.constant,"
    " n.largest AS null_largest, n.highest AS null_highest, n.lowest AS null_lowest, n.effective_rank AS "
    "null_effective_rank, n.share AS null_share,"
    " d.largest / n.largest AS excess,"
    " (SELECT max(f.own_mean) FROM eigenpair e JOIN effect f ON f.pair = e.id WHERE e.direction = d.id) AS "
    "effect,"
    " (SELECT min(c.q) FROM eigenpair e JOIN chance c ON c.pair = e.id WHERE e.direction = d.id) AS q,"
    " d.text AS direction FROM direction d LEFT JOIN token t ON t.id = d.token LEFT JOIN "
    "null_direction n ON n.id = d.id;"
    "CREATE VIEW eigenpairs AS SELECT d.label AS token, d.layer, e.idx AS idx, e.id AS pair, e.eigenvalue, "
    "e.statistic, c.ratio, c.p, c.q, f.own_positions AS own, f.own_mean AS effect, "
    "f.own_error AS effect_error, "
    "f.others_mean AS effect_others, f.total AS effect_total, f.share, f.ends, e.direct_max, "
    "e.direct_min, e.head_max, e.head_min,"
    " n.eigenvalue AS null_eigenvalue, n.statistic AS null_statistic, g.own_mean AS null_effect, "
    "g.own_error AS null_effect_error, n.direct_max AS null_direct_max, n.direct_min AS null_direct_min, "
    "n.head_max AS null_head_max, n.head_min AS null_head_min"
    " FROM eigenpair e JOIN direction d ON d.id = e.direction LEFT JOIN null_eigenpair n ON n.id = e.id "
    "LEFT JOIN "
    "chance c ON c.pair = e.id LEFT JOIN effect f ON f.pair = e.id LEFT JOIN null_effect g ON g.pair = e.id;"
    "CREATE VIEW virtual_tokens AS SELECT d.label AS token, d.layer, e.idx AS idx, CASE v.source WHEN 0 "
    "THEN 'direct' "
    "ELSE 'head ' || (v.source - 1) END AS source,"
    " v.rank AS rank, w.text AS word, v.value AS value FROM virtual_token v JOIN eigenpair e ON e.id = "
    "v.pair JOIN direction d ON d.id = e.direction JOIN token w ON w.id = v.token;"
    "CREATE VIEW top_inputs AS SELECT d.label AS token, d.layer, e.idx AS idx, m.rank AS rank, m.story AS "
    "story, "
    "m.position AS position, w.text AS word, m.similarity, m.activation"
    " FROM top_input m JOIN eigenpair e ON e.id = m.pair JOIN direction d ON d.id = e.direction JOIN "
    "token w ON w.id "
    "= m.token;"
    "CREATE INDEX virtual_token_token ON virtual_token (token);"
    "CREATE INDEX eigenpair_value ON eigenpair (id, direction, idx, eigenvalue);"
    "CREATE INDEX token_text ON token (text);"
    "CREATE INDEX direction_label ON direction (label);"
    "CREATE INDEX direction_text ON direction (text);"
    "CREATE INDEX eigenpair_direction ON eigenpair (direction, idx);";

const char *bl_atlas_schema(void) { return tables; }

bool bl_atlas_check_format(sqlite3 *db, const char *path, bl_error *err) {
    bl_error failure = {0};
    char *format = bl_meta_get(db, "format", &failure);
    bool known = format && strcmp(format, FORMAT) == 0, older = format && strncmp(format, FORMAT, 13) == 0;
    free(format);
    if (known) return true;
    if (older)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: an atlas that another version of bilens made, in another format: make it again "
                       "(bilens atlas … --overwrite)",
                       path);
    if (failure.code && !strstr(failure.message, "no such table"))
        return bl_fail(err, failure.code, "%s", failure.message);
    return bl_fail(err, BL_ERR_INPUT, "%s: a database, but no atlas of bilens", path);
}

static uint64_t hash_view(uint64_t hash, bl_view view) {
    for (size_t r = 0; view.data && r < view.rows; r++)
        hash = bl_hash(hash, view.data + r * view.stride, view.cols * sizeof *view.data);
    return hash;
}

/* An ordinary model's tensors as they are stored (its float32 views come and go), its tokens, and what
 * stands for it. */
static uint64_t hash_stored(uint64_t hash, const bl_model *model) {
    const bl_surrogate *s = bl_model_surrogate(model);
    const bl_tokenizer *tokenizer = bl_model_tokenizer(model);
    for (size_t i = 0; i < model->params.n; i++) {
        const bl_weight *w = model->stored[i];
        hash = bl_hash(hash, w->data, w->count / w->type->block * w->type->bytes);
    }
    for (size_t id = 0; id < bl_tokenizer_size(tokenizer); id++) {
        const char *text = bl_tokenizer_token(tokenizer, (int32_t)id);
        hash = bl_hash(hash, text ? text : "", text ? strlen(text) : 0);
    }
    for (size_t i = 0; s && i < s->n; i++) {
        const bl_surrogate_layer *l = &s->layers[i];
        hash = bl_hash(hash, l->coefficients, BL_SURROGATE_TERMS * s->h * sizeof(float));
        hash = bl_hash(hash, l->linear, s->d * (s->d + 1) * sizeof(float));
        hash = bl_hash(hash, l->origin, s->d * sizeof(float));
    }
    return hash;
}

uint64_t bl_atlas_hash_model(const bl_model *model) {
    const bl_config *c = bl_model_config(model);
    const uint64_t shape[] = {c->n_vocab,       c->n_layer,
                              c->n_head,        c->n_ctx,
                              c->d_model,       c->d_hidden,
                              c->normalization, (uint64_t)(1e6F * bl_model_attention_scale(model))};
    uint64_t hash = bl_hash(0, shape, sizeof shape);
    if (!bl_config_generation(c) || bl_model_surrogate(model)) return hash_stored(hash, model);
    hash = hash_view(hash_view(hash, bl_model_w_e(model)), bl_model_w_u(model));
    for (size_t i = 0; i < c->n_layer; i++) {
        const bl_layer *l = bl_model_layer(model, i);
        const bl_view views[] = {l->w_q, l->w_k, l->w_v, l->w_o, l->w_l, l->w_r, l->w_p};
        const float *const biases[] = {l->b_l, l->b_r, l->b_p};
        for (size_t j = 0; j < sizeof views / sizeof *views; j++) hash = hash_view(hash, views[j]);
        for (size_t j = 0; j < 3; j++)
            if (biases[j])
                hash = bl_hash(hash, biases[j], (j < 2 ? c->d_hidden : c->d_model) * sizeof(float));
    }
    for (size_t id = 0; id < bl_tokenizer_size(bl_model_tokenizer(model)); id++) {
        const char *text = bl_tokenizer_token(bl_model_tokenizer(model), (int32_t)id);
        hash = bl_hash(hash, text ? text : "", text ? strlen(text) : 0);
    }
    return hash;
}

enum { VALUE = 512 };

typedef struct identity {
    const char *key, *meaning;
    char value[VALUE];
} identity;

enum { N_IDENTITY = 12 };

/* The vectors and their labels. */
static uint64_t hash_own(const bl_basis *own) {
    uint64_t hash = hash_view(0, own->vectors);
    for (size_t i = 0; own->labels && i < own->vectors.rows; i++)
        hash =
            bl_hash(hash, own->labels[i] ? own->labels[i] : "", own->labels[i] ? strlen(own->labels[i]) : 0);
    return hash;
}

static void identify(const bl_atlas *a, identity out[N_IDENTITY]) {
    const bl_atlas_options *o = &a->options;
    const identity keys[N_IDENTITY] = {{"format", "the format", FORMAT},
                                       {"model_hash", "the model", ""},
                                       {"layers", "--layers", ""},
                                       {"pairs", "--pairs", ""},
                                       {"top", "--top", ""},
                                       {"virtual_tokens", "--virtual", ""},
                                       {"selection", "the selection of directions", ""},
                                       {"contrast", "--raw", ""},
                                       {"null_draws", "--null-draws", ""},
                                       {"seed", "--seed", ""},
                                       {"max_stories", "--stories", ""},
                                       {"effects", "--no-effects", ""}};
    memcpy(out, keys, sizeof keys);
    snprintf(out[1].value, 64, "%016" PRIx64, bl_atlas_hash_model(a->model));
    for (size_t i = 0, at = 0; i < a->n_layers && at < VALUE; i++)
        at += (size_t)snprintf(out[2].value + at, VALUE - at, "%s%zu", i ? "," : "", a->layers[i]);
    snprintf(out[3].value, 64, "%zu", o->pairs);
    snprintf(out[4].value, 64, "%zu", o->top);
    snprintf(out[5].value, 64, "%zu", o->virtual_tokens);
    snprintf(out[7].value, 64, "%s%s", o->raw || o->directions ? "none" : "mean unembedding",
             o->centre_unembedding ? ", centred" : "");
    uint64_t hash = bl_atlas_is_own(a) ? hash_own(&a->out) : 0;
    for (size_t i = 0; i < o->n_tokens; i++) hash = bl_hash(hash, o->tokens[i], strlen(o->tokens[i]));
    if (bl_atlas_is_own(a)) snprintf(out[6].value, 64, "%zu vectors %016" PRIx64, a->space, hash);
    else if (o->tokens) snprintf(out[6].value, 64, "%zu tokens %016" PRIx64, o->n_tokens, hash);
    else if (o->frequent) snprintf(out[6].value, 64, "the %zu most frequent", o->frequent);
    else snprintf(out[6].value, 64, "all");
    snprintf(out[8].value, 64, "%zu", o->null_draws);
    snprintf(out[9].value, 64, "%" PRIu64, o->seed);
    snprintf(out[10].value, 64, "%zu", o->max_stories);
    snprintf(out[11].value, 64, "%d", !o->no_effects);
}

bool bl_atlas_compare_ranks(const bl_atlas *a, bl_error *err) {
    identity own[N_IDENTITY], first[N_IDENTITY];
    if (a->ranks.size == 1) return true;
    identify(a, own);
    memcpy(first, own, sizeof own);
    bool ok = bl_ranks_share(&a->ranks, first, sizeof first, err);
    for (size_t i = 0; ok && i < N_IDENTITY; i++)
        if (strcmp(own[i].value, first[i].value) != 0)
            ok = bl_fail(err, BL_ERR_INPUT, "%s differs from rank 0's: '%s' there, '%s' here", own[i].meaning,
                         first[i].value, own[i].value);
    return bl_ranks_agree(&a->ranks, ok, err);
}

bool bl_atlas_mark(bl_atlas *a, bl_phase phase, uint64_t done, bl_error *err) {
    if (phase == BL_PHASE_DONE && a->part + 1 < a->n_layers) {
        phase = BL_PHASE_DECOMPOSE;
        a->part++;
    }
    if (a->db && (!bl_meta_set_number(a->db, "part", a->part, err) ||
                  !bl_meta_set_number(a->db, "phase", (uint64_t)phase, err) ||
                  !bl_meta_set_number(a->db, "done", done, err) || !bl_seal_facts(a->db, err)))
        return false;
    a->phase = phase;
    a->done = done;
    return true;
}

/* One's own directions, so that the file can be looked at without theirs. */
static bool store_own(bl_atlas *a, bl_error *err) {
    if (!bl_meta_set_number(a->db, "own", bl_atlas_is_own(a), err) ||
        !bl_meta_set_number(a->db, "layer", a->layers[0], err) || /* for readers that know one layer only */
        !bl_meta_set_number(a->db, "space", a->space, err))
        return false;
    if (!bl_atlas_is_own(a)) return true;
    sqlite3_stmt *s = bl_database_prepare(a->db, "INSERT INTO vector VALUES (?, ?, ?)", err);
    bool ok = s && bl_meta_set(a->db, "source", a->options.source ? a->options.source : "directions", err);
    for (size_t i = 0; ok && i < a->space; i++) {
        sqlite3_bind_int64(s, 1, (sqlite3_int64)i);
        if (a->out.labels && a->out.labels[i]) sqlite3_bind_text(s, 2, a->out.labels[i], -1, SQLITE_STATIC);
        else sqlite3_bind_null(s, 2);
        sqlite3_bind_blob64(s, 3, a->out.vectors.data + i * a->out.vectors.stride, a->d * sizeof(float),
                            SQLITE_STATIC);
        ok = bl_database_step(s, err);
    }
    sqlite3_finalize(s);
    return ok;
}

/* What the surrogate behind each layer is worth, as JSON: [{"layer", "surrogate": {…}}]. */
static bool store_quality(bl_atlas *a, bl_error *err) {
    if (!bl_model_surrogate(a->model)) return true;
    bl_builder b = {err, false};
    bl_tree *list = bl_put_array(&b, NULL, NULL);
    for (size_t i = 0; i < a->n_layers; i++) {
        bl_tree *one = bl_put_object(&b, list, NULL);
        bl_put_count(&b, one, "layer", a->layers[i]);
        bl_put_quality(&b, one, a->model, a->layers[i]);
    }
    list = bl_tree_built(&b, list);
    char *text = list ? bl_tree_text(list, err) : NULL;
    bool ok = text && bl_meta_set(a->db, "surrogate", text, err);
    bl_free(text);
    bl_tree_free(list);
    return ok;
}

/* The hidden units of all layers that the null draws leave in place. */
static bool store_dead(bl_atlas *a, bl_error *err) {
    uint64_t all = 0;
    for (size_t i = 0; i < a->n_layers; i++) {
        bl_bilinear map, draw;
        size_t dead;
        if (!bl_model_bilinear(a->model, a->layers[i], &map, err) ||
            !bl_bilinear_null(&map, a->options.seed, &draw, &dead, err))
            return false;
        bl_bilinear_null_free(&draw);
        all += dead;
    }
    return bl_meta_set_number(a->db, "dead", all, err);
}

static bool create(bl_atlas *a, const identity keys[N_IDENTITY], bl_error *err) {
    if (!bl_database_begin(a->db, err)) return false;
    bool ok =
        bl_database_run(a->db, tables, err) && bl_meta_set(a->db, "model", bl_model_name(a->model), err) &&
        bl_meta_set(a->db, "blas", bl_blas_name(), err) && bl_meta_set_number(a->db, "d_model", a->d, err) &&
        bl_meta_set_number(a->db, "size", a->n, err) && bl_meta_set_number(a->db, "heads", a->H, err);
    for (size_t i = 0; ok && i < N_IDENTITY; i++) ok = bl_meta_set(a->db, keys[i].key, keys[i].value, err);
    ok = ok && store_own(a, err) && store_quality(a, err) && store_dead(a, err) &&
         bl_atlas_mark(a, BL_PHASE_READ, 0, err);
    return bl_database_commit(a->db, ok, err);
}

/* False with BL_ERR_INPUT when the file is the atlas of something else. */
static bool compare(bl_atlas *a, const identity keys[N_IDENTITY], bl_error *err) {
    if (!bl_atlas_check_format(a->db, a->path, err)) return false;
    for (size_t i = 0; i < N_IDENTITY; i++) {
        bl_error failure = {0};
        char *found = bl_meta_get(a->db, keys[i].key, &failure);
        bool same = found && strcmp(found, keys[i].value) == 0;
        if (!same && failure.code) bl_fail(err, failure.code, "%s", failure.message);
        else if (!same)
            bl_fail(err, BL_ERR_INPUT,
                    "%s: an atlas of something else: %s differs (there '%.60s', here '%s'). Name another "
                    "file, give the options it was made with to go on with it, or --overwrite it",
                    a->path, keys[i].meaning, found ? found : "", keys[i].value);
        free(found);
        if (!same) return false;
    }
    uint64_t phase, part;
    if (!bl_meta_get_number(a->db, "part", &part, err) || !bl_meta_get_number(a->db, "phase", &phase, err) ||
        !bl_meta_get_number(a->db, "done", &a->done, err))
        return false;
    if (phase > BL_PHASE_DONE || part >= a->n_layers)
        return bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: phase %" PRIu64 " does not exist",
                       a->path, phase);
    a->part = (size_t)part;
    a->phase = (bl_phase)phase;
    return true;
}

/* Whether the database holds any table. */
static bool is_empty(sqlite3 *db, bool *empty, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(db, "SELECT 1 FROM sqlite_master LIMIT 1", &failure);
    *empty = s && !bl_database_row(s, &failure);
    sqlite3_finalize(s);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

bool bl_atlas_prepare(bl_atlas *a, bool *resumed, bl_error *err) {
    identity keys[N_IDENTITY];
    bool empty;
    identify(a, keys);
    *resumed = false;
    if (!is_empty(a->db, &empty, err)) return false;
    if (empty) return create(a, keys, err);
    if (!bl_foreign_check_schema(a->db, a->path, err) || !compare(a, keys, err)) return false;
    *resumed = true;
    return true;
}
