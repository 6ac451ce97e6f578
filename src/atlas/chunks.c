/* Rank 0 reads the table and hands the chunks out: of each round one message to all, from which each takes
 * its own.
 *
 * A chunk has about a sixteenth of the corpus, at most what bl_best_inputs_run takes at once: so there is
 * work for several ranks in a small corpus. */
#include "atlas/chunks.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

#define PARTS 16

bool bl_chunks_open(bl_chunks *f, const bl_atlas *a, uint64_t first, bl_error *err) {
    f->atlas = a;
    f->next = first;
    return a->ranks.rank > 0 || bl_story_reader_open(&f->reader, a, first, err);
}

void bl_chunks_close(bl_chunks *f) {
    bl_story_reader_close(&f->reader);
    free(f->chunk.ids);
    free(f->chunk.stories);
    free(f->chunk.lengths);
    *f = (bl_chunks){0};
}

static bool make_room(bl_chunk *c, size_t positions, size_t count, bl_error *err) {
    return bl_grow(&c->ids, &c->ids_capacity, positions + 1, sizeof *c->ids, err) &&
           bl_grow(&c->stories, &c->stories_capacity, count + 1, sizeof(const int32_t *), err) &&
           bl_grow(&c->lengths, &c->lengths_capacity, count + 1, sizeof *c->lengths, err);
}

static void find_stories(bl_chunk *c) {
    size_t at = 0;
    for (size_t i = 0; i < c->count; at += c->lengths[i++]) c->stories[i] = c->ids + at;
}

/* Rank 0: stories until the chunk is full; count = 0 at the end. */
static bool read_chunk(bl_chunks *f, bl_error *err) {
    bl_chunk *c = &f->chunk;
    bl_error failure = {0};
    size_t full = (size_t)f->atlas->positions / PARTS + 1;
    if (full > bl_best_inputs_chunk()) full = bl_best_inputs_chunk();
    c->count = c->positions = 0;
    c->first = f->next;
    while (c->positions < full && c->count < full && bl_story_reader_next(&f->reader, f->atlas, &failure)) {
        if (!make_room(c, c->positions + f->reader.length, c->count + 1, err)) return false;
        memcpy(c->ids + c->positions, f->reader.ids, f->reader.length * sizeof *c->ids);
        c->lengths[c->count++] = f->reader.length;
        c->positions += f->reader.length;
    }
    f->next += c->count;
    find_stories(c);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

/* A chunk as bytes: first, count, positions; lengths; ids. */
static void pack(const bl_chunk *c, bl_buffer *out) {
    const uint64_t head[3] = {c->first, c->count, c->positions};
    bl_buffer_add(out, (const char *)head, sizeof head);
    bl_buffer_add(out, (const char *)c->lengths, c->count * sizeof *c->lengths);
    bl_buffer_add(out, (const char *)c->ids, c->positions * sizeof *c->ids);
}

static bool unpack(bl_chunk *c, const char *data, bl_error *err) {
    uint64_t head[3];
    memcpy(head, data, sizeof head);
    data += sizeof head;
    if (!make_room(c, (size_t)head[2], (size_t)head[1], err)) return false;
    c->first = head[0];
    c->count = (size_t)head[1];
    c->positions = (size_t)head[2];
    memcpy(c->lengths, data, c->count * sizeof *c->lengths);
    memcpy(c->ids, data + c->count * sizeof *c->lengths, c->positions * sizeof *c->ids);
    find_stories(c);
    return true;
}

/* begin [size + 1]: where each rank's chunk stands in the message; then the story after the round. */
static bool hand_out(bl_chunks *f, uint64_t *begin, bl_error *err) {
    const bl_ranks *ranks = &f->atlas->ranks;
    size_t size = (size_t)ranks->size;
    bl_buffer message = {0};
    char *bytes = NULL;
    bool ok = true;
    for (size_t r = 0; ok && ranks->rank == 0 && r < size; r++) {
        begin[r] = message.n;
        ok = read_chunk(f, err);
        if (ok) pack(&f->chunk, &message);
    }
    begin[size] = message.n;
    begin[size + 1] = f->next;
    if (ok && message.failed) ok = bl_fail(err, BL_ERR_MEMORY, "out of memory");
    ok = bl_ranks_agree(ranks, ok, err) && bl_ranks_share(ranks, begin, (size + 2) * sizeof *begin, err);
    if (ok) bytes = ranks->rank == 0 ? message.data : bl_alloc((size_t)begin[size], 1, err);
    ok = ok && bl_ranks_agree(ranks, bytes != NULL, err) && bytes &&
         bl_ranks_share(ranks, bytes, (size_t)begin[size], err);
    if (ok) {
        f->next = begin[size + 1];
        ok = unpack(&f->chunk, bytes + begin[ranks->rank], err);
    }
    if (ranks->rank > 0) free(bytes);
    bl_buffer_free(&message);
    return ok;
}

bool bl_chunks_next(bl_chunks *f, bool ok, bl_error *err) {
    uint64_t before = f->next;
    if (f->atlas->ranks.size == 1) {
        ok = ok && read_chunk(f, err);
    } else {
        uint64_t *begin = bl_alloc_zero((size_t)f->atlas->ranks.size + 2, sizeof *begin, err);
        ok = bl_ranks_agree(&f->atlas->ranks, ok && begin, err) && hand_out(f, begin, err);
        free(begin);
    }
    f->ended = f->next == before;
    return ok;
}
