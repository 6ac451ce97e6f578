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
        if (bl_eigen_size(eigen) > d) probes->bias[j] = v[d];
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

bool bl_probe_backs(const bl_probes *probes, size_t j, float *back, bl_error *err) {
    size_t d = bl_model_config(probes->model)->d_model, n = bl_model_n_paths(probes->model);
    bool ok = true;
    for (size_t s = 1; ok && s < n; s++) {
        bl_path path = bl_model_path(probes->model, probes->layer, s);
        ok = bl_path_back(&path, probes->v + j * d, back + (s - 1) * d, err);
    }
    return ok;
}

bool bl_similarity(const bl_probes *probes, bl_workspace *workspace, const int32_t *ids, size_t n,
                   float *sims, bl_error *err) {
    bl_view x = bl_forward_mlp_in(probes->model, workspace, ids, n, probes->layer, NULL, err);
    if (!x.data) return false;
    for (size_t p = 0; p < n; p++) memcpy(sims + p * probes->J, probes->bias, probes->J * sizeof *sims);
    bl_gemm_nt(n, probes->J, x.cols, 1.0F, x.data, x.stride, probes->v, x.cols, 1.0F, sims, probes->J);
    return true;
}

typedef struct split {
    size_t layer, p;
    const float *v, *back;
    size_t d, H;
    float *moved;      /* [n, H] v^T s O_h (V_h y_j + b_h) */
    const float *bias; /* [H] v^T s O_h b_h, or NULL */
    float *c;          /* [p + 1] */
    float *heads;      /* [1 + H, p + 1] or NULL */
    float *direct;     /* v . x_p */
    double square;     /* |x_mid(p)|^2 */
} split;

/* A tap on the layer in question. */
static void take(void *context, bl_point point, size_t layer, size_t head, bl_view value) {
    split *s = context;
    if (layer != s->layer) return;
    const float *row = value.data + s->p * value.stride;
    if (point == BL_POINT_RESID_PRE) *s->direct = bl_dot(row, s->v, s->d);
    if (point == BL_POINT_ATTN_IN)
        bl_gemm_nt(value.rows, s->H, s->d, 1.0F, value.data, value.stride, s->back, s->d, 0.0F, s->moved,
                   s->H);
    for (size_t i = 0; point == BL_POINT_ATTN_IN && s->bias && i < value.rows * s->H; i++)
        s->moved[i] += s->bias[i % s->H];
    if (point == BL_POINT_PATTERN)
        for (size_t j = 0; j <= s->p; j++) {
            float share = row[j] * s->moved[j * s->H + head];
            s->c[j] += share;
            if (s->heads) s->heads[(1 + head) * (s->p + 1) + j] = share;
        }
    if (point == BL_POINT_RESID_MID)
        for (size_t i = 0; i < s->d; i++) s->square += (double)row[i] * (double)row[i];
}

/* bias [H] = v^T s O_h b_h, what the values' biases add along v. */
static void value_bias(const bl_probes *probes, const bl_layer *l, const float *v, float *bias) {
    const bl_config *c = bl_model_config(probes->model);
    for (size_t h = 0; h < c->n_head; h++) bias[h] = 0;
    for (size_t i = 0; i < c->d_model; i++)
        for (size_t h = 0; h < c->n_head; h++)
            bias[h] += bl_model_attention_scale(probes->model) * v[i] *
                       bl_dot(l->w_o.data + i * l->w_o.stride + h * c->head_dim, l->b_v + h * c->head_dim,
                              c->head_dim);
}

bool bl_contributions(const bl_probes *probes, size_t j, const float *back, bl_workspace *workspace,
                      const int32_t *ids, size_t n, size_t p, float *c, float *heads, bl_error *err) {
    const bl_config *config = bl_model_config(probes->model);
    const bl_layer *layer = bl_model_layer(probes->model, probes->layer);
    float direct = 0, *moved = bl_alloc((n + 1) * config->n_head, sizeof *moved, err),
          *bias = moved + n * config->n_head;
    if (!moved) return false;
    if (layer->b_v) value_bias(probes, layer, probes->v + j * config->d_model, bias);
    memset(c, 0, (p + 1) * sizeof *c);
    if (heads) memset(heads, 0, (p + 1) * sizeof *heads);
    split s = {.layer = probes->layer,
               .p = p,
               .v = probes->v + j * config->d_model,
               .back = back,
               .d = config->d_model,
               .H = config->n_head,
               .moved = moved,
               .bias = layer->b_v ? bias : NULL,
               .c = c,
               .heads = heads,
               .direct = &direct};
    bl_tap tap = {.take = take, .context = &s};
    bool ok = bl_forward_mlp_in(probes->model, workspace, ids, n, probes->layer, &tap, err).data != NULL;
    c[p] += direct;
    if (heads) heads[p] = direct;
    float scale =
        config->normalization ? (float)(1.0 / sqrt(s.square / (double)s.d + (double)BL_NORM_EPSILON)) : 1.0F;
    for (size_t i = 0; i <= p; i++) c[i] *= scale;
    for (size_t i = 0; heads && i < (1 + s.H) * (p + 1); i++) heads[i] *= scale;
    free(moved);
    return ok;
}
