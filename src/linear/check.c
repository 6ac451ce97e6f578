/* Is the BLAS to be trusted? Every entry of a product is checked at the price of three matrix-vector products
 * (Freivalds 1977): for C = A B and a vector r of random signs, C r = A (B r) up to rounding; a wrong entry
 * stays unseen with probability 1/2 only if another hides it, so two vectors are tried. The vectors are
 * multiplied by plain loops in double. Of an eigenproblem Q V = V diag(λ) and VᵀV = I are checked the
 * same way. */
#include "linear/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "linear/gemm.h"
#include "linear/tridiagonal.h"
#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 160 /* rows and columns */
#define TOLERANCE 1e-4

/* A matrix as it is meant, rows × cols, `flip`: stored transposed. */
typedef struct matrix {
    const float *data;
    size_t rows, cols;
    bool flip;
} matrix;

static double at(const matrix *a, size_t i, size_t j) {
    return (double)(a->flip ? a->data[j * a->rows + i] : a->data[i * a->cols + j]);
}

/* y [rows] = A x */
static void apply(const matrix *a, const double *x, double *y) {
    for (size_t i = 0; i < a->rows; i++) {
        y[i] = 0;
        for (size_t j = 0; j < a->cols; j++) y[i] += at(a, i, j) * x[j];
    }
}

static void fill(bl_random *random, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = (float)(bl_random_uniform(random) - 0.5);
}

static void signs(bl_random *random, double *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = bl_random_uniform(random) < 0.5 ? -1 : 1;
}

/* C = A B up to rounding? */
static bool product_holds(bl_random *random, const matrix *a, const matrix *b, const float *c) {
    double r[MOST], br[MOST], abr[MOST], cr[MOST];
    const matrix product = {c, a->rows, b->cols, false};
    for (int round = 0; round < 2; round++) {
        signs(random, r, b->cols);
        apply(b, r, br);
        apply(a, br, abr);
        apply(&product, r, cr);
        for (size_t i = 0; i < a->rows; i++)
            if (!(fabs(abr[i] - cr[i]) <= TOLERANCE * (double)(a->cols + b->cols))) return false;
    }
    return true;
}

bool bl_check_products(const bl_products *p, bl_error *err) {
    static const size_t shapes[][3] = {{1, 64, 96},
                                       {7, 65, 33},
                                       {37, 96, 129},
                                       {MOST, MOST, 128}}; /* m, n, k */
    const struct {
        bl_product_fn run;
        bool flip_a, flip_b;
        const char *name;
    } kinds[] = {{p->nn, false, false, "A B"}, {p->nt, false, true, "A B'"}, {p->tn, true, false, "A' B"}};
    float *a = bl_alloc(3 * MOST * MOST, sizeof *a, err), *b = a ? a + MOST * MOST : NULL,
          *c = a ? b + MOST * MOST : NULL;
    bl_random random;
    bool ok = a != NULL;
    bl_random_seed(&random, 4711);
    if (ok) fill(&random, a, 2 * MOST * MOST); /* a and b of every shape begin there */
    for (size_t s = 0; ok && s < sizeof shapes / sizeof *shapes; s++)
        for (size_t i = 0; ok && i < 3; i++) {
            size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
            const matrix left = {a, m, k, kinds[i].flip_a}, right = {b, k, n, kinds[i].flip_b};
            memset(c, 0, m * n * sizeof *c);
            kinds[i].run(m, n, k, 1, a, left.flip ? m : k, b, right.flip ? k : n, 0, c, n);
            ok = product_holds(&random, &left, &right, c) ||
                 bl_fail(err, BL_ERR_UNSUPPORTED, "a product %s of [%zu, %zu] and [%zu, %zu] is wrong",
                         kinds[i].name, m, k, k, n);
        }
    free(a);
    return ok;
}

bool bl_check_eigenpairs(bl_error *err) {
    enum { N = 48 };
    float *q = bl_alloc(2 * N * N + N, sizeof *q, err), *vectors = q ? q + N * N : NULL,
          *values = q ? vectors + N * N : NULL;
    bl_tridiagonal t = {0};
    bl_random random;
    double r[N], v[N], qv[N], back[N];
    if (!q) return false;
    bl_random_seed(&random, 42);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= i; j++)
            q[i * N + j] = q[j * N + i] = (float)(bl_random_uniform(&random) - 0.5);
    bool ok = bl_tridiagonal_reduce(&t, q, N, err) && bl_tridiagonal_solve(&t, values, vectors, err) &&
              bl_tridiagonal_back(&t, vectors, N, err); /* row i: eigenvector i */
    if (ok) {
        const matrix rows = {vectors, N, N, false}, columns = {vectors, N, N, true}, whole = {q, N, N, false};
        double error = 0;
        signs(&random, r, N);
        apply(&columns, r, v); /* V r, and Q V r = V (λ r) */
        apply(&whole, v, qv);
        apply(&rows, v, back); /* Vᵀ V r = r */
        for (size_t i = 0; i < N; i++) error = fmax(error, fabs(back[i] - r[i]));
        for (size_t i = 0; i < N; i++) r[i] *= (double)values[i];
        apply(&columns, r, v);
        for (size_t i = 0; i < N; i++) error = fmax(error, fabs(qv[i] - v[i]));
        ok = error <= TOLERANCE * N ||
             bl_fail(err, BL_ERR_UNSUPPORTED, "eigenpairs of a [%d, %d] matrix are wrong", N, N);
    }
    bl_tridiagonal_free(&t);
    free(q);
    return ok;
}

const char *bl_blas_kernel(void) {
    const char *name = openblas_get_corename();
    return name ? name : "unknown";
}

/* Not in cblas.h, but in every OpenBLAS that has several kernels (its driver/others/dynamic.c): choose the
 * kernels by the processor, unless that has been done; undo the choice. Its constructor calls the first.
 * Weak: another BLAS has neither. */
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

const char *bl_blas_kernel_foreseen(void) {
    if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit) return NULL;
    gotoblas_dynamic_init();
    const char *name = bl_blas_kernel();
    gotoblas_dynamic_quit();
    return name;
}

static char blas_name[128];

/* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …" begins with what a reader wants. */
static void make_name(void) {
    const char *config = openblas_get_config();
    int length = (int)strcspn(config, " ");
    length += config[length] ? 1 + (int)strcspn(config + length + 1, " ") : 0;
    snprintf(blas_name, sizeof blas_name, "%.*s (%s)", length, config, bl_blas_kernel());
}

const char *bl_blas_name(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_name);
    return blas_name;
}

bool bl_blas_check(bl_error *err) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool checked;
    static bl_error found;
    const bl_products products = {bl_gemm_nn, bl_gemm_nt, bl_gemm_tn};
    pthread_mutex_lock(&lock);
    if (!checked) {
        bl_error failure = {0};
        bool right = bl_check_products(&products, &failure) && bl_check_eigenpairs(&failure);
        checked = right || failure.code != BL_ERR_MEMORY; /* without memory nothing is known yet */
        if (!right && checked)
            bl_fail(&failure, BL_ERR_UNSUPPORTED,
                    "%s computes wrongly on this processor: %.200s; choose older kernels beforehand: "
                    "OPENBLAS_CORETYPE=Haswell (or Sandybridge, Nehalem)",
                    bl_blas_name(), failure.message);
        found = failure;
    }
    bl_error answer = found;
    pthread_mutex_unlock(&lock);
    return answer.code == BL_OK || bl_fail(err, answer.code, "%s", answer.message);
}
