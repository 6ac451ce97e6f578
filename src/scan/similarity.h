/* Similarities of every position of a story with J eigenvectors. */
#ifndef BL_SCAN_SIMILARITY_H
#define BL_SCAN_SIMILARITY_H
#include "model/forward.h"
#include <bilens/scan.h>

/* J vectors to look for at a layer. */
typedef struct bl_probes {
    const bl_model *model;
    size_t layer, J;
    float *v;    /* [J, d] */
    float *bias; /* [J] the constant coordinate of each, 0 without MLP biases */
} bl_probes;

bool bl_probes_init(bl_probes *probes, const bl_model *model, const bl_eigen *eigen, const long *indices,
                    size_t n_indices, bl_error *err);
void bl_probes_free(bl_probes *probes);

/* sims [n, J] = v . mlp_in(p) (+ the constant), by the full forward pass up to mlp_in: the slow, readable
 * path. */
bool bl_similarity(const bl_probes *probes, bl_workspace *workspace, const int32_t *ids, size_t n,
                   float *sims, bl_error *err);
#endif
