/* AdamW with decoupled weight decay, on matrices only unless told otherwise, and gradient clipping. */
#ifndef BL_TRAIN_ADAMW_H
#define BL_TRAIN_ADAMW_H
#include "model/params.h"

typedef struct bl_adamw {
    float lr, beta1, beta2, epsilon, decay;
    uint64_t step;        /* 1 for the first */
    float gradient_scale; /* clipping: what the gradient is multiplied by */
    bool decay_all;       /* vectors decay, too */
} bl_adamw;

/* The Euclidean norm of the whole gradient [params->total]. Does not depend on the number of threads. */
double bl_gradient_norm(const bl_params *params, const float *gradient);

/* One step: weights, m and v [params->total] are updated. */
void bl_adamw_step(const bl_adamw *a, const bl_params *params, float *weights, const float *gradient,
                   float *m, float *v);
#endif
