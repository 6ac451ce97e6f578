/* Similarities and contributions by the full forward pass (docs/specification.md, 6).
 *
 *   sim(p) = v . mlp_in(p),   mlp_in(p) = N2(x_p + s sum_h sum_{j<=p} A_h[p, j] O_h V_h y_j)
 *   c_j    = s sum_h A_h[p, j] (v^T O_h V_h y_j)  (+ v . x_p at j = p),  all divided by the norm at p
 */
#include "linear/norm.h"
#include "scan/similarity.h"
#include "base/error.h"
#include "base/memory.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include <bilens/surrogate.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool bl_probes_init(bl_probes *probes, const bl_model *model, const bl_eigen *eigen, const long *indices,
                    size_t n_indices, bl_error *err) {
    size_t d = bl_model_config(model)->d_model, count;
    *probes = (bl_probes){.model = model, .layer = bl_eigen_layer(eigen), .J = n_indices};
    if (n_indices == 0) return bl_fail(err, BL_ERR_USAGE, "a scan needs at least one eigenvector");
    if (!bl_mul_size(n_indices, d, &count)) count = SIZE_MAX;
    probes->v = bl_alloc(count, sizeof *probes->v, err);
    probes->bias = bl_alloc_zero(n_indices, sizeof *probes->bias, err);
    if (!probes->v || !probes->bias) goto fail;
    for (size_t j = 0; j < n_indices; j++) {
        const float *v = bl_eigen_vector(eigen, indices[j]);
        if (!v) {
            bl_fail(err, BL_ERR_USAGE, "eigenvector %ld does not exist or was not computed: there are %zu",
                    indices[j], bl_eigen_size(eigen));
            goto fail;
        }
        memcpy(probes->v + j * d, v, d * sizeof *v);
        probes->bias[j] = bl_constant_of(model, probes->layer, v);
    }
    return true;
fail:
    bl_probes_free(probes);
    return false;
}

void bl_probes_free(bl_probes *probes) {
    free(probes->v);
    free(probes->bias);
    probes->v = probes->bias = NULL;
}

bool bl_similarity(const bl_probes *probes, bl_workspace *workspace, const int32_t *ids, size_t n,
                   float *sims, bl_error *err) {
    bl_view x = bl_forward_mlp_in(probes->model, workspace, ids, n, probes->layer, NULL, err);
    if (!x.data) return false;
    for (size_t p = 0; p < n; p++) memcpy(sims + p * probes->J, probes->bias, probes->J * sizeof *sims);
    bl_gemm_nt(n, probes->J, x.cols, 1.0F, x.data, x.stride, probes->v, x.cols, 1.0F, sims, probes->J);
    return true;
}
