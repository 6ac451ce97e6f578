/* Eigenpairs of an image model's block, in its input or in pixels (docs/specification.md, 20).
 *
 *   embed   Q_u = V diag(l) V^T;  pictures V^T E' (along the direct path)
 *   pixel   E'^T Q_u E': with E' = L F (F's rows orthonormal), L^T Q_u L = W diag(l) W^T, pictures W^T F
 *
 * E' = E, with biases blockdiag(E, 1). Where E' has more rows than columns, E'^T Q E' is decomposed itself.
 * The LQ is made in float64, so that the spectra in both spaces describe the same function to float32. */
#include "base/error.h"
#include "base/memory.h"
#include "linear/gemm.h"
#include "linear/lq.h"
#include "subject/image_private.h"
#include <bilens/direction.h>
#include <bilens/eigen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool class_reads(const bl_image_model *model, size_t layer, bl_error *err) {
    const bl_image_config *c = &model->config;
    return layer + 1 >= c->n_layer || c->residual ||
           bl_fail(err, BL_ERR_USAGE,
                   "layer %zu: a class reads the last layer (%zu) only, as this model has no residual; give "
                   "a vector with --direction instead",
                   layer, c->n_layer - 1);
}

bool bl_image_direction_vector(const bl_image_model *model, const bl_direction *direction, size_t layer,
                               float *u, bl_error *err) {
    bl_basis classes = bl_image_basis_out(model);
    bl_error_clear(err);
    return (!direction->token || class_reads(model, layer, err)) &&
           bl_direction_vector(direction, &classes, u, err);
}

/* E' [d', n'] in float64. */
static double *embedding(const bl_image_model *model, size_t d, size_t n, bool constant, bl_error *err) {
    size_t inner = constant ? n - 1 : n, rows = constant ? d - 1 : d;
    double *e = bl_alloc_zero(d * n, sizeof *e, err);
    if (!e) return NULL;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < inner; i++)
            e[r * n + i] = model->w_e ? (double)model->w_e[r * inner + i] : (r == i ? 1.0 : 0.0);
    if (constant) e[d * n - 1] = 1;
    return e;
}

/* out [m, m] = a [m, k] q [k, k] a^T, in float64 rounded to float32. */
static bool congruent(const double *a, const float *q, size_t m, size_t k, float *out, bl_error *err) {
    float *wide = bl_alloc(m * k, sizeof *wide, err), *half = bl_alloc(m * k, sizeof *half, err);
    bool ok = wide && half;
    for (size_t i = 0; ok && i < m * k; i++) wide[i] = (float)a[i];
    if (ok) {
        bl_gemm_nn_pieces(m, k, k, wide, k, q, k, half, k);
        bl_gemm_nt_pieces(m, m, k, half, k, wide, k, out, m);
        for (size_t i = 0; i < m; i++) /* the last bits of both halves alike */
            for (size_t j = 0; j < i; j++)
                out[i * m + j] = out[j * m + i] = 0.5F * (out[i * m + j] + out[j * m + i]);
    }
    free(wide);
    free(half);
    return ok;
}

/* The largest-magnitude component of a row becomes positive; of equal ones the first counts. */
static void fix_sign(float *v, size_t n) {
    float most = 0;
    for (size_t i = 0; i < n; i++)
        if (fabsf(v[i]) > fabsf(most)) most = v[i];
    for (size_t i = 0; most < 0 && i < n; i++) v[i] = -v[i];
}

static bool take_pairs(bl_image_eigen *e, const bl_eigen *pairs, float *vectors) {
    for (size_t i = 0; i < e->size; i++)
        memcpy(vectors + i * e->size, bl_eigen_vector(pairs, (long)i), e->size * sizeof *vectors);
    memcpy(e->values, bl_eigen_values(pairs), e->size * sizeof *e->values);
    return true;
}

/* pictures [m, n] = vectors [m, width] E, without the constant coordinate. */
static bool draw(const bl_image_model *model, bl_image_eigen *e, bl_error *err) {
    size_t n = e->n;
    e->pictures = bl_alloc(e->size * n, sizeof *e->pictures, err);
    if (!e->pictures) return false;
    if (e->space == BL_SPACE_EMBED && model->w_e) {
        bl_gemm_nn_pieces(e->size, n, model->config.d_hidden, e->vectors, e->width, model->w_e, n,
                          e->pictures, n);
        return true;
    }
    for (size_t i = 0; i < e->size; i++)
        memcpy(e->pictures + i * n, e->vectors + i * e->width, n * sizeof(float));
    return true;
}

