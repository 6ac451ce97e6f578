/* A bilinear map and its interaction matrices (docs/specification.md, 4; Pearce, Dooms & Rigg 2024, section
 * 3):
 *
 *   Q_u = sum_o u[o] B[o] = sym(L^T diag(P^T u) R)
 *
 * without ever forming B [d, n, n]: one product [n, h] x [h, n]. With biases L and R grow a column, [L l] and
 * [R r], and Q acts on x' = [x; 1].
 *
 * Magnitudes: u is scaled to about 1 at once. Weights are multiplied as they are, which is right unless a
 * product leaves the range of float32; where Q comes out very small, very large or not finite, it is formed
 * again from L 2^-l, R 2^-r and P 2^-p. Powers of two round nothing, so both ways give the same bits where
 * both are right. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "decompose/form.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include "linear/product.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)512) /* hidden units at a time: scaled copies of L stay in cache */
#define SAFE 0x1p60         /* within 1/SAFE … SAFE a form needs no scaling */
#define MOST_EXPONENT 100   /* scales stay below, so that their products stay in float32 */

size_t bl_bilinear_in(const bl_bilinear *map) { return map->l.cols; }
size_t bl_bilinear_hidden(const bl_bilinear *map) { return map->l.rows; }
size_t bl_bilinear_out(const bl_bilinear *map) { return map->p.data ? map->p.rows : map->l.rows; }
size_t bl_bilinear_size(const bl_bilinear *map) { return map->l.cols + (map->l_bias ? 1 : 0); }

const char *bl_map_name(const bl_bilinear *map) { return map->name ? map->name : "the map"; }

static int clamped(int exponent) {
    if (exponent > MOST_EXPONENT) return MOST_EXPONENT;
    return exponent < -MOST_EXPONENT ? -MOST_EXPONENT : exponent;
}

/* Of a matrix and its bias, which is another column of it. */
static int exponent_of(bl_view weight, const float *bias) {
    float most = bias ? bl_largest(weight.rows, bias) : 0;
    for (size_t r = 0; r < weight.rows; r++)
        most = fmaxf(most, bl_largest(weight.cols, weight.data + r * weight.stride));
    return clamped(bl_exponent(most));
}

bl_scales bl_scales_of(const bl_bilinear *map) {
    return (bl_scales){.l = exponent_of(map->l, map->l_bias),
                       .r = exponent_of(map->r, map->r_bias),
                       .p = map->p.data ? exponent_of(map->p, NULL) : 0};
}

bool bl_scale_direction(const bl_bilinear *map, const float *u, float *out, int *exponent, bl_error *err) {
    size_t d = bl_bilinear_out(map);
    for (size_t i = 0; i < d; i++)
        if (!isfinite(u[i]))
            return bl_fail(err, BL_ERR_NUMERIC, "%s: element %zu of the direction is NaN or infinite",
                           bl_map_name(map), i);
    *exponent = bl_exponent(bl_largest(d, u));
    for (size_t i = 0; i < d; i++) out[i] = ldexpf(u[i], -*exponent);
    return true;
}

bool bl_unscale(float *values, size_t n, int exponent, const char *what, bl_error *err) {
    double most = 0, factor = ldexp(1, exponent);
    if (exponent == 0) return true;
#pragma omp simd reduction(max : most)
    for (size_t i = 0; i < n; i++) {
        double value = (double)values[i] * factor, magnitude = fabs(value);
        most = magnitude > most ? magnitude : most;
        values[i] = (float)value;
    }
    return most <= 3.4028235e38 ||
           bl_fail(err, BL_ERR_NUMERIC,
                   "%s of up to %.3g overflow a 32-bit float: the weights or the direction are too large",
                   what, most);
}

/* out [rows, n] = rows begin … of [weight bias], each as `from` says (NULL: itself), scaled by 2^-e and by
 * weights[g] (NULL: 1). */
static void extended(float *out, bl_view weight, const float *bias, const size_t *from, int e,
                     const float *weights, size_t begin, size_t rows) {
    size_t n = weight.cols + (bias ? 1 : 0);
    float power = ldexpf(1, -e);
#pragma omp parallel for schedule(static)
    for (size_t g = begin; g < begin + rows; g++) {
        size_t r = from ? from[g] : g;
        float s = weights ? weights[g] : 1.0F, *row = out + (g - begin) * n;
        for (size_t c = 0; c < weight.cols; c++) row[c] = s * (power * weight.data[r * weight.stride + c]);
        if (bias) row[weight.cols] = s * (power * bias[r]);
    }
}

/* q = (q + q^T) / 2, in tiles so that both sides stay in cache. */
static void symmetrise(float *q, size_t n) {
    enum { TILE = 64 };
    size_t tiles = (n + TILE - 1) / TILE;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t a = 0; a < tiles; a++)
        for (size_t b = 0; b <= a; b++)
            for (size_t i = a * TILE; i < n && i < (a + 1) * TILE; i++)
                for (size_t j = b * TILE; j < i && j < (b + 1) * TILE; j++)
                    q[i * n + j] = q[j * n + i] = 0.5F * (q[i * n + j] + q[j * n + i]);
}

