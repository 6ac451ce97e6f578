/* What an open atlas keeps. */
#ifndef BL_ATLAS_LOOK_PRIVATE_H
#define BL_ATLAS_LOOK_PRIVATE_H
#include "atlas/database.h"
#include "atlas/look.h"
#include <pthread.h>

struct bl_look {
    const bl_model *model;
    sqlite3 *db;
    pthread_mutex_t lock; /* around db and vectors */
    char *path;
    size_t V, n, K; /* K eigenpairs are stored at each end */
    bl_look_facts facts;
    bl_look_direction *directions; /* [V] */
    float *values;                 /* [2, V, 2K]: the model's, the null model's */
    float *vectors;                /* [n_pairs, n], NULL until they are asked for */
    bl_look_pair *pairs;           /* [n_pairs] */
    size_t n_pairs;
};
#endif
