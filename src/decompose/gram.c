/* Inner products of bilinear maps (docs/specification.md, 15, 16), from their factors:
 *
 *   G[o, o'] = <B_o, B'_o'> = (P M P'ᵀ)[o, o'],   M = 1/2 [(L L'ᵀ) * (R R'ᵀ) + (L R'ᵀ) * (R L'ᵀ)] 
 * [h, h']
 *
 * M comes in blocks of rows, so that memory is h' times a block. A map with itself needs M's blocks on and
 * above the diagonal only: with the diagonal block halved, G = S + Sᵀ. Float32: an entry is right to about
 * 1e-6 of the largest. */
#include "decompose/gram.h"
#include "decompose/form.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/gemm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)768)     /* rows of M at a time: for each block the BLAS packs all of L' and R' anew */
#define OF_ITSELF ((size_t)256) /* of a map with itself, where half of the block on the diagonal is wasted */

/* [L l] and [R r] of a map, [h, n] and scaled to about 1: where they lie, the scales being factors of every
 * product, or, with biases, other rows or magnitudes far from 1, as dense copies with zeros where the map has
 * no bias but n wants one. */
typedef struct sides {
    size_t h, n;
    bl_view l, r;
    float scale_l, scale_r; /* what l and r are still to be multiplied by */
    float *copy_l, *copy_r; /* or NULL */
    float p;                /* what P is multiplied by */
} sides;

#define ORDINARY 30 /* exponents of a scale that no product overflows with */

static bool lie_ready(const bl_bilinear *map, size_t n, bl_scales scales) {
    return n == map->l.cols && !map->left && !map->right && abs(scales.l) <= ORDINARY &&
           abs(scales.r) <= ORDINARY;
}

/* Times 2^-e. */
static void fill(float *out, size_t n, bl_view weight, const float *bias, const size_t *from, size_t h,
                 int e) {
    double scale = ldexp(1, -e);
    for (size_t g = 0; g < h; g++, out += n) {
        size_t row = from ? from[g] : g;
        const float *in = weight.data + row * weight.stride;
        for (size_t i = 0; i < weight.cols; i++) out[i] = (float)((double)in[i] * scale);
        if (n > weight.cols) out[weight.cols] = bias ? (float)((double)bias[row] * scale) : 0;
    }
}

static bool sides_init(sides *s, const bl_bilinear *map, size_t n, bl_error *err) {
    size_t count;
    bl_scales scales = bl_scales_of(map);
    *s = (sides){.h = bl_bilinear_hidden(map), .n = n, .p = ldexpf(1, -scales.p)};
    if (lie_ready(map, n, scales)) {
        s->l = map->l, s->scale_l = ldexpf(1, -scales.l);
        s->r = map->r, s->scale_r = ldexpf(1, -scales.r);
        return true;
    }
    if (!bl_mul_size(s->h, n, &count)) count = SIZE_MAX;
    s->copy_l = bl_alloc(count, sizeof *s->copy_l, err);
    s->copy_r = bl_alloc(count, sizeof *s->copy_r, err);
    if (!s->copy_l || !s->copy_r) return false;
    fill(s->copy_l, n, map->l, map->l_bias, map->left, s->h, scales.l);
    fill(s->copy_r, n, map->r, map->r_bias, map->right, s->h, scales.r);
    s->l = (bl_view){s->copy_l, s->h, n, n}, s->scale_l = 1;
    s->r = (bl_view){s->copy_r, s->h, n, n}, s->scale_r = 1;
    return true;
}

static void sides_free(sides *s) {
    free(s->copy_l);
    free(s->copy_r);
}

/* out [rows, cols] = the rows of a from `begin` on times those of b from `first` on. */
static void rows_by_rows(bl_view a, float scale_a, size_t begin, size_t rows, bl_view b, float scale_b,
                         size_t first, size_t cols, size_t n, float *out) {
    bl_gemm_nt(rows, cols, n, scale_a * scale_b, a.data + begin * a.stride, a.stride,
               b.data + first * b.stride, b.stride, 0.0F, out, cols);
}

/* m [rows, cols] = M of rows begin … of a and columns first … of b; four products into `work`. */
static void block_of_m(const sides *a, const sides *b, size_t begin, size_t rows, size_t first, float *work) {
    size_t n = a->n, cols = b->h - first, size = rows * cols;
    float *ll = work, *rr = ll + size, *lr = rr + size, *rl = lr + size;
    rows_by_rows(a->l, a->scale_l, begin, rows, b->l, b->scale_l, first, cols, n, ll);
    rows_by_rows(a->r, a->scale_r, begin, rows, b->r, b->scale_r, first, cols, n, rr);
    rows_by_rows(a->l, a->scale_l, begin, rows, b->r, b->scale_r, first, cols, n, lr);
    rows_by_rows(a->r, a->scale_r, begin, rows, b->l, b->scale_l, first, cols, n, rl);
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < size; i++) ll[i] = 0.5F * (ll[i] * rr[i] + lr[i] * rl[i]);
}

