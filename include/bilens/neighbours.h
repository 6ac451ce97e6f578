/** @file neighbours.h  The MLP inputs of a corpus that point most nearly in a vector's direction: what an
 * eigenvector or a feature looks like in context (docs/specification.md, 6).
 *
 *      bl_neighbours *found = bl_neighbours_find(model, vectors, J, n, corpus, &options, &err);
 */
#ifndef BILENS_NEIGHBOURS_H
#define BILENS_NEIGHBOURS_H

#include <bilens/decompose.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_neighbours_options {
    size_t layer;
    size_t top;           /**< at each end, at most one per story; 0 = 8 */
    size_t max_stories;   /**< 0 = all */
    bool distributed;     /**< one rank of several, started by mpirun, that share the stories; every rank
                             gives the whole corpus and gets the same result */
    bl_progress progress; /**< phases "reading", "comparing" */
} bl_neighbours_options;

/** One place: a token with the whole word that it is part of and the text around it. */
typedef struct bl_neighbour {
    size_t story, position;      /**< position >= 1 */
    int32_t id;                  /**< its token */
    float cosine;                /**< v . x / (|v| |x|) */
    float similarity;            /**< v . x */
    char *before, *word, *after; /**< some words, the word, some words */
} bl_neighbour;

/** Of each vector the places of highest cosine, and those of lowest, lowest first. */
typedef struct bl_neighbour_list {
    size_t n_top, n_bottom;
    bl_neighbour *top, *bottom;
} bl_neighbour_list;

typedef struct bl_neighbours {
    size_t n; /**< vectors */
    uint64_t stories, positions;
    bl_neighbour_list *list; /**< [n] */
} bl_neighbours;

/** Compares the vectors [n, width] with the MLP's input at every position >= 1: the first position is the
 * same in every story. `width` is d, or d + 1 where the MLP has biases, whose last coordinate of the input is
 * 1. Works for every kind of MLP. Memory: the corpus as tokens. The result does not depend on the number of
 * threads. BL_ERR_USAGE for a layer that does not exist, a vector of zeros or a width that is neither. Free
 * with bl_neighbours_free. */
BL_API bl_neighbours *bl_neighbours_find(const bl_model *model, const float *vectors, size_t n, size_t width,
                                         bl_corpus *corpus, const bl_neighbours_options *options,
                                         bl_error *err);
/** Frees `neighbours` and all that it holds. NULL is allowed. */
BL_API void bl_neighbours_free(bl_neighbours *neighbours);

#ifdef __cplusplus
}
#endif
#endif
