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
#include <cblas.h>
#include <lapacke.h>
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

/* Eigenvectors first … last (0-based) of T, given in float64, into `vectors`, one per row. */
static bool solve_range(size_t size, const double *diagonal, const double *off, size_t first, size_t last,
                        float *vectors, bl_error *err) {
    lapack_int n = (lapack_int)size, found = 0, wanted = (lapack_int)(last - first + 1), info;
    lapack_logical precise = 1;
    size_t count = (last - first + 1) * size;
    double *work = bl_alloc(3 * size + count, sizeof *work, err), *d = work, *e = work + size,
           *values = work + 2 * size, *z = work + 3 * size;
    lapack_int *support = bl_alloc(2 * size, sizeof *support, err);
    bool ok = false;
    if (work && support) { /* dstemr overwrites its input */
        memcpy(d, diagonal, size * sizeof *d);
        memcpy(e, off, size * sizeof *e);
        info = LAPACKE_dstemr(LAPACK_COL_MAJOR, 'V', 'I', n, d, e, 0, 0, (lapack_int)first + 1,
                              (lapack_int)last + 1, &found, values, z, n, wanted, support, &precise);
        ok = !bl_lapack_failed(info, "dstemr", err);
        if (ok && found != wanted)
            ok = bl_fail(err, BL_ERR_NUMERIC, "LAPACK's dstemr found %d of %d eigenvectors", (int)found,
                         (int)wanted);
        for (size_t i = 0; ok && i < count; i++) vectors[i] = (float)z[i];
    }
    free(work);
    free(support);
    return ok;
}

/* MRRR loses a digit and more in float32; on T, which is only 2n numbers, float64 costs nothing. */
static bool solve_ends(bl_eigen *eigen, const bl_tridiagonal *t, bl_error *err) {
    size_t n = eigen->n;
    if (!bl_tridiagonal_values(t, eigen->values, err)) return false;
    double *d = bl_alloc(2 * n, sizeof *d, err), *e = d + n;
    if (!d) return false;
    for (size_t i = 0; i < n; i++) {
        d[i] = (double)t->diagonal[i];
        e[i] = i + 1 < n ? (double)t->off[i] : 0;
    }
    bl_error failure[2] = {{0}, {0}};
    bool ok[2];
#pragma omp parallel for num_threads(2) schedule(static, 1)
    for (int end = 0; end < 2; end++)
        ok[end] =
            end ? solve_range(n, d, e, n - eigen->high, n - 1, eigen->vectors + eigen->low * n, &failure[1])
                : solve_range(n, d, e, 0, eigen->low - 1, eigen->vectors, &failure[0]);
    free(d);
    for (int end = 0; end < 2; end++)
        if (!ok[end]) return bl_fail(err, failure[end].code, "%s", failure[end].message);
    return true;
}

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
        ok = eigen->low == eigen->n ? bl_tridiagonal_solve(&t, eigen->values, eigen->vectors, err)
                                    : solve_ends(eigen, &t, err);
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
    return p ? cblas_sdot((int)bl_model_config(model)->d_model, u, 1, p, 1) : 0;
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
