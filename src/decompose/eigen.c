/* Eigenpairs of Q_u (docs/specification.md, 4), judged in the tests by invariants: residual, orthonormality,
 * reconstruction.
 *
 *   Q = H T H^T (tridiagonal.c, once), T = Z Lambda Z^T, V = H Z
 *
 * The spectrum always comes whole, from T (bisect.c where not all vectors are asked for). All vectors: divide
 * and conquer on T (divide.c). Only the k lowest and k highest: bisection and inverse iteration would not
 * keep them orthogonal, MRRR (dstemr) does, over an index range at each end of the same T.
 *
 * Float32 throughout: the error of an eigenvalue is about 1e-6 of the largest, that of an eigenvector about
 * 1e-6 / relative gap; inside a group of degenerate eigenvalues (bl_eigen_group) single vectors mean nothing.
 */
#include "base/error.h"
#include "base/memory.h"
#include "decompose/interaction.h"
#include "linear/tridiagonal.h"
#include "linear/dots.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEGENERATE_GAP 1e-5 /* of the largest |lambda| */

struct bl_eigen {
    size_t n, layer;
    size_t low, high; /* eigenvectors 0 … low-1 and n-high … n-1 were computed */
    float *values;    /* [n] ascending */
    float *vectors;   /* [low + high, n], one per row */
    float constant;
};

/* The largest-magnitude component becomes positive; of equal ones the first counts. */
static void fix_signs(bl_eigen *eigen) {
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < eigen->low + eigen->high; r++) {
        float *v = eigen->vectors + r * eigen->n, most = 0;
        for (size_t i = 0; i < eigen->n; i++)
            if (fabsf(v[i]) > fabsf(most)) most = v[i];
        for (size_t i = 0; i < eigen->n && most < 0; i++) v[i] = -v[i];
    }
}

/* Fills values and vectors from q [n, n]. */
static bool decompose(bl_eigen *eigen, const float *q, bl_error *err) {
    bl_tridiagonal t;
    bool ok = bl_tridiagonal_reduce(&t, q, eigen->n, err);
    if (ok)
        ok = eigen->low == eigen->n
               ? bl_tridiagonal_solve(&t, eigen->values, eigen->vectors, err)
               : bl_tridiagonal_values(&t, eigen->values, err) &&
                     bl_tridiagonal_ends(&t, eigen->low, eigen->high, eigen->vectors, err);
    if (ok) ok = bl_tridiagonal_back(&t, eigen->vectors, eigen->low + eigen->high, err);
    if (ok) fix_signs(eigen);
    bl_tridiagonal_free(&t);
    return ok;
}

bl_eigen *bl_eigen_of_matrix(const float *q, size_t n, size_t layer, size_t k, float constant,
                             bl_error *err) {
    bl_eigen *eigen = bl_alloc_zero(1, sizeof *eigen, err);
    if (!eigen) return NULL;
    bool all = k == 0 || 2 * k >= n;
    *eigen =
        (bl_eigen){.n = n, .layer = layer, .low = all ? n : k, .high = all ? 0 : k, .constant = constant};
    eigen->values = bl_alloc(n, sizeof *eigen->values, err);
    eigen->vectors = bl_alloc((eigen->low + eigen->high) * n, sizeof *eigen->vectors, err);
    if (eigen->values && eigen->vectors && decompose(eigen, q, err)) return eigen;
    bl_eigen_free(eigen);
    return NULL;
}

float bl_direction_constant(const bl_model *model, size_t layer, const float *u) {
    const float *p = bl_model_layer(model, layer)->b_p;
    return p ? bl_dot(u, p, bl_model_config(model)->d_model) : 0;
}

bl_eigen *bl_eigen_new(const bl_model *model, size_t layer, const float *u, size_t k, bl_error *err) {
    bl_error_clear(err);
    if (!bl_check_decomposable(model, layer, err)) return NULL;
    size_t n = bl_interaction_size(model);
    bl_eigen *eigen = NULL;
    float *q = bl_alloc(n * n, sizeof *q, err);
    if (q && bl_interaction_matrix(model, layer, u, q, err))
        eigen = bl_eigen_of_matrix(q, n, layer, k, bl_direction_constant(model, layer, u), err);
    free(q);
    return eigen;
}

void bl_eigen_free(bl_eigen *eigen) {
    if (!eigen) return;
    free(eigen->values);
    free(eigen->vectors);
    free(eigen);
}

size_t bl_eigen_size(const bl_eigen *eigen) { return eigen->n; }
size_t bl_eigen_layer(const bl_eigen *eigen) { return eigen->layer; }
const float *bl_eigen_values(const bl_eigen *eigen) { return eigen->values; }
float bl_eigen_constant(const bl_eigen *eigen) { return eigen->constant; }

const float *bl_eigen_vector(const bl_eigen *eigen, long index) {
    long n = (long)eigen->n, at = index < 0 ? index + n : index;
    if (at < 0 || at >= n) return NULL;
    size_t i = (size_t)at;
    if (i < eigen->low) return eigen->vectors + i * eigen->n;
    if (i >= eigen->n - eigen->high)
        return eigen->vectors + (eigen->low + i - (eigen->n - eigen->high)) * eigen->n;
    return NULL;
}

double bl_eigen_effective_rank(const bl_eigen *eigen) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < eigen->n; i++) {
        sum += fabs((double)eigen->values[i]);
        squares += (double)eigen->values[i] * (double)eigen->values[i];
    }
    return squares > 0 ? sum * sum / squares : 0;
}

void bl_eigen_group(const bl_eigen *eigen, size_t index, size_t *first, size_t *last) {
    const float *values = eigen->values;
    double most = fmax(fabs((double)values[0]), fabs((double)values[eigen->n - 1]));
    *first = *last = index;
    while (*first > 0 && (double)values[*first] - (double)values[*first - 1] <= DEGENERATE_GAP * most)
        --*first;
    while (*last + 1 < eigen->n && (double)values[*last + 1] - (double)values[*last] <= DEGENERATE_GAP * most)
        ++*last;
}
