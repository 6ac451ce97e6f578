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
 * A matrix whose entries are far from 1 is scaled by a power of two before, and its eigenvalues back after:
 * the routines below have thresholds that are absolute. */
#include "base/error.h"
#include "base/memory.h"
#include <bilens/blas.h>
#include "decompose/form.h"
#include "linear/tridiagonal.h"
#include <bilens/eigen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEGENERATE_GAP 1e-5 /* of the largest |lambda| */
#define ORDINARY 30         /* entries below 2^30 and a largest one above 2^-30 are left as they are */

struct bl_eigen {
    size_t n, layer;
    size_t low, high; /* eigenvectors 0 … low-1 and n-high … n-1 were computed */
    float *values;    /* [n] ascending */
    float *vectors;   /* [low + high, n], one per row */
    float constant;
    double shift;
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

/* Which eigenvectors are wanted: k at each end of the spectrum, or the k of largest |lambda - shift|, or with
 * k = 0 all. */
typedef struct wanted {
    size_t k;
    bool largest;
    double shift;
} wanted;

/* How many of the k of largest |lambda - shift| stand at either end; of equal ones the lower. */
static void choose_ends(bl_eigen *eigen, const wanted *w) {
    const float *values = eigen->values;
    eigen->low = eigen->high = 0;
    while (eigen->low + eigen->high < w->k) {
        double low = fabs((double)values[eigen->low] - w->shift),
               high = fabs((double)values[eigen->n - 1 - eigen->high] - w->shift);
        if (low >= high) eigen->low++;
        else eigen->high++;
    }
    size_t inner = eigen->n - 1 - eigen->high; /* an equal one of lower index comes before what was taken */
    while (eigen->high > 0 && eigen->low < eigen->n - eigen->high && values[inner] == values[inner + 1]) {
        eigen->high++;
        if (inner-- == 0) return;
    }
}

static bool room_for_vectors(bl_eigen *eigen, bl_error *err) {
    size_t count;
    if (!bl_mul_size(eigen->low + eigen->high, eigen->n, &count)) count = SIZE_MAX;
    eigen->vectors = bl_alloc(count, sizeof *eigen->vectors, err);
    return eigen->vectors != NULL;
}

/* All eigenvectors of T, of which those at the ends are kept. */
static bool solve_and_choose(bl_eigen *eigen, const bl_tridiagonal *t, const wanted *w, bl_error *err) {
    size_t n = eigen->n;
    float *all = bl_alloc(n * n, sizeof *all, err);
    bool ok = all && bl_tridiagonal_solve(t, eigen->values, all, err);
    if (ok) choose_ends(eigen, w);
    ok = ok && room_for_vectors(eigen, err);
    if (ok) {
        memcpy(eigen->vectors, all, eigen->low * n * sizeof *all);
        memcpy(eigen->vectors + eigen->low * n, all + (n - eigen->high) * n, eigen->high * n * sizeof *all);
    }
    free(all);
    return ok;
}

/* Values, and the eigenvectors of T that are wanted. */
static bool solve(bl_eigen *eigen, const bl_tridiagonal *t, const wanted *w, bl_error *err) {
    size_t n = eigen->n;
    if (w->k == 0 || (w->largest ? w->k : 2 * w->k) >= n) {
        eigen->low = n;
        return room_for_vectors(eigen, err) && bl_tridiagonal_solve(t, eigen->values, eigen->vectors, err);
    }
    if (w->largest && 8 * w->k >= n)
        return solve_and_choose(eigen, t, w, err); /* measured at n 256 and 1024 */
    if (!bl_tridiagonal_values(t, eigen->values, err)) return false;
    eigen->low = eigen->high = w->k;
    if (w->largest) choose_ends(eigen, w);
    return room_for_vectors(eigen, err) &&
           bl_tridiagonal_ends(t, eigen->values, eigen->low, eigen->high, eigen->vectors, err);
}

/* Fills values and vectors from q [n, n]. */
static bool decompose(bl_eigen *eigen, const float *q, const wanted *w, bl_error *err) {
    bl_tridiagonal t;
    bool ok = bl_tridiagonal_reduce(&t, q, eigen->n, err) && solve(eigen, &t, w, err) &&
              bl_tridiagonal_back(&t, eigen->vectors, eigen->low + eigen->high, err);
    if (ok) fix_signs(eigen);
    bl_tridiagonal_free(&t);
    return ok;
}

/* The lower triangle of q becomes q 2^-e, with a largest entry of about 1, unless it is near 1 anyway;
 * returns e. */
static int make_ordinary(float *q, size_t n) {
    float most = 0;
    for (size_t i = 0; i < n; i++) most = fmaxf(most, bl_largest(i + 1, q + i * n));
    int exponent = bl_exponent(most);
    if (abs(exponent) <= ORDINARY) return 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) q[i * n + j] = ldexpf(q[i * n + j], -exponent);
    return exponent;
}

