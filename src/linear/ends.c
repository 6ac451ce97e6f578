/* Eigenvectors of a tridiagonal matrix at the ends of its spectrum, many at a time in float64.
 *
 * Each eigenvalue is known to float32 (bisect.c); bisection in float64 sharpens it. Its vector follows from a
 * twisted factorisation of T - lambda (Parlett & Dhillon 1997): pivots from above D+ and from below D-, and
 * where
 *
 *   gamma_k = D+_k + D-_k - (d_k - lambda)
 *
 * is smallest, z_k = 1 and two recurrences give the rest with a residual of |gamma_k| / |z|. A pivot that
 * is too small is moved by less than float64 sees. Every eigenvalue is a lane. Vectors whose eigenvalues are
 * near each other are made orthogonal in turn. What is left of a vector then, and its residual, are verified;
 * where they do not hold, as with eigenvalues that are equal in float64, LAPACK's MRRR computes that end
 * instead. It takes five times as long. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/lapack.h"
#include "linear/tridiagonal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LANES ((size_t)8)
#define VECTORS ((size_t)4) /* in flight while bisecting: the recurrence waits for its division */
#define AT_ONCE (VECTORS * LANES)
#define SMALLEST 1e-18   /* a pivot; entries are scaled to at most 1 */
#define START 2e-6       /* half the interval around a float32 eigenvalue */
#define STEPS 80         /* halvings at most */
#define NEAR 1e-3        /* eigenvalues that far apart need no orthogonalisation */
#define TOUCHING 1e-5    /* between the two ends */
#define RESIDUAL 1e-10   /* of a vector of norm 1 */
#define LEFT (1 - 1e-10) /* of the squared norm after orthogonalisation */

typedef double doubles __attribute__((vector_size(8 * sizeof(double))));
typedef int64_t doubles_mask __attribute__((vector_size(8 * sizeof(double))));

/* T scaled, in float64: d [n], e [n] with e[n-1] = 0, squares [n] of the entries above, squares[0] = 0. */
typedef struct scaled {
    size_t n;
    double *d, *e, *squares;
    double norm, low, high; /* low, high: an interval that holds the spectrum */
} scaled;

/* ---- eigenvalues ---- */

/* q becomes the pivot after it. By its place: a vector that is handed over needs a wide enough register. */
static inline void next_pivot(doubles *q, const doubles *x, double d, double square) {
    doubles next = (d - *x) - square / *q;
    doubles_mask small = (doubles_mask)((next < SMALLEST) & (next > -SMALLEST));
    *q = (doubles)(((doubles_mask)next & ~small) | ((doubles_mask)((doubles){0} - SMALLEST) & small));
}

/* below [AT_ONCE] = number of eigenvalues below each x */
static void count_below(const scaled *t, const doubles *x, doubles_mask *below) {
    doubles q[VECTORS];
    for (size_t v = 0; v < VECTORS; v++) {
        q[v] = (doubles){0} + 1;
        below[v] = (doubles_mask){0};
    }
    for (size_t i = 0; i < t->n; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            next_pivot(&q[v], &x[v], t->d[i], t->squares[i]);
            below[v] -= (doubles_mask)(q[v] < 0);
        }
    }
}

/* Eigenvalues first … first + count - 1 (count <= AT_ONCE), known to START, to float64's spacing. */
static void sharpen(const scaled *t, size_t first, size_t count, double *values) {
    doubles low[VECTORS], high[VECTORS], x[VECTORS];
    doubles_mask below[VECTORS], index[VECTORS];
    for (size_t l = 0; l < AT_ONCE; l++) {
        size_t k = l < count ? l : count - 1;
        index[l / LANES][l % LANES] = (int64_t)(first + k);
        low[l / LANES][l % LANES] = values[k] - START;
        high[l / LANES][l % LANES] = values[k] + START;
    }
    count_below(t, low, below);
    for (size_t v = 0; v < VECTORS; v++)
        for (size_t l = 0; l < LANES; l++)
            if (below[v][l] > index[v][l]) low[v][l] = t->low;
    count_below(t, high, below);
    for (size_t v = 0; v < VECTORS; v++)
        for (size_t l = 0; l < LANES; l++)
            if (below[v][l] <= index[v][l]) high[v][l] = t->high;
    for (size_t step = 0; step < STEPS; step++) {
        double widest = 0;
        for (size_t v = 0; v < VECTORS; v++) x[v] = 0.5 * (low[v] + high[v]);
        count_below(t, x, below);
        for (size_t v = 0; v < VECTORS; v++) {
            doubles_mask left = (doubles_mask)(below[v] > index[v]);
            high[v] = (doubles)(((doubles_mask)x[v] & left) | ((doubles_mask)high[v] & ~left));
            low[v] = (doubles)(((doubles_mask)low[v] & left) | ((doubles_mask)x[v] & ~left));
            for (size_t l = 0; l < LANES; l++) widest = fmax(widest, high[v][l] - low[v][l]);
        }
        if (widest < 4e-16) break;
    }
    for (size_t l = 0; l < count; l++)
        values[l] = 0.5 * (low[l / LANES][l % LANES] + high[l / LANES][l % LANES]);
}

