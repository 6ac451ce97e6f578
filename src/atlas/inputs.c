/* The atlas's top inputs: the search over all stories with its checkpoints, then the contributions of the
 * winners.
 *
 * Ranks share the stories (chunks.h). Each keeps lists of its own stories only; whenever they are saved, rank
 * 0 merges them. The winners of a story are explained by the rank that gets the story, and go to rank 0. */
#include "atlas/effects.h"
#include "atlas/best_inputs.h"
#include "scan/contributions.h"
#include "atlas/chunks.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include <inttypes.h>
#include <bilens/surrogate.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECKPOINT_SECONDS 10.0
#define EXPLAIN_PAIRS 32768 /* vectors whose matches are explained and written in one transaction */
#define CAUSES 1024         /* matches of a story that one forward pass serves */

static bool read_vectors(const bl_atlas *a, bool null_draw, float *v, bl_error *err) {
    size_t row = a->n * sizeof(float), j = 0;
    bl_error failure = {0};
    sqlite3_stmt *s =
        bl_database_prepare(a->db,
                            null_draw ? "SELECT vector FROM null_eigenpair WHERE id >= ? ORDER BY id"
                                      : "SELECT vector FROM eigenpair WHERE id >= ? ORDER BY id",
                            &failure);
    if (s) sqlite3_bind_int64(s, 1, bl_atlas_pair_id(a, 0));
    while (s && j < a->J && bl_database_row(s, &failure)) {
        const void *blob = sqlite3_column_blob(s, 0);
        if (!blob || (size_t)sqlite3_column_bytes(s, 0) != row) break;
        memcpy(v + j++ * a->n, blob, row);
    }
    sqlite3_finalize(s);
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return j == a->J ||
           bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: eigenvector %zu is not there", a->path, j);
}

float *bl_atlas_vectors(bl_atlas *a, bool null_draw, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a->J, a->n, &count)) count = SIZE_MAX;
    float *v = bl_alloc(count, sizeof *v, err);
    bool ok = v && (a->ranks.rank > 0 || read_vectors(a, null_draw, v, err));
    if (bl_ranks_agree(&a->ranks, ok, err) && bl_ranks_share(&a->ranks, v, count * sizeof *v, err)) return v;
    free(v);
    return NULL;
}