static bool in_embedding(const bl_image_model *model, bl_image_eigen *e, const float *q, bl_error *err) {
    e->size = e->width = bl_image_width(model, e->layer) + e->constant;
    bl_eigen *pairs = bl_eigen_of_matrix(q, e->width, 0, 0, err);
    e->values = bl_alloc(e->size, sizeof *e->values, err);
    e->vectors = bl_alloc(e->size * e->width, sizeof *e->vectors, err);
    bool ok = pairs && e->values && e->vectors && take_pairs(e, pairs, e->vectors);
    bl_eigen_free(pairs);
    return ok && ((e->layer > 0 && !model->config.residual) || draw(model, e, err));
}

double *bl_image_pixel_factor(const bl_image_model *model, size_t *m, float **basis, bl_error *err) {
    size_t constant = model->config.bias, d = bl_image_width(model, 0) + constant,
           n = model->config.d_input + constant, size = d < n ? d : n;
    double *embed = embedding(model, d, n, constant, err);
    double *factor = embed ? bl_alloc(size * d, sizeof *factor, err) : NULL;
    double *l = factor && d < n ? bl_alloc(size * size, sizeof *l, err) : NULL;
    *m = size;
    if (basis) *basis = factor && d < n ? bl_alloc(size * n, sizeof **basis, err) : NULL;
    bool ok = factor && (d >= n || (l && (!basis || *basis) && bl_lq(embed, d, n, l, err)));
    for (size_t i = 0; ok && i < size; i++)
        for (size_t r = 0; r < d; r++) factor[i * d + r] = d < n ? l[r * size + i] : embed[r * n + i];
    for (size_t i = 0; ok && basis && *basis && i < size * n; i++) (*basis)[i] = (float)embed[i];
    free(embed);
    free(l);
    if (ok) return factor;
    free(factor);
    if (basis) {
        free(*basis);
        *basis = NULL;
    }
    return NULL;
}

static bool in_pixels(const bl_image_model *model, bl_image_eigen *e, const float *q, bl_error *err) {
    size_t d = bl_image_width(model, 0) + e->constant, n = e->n + e->constant, m;
    float *basis = NULL;
    double *factor = bl_image_pixel_factor(model, &m, &basis, err);
    if (!factor) return false;
    float *form = bl_alloc(m * m, sizeof *form, err), *w = bl_alloc(m * m, sizeof *w, err);
    bl_eigen *pairs = NULL;
    e->size = m;
    e->width = n;
    e->values = bl_alloc(m, sizeof *e->values, err);
    e->vectors = bl_alloc(m * n, sizeof *e->vectors, err);
    bool ok = form && w && e->values && e->vectors && congruent(factor, q, m, d, form, err);
    pairs = ok ? bl_eigen_of_matrix(form, m, 0, 0, err) : NULL;
    ok = pairs && take_pairs(e, pairs, w);
    if (ok && basis) bl_gemm_nn_pieces(m, n, m, w, m, basis, n, e->vectors, n);
    else if (ok) memcpy(e->vectors, w, m * n * sizeof *w);
    for (size_t i = 0; ok && i < m; i++) fix_sign(e->vectors + i * n, n);
    ok = ok && draw(model, e, err);
    bl_eigen_free(pairs);
    free(factor);
    free(form);
    free(w);
    free(basis);
    return ok;
}

/* E^T u: the picture that a linear classifier would be. */
static bool draw_direct(const bl_image_model *model, bl_image_eigen *e, const float *u, bl_error *err) {
    e->direct = bl_alloc(e->n, sizeof *e->direct, err);
    if (!e->direct) return false;
    if (!model->w_e) memcpy(e->direct, u, e->n * sizeof *u);
    else
        bl_gemm_nn_pieces(1, e->n, model->config.d_hidden, u, model->config.d_hidden, model->w_e, e->n,
                          e->direct, e->n);
    return true;
}

