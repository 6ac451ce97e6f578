/* What each of many eigenpairs does to the loss when it stands at its mean in its own token's logit
 * (docs/specification.md, 12), all pairs over the same stories. The similarities that this takes are handed
 * on, so that a sweep for top inputs is the same product. */
#ifndef BL_EVIDENCE_EFFECT_H
#define BL_EVIDENCE_EFFECT_H
#include <bilens/decompose.h>

/* Directions and their eigenpairs: pair j belongs to direction j / per. All are the caller's and stay. */
typedef struct bl_effect_pairs {
    const bl_model *model; /* its last layer */
    size_t n_directions, per;
    const int32_t *tokens; /* [n_directions] whose logit is edited; NULL: the directions are no tokens, and
                            * share and ends are all that there is */
    const float *u;        /* [n_directions, d] */
    const float *v;        /* [n_directions * per, n] with their signs fixed */
    const double *lambda;  /* [n_directions * per] lambda~ */
    const float *null_v;   /* the same of a null draw */
    const double *null_lambda;
    uint64_t positions; /* about how many there are in all stories */
} bl_effect_pairs;

/* One pair's result. NaN: not defined. */
typedef struct bl_effect {
    uint64_t own, others; /* predictions */
    double own_mean, own_error, others_mean, total, share, ends;
} bl_effect;

typedef struct bl_effects bl_effects;
/* For stories of up to `longest` tokens. Free with bl_effects_free. */
bl_effects *bl_effects_new(const bl_effect_pairs *pairs, size_t longest, bl_error *err);
void bl_effects_free(bl_effects *effects);

/* Both passes take chunks of stories, ids[i] [lengths[i]]. A chunk leaves its sums behind, which the caller
 * adds up in the order of the chunks: so the bits are the same whoever computed which chunk. */

/* First pass: its sums, [*count], the mean inputs' second moment. */
bool bl_effects_measure(bl_effects *effects, const int32_t *const *ids, const size_t *lengths, size_t count,
                        bl_error *err);
const double *bl_effects_second(const bl_effects *effects, size_t *count);
/* Between the passes, from the sum over all chunks. */
bool bl_effects_means(bl_effects *effects, const double *second, bl_error *err);
/* The similarities v . x' of pair j with the n positions of story i of the chunk. Pairs of one direction are
 * one thread's, and their stories come in order. */
typedef void (*bl_effects_found)(void *context, size_t j, size_t i, const float *similarity, size_t n);
/* Second pass; `first` is the number of the chunk's first story. */
bool bl_effects_add(bl_effects *effects, uint64_t first, const int32_t *const *ids, const size_t *lengths,
                    size_t count, bl_effects_found found, void *context, bl_error *err);
const double *bl_effects_sums(const bl_effects *effects, size_t *count);
/* Of pair j, or of the null draw's pair of its place, from the sums of all chunks. The null draw's pairs meet
 * all positions of their own token, and of the others a sample of about 8,000. */
bl_effect bl_effects_result(const bl_effects *effects, const double *sums, size_t j, bool null_draw);
#endif
