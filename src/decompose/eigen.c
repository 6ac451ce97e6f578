/* Eigenpairs of Q_u (SPEC 4), judged in the tests by invariants: residual, orthonormality, reconstruction.
 *
 *   Q = H T H^T (ssytrd, once), T = Z Lambda Z^T, V = H Z
 *
 * The spectrum always comes whole, from T. All vectors: divide and conquer on T (sstedc). Only the k lowest and k highest: bisection
 * and inverse iteration would not keep them orthogonal, MRRR (sstemr) does, over an index range at each end of the same T.
 *
 * Float32 throughout: the error of an eigenvalue is about 1e-6 of the largest, that of an eigenvector about 1e-6 / relative gap; inside
 * a group of degenerate eigenvalues (bl_eigen_group) single vectors mean nothing. */
#include "base/error.h"
#include "base/memory.h"
#include "decompose/interaction.h"
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
    float *vectors;   /* [low + high, n], one a row */
    float constant;
};

/* T of Q = H T H^T: diagonal, off-diagonal; the reflectors stay in q. */
typedef struct tridiagonal {
    float *diagonal, *off, *tau; /* [n] each */
} tridiagonal;

static bool lapack_failed(lapack_int info, const char *routine, bl_error *err) {
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR) return !bl_fail(err, BL_ERR_MEMORY, "out of memory in LAPACK's %s", routine);
    if (info) return !bl_fail(err, BL_ERR_NUMERIC, "LAPACK's %s did not converge (info %d)", routine, (int)info);
    return false;
}

/* All eigenvectors of T by divide and conquer, into eigen->vectors. */
static bool solve_all(bl_eigen *eigen, const tridiagonal *t, bl_error *err) {
    lapack_int n = (lapack_int)eigen->n;
    memcpy(eigen->values, t->diagonal, eigen->n * sizeof *eigen->values);
    lapack_int info = LAPACKE_sstedc(LAPACK_COL_MAJOR, 'I', n, eigen->values, t->off, eigen->vectors, n);
    return !lapack_failed(info, "sstedc", err);
}

/* Eigenvectors first … last (0-based) of T into `vectors`, one a row. */
static bool solve_range(const bl_eigen *eigen, const tridiagonal *t, size_t first, size_t last, float *vectors, bl_error *err) {
    lapack_int n = (lapack_int)eigen->n, found = 0, wanted = (lapack_int)(last - first + 1), info;
    lapack_logical precise = 1;
    float *work = bl_alloc(3 * eigen->n, sizeof *work, err), *d = work, *e = work + eigen->n, *values = work + 2 * eigen->n;
    lapack_int *support = bl_alloc(2 * eigen->n, sizeof *support, err);
    bool ok = false;
    if (work && support) { /* sstemr overwrites its input */
        memcpy(d, t->diagonal, eigen->n * sizeof *d);
        memcpy(e, t->off, eigen->n * sizeof *e);
        info = LAPACKE_sstemr(LAPACK_COL_MAJOR, 'V', 'I', n, d, e, 0, 0, (lapack_int)first + 1, (lapack_int)last + 1, &found, values, vectors, n, wanted,
                              support, &precise);
        ok = !lapack_failed(info, "sstemr", err);
        if (ok && found != wanted) ok = bl_fail(err, BL_ERR_NUMERIC, "LAPACK's sstemr found %d of %d eigenvectors", (int)found, (int)wanted);
    }
    free(work);
    free(support);
    return ok;
}

static bool solve_ends(bl_eigen *eigen, const tridiagonal *t, bl_error *err) {
    float *off = bl_alloc(eigen->n, sizeof *off, err);
    if (!off) return false;
    memcpy(eigen->values, t->diagonal, eigen->n * sizeof *eigen->values);
    memcpy(off, t->off, eigen->n * sizeof *off);
    lapack_int info = LAPACKE_ssterf((lapack_int)eigen->n, eigen->values, off);
    free(off);
    return !lapack_failed(info, "ssterf", err) && solve_range(eigen, t, 0, eigen->low - 1, eigen->vectors, err) &&
           solve_range(eigen, t, eigen->n - eigen->high, eigen->n - 1, eigen->vectors + eigen->low * eigen->n, err);
}

/* The largest-magnitude component becomes positive; of equal ones the first counts. */
static void fix_signs(bl_eigen *eigen) {
    for (size_t r = 0; r < eigen->low + eigen->high; r++) {
        float *v = eigen->vectors + r * eigen->n, most = 0;
        for (size_t i = 0; i < eigen->n; i++)
            if (fabsf(v[i]) > fabsf(most)) most = v[i];
        for (size_t i = 0; i < eigen->n && most < 0; i++) v[i] = -v[i];
    }
}

/* Fills values and vectors from q [n, n], which is destroyed. */
static bool decompose(bl_eigen *eigen, float *q, bl_error *err) {
    lapack_int n = (lapack_int)eigen->n;
    tridiagonal t = {bl_alloc(3 * eigen->n, sizeof(float), err), NULL, NULL};
    if (!t.diagonal) return false;
    t.off = t.diagonal + eigen->n;
    t.tau = t.off + eigen->n;
    bool ok = !lapack_failed(LAPACKE_ssytrd(LAPACK_COL_MAJOR, 'L', n, q, n, t.diagonal, t.off, t.tau), "ssytrd", err);
    if (ok) ok = eigen->low == eigen->n ? solve_all(eigen, &t, err) : solve_ends(eigen, &t, err);
    if (ok) {
        lapack_int info = LAPACKE_sormtr(LAPACK_COL_MAJOR, 'L', 'L', 'N', n, (lapack_int)(eigen->low + eigen->high), q, n, t.tau, eigen->vectors, n);
        ok = !lapack_failed(info, "sormtr", err);
    }
    if (ok) fix_signs(eigen);
    free(t.diagonal);
    return ok;
}

bl_eigen *bl_eigen_new(const bl_model *model, size_t layer, const float *u, size_t k, bl_error *err) {
    bl_error_clear(err);
    if (!bl_check_decomposable(model, layer, err)) return NULL;
    size_t n = bl_interaction_size(model);
    bl_eigen *eigen = bl_alloc_zero(1, sizeof *eigen, err);
    float *q = NULL;
    bool ok = false;
    if (!eigen) return NULL;
    bool all = k == 0 || 2 * k >= n;
    *eigen = (bl_eigen){.n = n, .layer = layer, .low = all ? n : k, .high = all ? 0 : k};
    const float *p = bl_model_layer(model, layer)->b_p;
    if (p) eigen->constant = cblas_sdot((int)bl_model_config(model)->d_model, u, 1, p, 1);
    q = bl_alloc(n * n, sizeof *q, err);
    eigen->values = bl_alloc(n, sizeof *eigen->values, err);
    eigen->vectors = bl_alloc((eigen->low + eigen->high) * n, sizeof *eigen->vectors, err);
    if (!q || !eigen->values || !eigen->vectors) goto done;
    ok = bl_interaction_matrix(model, layer, u, q, err) && decompose(eigen, q, err);
done:
    free(q);
    if (ok) return eigen;
    bl_eigen_free(eigen);
    return NULL;
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
    if (i >= eigen->n - eigen->high) return eigen->vectors + (eigen->low + i - (eigen->n - eigen->high)) * eigen->n;
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
    while (*first > 0 && (double)values[*first] - (double)values[*first - 1] <= DEGENERATE_GAP * most) --*first;
    while (*last + 1 < eigen->n && (double)values[*last + 1] - (double)values[*last] <= DEGENERATE_GAP * most) ++*last;
}
