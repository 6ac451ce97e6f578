/* One run of the atlas: what its phases share. */
#ifndef BL_ATLAS_ATLAS_PRIVATE_H
#define BL_ATLAS_ATLAS_PRIVATE_H
#include "atlas/database.h"
#include "atlas/best_inputs.h"
#include "base/lock.h"
#include "base/ranks.h"
#include <bilens/atlas.h>
#include <bilens/decompose.h>

/* In this order; meta's `phase` is the first that is not finished, `done` how much of it is. */
typedef enum bl_phase {
    BL_PHASE_READ,
    BL_PHASE_DECOMPOSE,
    BL_PHASE_NULL,
    BL_PHASE_SCAN,
    BL_PHASE_EXPLAIN,
    BL_PHASE_DONE
} bl_phase;

typedef struct bl_atlas {
    const bl_model *model;
    bl_bilinear map;                /* the layer */
    size_t layers[BL_ATLAS_LAYERS]; /* [n_layers] ascending */
    size_t n_layers, part, layer;   /* layer = layers[part], the one that the phases are at */
    bl_basis out;                   /* the directions: output tokens, or one's own */
    bl_corpus *corpus;
    const char *path;
    bl_atlas_options options; /* defaults filled in */
    bl_ranks ranks;
    sqlite3 *db;   /* rank 0's; NULL on the others */
    bl_lock *lock; /* rank 0's: one process at a time makes this file */
    size_t V, d, n, H;
    size_t space;           /* rows of `out`: direction i of a part has the id part * space + i in the file */
    size_t K, N;            /* pairs an end, virtual tokens an end; as many as there can be */
    int32_t *directions;    /* [n_directions] rows of `out`, ascending */
    size_t n_directions, J; /* J = n_directions * 2K vectors of a part; its pair j has the id part * J + j */
    bl_phase phase;
    uint64_t done;
    uint64_t stories, positions;
} bl_atlas;

/* The statements that make an empty atlas. */
const char *bl_atlas_schema(void);
/* Tables, views, identity (schema.c). Fails when the file holds another atlas. *resumed: some of this one was
 * there. */
bool bl_atlas_prepare(bl_atlas *atlas, bool *resumed, bl_error *err);
/* Everything of the model that an atlas's numbers depend on. */
uint64_t bl_atlas_hash_model(const bl_model *model);
/* All ranks: false when another rank has another model or other options than rank 0. */
bool bl_atlas_compare_ranks(const bl_atlas *atlas, bl_error *err);
/* The id of direction i < n_directions of the part, and of its pair j < J. */
int64_t bl_atlas_direction_id(const bl_atlas *atlas, size_t i);
int64_t bl_atlas_pair_id(const bl_atlas *atlas, size_t j);
/* Takes up part `part`: its layer and map. */
bool bl_atlas_take_part(bl_atlas *atlas, size_t part, bl_error *err);
/* u [d] of direction i < n_directions; `mean` [d] of the basis. */
bool bl_atlas_direction(const bl_atlas *atlas, size_t i, const float *mean, float *u, bl_error *err);
/* Whether the directions are one's own and no tokens. */
static inline bool bl_atlas_is_own(const bl_atlas *atlas) { return atlas->options.directions != NULL; }
/* Within a transaction: where the run stands. BL_PHASE_DONE of a part that is not the last begins the next.
 */
bool bl_atlas_mark(bl_atlas *atlas, bl_phase phase, uint64_t done, bl_error *err);

/* The phases. Each goes on at atlas->done, in transactions, and ends by marking the next one. The first two
 * are rank 0's, the others are all ranks' together: they share the work, rank 0 writes. */
bool bl_atlas_read(bl_atlas *atlas,
                   bl_error *err); /* stories, frequencies; compares the corpus when that is done already */
bool bl_atlas_choose(bl_atlas *atlas, bl_error *err); /* directions, K, N, J */
bool bl_atlas_decompose(bl_atlas *atlas, bl_error *err);
/* Null draws 0 … null_draws - 1, which are the pool, and one more, which shows its calibration; then
 * judges. */
bool bl_atlas_draw(bl_atlas *atlas, bl_error *err);
/* p, q and the calibration out of the statistics in the tables (chance.c). */
bool bl_atlas_judge(bl_atlas *atlas, bl_error *err);
bool bl_atlas_scan(bl_atlas *atlas, bl_error *err);
bool bl_atlas_explain(bl_atlas *atlas, bl_error *err);
/* Rank 0, when all is done: the file written anew, so that the same rows are the same bytes; closes atlas->db
 * if it did. */
bool bl_atlas_compact(bl_atlas *atlas, bl_error *err);

/* v [J, n] of the part, from the table eigenpair, or null_eigenpair, on all ranks, to be freed. */
float *bl_atlas_vectors(bl_atlas *atlas, bool null_draw, bl_error *err);

/* Stories out of the table, one after the other; zero-initialise. */
typedef struct bl_story_reader {
    sqlite3_stmt *statement;
    int32_t *ids; /* [length] of the current story */
    size_t length, capacity;
    uint64_t story;
    bool ended; /* one step further and SQLite would begin again */
} bl_story_reader;
/* Stories from `first` on. */
bool bl_story_reader_open(bl_story_reader *reader, const bl_atlas *atlas, uint64_t first, bl_error *err);
/* The next story: true; false at the end (err->code BL_OK) or on failure. */
bool bl_story_reader_next(bl_story_reader *reader, const bl_atlas *atlas, bl_error *err);
void bl_story_reader_close(bl_story_reader *reader);
#endif
