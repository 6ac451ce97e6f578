/* What each of many eigenpairs does to the loss when it stands at its mean in its own token's logit
 * (docs/specification.md, 12), all pairs over the same stories. */
#ifndef BL_EVIDENCE_EFFECT_H
#define BL_EVIDENCE_EFFECT_H
#include <bilens/decompose.h>

/* Directions and their eigenpairs: pair j belongs to direction j / per. All are the caller's and stay. */
typedef struct bl_effect_pairs {
    const bl_model *model; /* its last layer */
    size_t n_directions, per;
    const int32_t *tokens; /* [n_directions] whose logit is edited */
    const float *u;        /* [n_directions, d] */
    const float *v;        /* [n_directions * per, n] with their signs fixed */
    const double *lambda;  /* [n_directions * per] lambda~ */
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
/* First pass: every story once, `count` stories ids[i] [lengths[i]] at a time. Then bl_effects_means. */
bool bl_effects_measure(bl_effects *effects, const int32_t *const *ids, const size_t *lengths, size_t count,
                        bl_error *err);
bool bl_effects_means(bl_effects *effects, bl_error *err);
/* Second pass over the same stories. The result does not depend on the number of threads. */
bool bl_effects_add(bl_effects *effects, const int32_t *const *ids, const size_t *lengths, size_t count,
                    bl_error *err);
bl_effect bl_effects_result(const bl_effects *effects, size_t j);
#endif
