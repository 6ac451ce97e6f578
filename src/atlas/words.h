/* Virtual tokens of many eigenvectors (docs/specification.md, 5): the highest and lowest tokens of each
 * source. */
#ifndef BL_ATLAS_WORDS_H
#define BL_ATLAS_WORDS_H
#include <bilens/decompose.h>

typedef struct bl_words bl_words;
bl_words *bl_words_new(const bl_model *model, size_t layer, bl_error *err);
void bl_words_free(bl_words *words);

typedef struct bl_word {
    float value;
    int32_t token;
} bl_word;

/* For the `count` vectors v [count, n] (n = bl_interaction_size) out [count, 1 + H, 2, N]: of each source the
 * N highest, best first, and the N lowest, lowest first; of equal ones the lower token first. N <= V. Threads
 * over vectors. */
bool bl_words_extremes(const bl_words *words, const float *v, size_t count, size_t N, bl_word *out,
                       bl_error *err);
#endif
