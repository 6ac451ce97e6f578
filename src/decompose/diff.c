/* Two bilinear maps compared (docs/specification.md, 16; gram.c). */
#include <bilens/diff.h>
#include "base/error.h"
#include "base/memory.h"
#include "decompose/gram.h"
#include "linear/gemm.h"
#include "linear/dots.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static double trace(const float *g, size_t d) {
    double sum = 0;
    for (size_t i = 0; i < d; i++) sum += (double)g[i * d + i];
    return sum;
}

static double cosine(double ab, double aa, double bb) { return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0; }

/* corner [d]: entry [n-1, n-1] of each B_o without the output bias, P (l * r); zeros without biases. */
static bool corners(const bl_bilinear *map, float *corner, bl_error *err) {
    size_t h = bl_bilinear_hidden(map), d = bl_bilinear_out(map);
    memset(corner, 0, d * sizeof *corner);
    if (!map->l_bias) return true;
    float *product = bl_alloc(h, sizeof *product, err);
    if (!product) return false;
    for (size_t g = 0; g < h; g++)
        product[g] = map->l_bias[map->left ? map->left[g] : g] * map->r_bias[map->right ? map->right[g] : g];
    if (map->p.data) bl_gemv_n(d, h, 1.0F, map->p.data, map->p.stride, product, 0.0F, corner);
    else memcpy(corner, product, d * sizeof *corner);
    free(product);
    return true;
}

/* What the expectation over Gaussian inputs needs of one map besides the inner products. */
typedef struct moments {
    float *tau, *corner; /* [d] traces of B_o and their corner entries, output bias in neither */
    int exponent;        /* both are scaled by 2^-exponent, as the inner products are (gram.h) */
} moments;

static bool moments_init(moments *m, const bl_bilinear *map, bl_error *err) {
    size_t d = bl_bilinear_out(map);
    m->tau = bl_alloc(d, sizeof *m->tau, err);
    m->corner = bl_alloc(d, sizeof *m->corner, err);
    m->exponent = bl_gram_exponent(map);
    if (!m->tau || !m->corner || !bl_gram_traces(map, m->tau, err) || !corners(map, m->corner, err))
        return false;
    for (size_t o = 0; o < d; o++) m->corner[o] = ldexpf(m->corner[o], -m->exponent);
    return true;
}

static void moments_free(moments *m) {
    free(m->tau);
    free(m->corner);
}

/* E f_a . f_b = sum_o [tr A tr B + 2 <A, B>]. The constant coordinate of x' = [x; 1] is no Gaussian: where
 * there are biases, the output bias joins the corner entries and their product is taken away twice, which
 * leaves the bare corners' product to be taken away twice. */
static double expectation(const bl_bilinear *a, const moments *ma, const bl_bilinear *b, const moments *mb,
                          double entries) {
    size_t d = bl_bilinear_out(a);
    bool affine = a->l_bias || b->l_bias;
    double sum = 2 * entries;
    for (size_t o = 0; o < d; o++) {
        double ca = a->constant ? ldexp((double)a->constant[o], -ma->exponent) : 0;
        double cb = b->constant ? ldexp((double)b->constant[o], -mb->exponent) : 0;
        sum += ((double)ma->tau[o] + ca) * ((double)mb->tau[o] + cb);
        if (affine) sum -= 2 * (double)ma->corner[o] * (double)mb->corner[o];
    }
    return sum;
}

static void make_traceless(float *g, const float *tau_a, const float *tau_b, size_t d, size_t n) {
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            g[i * d + j] = (float)((double)g[i * d + j] - (double)tau_a[i] * (double)tau_b[j] / (double)n);
}

static bool check_widths(const bl_bilinear *a, const bl_bilinear *b, bl_error *err) {
    if (bl_bilinear_in(a) == bl_bilinear_in(b) && bl_bilinear_out(a) == bl_bilinear_out(b)) return true;
    return bl_fail(err, BL_ERR_USAGE,
                   "%s maps %zu numbers to %zu, %s %zu to %zu: only maps of equal widths can be compared",
                   a->name ? a->name : "the first", bl_bilinear_in(a), bl_bilinear_out(a),
                   b->name ? b->name : "the second", bl_bilinear_in(b), bl_bilinear_out(b));
}

