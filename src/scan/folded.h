/* Similarities without the forward pass: the folded scan.
 *
 * To know v . mlp_in(p) for J vectors v one needs, in a first layer without norms, only attention patterns
 * and J numbers a head and token:
 *
 *   sim(p) = W_E[t_p] . v + sum_h sum_{j<=p} A_h[p, j] tau_h[t_j],      tau_h[t] = s v^T O_h V_h W_E[t]
 *
 * With bilinear attention A_h is the product of two patterns; biases of attention are added to the tables.
 * Queries, keys and tau come from tables over the vocabulary; values, output projection, MLP and unembedding
 * are never computed, and the pattern is computed once per story for all J. The slow path (similarity.h) is
 * its oracle. */
#ifndef BL_SCAN_FOLDED_H
#define BL_SCAN_FOLDED_H
#include "scan/similarity.h"

/* Tables of one set of probes; immutable, shared by all threads. Keeps a pointer to `probes`. */
typedef struct bl_folded bl_folded;
bl_folded *bl_folded_new(const bl_probes *probes, bl_error *err);
void bl_folded_free(bl_folded *folded);

/* Scratch of one thread, with room for stories of T tokens; grows with longer ones. */
typedef struct bl_folded_workspace bl_folded_workspace;
bl_folded_workspace *bl_folded_workspace_new(const bl_folded *folded, size_t T, bl_error *err);
void bl_folded_workspace_free(bl_folded_workspace *workspace);

/* sims [n, J], as bl_similarity. */
bool bl_folded_similarity(const bl_folded *folded, bl_folded_workspace *workspace, const int32_t *ids,
                          size_t n, float *sims, bl_error *err);

/* c [p + 1]: the similarity of probe j at position p by source token, as bl_contributions; heads as there, or
 * NULL. */
bool bl_folded_contributions(const bl_folded *folded, bl_folded_workspace *workspace, size_t j,
                             const int32_t *ids, size_t n, size_t p, float *c, float *heads, bl_error *err);
#endif
