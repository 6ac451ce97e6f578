/* Similarities of every position of a story with J eigenvectors, and one position's similarity split by
 * source token. */
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

/* back [H, d]: row h is s v^T O_h V_h of probe j, what head h's source token is multiplied with. */
bool bl_probe_backs(const bl_probes *probes, size_t j, float *back, bl_error *err);

/* sims [n, J] = v . mlp_in(p) (+ the constant), by the full forward pass up to mlp_in: the slow, readable
 * path. */
bool bl_similarity(const bl_probes *probes, bl_workspace *workspace, const int32_t *ids, size_t n,
                   float *sims, bl_error *err);

/* c [p + 1]: the similarity of probe j at position p < n, by source token (docs/specification.md, 6),
 * unsigned; they sum to sims[p, j] minus the constant. back [H, d] is bl_probe_backs of it. heads
 * [1 + H, p + 1] or NULL: the same split further, row 0 the word itself, without attention, row 1 + h what
 * head h carried; the rows sum to c. */
bool bl_contributions(const bl_probes *probes, size_t j, const float *back, bl_workspace *workspace,
                      const int32_t *ids, size_t n, size_t p, float *c, float *heads, bl_error *err);
#endif
