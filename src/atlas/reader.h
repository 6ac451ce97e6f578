/* One layer of an atlas opened to look at: the directions' figures in memory, vectors and matches when
 * they are asked for.
 * May be shared between threads. */
#ifndef BL_ATLAS_READER_H
#define BL_ATLAS_READER_H
#include <bilens/atlas.h>
#include <bilens/tree.h>

typedef struct bl_atlas_reader bl_atlas_reader;

/* The options that an atlas was made with, and how much there is. */
typedef struct bl_atlas_reader_facts {
    uint64_t layer, pairs, top, virtual_tokens, seed, directions, stories, positions;
    bool raw, centred, complete;              /* complete: top inputs are there, too */
    size_t layers[BL_ATLAS_LAYERS], n_layers; /* of the whole file */
    const char *source; /* one's own directions instead of tokens: where they are from; else NULL */
} bl_atlas_reader_facts;

enum {
    BL_ATLAS_READER_LARGEST,
    BL_ATLAS_READER_HIGHEST,
    BL_ATLAS_READER_LOWEST,
    BL_ATLAS_READER_EFFECTIVE_RANK,
    BL_ATLAS_READER_SHARE,
    BL_ATLAS_READER_CONSTANT,
    BL_ATLAS_READER_NULL_LARGEST,
    BL_ATLAS_READER_NULL_HIGHEST,
    BL_ATLAS_READER_NULL_LOWEST,
    BL_ATLAS_READER_NULL_EFFECTIVE_RANK,
    BL_ATLAS_READER_NULL_SHARE,
    BL_ATLAS_READER_EXCESS,
    BL_ATLAS_READER_EFFECT,
    BL_ATLAS_READER_Q,
    BL_ATLAS_READER_FIGURES
};

/* One direction's row. What an unfinished atlas has not yet is NaN. */
typedef struct bl_atlas_reader_direction {
    bool there;
    uint64_t count; /* in the corpus; of every token, whether it has a direction or not; 0 of one's own */
    double figures[BL_ATLAS_READER_FIGURES];
    const float *values, *null_values; /* [n_values] stored eigenvalues, ascending */
} bl_atlas_reader_direction;

/* One stored eigenvector. */
typedef struct bl_atlas_reader_pair {
    int32_t direction, index; /* direction: a token's id, or a row of one's own */
    float eigenvalue;
} bl_atlas_reader_pair;

/* A stored match; all of it belongs to the list it is in. */
typedef struct bl_atlas_reader_matches {
    bl_match *list; /* [n] without heads */
    size_t n;
    void *memory;
} bl_atlas_reader_matches;

/* Part `part` of the atlas: its layer number `part`, from 0. BL_ERR_INPUT when `path` is no atlas, or that of
 * another model. Keeps a pointer to the model. */
bl_atlas_reader *bl_atlas_reader_open(const char *path, const bl_model *model, size_t part, bl_error *err);
void bl_atlas_reader_free(bl_atlas_reader *reader);
/* Whether the error is about the atlas's own file; then it becomes BL_ERR_IO without the file's path, for
 * those who may not know it. */
bool bl_atlas_reader_is_own(const bl_atlas_reader *reader, bl_error *err);
const bl_atlas_reader_facts *bl_atlas_reader_get_facts(const bl_atlas_reader *reader);
/* The stored eigenvalues of a direction: the K lowest, then the K highest. */
size_t bl_atlas_reader_n_values(const bl_atlas_reader *reader);
/* The directions that there can be: the vocabulary's, or one's own with their labels. A direction is a number
 * below the size of this basis, here and below. */
bl_basis bl_atlas_reader_basis(const bl_atlas_reader *reader);
const bl_atlas_reader_direction *bl_atlas_reader_get_direction(const bl_atlas_reader *reader,
                                                               size_t direction);
/* u [d] of a direction as the atlas takes it, of a basis with its mean. */
bool bl_atlas_reader_vector(const bl_atlas_reader *reader, const bl_basis *basis, size_t direction, float *u,
                            bl_error *err);
/* All stored eigenvectors, read at the first call: *v [n_pairs, n] and *pairs [n_pairs] belong to the atlas.
 */
bool bl_atlas_reader_vectors(bl_atlas_reader *reader, const float **v, const bl_atlas_reader_pair **pairs,
                             size_t *n_pairs, bl_error *err);
/* The at most `top` best inputs of a direction's eigenvector `index` (-1 the highest, 0 the lowest); none is
 * no error. */
bool bl_atlas_reader_get_matches(bl_atlas_reader *reader, int32_t direction, long index, size_t top,
                                 bl_atlas_reader_matches *out, bl_error *err);
void bl_atlas_reader_matches_free(bl_atlas_reader_matches *matches);
/* Chance and effects of a direction's eigenvector `index`, under the keys of atlas/evidence.h; none where the
 * atlas does not hold it. */
void bl_atlas_reader_put_evidence(bl_atlas_reader *reader, int32_t direction, long index, bl_builder *b,
                                  bl_tree *at);
/* A virtual token. */
typedef struct bl_atlas_reader_word {
    int32_t source, token; /* 0 direct, 1 + head */
    bool top;
    float value;
} bl_atlas_reader_word;

typedef struct bl_atlas_reader_words {
    bl_atlas_reader_word *list; /* [n] by source; of each the highest first, then the lowest first */
    size_t n, capacity;
    float bias; /* the eigenvector's constant coordinate, 0 without */
} bl_atlas_reader_words;

/* The stored virtual tokens of a direction's eigenvector `index`. */
bool bl_atlas_reader_get_words(bl_atlas_reader *reader, int32_t direction, long index,
                               bl_atlas_reader_words *out, bl_error *err);
void bl_atlas_reader_words_free(bl_atlas_reader_words *words);
/* bl_atlas_put_who_reads (atlas/who_reads.h). */
void bl_atlas_reader_put_who_reads(bl_atlas_reader *reader, int32_t token, int64_t source, size_t limit,
                                   bl_builder *b, bl_tree *at);
/* The first `most` of the stories, one behind the other: *ids and *begin [n + 1] are to be freed. */
bool bl_atlas_reader_stories(bl_atlas_reader *reader, size_t most, int32_t **ids, size_t **begin, size_t *n,
                             bl_error *err);
#endif
