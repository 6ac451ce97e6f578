/* Stories out of the atlas's table, a chunk at a time for every rank. */
#ifndef BL_ATLAS_CHUNKS_H
#define BL_ATLAS_CHUNKS_H
#include "atlas/atlas_private.h"

/* Consecutive stories: first, first + 1, … */
typedef struct bl_chunk {
    int32_t *ids; /* [positions], one story behind the other */
    size_t ids_capacity, positions;
    const int32_t **stories; /* [count] into ids */
    size_t *lengths;         /* [count] */
    size_t stories_capacity, lengths_capacity, count;
    uint64_t first;
} bl_chunk;

/* Zero-initialise. */
typedef struct bl_chunks {
    const bl_atlas *atlas;
    bl_story_reader reader; /* rank 0's */
    bl_chunk chunk;         /* this rank's part of the round; count may be 0 */
    uint64_t next;          /* the story after the round */
    bool ended;             /* the round is empty: there are no more */
} bl_chunks;

/* Stories from `first` on; on rank 0 the table is opened. */
bool bl_chunks_open(bl_chunks *chunks, const bl_atlas *atlas, uint64_t first, bl_error *err);
/* The next round, a chunk a rank in rank order: all ranks call it, and fail together when one is not `ok`.
 * Chunks are cut alike however many ranks there are. */
bool bl_chunks_next(bl_chunks *chunks, bool ok, bl_error *err);
void bl_chunks_close(bl_chunks *chunks);
#endif
