/* The atlas's top inputs: the sweep over all stories with its checkpoints, then the contributions of the winners. */
#include "atlas/atlas_private.h"
#include "atlas/explain.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECKPOINT_SECONDS 10.0
#define EXPLAIN_PAIRS 32768 /* vectors whose matches are explained and written in one transaction */
#define CAUSES 1024         /* matches of a story that one forward pass serves */

float *bl_atlas_vectors(bl_atlas *a, bl_error *err) {
    size_t count, row = a->n * sizeof(float), j = 0;
    if (!bl_mul_size(a->J, a->n, &count)) count = SIZE_MAX;
    float *v = bl_alloc(count, sizeof *v, err);
    bl_error failure = {0};
    sqlite3_stmt *s = v ? bl_database_prepare(a->db, "SELECT vector FROM eigenpair ORDER BY id", &failure) : NULL;
    while (s && j < a->J && bl_database_row(s, &failure)) {
        const void *blob = sqlite3_column_blob(s, 0);
        if (!blob || (size_t)sqlite3_column_bytes(s, 0) != row) break;
        memcpy(v + j++ * a->n, blob, row);
    }
    sqlite3_finalize(s);
    if (v && j == a->J) return v;
    if (v && failure.code) bl_fail(err, failure.code, "%s", failure.message);
    else if (v) bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: eigenvector %zu is not there", a->path, j);
    free(v);
    return NULL;
}

/* The lists as they stand after `done` stories. */
static bool save(bl_atlas *a, const bl_hits *hits, uint64_t done, bool complete, bl_error *err) {
    if (!bl_database_begin(a->db, err)) return false;
    sqlite3_stmt *s = bl_database_prepare(a->db, "INSERT OR REPLACE INTO scan_state VALUES (?, ?)", err);
    bool ok = s != NULL;
    for (int part = 0; ok && part < 2; part++) {
        sqlite3_bind_int(s, 1, part);
        if (part == 0) sqlite3_bind_blob64(s, 2, hits->have, hits->J * sizeof *hits->have, SQLITE_STATIC);
        else sqlite3_bind_blob64(s, 2, hits->list, hits->J * hits->top * sizeof *hits->list, SQLITE_STATIC);
        ok = bl_database_step(s, err);
    }
    sqlite3_finalize(s);
    ok = ok && bl_atlas_mark(a, complete ? BL_PHASE_EXPLAIN : BL_PHASE_SCAN, complete ? 0 : done, err);
    return bl_database_commit(a->db, ok, err);
}

static bool hits_are_sound(const bl_atlas *a, const bl_hits *hits) {
    for (size_t j = 0; j < hits->J; j++) {
        if (hits->have[j] > hits->top) return false;
        for (size_t i = 0; i < hits->have[j]; i++)
            if (hits->list[j * hits->top + i].story >= a->stories) return false;
    }
    return true;
}

static bool restore(bl_atlas *a, bl_hits *hits, bl_error *err) {
    bl_error failure = {0};
    void *const targets[] = {hits->have, hits->list};
    const size_t sizes[] = {hits->J * sizeof *hits->have, hits->J * hits->top * sizeof *hits->list};
    sqlite3_stmt *s = bl_database_prepare(a->db, "SELECT hits FROM scan_state ORDER BY id", &failure);
    size_t part = 0;
    for (; s && part < 2 && bl_database_row(s, &failure); part++) {
        const void *blob = sqlite3_column_blob(s, 0);
        if (!blob || (size_t)sqlite3_column_bytes(s, 0) != sizes[part]) break;
        memcpy(targets[part], blob, sizes[part]);
    }
    sqlite3_finalize(s);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return (part == 2 && hits_are_sound(a, hits)) ||
           bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: its scan_state is not whole", a->path);
}

/* Stories that are swept together. */
typedef struct chunk {
    int32_t *ids; /* [positions], one story behind the other */
    size_t ids_capacity, positions;
    const int32_t **stories; /* [count] */
    size_t *lengths, *begin; /* [count] */
    size_t stories_capacity, lengths_capacity, begin_capacity, count;
} chunk;

static void chunk_free(chunk *c) {
    free(c->ids);
    free(c->stories);
    free(c->lengths);
    free(c->begin);
}