static bl_eigen *make(float *q, size_t n, int exponent, wanted w, bl_error *err) {
    if (!bl_blas_check(err)) return NULL;
    bl_eigen *eigen = bl_alloc_zero(1, sizeof *eigen, err);
    if (!eigen) return NULL;
    int more = make_ordinary(q, n);
    w.shift = ldexp(w.shift, -more);
    eigen->n = n;
    eigen->values = bl_alloc(n, sizeof *eigen->values, err);
    if (eigen->values && decompose(eigen, q, &w, err) &&
        bl_unscale(eigen->values, n, exponent + more, "eigenvalues", err))
        return eigen;
    bl_eigen_free(eigen);
    return NULL;
}

bl_eigen *bl_eigen_of_scaled(float *q, size_t n, int exponent, size_t k, bl_error *err) {
    return make(q, n, exponent, (wanted){.k = k}, err);
}

bl_eigen *bl_eigen_of_largest(float *q, size_t n, int exponent, size_t k, double shift, bl_error *err) {
    return make(q, n, exponent, (wanted){k, true, shift}, err);
}

bl_eigen *bl_eigen_of_matrix(const float *q, size_t n, size_t k, double shift, bl_error *err) {
    size_t count;
    bl_error_clear(err);
    if (!bl_mul_size(n, n, &count)) count = SIZE_MAX;
    float *copy = bl_alloc(count, sizeof *copy, err);
    bl_eigen *eigen = NULL;
    double sum = 0;
    for (size_t i = 0; i < n; i++) /* the lower triangle */
        for (size_t j = 0; j <= i && copy; j++) {
            copy[i * n + j] = copy[j * n + i] = q[i * n + j];
            sum += fabs((double)q[i * n + j]);
        }
    if (copy && !isfinite(sum)) bl_fail(err, BL_ERR_NUMERIC, "the matrix holds NaN or infinity");
    else if (copy) eigen = bl_eigen_of_scaled(copy, n, 0, k, err);
    if (eigen) eigen->shift = shift;
    free(copy);
    return eigen;
}

void bl_eigen_describe(bl_eigen *eigen, const bl_bilinear *map, const float *u, double trace) {
    eigen->layer = map->layer;
    eigen->constant = bl_bilinear_constant(map, u);
    eigen->shift = map->normed ? trace / (double)eigen->n : 0;
}

bl_eigen *bl_eigen_of(const bl_bilinear *map, const float *u, size_t k, bl_error *err) {
    size_t n = bl_bilinear_size(map), count;
    int exponent;
    double trace = 0;
    bl_error_clear(err);
    if (!bl_mul_size(n, n, &count)) count = SIZE_MAX;
    float *q = bl_alloc(count, sizeof *q, err);
    bl_eigen *eigen = NULL;
    if (q && bl_form(map, u, q, &exponent, err)) {
        for (size_t i = 0; i < n; i++) trace += (double)q[i * n + i];
        eigen = bl_eigen_of_scaled(q, n, exponent, k, err);
        if (eigen) bl_eigen_describe(eigen, map, u, ldexp(trace, exponent));
    }
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
double bl_eigen_shift(const bl_eigen *eigen) { return eigen->shift; }

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
        double value = (double)eigen->values[i] - eigen->shift;
        sum += fabs(value);
        squares += value * value;
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

static bool among(size_t at, size_t n, const long *eigs, size_t n_eigs) {
    for (size_t i = 0; i < n_eigs; i++)
        if ((eigs[i] < 0 ? eigs[i] + (long)n : eigs[i]) == (long)at) return true;
    return false;
}

bool bl_check_group(size_t first, size_t last, size_t n, const long *eigs, size_t n_eigs, bl_error *err) {
    size_t there = 0, one = first;
    for (size_t at = first; at <= last; at++)
        if (among(at, n, eigs, n_eigs)) {
            there++;
            one = at;
        }
    if (there == 0 || there == last - first + 1) return true;
    return bl_fail(
        err, BL_ERR_USAGE,
        "eigenvector %zu is one of the group %zu to %zu, whose eigenvalues are equal in float32: any "
        "rotation of them is as good, only their span means something. Give the whole group or "
        "leave it out",
        one, first, last);
}

bool bl_eigen_check_groups(const bl_eigen *eigen, const long *eigs, size_t n_eigs, bl_error *err) {
    bool ok = true;
    for (size_t i = 0; ok && i < n_eigs; i++) {
        size_t first, last, at = (size_t)(eigs[i] < 0 ? eigs[i] + (long)eigen->n : eigs[i]);
        bl_eigen_group(eigen, at, &first, &last);
        ok = first == last || bl_check_group(first, last, eigen->n, eigs, n_eigs, err);
    }
    return ok;
}
