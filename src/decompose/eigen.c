/* Eigenpairs of Q_u (SPEC 4), judged in the tests by invariants: residual, orthonormality, reconstruction.
 *
 *   Q = H T H^T (ssytrd, once), T = Z Lambda Z^T, V = H Z
 *
 * The spectrum always comes whole, from T. All vectors: divide and conquer on T (sstedc). Only the k lowest and k highest: bisection
 * and inverse iteration would not keep them orthogonal, MRRR (dstemr) does, over an index range at each end of the same T.
 *
 * Threads: ssytrd is half matrix-vector products with a barrier after each, which gain little from a second thread and wait for ever when
 * another process holds a core (seen: 22 ms became 15 s), so it runs on one.
 *
 * Float32 throughout: the error of an eigenvalue is about 1e-6 of the largest, that of an eigenvector about 1e-6 / relative gap; inside
 * a group of degenerate eigenvalues (bl_eigen_group) single vectors mean nothing. */
#include "base/error.h"
#include "base/memory.h"
#include "decompose/interaction.h"
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define REFLECTOR_BLOCK 128
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

/* Eigenvectors first … last (0-based) of T, given in float64, into `vectors`, one a row. */
static bool solve_range(size_t size, const double *diagonal, const double *off, size_t first, size_t last, float *vectors, bl_error *err) {
    lapack_int n = (lapack_int)size, found = 0, wanted = (lapack_int)(last - first + 1), info;
    lapack_logical precise = 1;
    size_t count = (last - first + 1) * size;
    double *work = bl_alloc(3 * size + count, sizeof *work, err), *d = work, *e = work + size, *values = work + 2 * size, *z = work + 3 * size;
    lapack_int *support = bl_alloc(2 * size, sizeof *support, err);
    bool ok = false;
    if (work && support) { /* dstemr overwrites its input */
        memcpy(d, diagonal, size * sizeof *d);
        memcpy(e, off, size * sizeof *e);
        info = LAPACKE_dstemr(LAPACK_COL_MAJOR, 'V', 'I', n, d, e, 0, 0, (lapack_int)first + 1, (lapack_int)last + 1, &found, values, z, n, wanted, support,
                              &precise);
        ok = !lapack_failed(info, "dstemr", err);
        if (ok && found != wanted) ok = bl_fail(err, BL_ERR_NUMERIC, "LAPACK's dstemr found %d of %d eigenvectors", (int)found, (int)wanted);
        for (size_t i = 0; ok && i < count; i++) vectors[i] = (float)z[i];
    }
    free(work);
    free(support);
    return ok;
}

/* MRRR loses a digit and more in float32; on T, which is only 2n numbers, float64 costs nothing. */
static bool solve_ends(bl_eigen *eigen, const tridiagonal *t, bl_error *err) {
    size_t n = eigen->n;
    double *work = bl_alloc(4 * n, sizeof *work, err), *d = work, *e = work + n, *values = work + 2 * n, *off = work + 3 * n;
    if (!work) return false;
    for (size_t i = 0; i < n; i++) {
        d[i] = values[i] = (double)t->diagonal[i];
        e[i] = off[i] = i + 1 < n ? (double)t->off[i] : 0;
    }
    bool ok = !lapack_failed(LAPACKE_dsterf((lapack_int)n, values, off), "dsterf", err);
    for (size_t i = 0; ok && i < n; i++) eigen->values[i] = (float)values[i];
    ok = ok && solve_range(n, d, e, 0, eigen->low - 1, eigen->vectors, err) &&
         solve_range(n, d, e, n - eigen->high, n - 1, eigen->vectors + eigen->low * n, err);
    free(work);
    return ok;
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

/* Q = H T H^T, on one thread. */
static bool tridiagonalise(float *q, lapack_int n, const tridiagonal *t, bl_error *err) {
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    lapack_int info = LAPACKE_ssytrd(LAPACK_COL_MAJOR, 'L', n, q, n, t->diagonal, t->off, t->tau);
    omp_set_num_threads(threads);
    return !lapack_failed(info, "ssytrd", err);
}

/* V = H Z. H = H_1 H_2 … is applied in blocks of reflectors, I - W T W^T (Schreiber & Van Loan 1989), last block first. sormtr would do
 * the same in blocks of 32, which feed sgemm badly: 38 ms instead of 12 at n = 1024 on one core. */
static bool transform_back(bl_eigen *eigen, const float *q, const tridiagonal *t, bl_error *err) {
    size_t n = eigen->n, columns = eigen->low + eigen->high, reflectors = n - 1;
    float *work = bl_alloc((columns + REFLECTOR_BLOCK) * REFLECTOR_BLOCK, sizeof *work, err), *triangle = NULL;
    lapack_int info = 0, nb = REFLECTOR_BLOCK;
    int threads = omp_get_max_threads();
    if (!work) return false;
    triangle = work + columns * REFLECTOR_BLOCK;
    for (size_t end = reflectors; end > 0 && info == 0;) {
        size_t begin = (end - 1) / REFLECTOR_BLOCK * REFLECTOR_BLOCK;
        const float *w = q + begin * n + begin + 1; /* reflector i begins below the subdiagonal of column i */
        lapack_int rows = (lapack_int)(n - 1 - begin), count = (lapack_int)(end - begin);
        omp_set_num_threads(1); /* many small products */
        info = LAPACKE_slarft_work(LAPACK_COL_MAJOR, 'F', 'C', rows, count, w, (lapack_int)n, t->tau + begin, triangle, nb);
        omp_set_num_threads(threads);
        if (info == 0)
            info = LAPACKE_slarfb_work(LAPACK_COL_MAJOR, 'L', 'N', 'F', 'C', rows, (lapack_int)columns, count, w, (lapack_int)n, triangle, nb,
                                       eigen->vectors + begin + 1, (lapack_int)n, work, (lapack_int)columns);
        end = begin;
    }
    free(work);
    return !lapack_failed(info, "slarfb", err);
}

/* Fills values and vectors from q [n, n], which is destroyed. */
static bool decompose(bl_eigen *eigen, float *q, bl_error *err) {
    lapack_int n = (lapack_int)eigen->n;
    tridiagonal t = {bl_alloc(3 * eigen->n, sizeof(float), err), NULL, NULL};
    if (!t.diagonal) return false;
    t.off = t.diagonal + eigen->n;
    t.tau = t.off + eigen->n;
    bool ok = tridiagonalise(q, n, &t, err);
    if (ok) ok = eigen->low == eigen->n ? solve_all(eigen, &t, err) : solve_ends(eigen, &t, err);
    if (ok) ok = transform_back(eigen, q, &t, err);
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