/* Rank 0: the lists, and the effects' sums if there are any, as they stand after `done` stories. */
static bool write_lists(bl_atlas *a, const bl_hits *hits, bl_atlas_effects *effects, uint64_t done,
                        bool complete, bl_error *err) {
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
    ok = ok && (!effects || bl_atlas_effects_save(effects, complete, err)) &&
         bl_atlas_mark(a, complete ? BL_PHASE_EXPLAIN : BL_PHASE_SCAN, complete ? 0 : done, err);
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
    sqlite3_stmt *s =
        bl_database_prepare(a->db, "SELECT hits FROM scan_state WHERE id < 2 ORDER BY id", &failure);
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

/* The lists of all ranks, merged and saved. Rank 0 alone may fail in writing. */
static bool save(bl_atlas *a, const bl_hits *hits, bl_atlas_effects *effects, uint64_t done, bool complete,
                 bl_error *err) {
    bl_hits all = {0};
    if (a->ranks.size == 1) return write_lists(a, hits, effects, done, complete, err);
    bool ok =
        bl_ranks_agree(&a->ranks, a->ranks.rank > 0 || bl_hits_init(&all, hits->J, hits->top, err), err) &&
        bl_hits_gather(&a->ranks, hits, &all, err);
    if (ok && a->ranks.rank == 0) ok = write_lists(a, &all, effects, done, complete, err);
    bl_hits_free(&all);
    return ok;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Searches what is left, rounds of a chunk a rank. Failures of a round's work are agreed on when the next one
 * is handed out. */
static bool find_best_inputs(bl_atlas *a, bl_best_inputs *search, bl_atlas_effects *effects,
                             bl_chunks *chunks, bl_hits *hits, bl_error *err) {
    bool ok = true;
    for (double saved = now();;) {
        bool due = now() - saved > CHECKPOINT_SECONDS; /* by rank 0's clock */
        ok = ok && bl_progress_step(&a->options.progress, "scanning", chunks->next, a->stories, err);
        if (!bl_chunks_next(chunks, ok, err) || !bl_ranks_share(&a->ranks, &due, sizeof due, err))
            return false;
        if (chunks->ended) return true;
        const bl_chunk *c = &chunks->chunk;
        if (effects)
            ok = bl_ranks_agree(&a->ranks, bl_atlas_effects_run(effects, c, hits, err), err) &&
                 bl_atlas_effects_gather(effects, err);
        else if (c->count)
            ok = bl_best_inputs_run(search, (uint32_t)c->first, c->stories, c->lengths, c->count, hits, err);
        if (!due) continue;
        if (!bl_ranks_agree(&a->ranks, ok, err)) return false;
        ok = save(a, hits, effects, chunks->next, false, err);
        saved = now();
    }
}

/* What the search works with, and what an earlier run found. v [J, n]. */
static bool open_search(bl_atlas *a, const float *v, bl_hits *hits, bl_best_inputs **search,
                        bl_atlas_effects **effects, bl_chunks *chunks, bl_error *err) {
    if (!bl_atlas_effects_open(a, v, effects, err)) return false;
    if (!bl_hits_init(hits, a->J, a->options.top, err)) return false;
    if (!*effects && !(*search = bl_best_inputs_new(a->model, a->layer, v, a->J, err))) return false;
    if (a->ranks.rank == 0 && a->done > 0) { /* what was found before is rank 0's */
        if (!restore(a, hits, err)) return false;
        if (*effects && !bl_atlas_effects_restore(*effects, err)) return false;
    }
    return bl_chunks_open(chunks, a, a->done, err);
}

bool bl_atlas_scan(bl_atlas *a, bl_error *err) {
    bl_hits hits = {0};
    bl_best_inputs *search = NULL;
    bl_atlas_effects *effects = NULL;
    bl_chunks chunks = {0};
    float *v = bl_atlas_vectors(a, false, err);
    if (!v) return false;
    bool ok = open_search(a, v, &hits, &search, &effects, &chunks, err);
    ok = bl_ranks_agree(&a->ranks, ok, err) && find_best_inputs(a, search, effects, &chunks, &hits, err);
    bl_chunks_close(&chunks);
    if (ok) ok = bl_ranks_agree(&a->ranks, save(a, &hits, effects, a->stories, true, err), err);
    if (ok && a->ranks.rank > 0) ok = bl_atlas_mark(a, BL_PHASE_EXPLAIN, 0, err); /* as rank 0 did */
    bl_atlas_effects_free(effects);
    bl_best_inputs_free(search);
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
    size_t first, count;       /* vectors */
    winner *winners;           /* [n] by story, then by slot */
    size_t n, explained;       /* … by this rank */
    size_t *place;             /* [count * top] where a slot's contributions begin */
    float *c;                  /* contributions of all winners */
    int32_t *token;            /* [count * top] at the position; -1: not explained here */
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
        ok = (s->workspaces[t] = bl_workspace_new(a->model, err)) != NULL;
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
            s->token[j * top + i] = -1;
            s->winners[s->n++] = (winner){hit->story, hit->position, j * top + i, total};
            total += (size_t)hit->position + 1;
        }
    qsort(s->winners, s->n, sizeof *s->winners, by_story);
    free(s->c);
    s->c = bl_alloc(total, sizeof *s->c, err);
    return s->c != NULL;
}

/* Winners begin … end - 1, all of one story, by one thread. */
static bool explain_story(const stretch *s, const bl_atlas *a, const int32_t *ids, size_t T, size_t begin,
                          size_t end, bl_error *err) {
    bl_cause *causes = bl_alloc(CAUSES, sizeof *causes, err);
    bool ok = causes != NULL;
    for (size_t at = begin; ok && at < end; at += CAUSES) {
        size_t count = end - at < CAUSES ? end - at : CAUSES;
        for (size_t i = 0; ok && i < count; i++) {
            const winner *w = &s->winners[at + i];
            if (w->position >= T)
                ok = bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: a match lies outside its story",
                             a->path);
            else s->token[w->slot] = ids[w->position];
            causes[i] = (bl_cause){.v = s->v + (s->first + w->slot / s->hits->top) * a->n,
                                   .position = w->position,
                                   .c = s->c + w->begin};
        }
        ok = ok && bl_contributions(a->model, s->workspaces[omp_get_thread_num()], a->layer, ids, T, causes,
                                    count, err);
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

/* The winners of the chunk's stories; *at is the first winner of a story not before it. */
static bool explain_chunk(stretch *s, const bl_atlas *a, const bl_chunk *c, size_t *at, bl_error *err) {
    size_t *begin = bl_alloc(c->count + 1, sizeof *begin, err);
    bool ok = begin != NULL;
    if (!ok) return false;
    while (*at < s->n && s->winners[*at].story < c->first) ++*at; /* other ranks' */
    size_t first = *at;
    for (size_t i = 0; i < c->count; i++) {
        begin[i] = *at;
        if (*at < s->n && s->winners[*at].story == c->first + i) *at = story_end(s, *at);
    }
    begin[c->count] = *at;
    s->explained += *at - first;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < c->count; i++) {
        bl_error failure = {0};
        if (begin[i] == begin[i + 1] ||
            explain_story(s, a, c->stories[i], c->lengths[i], begin[i], begin[i + 1], &failure))
            continue;
#pragma omp critical(bl_atlas_failure)
        {
            if (ok) bl_fail(err, failure.code, "%s", failure.message);
            ok = false;
        }
    }
    free(begin);
    return ok;
}

/* What this rank explained, as bytes: for each winner its number, the token, the contributions. */
static void pack_explained(const stretch *s, bl_buffer *out) {
    for (size_t i = 0; i < s->n; i++) {
        const winner *w = &s->winners[i];
        const uint64_t number = i;
        if (s->token[w->slot] < 0) continue;
        bl_buffer_add(out, (const char *)&number, sizeof number);
        bl_buffer_add(out, (const char *)&s->token[w->slot], sizeof *s->token);
        bl_buffer_add(out, (const char *)(s->c + w->begin), ((size_t)w->position + 1) * sizeof *s->c);
    }
}

static void unpack_explained(stretch *s, const char *data, size_t bytes) {
    for (const char *end = data + bytes; data < end;) {
        uint64_t number;
        memcpy(&number, data, sizeof number);
        const winner *w = &s->winners[number];
        size_t shares = ((size_t)w->position + 1) * sizeof *s->c;
        memcpy(&s->token[w->slot], data + sizeof number, sizeof *s->token);
        memcpy(s->c + w->begin, data + sizeof number + sizeof *s->token, shares);
        data += sizeof number + sizeof *s->token + shares;
        s->explained++;
    }
}

/* Rank 0 gets what the others explained. */
static bool collect_explained(stretch *s, const bl_atlas *a, bl_error *err) {
    bl_buffer mine = {0};
    bl_gathered all = {0};
    if (a->ranks.size == 1) return true;
    if (a->ranks.rank > 0) pack_explained(s, &mine);
    bool ok = !mine.failed || bl_fail(err, BL_ERR_MEMORY, "out of memory");
    ok = bl_ranks_agree(&a->ranks, ok, err) && bl_ranks_gather(&a->ranks, mine.data, mine.n, &all, err);
    for (int r = 1; ok && a->ranks.rank == 0 && r < a->ranks.size; r++)
        unpack_explained(s, all.data + all.begin[r], all.begin[r + 1] - all.begin[r]);
    bl_gathered_free(&all);
    bl_buffer_free(&mine);
    return ok;
}

/* One row of top_input: contributions, signed so that their sum is positive, as 16-bit multiples of `scale`.
 */
static bool write_match(const stretch *s, const bl_atlas *a, sqlite3_stmt *statement, size_t j, size_t rank,
                        double eigenvalue, int16_t *space, bl_error *err) {
    size_t slot = (j - s->first) * s->hits->top + rank;
    const bl_hit *hit = &s->hits->list[j * s->hits->top + rank];
    const float *c = s->c + s->place[slot], sign = hit->similarity < 0 ? -1.0F : 1.0F;
    float most = 0, bias = sign * bl_constant_of(a->model, a->layer, s->v + j * a->n) + 0.0F;
    for (size_t p = 0; p <= hit->position; p++) most = fmaxf(most, fabsf(c[p]));
    float scale = most / 32767;
    for (size_t p = 0; p <= hit->position; p++)
        space[p] = (int16_t)(scale > 0 ? lrintf(sign * c[p] / scale) : 0);
    double similarity = (double)hit->similarity;
    sqlite3_bind_int64(statement, 1, bl_atlas_pair_id(a, j));
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
        sqlite3_stmt *insert =
                         bl_database_prepare(a->db,
                                             "INSERT INTO top_input VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                             &failure),
                     *values = NULL;
        if (insert)
            values = bl_database_prepare(a->db, "SELECT eigenvalue FROM eigenpair WHERE id >= ? ORDER BY id",
                                         &failure);
        if (values) sqlite3_bind_int64(values, 1, bl_atlas_pair_id(a, s->first));
        for (size_t j = s->first;
             values && failure.code == BL_OK && j < s->first + s->count && bl_database_row(values, &failure);
             j++) {
            double eigenvalue = sqlite3_column_double(values, 0);
            for (size_t i = 0; i < s->hits->have[j] && failure.code == BL_OK; i++)
                write_match(s, a, insert, j, i, eigenvalue, space, &failure);
        }
        sqlite3_finalize(insert);
        sqlite3_finalize(values);
        ok = failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
        bool last = s->first + s->count == a->J;
        if (ok && last) ok = bl_database_run(a->db, "DELETE FROM scan_state", err);
        ok = ok &&
             bl_atlas_mark(a, last ? BL_PHASE_DONE : BL_PHASE_EXPLAIN, last ? 0 : s->first + s->count, err);
        ok = bl_database_commit(a->db, ok, err);
    }
    free(space);
    return ok;
}

/* All stories, in order, a chunk a rank; then rank 0 has the stretch. */
static bool explain_stretch(stretch *s, bl_atlas *a, bl_error *err) {
    bl_chunks chunks = {0};
    size_t at = 0;
    uint64_t parts = (a->J + EXPLAIN_PAIRS - 1) / EXPLAIN_PAIRS, part = s->first / EXPLAIN_PAIRS;
    bool ok = bl_chunks_open(&chunks, a, 0, err);
    s->explained = 0;
    while (!chunks.ended) {
        ok = ok && bl_progress_step(&a->options.progress, "explaining", part * a->stories + chunks.next,
                                    parts * a->stories, err);
        ok = bl_chunks_next(&chunks, ok, err);
        if (!ok) break;
        if (chunks.chunk.count) ok = explain_chunk(s, a, &chunks.chunk, &at, err);
    }
    bl_chunks_close(&chunks);
    ok = ok && collect_explained(s, a, err);
    return ok && (a->ranks.rank > 0 || s->explained == s->n ||
                  bl_fail(err, BL_ERR_INPUT, "%s: the atlas is damaged: a story is missing", a->path));
}

bool bl_atlas_explain(bl_atlas *a, bl_error *err) {
    bl_hits hits = {0};
    stretch s = {0};
    float *v = bl_atlas_vectors(a, false, err);
    if (!v) return false;
    bool ok = bl_hits_init(&hits, a->J, a->options.top, err) &&
              (a->ranks.rank > 0 || restore(a, &hits, err)) && stretch_init(&s, a, &hits, v, err);
    ok = bl_ranks_agree(&a->ranks, ok, err) && s.hits && bl_hits_share(&a->ranks, &hits, err);
    for (size_t at = (size_t)a->done; ok && at < a->J; at += EXPLAIN_PAIRS) {
        ok = bl_ranks_agree(&a->ranks,
                            stretch_collect(&s, at, a->J - at < EXPLAIN_PAIRS ? a->J - at : EXPLAIN_PAIRS,
                                            err),
                            err) &&
             explain_stretch(&s, a, err);
        if (ok && a->ranks.rank == 0) ok = write_stretch(&s, a, err);
        ok = bl_ranks_agree(&a->ranks, ok, err);
    }
    if (ok && a->ranks.rank > 0 && a->done < a->J)
        ok = bl_atlas_mark(a, BL_PHASE_DONE, 0, err); /* as rank 0 did */
    stretch_free(&s);
    bl_hits_free(&hits);
    free(v);
    return ok;
}