static void summarise(bl_diff *out, const bl_bilinear *a, const moments *ma, const bl_bilinear *b,
                      const moments *mb) {
    size_t d = out->d, n_a = bl_bilinear_size(a), n_b = bl_bilinear_size(b), n = n_a > n_b ? n_a : n_b;
    double ab = trace(out->gram_ab, d), aa = trace(out->gram_a, d), bb = trace(out->gram_b, d);
    out->similarity =
        cosine(expectation(a, ma, b, mb, ab), expectation(a, ma, a, ma, aa), expectation(b, mb, b, mb, bb));
    if (a->normed) make_traceless(out->gram_a, ma->tau, ma->tau, d, n);
    if (b->normed) make_traceless(out->gram_b, mb->tau, mb->tau, d, n);
    if (a->normed || b->normed) make_traceless(out->gram_ab, ma->tau, mb->tau, d, n);
    out->frobenius = cosine(trace(out->gram_ab, d), trace(out->gram_a, d), trace(out->gram_b, d));
}

bool bl_diff_of(const bl_bilinear *a, const bl_bilinear *b, bl_diff *out, bl_error *err) {
    size_t d = bl_bilinear_out(a), count;
    moments ma = {0}, mb = {0};
    *out = (bl_diff){.d = d};
    if (!check_widths(a, b, err)) return false;
    if (!bl_mul_size(d, d, &count)) count = SIZE_MAX;
    out->gram_a = bl_alloc(count, sizeof *out->gram_a, err);
    out->gram_b = bl_alloc(count, sizeof *out->gram_b, err);
    out->gram_ab = bl_alloc(count, sizeof *out->gram_ab, err);
    bool ok = out->gram_a && out->gram_b && out->gram_ab && moments_init(&ma, a, err) &&
              moments_init(&mb, b, err) && bl_bilinear_gram(a, a, out->gram_a, err) &&
              bl_bilinear_gram(b, b, out->gram_b, err) && bl_bilinear_gram(a, b, out->gram_ab, err);
    if (ok) summarise(out, a, &ma, b, &mb);
    else bl_diff_free(out);
    moments_free(&ma);
    moments_free(&mb);
    return ok;
}

void bl_diff_free(bl_diff *diff) {
    if (!diff) return;
    free(diff->gram_a);
    free(diff->gram_b);
    free(diff->gram_ab);
    *diff = (bl_diff){0};
}

bool bl_diff_cosines(const bl_diff *diff, const float *u_a, const float *u_b, size_t m, double *out,
                     bl_error *err) {
    enum { ROWS = 256 };
    size_t d = diff->d;
    float *work = bl_alloc(3 * ROWS * d, sizeof *work, err), *aa = work, *bb = BL_PART(work, ROWS * d),
          *ab = BL_PART(work, 2 * ROWS * d);
    if (!work) return false;
    for (size_t begin = 0; begin < m; begin += ROWS) {
        size_t rows = m - begin < ROWS ? m - begin : ROWS;
        const float *a = u_a + begin * d, *b = u_b + begin * d;
        bl_gemm_nn(rows, d, d, 1.0F, a, d, diff->gram_a, d, 0.0F, aa, d);
        bl_gemm_nn(rows, d, d, 1.0F, b, d, diff->gram_b, d, 0.0F, bb, d);
        bl_gemm_nn(rows, d, d, 1.0F, a, d, diff->gram_ab, d, 0.0F, ab, d);
        for (size_t r = 0; r < rows; r++)
            out[begin + r] = cosine(dot(ab + r * d, b + r * d, d), dot(aa + r * d, a + r * d, d),
                                    dot(bb + r * d, b + r * d, d));
    }
    free(work);
    return true;
}

/* Adds sign Q~_u of `map` to q [n, n], whose n may be one larger. */
static bool add_form(const bl_bilinear *map, const float *u, bool traceless, float sign, size_t n, float *q,
                     bl_error *err) {
    size_t size = bl_bilinear_size(map);
    float *form = bl_alloc(size * size, sizeof *form, err);
    bool ok = form && bl_bilinear_matrix(map, u, form, err);
    double shift = ok && traceless ? trace(form, size) / (double)n : 0;
    for (size_t i = 0; ok && i < size; i++)
        for (size_t j = 0; j < size; j++) q[i * n + j] += sign * form[i * size + j];
    for (size_t i = 0; ok && i < n; i++) q[i * n + i] -= sign * (float)shift;
    free(form);
    return ok;
}

bool bl_diff_matrix(const bl_bilinear *a, const float *u_a, const bl_bilinear *b, const float *u_b, float *q,
                    bl_error *err) {
    size_t n_a = bl_bilinear_size(a), n_b = bl_bilinear_size(b), n = n_a > n_b ? n_a : n_b;
    if (!check_widths(a, b, err)) return false;
    memset(q, 0, n * n * sizeof *q);
    return add_form(a, u_a, a->normed, 1.0F, n, q, err) && add_form(b, u_b, b->normed, -1.0F, n, q, err);
}
