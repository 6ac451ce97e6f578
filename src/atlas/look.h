/* An atlas opened to look at: the directions' figures in memory, vectors and matches when they are asked for.
 * May be shared between threads. */
#ifndef BL_ATLAS_LOOK_H
#define BL_ATLAS_LOOK_H
#include <bilens/scan.h>
#include <bilens/tree.h>

typedef struct bl_look bl_look;

/* The options that an atlas was made with, and how much there is. */
typedef struct bl_look_facts {
    uint64_t layer, pairs, top, virtual_tokens, seed, directions, stories, positions;
    bool raw, centred, complete; /* complete: top inputs are there, too */
} bl_look_facts;

enum {
    BL_LOOK_LARGEST,
    BL_LOOK_HIGHEST,
    BL_LOOK_LOWEST,
    BL_LOOK_EFFECTIVE_RANK,
    BL_LOOK_SHARE,
    BL_LOOK_CONSTANT,
    BL_LOOK_NULL_LARGEST,
    BL_LOOK_NULL_HIGHEST,
    BL_LOOK_NULL_LOWEST,
    BL_LOOK_NULL_EFFECTIVE_RANK,
    BL_LOOK_NULL_SHARE,
    BL_LOOK_EXCESS,
    BL_LOOK_EFFECT,
    BL_LOOK_Q,
    BL_LOOK_FIGURES
};

/* One token's row. What an unfinished atlas has not yet is NaN. */
typedef struct bl_look_direction {
    bool there;
    uint64_t count; /* in the corpus; of every token, whether it has a direction or not */
    double figures[BL_LOOK_FIGURES];
    const float *values, *null_values; /* [n_values] stored eigenvalues, ascending */
} bl_look_direction;

/* One stored eigenvector. */
typedef struct bl_look_pair {
    int32_t token, index;
    float eigenvalue;
} bl_look_pair;

/* A stored match; all of it belongs to the list it is in. */
typedef struct bl_look_matches {
    bl_match *list; /* [n] without heads */
    size_t n;
    void *memory;
} bl_look_matches;

/* BL_ERR_INPUT when `path` is no atlas, or that of another model. Keeps a pointer to the model. */
bl_look *bl_look_open(const char *path, const bl_model *model, bl_error *err);
void bl_look_free(bl_look *look);
/* Whether the error is about the atlas's own file; then it becomes BL_ERR_IO without the file's path, for
 * those who may not know it. */
bool bl_look_is_own(const bl_look *look, bl_error *err);
const bl_look_facts *bl_look_get_facts(const bl_look *look);
/* The stored eigenvalues of a direction: the K lowest, then the K highest. */
size_t bl_look_n_values(const bl_look *look);
/* token < V */
const bl_look_direction *bl_look_get_direction(const bl_look *look, size_t token);
/* All stored eigenvectors, read at the first call: *v [n_pairs, n] and *pairs [n_pairs] belong to the atlas.
 */
bool bl_look_vectors(bl_look *look, const float **v, const bl_look_pair **pairs, size_t *n_pairs,
                     bl_error *err);
/* The at most `top` best inputs of a direction's eigenvector `index` (-1 the highest, 0 the lowest); none is
 * no error. */
bool bl_look_get_matches(bl_look *look, int32_t token, long index, size_t top, bl_look_matches *out,
                         bl_error *err);
void bl_look_matches_free(bl_look_matches *matches);
/* Chance and effects of a direction's eigenvector `index`, under the keys of atlas/evidence.h; none where the
 * atlas does not hold it. */
void bl_look_put_evidence(bl_look *look, int32_t token, long index, bl_builder *b, bl_tree *at);
/* A virtual token. */
typedef struct bl_look_word {
    int32_t source, token; /* 0 direct, 1 + head */
    bool top;
    float value;
} bl_look_word;

typedef struct bl_look_words {
    bl_look_word *list; /* [n] by source; of each the highest first, then the lowest first */
    size_t n, capacity;
    float bias; /* the eigenvector's constant coordinate, 0 without */
} bl_look_words;

/* The stored virtual tokens of a direction's eigenvector `index`. */
bool bl_look_get_words(bl_look *look, int32_t token, long index, bl_look_words *out, bl_error *err);
void bl_look_words_free(bl_look_words *words);
/* The first `most` of the stories, one behind the other: *ids and *begin [n + 1] are to be freed. */
bool bl_look_stories(bl_look *look, size_t most, int32_t **ids, size_t **begin, size_t *n, bl_error *err);
#endif
