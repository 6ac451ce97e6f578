/* Output directions by energy, and directions with forms alike (docs/specification.md, 15, 16; gram.c). */
#include <bilens/decompose.h>
#include <bilens/hosvd.h>
#include "base/error.h"
#include "base/memory.h"
#include "decompose/gram.h"
#include "linear/gemm.h"
#include "linear/dots.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* G~ [d, d] of a map with itself, scaled as gram.h says. */
static float *own_gram(const bl_bilinear *map, bl_error *err) {
    size_t d = bl_bilinear_out(map), count;
    if (!bl_mul_size(d, d, &count)) count = SIZE_MAX;
    float *g = bl_alloc(count, sizeof *g, err), *tau = bl_alloc(d, sizeof *tau, err);
    bool ok =
        g && tau && bl_gram_traces(map, tau, err) && bl_bilinear_gram_traceless(map, map, tau, tau, g, err);
    free(tau);
    if (ok) return g;
    free(g);
    return NULL;
}

/* Values and patterns from the eigenpairs of G~. */
static bool fill(bl_hosvd *out, const bl_eigen *eigen, int exponent, bl_error *err) {
    size_t d = out->d;
    const float *squares = bl_eigen_values(eigen);
    out->values = bl_alloc(d, sizeof *out->values, err);
    out->patterns = bl_alloc(out->k * d, sizeof *out->patterns, err);
    if (!out->values || !out->patterns) return false;
    for (size_t i = 0; i < d; i++) {
        double square = ldexp(fmax((double)squares[d - 1 - i], 0), 2 * exponent);
        out->values[i] = (float)sqrt(square);
        out->energy += square;
    }
    if (!isfinite(out->values[0]))
        return bl_fail(err, BL_ERR_NUMERIC,
                       "singular values of up to %.3g overflow a 32-bit float: the weights are "
                       "too large",
                       sqrt(ldexp((double)squares[d - 1], 2 * exponent)));
    for (size_t g = 0; g < out->k; g++)
        memcpy(out->patterns + g * d, bl_eigen_vector(eigen, -1 - (long)g), d * sizeof *out->patterns);
    return true;
}

bool bl_hosvd_of(const bl_bilinear *map, size_t k, bl_hosvd *out, bl_error *err) {
    size_t d = bl_bilinear_out(map);
    *out = (bl_hosvd){.d = d, .k = k < d ? k : d};
    float *g = own_gram(map, err);
    bl_eigen *eigen = g ? bl_eigen_of_matrix(g, d, 2 * out->k < d ? out->k : 0, 0, err) : NULL;
    bool ok = eigen && fill(out, eigen, bl_gram_exponent(map), err);
    bl_eigen_free(eigen);
    free(g);
    if (!ok) bl_hosvd_free(out);
    return ok;
}

void bl_hosvd_free(bl_hosvd *hosvd) {
    if (!hosvd) return;
    free(hosvd->values);
    free(hosvd->patterns);
    *hosvd = (bl_hosvd){0};
}

bool bl_bilinear_similar(const bl_bilinear *map, const float *u, const float *others, size_t m, float *out,
                         bl_error *err) {
    enum { ROWS = 256 };
    size_t d = bl_bilinear_out(map);
    float *g = own_gram(map, err), *gu = bl_alloc(d, sizeof *gu, err),
          *moved = bl_alloc(ROWS * d, sizeof *moved, err);
    bool ok = g && gu && moved;
    if (ok) bl_gemv_n(d, d, 1.0F, g, d, u, 0.0F, gu);
    double own = ok ? (double)bl_dot(u, gu, d) : 0;
    for (size_t begin = 0; ok && begin < m; begin += ROWS) {
        size_t rows = m - begin < ROWS ? m - begin : ROWS;
        const float *w = others + begin * d;
        bl_gemm_nn(rows, d, d, 1.0F, w, d, g, d, 0.0F, moved, d);
        for (size_t r = 0; r < rows; r++) {
            double size = (double)bl_dot(w + r * d, moved + r * d, d) * own;
            out[begin + r] = size > 0 ? (float)((double)bl_dot(w + r * d, gu, d) / sqrt(size)) : 0;
        }
    }
    free(g);
    free(gu);
    free(moved);
    return ok;
}
