/* What an open atlas keeps. */
#ifndef BL_ATLAS_READER_PRIVATE_H
#define BL_ATLAS_READER_PRIVATE_H
#include "atlas/foreign.h"
#include "atlas/reader.h"
#include <pthread.h>

struct bl_atlas_reader {
    const bl_model *model;
    bl_foreign_atlas file;
    sqlite3 *db;          /* the file's */
    pthread_mutex_t lock; /* around db and vectors */
    char *path;
    size_t V, n, K;     /* K eigenpairs are stored at each end */
    size_t part, space; /* direction i of `space` has the id part * space + i in the file */
    bl_atlas_reader_facts facts;
    bl_atlas_reader_direction *directions; /* [space] */
    float *values;                         /* [2, space, 2K]: the model's, the null model's */
    char *source;                          /* of one's own directions, or NULL */
    float *own;                            /* [space, d] them */
    char **labels;                         /* [space] their names */
    float *vectors;                        /* [n_pairs, n], NULL until they are asked for */
    bl_atlas_reader_pair *pairs;           /* [n_pairs] */
    size_t n_pairs;
};
/* The id of direction i in the file. */
static inline int64_t bl_atlas_reader_id(const bl_atlas_reader *reader, size_t i) {
    return (int64_t)(reader->part * reader->space + i);
}
/* bl_database_prepare for an atlas that was opened a while ago: BL_ERR_IO when it is another one now. */
sqlite3_stmt *bl_atlas_reader_prepare(bl_atlas_reader *reader, const char *sql, bl_error *err);
#endif