static bool chunk_add(chunk *c, const bl_story_reader *reader, bl_error *err) {
    if (!bl_grow(&c->ids, &c->ids_capacity, c->positions + reader->length + 1, sizeof *c->ids, err) ||
        !bl_grow(&c->stories, &c->stories_capacity, c->count + 1, sizeof(const int32_t *), err) ||
        !bl_grow(&c->lengths, &c->lengths_capacity, c->count + 1, sizeof *c->lengths, err) ||
        !bl_grow(&c->begin, &c->begin_capacity, c->count + 1, sizeof *c->begin, err))
        return false;
    memcpy(c->ids + c->positions, reader->ids, reader->length * sizeof *c->ids);
    c->lengths[c->count] = reader->length;
    c->begin[c->count++] = c->positions;
    c->positions += reader->length;
    return true;
}

/* Reads stories until the chunk is full; count = 0 at the end. Chunks are cut alike in every run. */
static bool chunk_read(chunk *c, bl_story_reader *reader, const bl_atlas *a, bl_error *err) {
    bl_error failure = {0};
    c->count = c->positions = 0;
    while (c->positions < bl_sweep_chunk() && c->count < bl_sweep_chunk() && bl_story_reader_next(reader, a, &failure))
        if (!chunk_add(c, reader, err)) return false;
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    for (size_t i = 0; i < c->count; i++) c->stories[i] = c->ids + c->begin[i];
    return true;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool bl_atlas_scan(bl_atlas *a, bl_error *err) {
    bl_hits hits = {0};
    bl_sweep *sweep = NULL;
    bl_story_reader reader = {0};
    chunk c = {0};
    float *v = bl_atlas_vectors(a, err);
    uint64_t at = a->done;
    bool ok =
        v && bl_hits_init(&hits, a->J, a->options.top, err) && (sweep = bl_sweep_new(a->model, a->options.layer, v, a->J, err)) != NULL;
    ok = ok && (at == 0 || restore(a, &hits, err)) && bl_story_reader_open(&reader, a, at, err);
    for (double saved = now(); ok;) {
        ok = bl_progress_step(&a->options.progress, "scanning", at, a->stories, err) && chunk_read(&c, &reader, a, err);
        if (!ok || c.count == 0) break;
        ok = bl_sweep_run(sweep, (uint32_t)at, c.stories, c.lengths, c.count, &hits, err);
        at += c.count;
        if (ok && now() - saved > CHECKPOINT_SECONDS) {
            ok = save(a, &hits, at, false, err);
            saved = now();
        }
    }
    bl_story_reader_close(&reader);
    ok = ok && save(a, &hits, at, true, err);
    chunk_free(&c);
    bl_sweep_free(sweep);
    bl_hits_free(&hits);
    free(v);
    return ok;
}

/* One match of vectors first … , to be explained. */
typedef struct winner {
    uint32_t story, position;
    size_t slot;  /* (j - first) * top + rank */
    size_t begin; /* of its contributions */
} winner;

static int by_story(const void *a, const void *b) {
    const winner *x = a, *y = b;
    if (x->story != y->story) return x->story < y->story ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* A stretch of vectors with all their matches. */
typedef struct stretch {
    const bl_hits *hits;
    const float *v;
    size_t first, count; /* vectors */
    winner *winners;     /* [n] by story, then by slot */
    size_t n;
    size_t *place;             /* [count * top] where a slot's contributions begin */
    float *c;                  /* contributions of all winners */
    int32_t *token;            /* [count * top] at the position */
    bl_workspace **workspaces; /* [threads] */
    size_t threads;
} stretch;

static void stretch_free(stretch *s) {
    for (size_t t = 0; s->workspaces && t < s->threads; t++) bl_workspace_free(s->workspaces[t]);
    free(s->workspaces);
    free(s->winners);
    free(s->place);
    free(s->token);
    free(s->c);
}

static bool stretch_init(stretch *s, bl_atlas *a, const bl_hits *hits, const float *v, bl_error *err) {
    size_t most = (EXPLAIN_PAIRS < a->J ? EXPLAIN_PAIRS : a->J), slots;
    *s = (stretch){.hits = hits, .v = v, .threads = (size_t)bl_threads()};
    if (!bl_mul_size(most, hits->top, &slots)) slots = SIZE_MAX;
    s->winners = bl_alloc(slots, sizeof *s->winners, err);
    s->place = bl_alloc(slots, sizeof *s->place, err);
    s->token = bl_alloc(slots, sizeof *s->token, err);
    s->workspaces = bl_alloc_zero(s->threads, sizeof(bl_workspace *), err);
    bool ok = s->winners && s->place && s->token && s->workspaces;
    for (size_t t = 0; ok && t < s->threads; t++)
        ok = (s->workspaces[t] = bl_workspace_new(a->model, bl_model_config(a->model)->n_ctx, err)) != NULL;
    return ok;
}

/* The matches of vectors first … first + count - 1. */
static bool stretch_collect(stretch *s, size_t first, size_t count, bl_error *err) {
    size_t top = s->hits->top, total = 0;
    s->first = first;
    s->count = count;
    s->n = 0;
    for (size_t j = 0; j < count; j++)
        for (size_t i = 0; i < s->hits->have[first + j]; i++) {
            const bl_hit *hit = &s->hits->list[(first + j) * top + i];
            s->place[j * top + i] = total;
            s->winners[s->n++] = (winner){hit->story, hit->position, j * top + i, total};
            total += (size_t)hit->position + 1;
        }
    qsort(s->winners, s->n, sizeof *s->winners, by_story);
    free(s->c);
    s->c = bl_alloc(total, sizeof *s->c, err);
    return s->c != NULL;
}

/* Winners begin … end - 1, all of one story, by one thread. */
static bool explain_story(const stretch *s, const bl_atlas *a, const int32_t *ids, size_t T, size_t begin, size_t end, bl_error *err) {
    bl_cause *causes = bl_alloc(CAUSES, sizeof *causes, err);
    bool ok = causes != NULL;
    for (size_t at = begin; ok && at < end; at += CAUSES) {
        size_t count = end - at < CAUSES ? end - at : CAUSES;
        for (size_t i = 0; ok && i < count; i++) {
            const winner *w = &s->winners[at + i];
            if (w->position >= T) ok = bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: a match lies outside its story", a->path);
            else s->token[w->slot] = ids[w->position];
            causes[i] = (bl_cause){s->v + (s->first + w->slot / s->hits->top) * a->n, w->position, s->c + w->begin};
        }
        ok = ok && bl_explain(a->model, s->workspaces[omp_get_thread_num()], a->options.layer, ids, T, causes, count, err);
    }
    free(causes);
    return ok;
}

/* Where winner i's story ends. */
static size_t story_end(const stretch *s, size_t i) {
    size_t end = i;
    while (end < s->n && s->winners[end].story == s->winners[i].story) end++;
    return end;
}

static bool explain_chunk(const stretch *s, const bl_atlas *a, const chunk *c, uint64_t first, size_t *at, bl_error *err) {
    size_t *begin = bl_alloc(c->count + 1, sizeof *begin, err);
    bool ok = begin != NULL;
    if (!ok) return false;
    for (size_t i = 0; i < c->count; i++) {
        begin[i] = *at;
        if (*at < s->n && s->winners[*at].story == first + i) *at = story_end(s, *at);
    }
    begin[c->count] = *at;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < c->count; i++) {
        bl_error failure = {0};
        if (begin[i] == begin[i + 1] || explain_story(s, a, c->stories[i], c->lengths[i], begin[i], begin[i + 1], &failure)) continue;
#pragma omp critical(bl_atlas_failure)
        {
            if (ok) bl_fail(err, failure.code, "%s", failure.message);
            ok = false;
        }
    }
    free(begin);
    return ok;
}

/* One row of top_input: contributions, signed so that their sum is positive, as 16-bit multiples of `scale`. */
static bool write_match(const stretch *s, const bl_atlas *a, sqlite3_stmt *statement, size_t j, size_t rank, double eigenvalue,
                        int16_t *space, bl_error *err) {
    size_t slot = (j - s->first) * s->hits->top + rank;
    const bl_hit *hit = &s->hits->list[j * s->hits->top + rank];
    const float *c = s->c + s->place[slot], sign = hit->similarity < 0 ? -1.0F : 1.0F;
    float most = 0, bias = a->n > a->d ? sign * s->v[j * a->n + a->d] : 0;
    for (size_t p = 0; p <= hit->position; p++) most = fmaxf(most, fabsf(c[p]));
    float scale = most / 32767;
    for (size_t p = 0; p <= hit->position; p++) space[p] = (int16_t)(scale > 0 ? lrintf(sign * c[p] / scale) : 0);
    double similarity = (double)hit->similarity;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)j);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)rank);
    sqlite3_bind_int64(statement, 3, hit->story);
    sqlite3_bind_int64(statement, 4, hit->position);
    sqlite3_bind_int(statement, 5, s->token[slot]);
    sqlite3_bind_double(statement, 6, similarity);
    sqlite3_bind_double(statement, 7, eigenvalue * similarity * similarity);
    sqlite3_bind_double(statement, 8, (double)bias);
    sqlite3_bind_double(statement, 9, (double)scale);
    sqlite3_bind_blob64(statement, 10, space, ((size_t)hit->position + 1) * sizeof *space, SQLITE_STATIC);
    return bl_database_step(statement, err);
}