/* The mean magnitude: NaN or infinite if an entry is, for float64 sums of float32 numbers do not overflow. */
static double mean_magnitude(const float *q, size_t count) {
    double sum = 0;
#pragma omp parallel for simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++) sum += fabs((double)q[i]);
    return sum / (double)count;
}

/* What a form is made with. */
typedef struct work {
    float *u;       /* [d] scaled */
    float *weight;  /* [h] P^T u */
    float *left;    /* [CHUNK, n] */
    float *right;   /* [CHUNK, n], or NULL where R's own rows serve */
    float *scratch; /* [threads, BL_PRODUCT_SCRATCH] */
} work;

/* q [n, n] = left^T right over `rows` hidden units, or added to; every thread its rows of q, so that the sums
 * do not depend on how many there are (but where the BLAS makes them: linear/product.c). */
static void multiply(const work *w, const float *right, size_t stride, size_t n, size_t rows, bool add,
                     float *q) {
#pragma omp parallel
    {
        bl_range part = bl_my_part(n);
        bl_multiply_tn(part.end - part.begin, n, rows, 1, w->left + part.begin, n, right, stride, add,
                       q + part.begin * n, n, w->scratch + (size_t)omp_get_thread_num() * BL_PRODUCT_SCRATCH);
    }
}

/* q = sym(L^T diag(P^T u) R) 2^-(l + r + p) */
static void form(const bl_bilinear *map, const work *w, bl_scales s, float *q) {
    size_t n = bl_bilinear_size(map), h = map->l.rows, d = bl_bilinear_out(map);
    bool own = !map->r_bias && !map->right; /* R's rows as they lie; L takes its scale, too */
    if (map->p.data) bl_gemv_t(d, h, ldexpf(1, -s.p), map->p.data, map->p.stride, w->u, 0, w->weight);
    else memcpy(w->weight, w->u, d * sizeof *w->u);
    float balance = own ? ldexpf(1, -s.r) : 1.0F;
    for (size_t g = 0; g < h; g++) w->weight[g] *= balance;
    for (size_t begin = 0; begin < h; begin += CHUNK) {
        size_t rows = h - begin < CHUNK ? h - begin : CHUNK;
        extended(w->left, map->l, map->l_bias, map->left, s.l, w->weight, begin, rows);
        if (!own) extended(w->right, map->r, map->r_bias, map->right, s.r, NULL, begin, rows);
        const float *right = own ? map->r.data + begin * map->r.stride : w->right;
        multiply(w, right, own ? map->r.stride : n, n, rows, begin > 0, q);
    }
    symmetrise(q, n);
}

bool bl_form(const bl_bilinear *map, const float *u, float *q, int *exponent, bl_error *err) {
    size_t n = bl_bilinear_size(map);
    bl_scales scales = {0};
    work w = {.u = bl_alloc(bl_bilinear_out(map), sizeof(float), err),
              .weight = bl_alloc(map->l.rows, sizeof(float), err),
              .left = bl_alloc(CHUNK * n, sizeof(float), err),
              .right = bl_alloc(map->r_bias || map->right ? CHUNK * n : 0, sizeof(float), err),
              .scratch = bl_alloc((size_t)bl_threads() * BL_PRODUCT_SCRATCH, sizeof(float), err)};
    bool ok = false;
    if (!w.u || !w.weight || !w.left || !w.right || !w.scratch ||
        !bl_scale_direction(map, u, w.u, exponent, err))
        goto done;
    form(map, &w, scales, q);
    double size = mean_magnitude(q, n * n);
    if (!(size > 1 / SAFE && size < SAFE)) {
        scales = bl_scales_of(map);
        form(map, &w, scales, q);
        size = mean_magnitude(q, n * n);
    }
    *exponent += scales.l + scales.r + scales.p;
    ok = isfinite(size) ||
         bl_fail(err, BL_ERR_NUMERIC,
                 "%s: the interaction matrix holds NaN or infinity: so do the weights of layer %zu",
                 bl_map_name(map), map->layer);
done:
    free(w.u);
    free(w.weight);
    free(w.left);
    free(w.right);
    free(w.scratch);
    return ok;
}

bool bl_bilinear_matrix(const bl_bilinear *map, const float *u, float *q, bl_error *err) {
    int exponent = 0;
    size_t n = bl_bilinear_size(map);
    bl_error_clear(err);
    return bl_form(map, u, q, &exponent, err) &&
           bl_unscale(q, n * n, exponent, "entries of an interaction matrix", err);
}

float bl_bilinear_constant(const bl_bilinear *map, const float *u) {
    return map->constant ? bl_dot(u, map->constant, bl_bilinear_out(map)) : 0;
}

void bl_bilinear_linear(const bl_bilinear *map, const float *u, float *out) {
    bl_view g = map->linear;
    memset(out, 0, bl_bilinear_in(map) * sizeof *out);
    if (g.data) bl_gemv_t(g.rows, g.cols, 1.0F, g.data, g.stride, u, 0.0F, out);
}

