/* The least squares behind a surrogate (docs/specification.md, 19).
 *
 * Units: moments of every unit's g and u up to the fourth order, and of its value h with 1, g, u, gu,
 * g², u². They are summed raw, in float64, and made those of the standardised variables afterwards: a
 * monomial in ĝ, û is a combination of monomials in g, u.
 *
 * Linear: the ridge regression of a residual on centred inputs. */
#include "evidence/surrogate_solve.h"
#include "base/error.h"
#include "base/memory.h"
#include "linear/solve.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_RIDGE 1e-6   /* per position, on all but the constant, in standardised variables */
#define LINEAR_RIDGE 1e-2 /* of the mean variance of the inputs */

enum { TERMS = BL_SURROGATE_TERMS, MOMENTS = 15, SUMS = BL_UNIT_SUMS, UNITS = 64 };
/* Powers of g and u; the first six are the terms of a fit. */
static const int exponents[MOMENTS][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {2, 0}, {0, 2}, {3, 0}, {2, 1},
                                          {1, 2}, {0, 3}, {4, 0}, {3, 1}, {2, 2}, {1, 3}, {0, 4}};

/* Units first … first + count - 1; the lanes are units. */
static void add_some(const bl_unit_rows *r, size_t first, size_t count, double *sums) {
    double part[SUMS][UNITS] = {{0}}, a[5][UNITS], b[5][UNITS], value[UNITS];
    size_t h = r->h, w = r->plain ? h : 2 * h;
    for (size_t p = 0; p < r->n; p++) {
        if (r->skip[p]) continue;
        const float *pre = r->pre + p * w + first, *hidden = r->hidden + p * h + first;
        for (size_t i = 0; i < count; i++) {
            a[0][i] = b[0][i] = 1;
            a[1][i] = (double)pre[i];
            b[1][i] = r->plain ? 0 : (double)pre[h + i];
            value[i] = (double)hidden[i];
        }
        for (int e = 2; e < 5; e++)
            for (size_t i = 0; i < count; i++)
                a[e][i] = a[e - 1][i] * a[1][i], b[e][i] = b[e - 1][i] * b[1][i];
        for (int m = 0; m < MOMENTS; m++) {
            const double *g = a[exponents[m][0]], *u = b[exponents[m][1]];
            for (size_t i = 0; i < count; i++) part[m][i] += g[i] * u[i];
            for (size_t i = 0; m < TERMS && i < count; i++) part[MOMENTS + m][i] += g[i] * u[i] * value[i];
        }
    }
    for (size_t m = 0; m < SUMS; m++)
        for (size_t i = 0; i < count; i++) sums[m * h + first + i] += part[m][i];
}

void bl_unit_sums_add(const bl_unit_rows *rows, double *sums) {
    size_t h = rows->h;
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < h; k += UNITS) add_some(rows, k, h - k < UNITS ? h - k : UNITS, sums);
}

/* A polynomial's coefficients of ĝ^a û^b over monomials in g, u: (g - m)^a / s^a, expanded. */
static double expanded(int a, int power, double mean, double scale) {
    static const double choose[3][3] = {{1, 0, 0}, {1, 1, 0}, {1, 2, 1}};
    if (power > a) return 0;
    return choose[a][power] * pow(-mean, a - power) / pow(scale, a);
}

static size_t moment_of(int a, int b) {
    for (size_t m = 0; m < MOMENTS; m++)
        if (exponents[m][0] == a && exponents[m][1] == b) return m;
    return 0;
}

/* The normal equations of one unit in standardised variables; t [TERMS, TERMS] takes raw terms to
 * standardised ones. */
static bool solve_unit(const double *sums, size_t stride, double count, bool plain, double *out,
                       bl_error *err) {
    static const int all[] = {0, 1, 2, 3, 4, 5}, some[] = {0, 1, 4};
    const int *terms = plain ? some : all;
    size_t n = plain ? 3 : TERMS;
    double raw[TERMS][TERMS], value[TERMS], t[TERMS][TERMS], a[TERMS * TERMS], b[TERMS];
    double mean[2] = {sums[stride] / count, sums[2 * stride] / count}, scale[2];
    for (int v = 0; v < 2; v++) {
        double variance = sums[(size_t)(4 + v) * stride] / count - mean[v] * mean[v];
        scale[v] = variance > 1e-24 ? sqrt(variance) : 1;
    }
    for (size_t i = 0; i < n; i++) {
        const int *e = exponents[terms[i]];
        value[i] = sums[(size_t)(MOMENTS + terms[i]) * stride] / count;
        for (size_t j = 0; j < n; j++) {
            const int *o = exponents[terms[j]];
            raw[i][j] = sums[moment_of(e[0] + o[0], e[1] + o[1]) * stride] / count;
            t[i][j] = expanded(e[0], o[0], mean[0], scale[0]) * expanded(e[1], o[1], mean[1], scale[1]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        b[i] = 0;
        for (size_t k = 0; k < n; k++) b[i] += t[i][k] * value[k];
        for (size_t j = 0; j < n; j++) {
            double sum = i == j && i > 0 ? UNIT_RIDGE : 0;
            for (size_t k = 0; k < n; k++)
                for (size_t l = 0; l < n; l++) sum += t[i][k] * raw[k][l] * t[j][l];
            a[i * n + j] = sum;
        }
    }
    for (size_t i = 0; i < n * n; i++)
        if (!isfinite(a[i]) || !isfinite(b[i % n]))
            return bl_fail(
                err, BL_ERR_NUMERIC,
                "the moments of the layer's inputs hold NaN or infinity: so do its weights, or they "
                "are too large");
    if (!bl_solve_positive(a, n, b, 1, err)) return false;
    for (size_t j = 0; j < TERMS; j++) out[j] = 0;
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < n; i++) out[terms[j]] += b[i] * t[i][j];
    return true;
}

bool bl_unit_sums_solve(const double *sums, size_t h, bool plain, float *coefficients, bl_error *err) {
    double c[TERMS];
    for (size_t k = 0; k < h; k++) {
        if (!solve_unit(sums + k, h, sums[0], plain, c, err)) return false;
        for (size_t j = 0; j < TERMS; j++) coefficients[j * h + k] = (float)c[j];
    }
    return true;
}

bool bl_ridge_solve(const double *s, const double *right, size_t d, const double *x, const double *y,
                    float *out, bl_error *err) {
    double *a = bl_alloc(2 * d * d, sizeof *a, err), *b = BL_PART(a, d * d), trace = 0;
    if (!a) return false;
    memcpy(a, s, d * d * sizeof *a);
    memcpy(b, right, d * d * sizeof *b);
    for (size_t i = 0; i < d; i++) trace += a[i * d + i];
    for (size_t i = 0; i < d; i++) a[i * d + i] += trace > 0 ? LINEAR_RIDGE * trace / (double)d : 1;
    bool ok = bl_solve_positive(a, d, b, d, err);
    for (size_t i = 0; ok && i < d; i++) {
        double constant = y[i];
        for (size_t j = 0; j < d; j++) {
            out[i * (d + 1) + j] = (float)b[j * d + i];
            constant -= b[j * d + i] * x[j];
        }
        out[i * (d + 1) + d] = (float)constant;
    }
    free(a);
    return ok;
}