static bool write_stretch(const stretch *s, bl_atlas *a, bl_error *err) {
    int16_t *space = bl_alloc(bl_model_config(a->model)->n_ctx, sizeof *space, err);
    if (!space) return false;
    bool ok = bl_database_begin(a->db, err);
    if (ok) {
        bl_error failure = {0};
        sqlite3_stmt *insert = bl_database_prepare(a->db, "INSERT INTO top_input VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &failure),
                     *values = NULL;
        if (insert) values = bl_database_prepare(a->db, "SELECT eigenvalue FROM eigenpair WHERE id >= ? ORDER BY id", &failure);
        if (values) sqlite3_bind_int64(values, 1, (sqlite3_int64)s->first);
        for (size_t j = s->first; values && failure.code == BL_OK && j < s->first + s->count && bl_database_row(values, &failure); j++) {
            double eigenvalue = sqlite3_column_double(values, 0);
            for (size_t i = 0; i < s->hits->have[j] && failure.code == BL_OK; i++)
                write_match(s, a, insert, j, i, eigenvalue, space, &failure);
        }
        sqlite3_finalize(insert);
        sqlite3_finalize(values);
        ok = failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
        bool last = s->first + s->count == a->J;
        if (ok && last) ok = bl_database_run(a->db, "DELETE FROM scan_state", err);
        ok = ok && bl_atlas_mark(a, last ? BL_PHASE_DONE : BL_PHASE_EXPLAIN, last ? 0 : s->first + s->count, err);
        ok = bl_database_commit(a->db, ok, err);
    }
    free(space);
    return ok;
}

/* The stretch's stories, in order; the ones in between are read over. */
static bool explain_stretch(stretch *s, bl_atlas *a, bl_error *err) {
    bl_story_reader reader = {0};
    chunk c = {0};
    size_t at = 0;
    uint64_t first = 0, parts = (a->J + EXPLAIN_PAIRS - 1) / EXPLAIN_PAIRS, part = s->first / EXPLAIN_PAIRS;
    bool ok = bl_story_reader_open(&reader, a, 0, err);
    while (ok && at < s->n) {
        ok = bl_progress_step(&a->options.progress, "explaining", part * a->stories + first, parts * a->stories, err) &&
             chunk_read(&c, &reader, a, err);
        if (!ok || c.count == 0) break;
        ok = explain_chunk(s, a, &c, first, &at, err);
        first += c.count;
    }
    bl_story_reader_close(&reader);
    chunk_free(&c);
    return ok && (at == s->n || bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: a story is missing", a->path));
}

bool bl_atlas_explain(bl_atlas *a, bl_error *err) {
    bl_hits hits = {0};
    stretch s = {0};
    float *v = bl_atlas_vectors(a, err);
    bool ok = v && bl_hits_init(&hits, a->J, a->options.top, err) && restore(a, &hits, err) && stretch_init(&s, a, &hits, v, err);
    for (size_t at = (size_t)a->done; ok && at < a->J; at += EXPLAIN_PAIRS)
        ok = stretch_collect(&s, at, a->J - at < EXPLAIN_PAIRS ? a->J - at : EXPLAIN_PAIRS, err) && explain_stretch(&s, a, err) &&
             write_stretch(&s, a, err);
    stretch_free(&s);
    bl_hits_free(&hits);
    free(v);
    return ok;
}
