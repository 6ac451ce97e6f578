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
    size_t V, n, K; /* K eigenpairs are stored at each end */
    bl_atlas_reader_facts facts;
    bl_atlas_reader_direction *directions; /* [V] */
    float *values;                         /* [2, V, 2K]: the model's, the null model's */
    float *vectors;                        /* [n_pairs, n], NULL until they are asked for */
    bl_atlas_reader_pair *pairs;           /* [n_pairs] */
    size_t n_pairs;
};
/* bl_database_prepare for an atlas that was opened a while ago: BL_ERR_IO when it is another one now. */
sqlite3_stmt *bl_atlas_reader_prepare(bl_atlas_reader *reader, const char *sql, bl_error *err);
#endif