/* g [d_a, d_b] (+)= P_a[:, begin …] m z, where the product with P_bᵀ goes into z [rows, d_b]. */
static void add_block(const bl_bilinear *a, const bl_bilinear *b, const sides *own, const sides *other,
                      size_t begin, size_t rows, size_t first, const float *m, float *z, float *g) {
    size_t d_a = bl_bilinear_out(a), d_b = bl_bilinear_out(b), cols = bl_bilinear_hidden(b) - first;
    const float *left = z;
    if (b->p.data)
        bl_gemm_nt(rows, d_b, cols, other->p, m, cols, b->p.data + first, b->p.stride, 0.0F, z, d_b);
    else
        for (size_t r = 0; r < rows; r++) {
            memset(z + r * d_b, 0, first * sizeof *z);
            memcpy(z + r * d_b + first, m + r * cols, cols * sizeof *z);
        }
    if (a->p.data)
        bl_gemm_nn(d_a, d_b, rows, own->p, a->p.data + begin, a->p.stride, left, d_b, begin ? 1.0F : 0.0F, g,
                   d_b);
    else memcpy(g + begin * d_b, z, rows * d_b * sizeof *g);
}

/* A map with itself: the block on the diagonal counts half, and g becomes g + gᵀ at the end. */
static void halve_diagonal(float *m, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < rows; c++) m[r * cols + c] *= 0.5F;
}

static void add_transposed(float *g, size_t d) {
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++) g[i * d + j] = g[j * d + i] = g[i * d + j] + g[j * d + i];
}

static bool check_finite(const bl_bilinear *a, const float *g, size_t count, bl_error *err) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += fabs((double)g[i]);
    return isfinite(sum) || bl_fail(err, BL_ERR_NUMERIC,
                                    "%s: the inner products of layer %zu's forms hold NaN or infinity: so do "
                                    "its weights, or they are too large",
                                    a->name ? a->name : "the map", a->layer);
}

int bl_gram_exponent(const bl_bilinear *map) {
    bl_scales scales = bl_scales_of(map);
    return scales.l + scales.r + scales.p;
}

bool bl_gram_traces(const bl_bilinear *map, float *tau, bl_error *err) {
    int exponent = bl_gram_exponent(map);
    if (!bl_bilinear_traces(map, tau, err)) return false;
    for (size_t o = 0; exponent && o < bl_bilinear_out(map); o++) tau[o] = ldexpf(tau[o], -exponent);
    return true;
}

bool bl_bilinear_gram(const bl_bilinear *a, const bl_bilinear *b, float *g, bl_error *err) {
    size_t n_a = bl_bilinear_size(a), n_b = bl_bilinear_size(b), n = n_a > n_b ? n_a : n_b, count;
    bool same = a == b, ok = false;
    size_t block = same ? OF_ITSELF : BLOCK;
    if (bl_bilinear_in(a) != bl_bilinear_in(b))
        return bl_fail(err, BL_ERR_USAGE, "maps that read %zu and %zu numbers cannot be compared",
                       bl_bilinear_in(a), bl_bilinear_in(b));
    sides left = {0}, other = {0};
    const sides *right = same ? &left : &other;
    float *work = NULL, *z = NULL;
    if (!sides_init(&left, a, n, err) || (!same && !sides_init(&other, b, n, err))) goto done;
    if (!bl_mul_size(4 * block, right->h, &count)) count = SIZE_MAX;
    work = bl_alloc(count, sizeof *work, err);
    z = bl_alloc(block * bl_bilinear_out(b), sizeof *z, err);
    if (!work || !z) goto done;
    for (size_t begin = 0; begin < left.h; begin += block) {
        size_t rows = left.h - begin < block ? left.h - begin : block, first = same ? begin : 0;
        if (!bl_go_on(err)) goto done;
        block_of_m(&left, right, begin, rows, first, work);
        if (same) halve_diagonal(work, rows, right->h - first);
        add_block(a, b, &left, right, begin, rows, first, work, z, g);
    }
    if (same) add_transposed(g, bl_bilinear_out(a));
    ok = check_finite(a, g, bl_bilinear_out(a) * bl_bilinear_out(b), err);
done:
    sides_free(&left);
    sides_free(&other);
    free(work);
    free(z);
    return ok;
}

bool bl_bilinear_gram_traceless(const bl_bilinear *a, const bl_bilinear *b, const float *tau_a,
                                const float *tau_b, float *g, bl_error *err) {
    if (!bl_bilinear_gram(a, b, g, err)) return false;
    if (!a->normed && !b->normed) return true;
    size_t d_a = bl_bilinear_out(a), d_b = bl_bilinear_out(b), n = bl_bilinear_size(a);
    if (bl_bilinear_size(b) > n) n = bl_bilinear_size(b);
    for (size_t i = 0; i < d_a; i++)
        for (size_t j = 0; j < d_b; j++)
            g[i * d_b + j] =
                (float)((double)g[i * d_b + j] - (double)tau_a[i] * (double)tau_b[j] / (double)n);
    return true;
}