bl_image_eigen *bl_image_eigen_new(const bl_image_model *model, const float *u, size_t layer, bl_space space,
                                   bl_error *err) {
    bl_bilinear block;
    bl_error_clear(err);
    if (!bl_image_block(model, layer, &block, err)) return NULL;
    if (space == BL_SPACE_PIXEL && layer > 0)
        return bl_fail_null(err, BL_ERR_USAGE,
                            "--space pixel: the pixels are the input of layer 0, not of layer %zu", layer);
    bl_image_eigen *e = bl_alloc_zero(1, sizeof *e, err);
    if (!e) return NULL;
    *e = (bl_image_eigen){.layer = layer,
                          .space = space,
                          .n = model->config.d_input,
                          .constant = model->config.bias};
    size_t width = bl_bilinear_size(&block);
    float *q = bl_alloc(width * width, sizeof *q, err);
    bool ok = q && bl_bilinear_matrix(&block, u, q, err);
    if (ok) ok = space == BL_SPACE_PIXEL ? in_pixels(model, e, q, err) : in_embedding(model, e, q, err);
    if (ok && model->config.residual) ok = draw_direct(model, e, u, err);
    free(q);
    if (ok) return e;
    bl_image_eigen_free(e);
    return NULL;
}

bl_image_eigen *bl_image_eigen_of_class(const bl_image_model *model, size_t class_index, bool minus_all,
                                        size_t layer, bl_space space, bl_error *err) {
    bl_basis classes = bl_image_basis_out(model);
    float *u = bl_alloc(model->config.d_hidden, sizeof *u, err);
    bl_image_eigen *eigen = NULL;
    if (u && class_reads(model, layer, err) &&
        bl_direction_of_row(&classes, class_index, minus_all, false, u, err))
        eigen = bl_image_eigen_new(model, u, layer, space, err);
    free(u);
    return eigen;
}

void bl_image_eigen_free(bl_image_eigen *eigen) {
    if (!eigen) return;
    free(eigen->values);
    free(eigen->vectors);
    free(eigen->pictures);
    free(eigen->direct);
    free(eigen);
}

long bl_image_eigen_at(const bl_image_eigen *eigen, long index, bl_error *err) {
    long m = (long)eigen->size, at = index < 0 ? index + m : index;
    if (at >= 0 && at < m) return at;
    bl_fail(err, BL_ERR_USAGE,
            "eigenvector %ld does not exist; there are %ld: 0 to %ld, or -1 to %ld from the end", index, m,
            m - 1, -m);
    return -1;
}

/* The values ascend, so that the largest magnitudes lie at both ends: a merge from there. */
void bl_image_eigen_order(const bl_image_eigen *eigen, size_t *order) {
    const float *l = eigen->values;
    size_t low = 0, high = eigen->size, n = 0; /* places low … high - 1 are left */
    while (low < high) {
        if (fabsf(l[low]) >= fabsf(l[high - 1])) {
            order[n++] = low++;
            continue;
        }
        size_t first = high - 1; /* a run of equal values at this end, lower index first */
        while (first > low && l[first - 1] == l[high - 1]) first--;
        for (size_t i = first; i < high; i++) order[n++] = i;
        high = first;
    }
}

void bl_image_eigen_figures(const bl_image_eigen *eigen, double *effective_rank, double *share5,
                            double *share10) {
    double all = 0, squares = 0, sorted[10] = {0}; /* the ten largest, descending */
    for (size_t i = 0; i < eigen->size; i++) {
        double x = fabs((double)eigen->values[i]);
        all += x;
        squares += x * x;
        for (size_t k = 0; k < 10; k++) {
            if (x <= sorted[k]) continue;
            double swap = sorted[k];
            sorted[k] = x;
            x = swap;
        }
    }
    double five = 0, ten = 0;
    for (size_t k = 0; k < 10; k++) {
        ten += sorted[k];
        if (k < 5) five += sorted[k];
    }
    *effective_rank = squares > 0 ? all * all / squares : 0;
    *share5 = all > 0 ? five / all : 0;
    *share10 = all > 0 ? ten / all : 0;
}

bool bl_image_similarities(const bl_image_model *model, const bl_image_eigen *eigen, const bl_images *images,
                           size_t first, size_t B, float *sims, bl_error *err) {
    size_t n = model->config.d_input, inner = eigen->width - eigen->constant, count;
    if (!bl_mul_size(B, n + inner, &count)) count = SIZE_MAX;
    float *x = bl_alloc(count, sizeof *x, err), *h = BL_PART(x, B * n);
    if (!x) return false;
    bl_images_rows(images, first, B, x);
    bool pixels = eigen->space == BL_SPACE_PIXEL,
         ok = pixels || bl_image_inputs(model, x, B, eigen->layer, h, err);
    if (ok)
        bl_gemm_nt_pieces(B, eigen->size, inner, pixels ? x : h, inner, eigen->vectors, eigen->width, sims,
                          eigen->size);
    for (size_t i = 0; ok && eigen->constant && i < B * eigen->size; i++)
        sims[i] += eigen->vectors[i % eigen->size * eigen->width + inner];
    free(x);
    return ok;
}