/* l_g . r_g of the rows that meet column g, the constant coordinate included. */
static float unit_trace(const bl_bilinear *map, size_t g) {
    size_t left = map->left ? map->left[g] : g, right = map->right ? map->right[g] : g;
    const float *l = map->l.data + left * map->l.stride, *r = map->r.data + right * map->r.stride;
    double sum = map->l_bias ? (double)map->l_bias[left] * (double)map->r_bias[right] : 0;
    for (size_t i = 0; i < map->l.cols; i++) sum += (double)l[i] * (double)r[i];
    return (float)sum;
}

bool bl_bilinear_traces(const bl_bilinear *map, float *tau, bl_error *err) {
    bl_error_clear(err);
    float *traces = bl_alloc(map->l.rows, sizeof *traces, err);
    if (!traces) return false;
#pragma omp parallel for schedule(static)
    for (size_t g = 0; g < map->l.rows; g++) traces[g] = unit_trace(map, g);
    if (map->p.data) bl_gemv_n(map->p.rows, map->p.cols, 1, map->p.data, map->p.stride, traces, 0, tau);
    else memcpy(tau, traces, map->l.rows * sizeof *tau);
    free(traces);
    return true;
}

double bl_bilinear_shift(const bl_bilinear *map, const float *tau, const float *u) {
    double sum = 0;
    for (size_t o = 0; map->normed && o < bl_bilinear_out(map); o++) sum += (double)u[o] * (double)tau[o];
    return sum / (double)bl_bilinear_size(map);
}

/* z [m, h] = (L x' of the left rows) * (R x' of the right rows); a and b [m, h] hold L x and R x. */
static void multiply_units(const bl_bilinear *map, size_t m, const float *a, const float *b, float *z) {
    size_t h = map->l.rows;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < m; i++)
        for (size_t g = 0; g < h; g++) {
            size_t left = map->left ? map->left[g] : g, right = map->right ? map->right[g] : g;
            float l = a[i * h + left], r = b[i * h + right];
            if (map->l_bias) l += map->l_bias[left], r += map->r_bias[right];
            z[i * h + g] = l * r;
        }
}

bool bl_bilinear_apply(const bl_bilinear *map, const float *x, size_t m, float *y, bl_error *err) {
    size_t n = map->l.cols, h = map->l.rows, d = bl_bilinear_out(map), count, own = map->origin ? n : 0;
    bl_error_clear(err);
    if (!bl_mul_size(m, 3 * h + own, &count)) count = SIZE_MAX;
    float *a = bl_alloc(count, sizeof *a, err), *b, *z, *moved;
    if (!a) return false;
    b = a + m * h;
    z = b + m * h;
    moved = z + m * h;
    for (size_t i = 0; i < m && own; i++)
        for (size_t c = 0; c < n; c++) moved[i * n + c] = x[i * n + c] - map->origin[c];
    if (own) x = moved;
    bl_gemm_nt(m, h, n, 1, x, n, map->l.data, map->l.stride, 0, a, h);
    bl_gemm_nt(m, h, n, 1, x, n, map->r.data, map->r.stride, 0, b, h);
    multiply_units(map, m, a, b, z);
    if (map->p.data) bl_gemm_nt(m, d, h, 1, z, h, map->p.data, map->p.stride, 0, y, d);
    else memcpy(y, z, m * d * sizeof *y);
    if (map->linear.data) bl_gemm_nt(m, d, n, 1, x, n, map->linear.data, map->linear.stride, 1, y, d);
    for (size_t i = 0; map->constant && i < m; i++)
        for (size_t o = 0; o < d; o++) y[i * d + o] += map->constant[o];
    free(a);
    return true;
}

bool bl_bilinear_in_basis(const bl_bilinear *map, const float *u, bl_view f, float *out, bl_error *err) {
    size_t n = bl_bilinear_size(map), floats, rows;
    bl_error_clear(err);
    if (f.cols != n && f.cols != map->l.cols)
        return bl_fail(err, BL_ERR_USAGE, "%s: a basis of width %zu; the map's inputs have %zu",
                       bl_map_name(map), f.cols, map->l.cols);
    if (!bl_mul_size(n, n, &floats)) floats = SIZE_MAX;
    if (!bl_mul_size(f.rows, n, &rows)) rows = SIZE_MAX;
    float *q = bl_alloc(floats, sizeof *q, err), *fq = bl_alloc(rows, sizeof *fq, err);
    bool ok = q && fq && bl_bilinear_matrix(map, u, q, err);
    if (ok) {
        bl_gemm_nn(f.rows, n, f.cols, 1, f.data, f.stride, q, n, 0, fq, n);
        bl_gemm_nt(f.rows, f.rows, f.cols, 1, fq, n, f.data, f.stride, 0, out, f.rows);
    }
    free(q);
    free(fq);
    return ok;
}