/* ---- eigenvectors ---- */

/* Of LANES eigenvalues: z [n, LANES], not of norm 1. down, up [n, LANES] are workspace. */
static void twist(const scaled *t, const doubles *lambda, doubles *down, doubles *up, doubles *z) {
    size_t n = t->n, least[LANES] = {0}, first = n - 1, last = 0;
    doubles best = (doubles){0} + INFINITY, q = (doubles){0} + 1;
    for (size_t i = 0; i < n; i++) {
        next_pivot(&q, lambda, t->d[i], t->squares[i]);
        down[i] = q;
    }
    q = (doubles){0} + 1;
    for (size_t i = n; i-- > 0;) {
        next_pivot(&q, lambda, t->d[i], t->e[i] * t->e[i]);
        up[i] = q;
    }
    for (size_t i = 0; i < n; i++) {
        doubles gamma = down[i] + up[i] - (t->d[i] - *lambda);
        for (size_t l = 0; l < LANES; l++)
            if (fabs(gamma[l]) < best[l]) {
                best[l] = fabs(gamma[l]);
                least[l] = i;
            }
    }
    memset(z, 0, n * sizeof *z);
    for (size_t l = 0; l < LANES; l++) {
        z[least[l]][l] = 1;
        first = least[l] < first ? least[l] : first;
        last = least[l] > last ? least[l] : last;
    }
    /* a lane's own twist divides the rows in which it runs upwards from those in which it runs downwards */
    for (size_t i = last; i-- > 0;) {
        doubles next = -t->e[i] / down[i] * z[i + 1];
        for (size_t l = 0; l < LANES; l++)
            if (i < least[l]) z[i][l] = next[l];
    }
    for (size_t i = first; i + 1 < n; i++) {
        doubles next = -t->e[i] / up[i + 1] * z[i];
        for (size_t l = 0; l < LANES; l++)
            if (i >= least[l]) z[i + 1][l] = next[l];
    }
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* The squared norm of z, which becomes 1; 0 where it was not finite or 0. */
static double normalise(double *z, size_t n) {
    double square = dot(z, z, n), scale = 1 / sqrt(square);
    if (!(square > 0) || !isfinite(square)) return 0;
    for (size_t i = 0; i < n; i++) z[i] *= scale;
    return square;
}

static double residual(const scaled *t, double lambda, const double *z) {
    double sum = 0;
    for (size_t i = 0; i < t->n; i++) {
        double r = (t->d[i] - lambda) * z[i];
        if (i > 0) r += t->e[i - 1] * z[i - 1];
        if (i + 1 < t->n) r += t->e[i] * z[i + 1];
        sum += r * r;
    }
    return sqrt(sum);
}

/* z [count, n] of norm 1 and orthogonal; false where they are no eigenvectors. */
static bool settle(const scaled *t, const double *values, size_t count, double *z) {
    size_t n = t->n;
    for (size_t j = 0; j < count; j++) {
        double *own = z + j * n;
        if (normalise(own, n) == 0) return false;
        for (size_t i = 0; i < j; i++) {
            if (fabs(values[j] - values[i]) > NEAR) continue;
            const double *other = z + i * n;
            double share = dot(own, other, n);
            for (size_t c = 0; c < n; c++) own[c] -= share * other[c];
        }
        if (normalise(own, n) < LEFT || residual(t, values[j], own) > RESIDUAL) return false;
    }
    return true;
}

/* `count` eigenpairs from `first` on (0-based), known to float32 in `values`: z [count, n]. False, without an
 * error, where they are too near each other for this. */
static bool compute_vectors(const scaled *t, size_t first, size_t count, double *values, double *z,
                            doubles *work) {
    size_t n = t->n;
    for (size_t k = 0; k < count; k += AT_ONCE)
        sharpen(t, first + k, count - k < AT_ONCE ? count - k : AT_ONCE, values + k);
    for (size_t k = 0; k < count; k += LANES) {
        doubles lambda, *lanes = work + 2 * n;
        size_t some = count - k < LANES ? count - k : LANES;
        for (size_t l = 0; l < LANES; l++) lambda[l] = values[k + (l < some ? l : some - 1)];
        twist(t, &lambda, work, work + n, lanes);
        for (size_t i = 0; i < n; i++)
            for (size_t l = 0; l < some; l++) z[(k + l) * n + i] = lanes[i][l];
    }
    return settle(t, values, count, z);
}

/* ---- the two ends ---- */

typedef struct ends {
    const scaled *t;
    size_t low, high;
    const float *values; /* [n] */
    bool touch;          /* the ends are so near each other that neither can be computed by itself */
    float *vectors;
} ends;

/* Eigenvectors first … last (0-based) by MRRR into z, one a row. */
static bool solve_range(const scaled *t, size_t first, size_t last, double *z, bl_error *err) {
    size_t n = t->n;
    double *work = bl_alloc(3 * n, sizeof *work, err);
    if (!work) return false;
    memcpy(work, t->d, n * sizeof *work); /* overwritten */
    memcpy(work + n, t->e, n * sizeof *work);
    bool ok = bl_dstemr(n, work, work + n, first, last, work + 2 * n, z, err);
    free(work);
    return ok;
}

static bool solve_end(void *context, size_t end, size_t thread, bl_error *err) {
    const ends *s = context;
    size_t n = s->t->n, count = end ? s->high : s->low, first = end ? n - s->high : 0;
    float *out = s->vectors + (end ? s->low * n : 0);
    (void)thread;
    if (count == 0) return true;
    double *z = bl_alloc(count * n + count, sizeof *z, err), *values = z ? z + count * n : NULL;
    doubles *work = z ? bl_alloc(3 * n, sizeof *work, err) : NULL;
    bool ok = work != NULL;
    for (size_t k = 0; ok && k < count; k++) values[k] = (double)s->values[first + k] / s->t->norm;
    if (ok && (s->touch || !compute_vectors(s->t, first, count, values, z, work)))
        ok = solve_range(s->t, first, first + count - 1, z, err);
    for (size_t i = 0; ok && i < count * n; i++) out[i] = (float)z[i];
    free(z);
    free(work);
    return ok;
}

static void scale(const bl_tridiagonal *t, scaled *s) {
    size_t n = t->n;
    double norm = 0;
    for (size_t i = 0; i < n; i++)
        norm = fmax(norm, fmax(fabs((double)t->diagonal[i]), i + 1 < n ? fabs((double)t->off[i]) : 0));
    s->norm = norm > 0 ? norm : 1;
    s->low = s->high = 0;
    for (size_t i = 0; i < n; i++) {
        s->d[i] = (double)t->diagonal[i] / s->norm;
        s->e[i] = i + 1 < n ? (double)t->off[i] / s->norm : 0;
        s->squares[i] = i ? s->e[i - 1] * s->e[i - 1] : 0;
    }
    for (size_t i = 0; i < n; i++) { /* Gershgorin's interval, a little wider */
        double radius = (i ? fabs(s->e[i - 1]) : 0) + fabs(s->e[i]) + 1e-12;
        s->low = fmin(s->low, s->d[i] - radius);
        s->high = fmax(s->high, s->d[i] + radius);
    }
}

bool bl_tridiagonal_ends(const bl_tridiagonal *t, const float *values, size_t low, size_t high,
                         float *vectors, bl_error *err) {
    size_t n = t->n;
    double *room = bl_alloc(3 * n, sizeof *room, err);
    if (!room) return false;
    scaled s = {.n = n, .d = room, .e = room + n, .squares = room + 2 * n};
    scale(t, &s);
    bool touch = low && high && (double)values[n - high] - (double)values[low - 1] < TOUCHING * s.norm;
    ends task = {.t = &s, .low = low, .high = high, .values = values, .touch = touch};
    task.vectors = vectors;
    bool ok = bl_parallel(2, solve_end, &task, err);
    free(room);
    return ok;
}
