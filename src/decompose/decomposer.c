/* Eigenpairs of many directions of one map, or of a null draw of it.
 *
 * Q_u is symmetric: n(n+1)/2 numbers, packed by rows of the lower triangle, c = (j, i <= j). With
 *
 *   S[g, c] = 1/2 (L[g, i] R[g, j] + R[g, i] L[g, j])        [h, n(n+1)/2], formed a panel of columns at a
 * time
 *
 * B = P S and Q_U = U B = (U P) S are plain products: 2 d n(n+1)/2 operations per direction once B [d,
 * n(n+1)/2] is there, h/d times as many without it. In a null draw other rows of L and R meet a column of P,
 * so the weights are never copied.
 *
 * L, R and P are divided by powers of two, each direction by its own (form.h): no magnitude leaves float32.
 *
 * Every product is one thread's, on panels that are cut alike however many threads there are: so are the
 * bits. */
#include "base/error.h"
#include "base/memory.h"
#include "base/ranks.h"
#include "base/threads.h"
#include "decompose/form.h"
#include "linear/gemm.h"
#include "linear/product.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PANEL ((size_t)512) /* columns of S at a time, and … */
#define DEPTH \
    ((size_t)256) /* … hidden units: what is formed is multiplied while it is in the nearest caches */
#define ROWS ((size_t)64) /* directions that one product of U P takes */

/* The forms of the last batch, for the next one: memory that is fresh has to be cleared by the system, which
 * takes as long as a tenth of the decomposition. */
typedef struct kept {
    atomic_bool taken; /* by a batch; another at the same time has its own */
    size_t count;
    float *q; /* [count] */
} kept;

struct bl_decomposer {
    bl_bilinear map;
    bl_scales scales;
    bool largest; /* of each direction the k of largest |lambda - shift| */
    size_t d, h, n;
    size_t packed; /* N = n(n+1)/2 */
    float *b;      /* [d, N] 2^-(l + r + p), or NULL */
    kept *kept;
};

/* An element of a row of [L l] or [R r]. */
static inline float extended(const float *row, const float *bias, size_t g, size_t d, size_t i) {
    return i < d ? row[i] : bias[g];
}

/* out [n] = x y + z w */
static inline void mix(size_t n, const float *restrict x, float y, const float *restrict z, float w,
                       float *restrict out) {
    for (size_t t = 0; t < n; t++) out[t] = x[t] * y + z[t] * w;
}

/* A run of columns (j, i), (j, i + 1), … of hidden unit g, at column `at` of row `row` of the factor s. */
static void form_run(const bl_bilinear *m, float scale_l, float scale_r, size_t j, size_t i, size_t run,
                     size_t g, size_t at, size_t row, const bl_factor *s) {
    size_t d = m->l.cols, gl = m->left ? m->left[g] : g, gr = m->right ? m->right[g] : g;
    size_t inner = i + run > d ? d - (i < d ? i : d) : run;
    const float *a = m->l.data + gl * m->l.stride, *b = m->r.data + gr * m->r.stride;
    float aj = 0.5F * (extended(a, m->l_bias, gl, d, j) * scale_l) * scale_r;
    float bj = 0.5F * (extended(b, m->r_bias, gr, d, j) * scale_r) * scale_l;
    for (size_t t = 0, side = bl_factor_side(s); t < inner;) {
        size_t left = side - (at + t) % side, count = inner - t < left ? inner - t : left;
        float *out = s->panels + bl_factor_at(s, row, at + t);
        if (count == BL_PANEL) mix(BL_PANEL, a + i + t, bj, b + i + t, aj, out); /* whole vectors */
        else mix(count, a + i + t, bj, b + i + t, aj, out);
        t += count;
    }
    if (inner < run) /* the constant coordinate */
        s->panels[bl_factor_at(s, row, at + inner)] = m->l_bias[gl] * bj + m->r_bias[gr] * aj;
}

/* Hidden units begin … begin + s->K - 1 of s->N columns of S 2^-(l + r), the first is (j, i): where a
 * product reads them. */
static void form_panel(const bl_decomposer *z, size_t j, size_t i, size_t begin, const bl_factor *s) {
    float scale_l = ldexpf(1, -z->scales.l), scale_r = ldexpf(1, -z->scales.r);
    for (size_t at = 0; at < s->N; j++, i = 0) {
        size_t run = j + 1 - i < s->N - at ? j + 1 - i : s->N - at;
        for (size_t g = 0; g < s->K; g++) form_run(&z->map, scale_l, scale_r, j, i, run, begin + g, at, g, s);
        at += run;
    }
}

/* Where column c of the packed half lies: (j, i). */
static void locate(size_t c, size_t *j, size_t *i) {
    size_t row = 0;
    while (c > row) c -= ++row;
    *j = row;
    *i = c;
}

/* out [m, N] = alpha a S, a panel per item. */
typedef struct expansion {
    const bl_decomposer *z;
    bl_view a; /* [m, h] */
    size_t first;
    float alpha, *out, *scratch; /* scratch [threads][DEPTH + m, PANEL] */
} expansion;

static bool expand_panel(void *context, size_t item, size_t thread, bl_error *err) {
    (void)err;
    const expansion *x = context;
    const bl_decomposer *z = x->z;
    size_t c = (x->first + item) * PANEL, width = z->packed - c < PANEL ? z->packed - c : PANEL, i, j;
    float *s = x->scratch + thread * (DEPTH + x->a.rows) * PANEL, *sum = s + DEPTH * PANEL;
    locate(c, &j, &i);
    for (size_t g = 0; g < z->h; g += DEPTH) {
        bl_factor of_s = {.w = s, .panels = s, .K = z->h - g < DEPTH ? z->h - g : DEPTH, .N = width};
        form_panel(z, j, i, g, &of_s);
        bl_multiply(&of_s, x->a.rows, x->alpha, x->a.data + g, x->a.stride, g > 0, sum, width);
    }
    for (size_t row = 0; row < x->a.rows; row++)
        memcpy(x->out + row * z->packed + c, sum + row * width, width * sizeof *sum);
    return true;
}

/* Panels first … last - 1 of out [m, N] = alpha a S 2^-(l + r), a [m, h] */
static bool expand(const bl_decomposer *z, bl_view a, float alpha, size_t first, size_t last, float *out,
                   bl_error *err) {
    size_t count;
    if (!bl_mul_size((size_t)bl_threads() * PANEL, DEPTH + a.rows, &count)) count = SIZE_MAX;
    expansion x = {z, a, first, alpha, NULL, bl_alloc(count, sizeof(float), err)};
    x.out = out;
    bool ok = x.scratch && bl_parallel(last - first, expand_panel, &x, err);
    free(x.scratch);
    return ok;
}

static size_t count_panels(const bl_decomposer *z) { return (z->packed + PANEL - 1) / PANEL; }

/* Rank r has made the columns from begin(r) on; each row of them to all. */
static bool share_b(bl_decomposer *z, const bl_ranks *ranks, size_t panels, bl_error *err) {
    bool ok = true;
    for (size_t r = 0, size = (size_t)ranks->size; size > 1 && r < size; r++) {
        size_t begin = panels * r / size * PANEL, end = panels * (r + 1) / size * PANEL;
        if (end > z->packed) end = z->packed;
        for (size_t o = 0; ok && begin < end && o < z->d; o++)
            ok = bl_ranks_share_from(ranks, (int)r, z->b + o * z->packed + begin,
                                     (end - begin) * sizeof *z->b, err);
    }
    return ok;
}

/* Each rank makes its share of the panels. */
static bool hold_b(bl_decomposer *z, const bl_ranks *ranks, const bl_progress *progress, bl_error *err) {
    size_t count, panels = count_panels(z), step = 8 * (size_t)bl_threads(), size = (size_t)ranks->size,
                  r = (size_t)ranks->rank, begin = panels * r / size, end = panels * (r + 1) / size;
    if (!bl_mul_size(z->d, z->packed, &count)) count = SIZE_MAX;
    z->b = bl_alloc(count, sizeof *z->b, err);
    bool ok = z->b != NULL;
    for (size_t p = begin; ok && p < end; p += step)
        ok = bl_progress_step(progress, "preparing", p - begin, end - begin, err) &&
             expand(z, z->map.p, ldexpf(1, -z->scales.p), p, p + step < end ? p + step : end, z->b, err);
    return bl_ranks_agree(ranks, ok, err) && share_b(z, ranks, panels, err);
}

/* B pays for itself when its d h n^2 operations are fewer than the m (h - d) n^2 that it saves, and where
 * there is room for it. */
static bool worth_holding(const bl_decomposer *z, const bl_decomposer_options *options) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t room = options->memory       ? options->memory
                : pages > 0 && page > 0 ? (size_t)pages / 4 * (size_t)page
                                        : 0;
    return z->map.p.data && z->h > z->d &&
           (double)options->directions * (double)(z->h - z->d) > (double)z->d * (double)z->h &&
           z->packed <= room / sizeof(float) / z->d;
}

bl_decomposer *bl_decomposer_new(const bl_bilinear *map, const bl_decomposer_options *options,
                                 bl_error *err) {
    static const bl_decomposer_options defaults = {0};
    bl_error_clear(err);
    if (!options) options = &defaults;
    bl_ranks ranks;
    if (!bl_ranks_join(&ranks, options->distributed, err)) return NULL;
    bl_decomposer *z = bl_alloc_zero(1, sizeof *z, err);
    if (!bl_ranks_agree(&ranks, z != NULL, err) || !z) {
        bl_decomposer_free(z);
        return NULL;
    }
    *z = (bl_decomposer){.map = *map,
                         .scales = bl_scales_of(map),
                         .largest = options->largest,
                         .d = bl_bilinear_out(map),
                         .h = bl_bilinear_hidden(map),
                         .n = bl_bilinear_size(map)};
    z->packed = z->n * (z->n + 1) / 2;
    z->kept = bl_alloc_zero(1, sizeof *z->kept, err);
    bool hold = worth_holding(z, options), ok; /* rank 0 decides: another way gives other last bits */
    ok = bl_ranks_agree(&ranks, z->kept != NULL, err) && bl_ranks_share(&ranks, &hold, sizeof hold, err);
    if (ok && hold) ok = hold_b(z, &ranks, &options->progress, err);
    if (ok) return z;
    bl_decomposer_free(z);
    return NULL;
}

void bl_decomposer_free(bl_decomposer *z) {
    if (!z) return;
    if (z->kept) free(z->kept->q);
    free(z->kept);
    free(z->b);
    free(z);
}

size_t bl_decomposer_held(const bl_decomposer *z) { return z->b ? z->d * z->packed * sizeof *z->b : 0; }

/* One batch of directions. */
typedef struct batch {
    const bl_decomposer *z;
    const float *original; /* u [m, d] as it was given */
    size_t m, k;
    float *u;       /* [m, d] scaled */
    int *exponents; /* [m] of u */
    float *hidden;  /* [m, h] U P, without B */
    float *q;       /* [m, N] */
    bool of_kept;   /* q is z->kept's */
    float *full;    /* [threads][n, n] */
    bl_eigen **out; /* [m] */
} batch;

/* A panel of q = U B. */
static bool panel_from_b(void *context, size_t p, size_t thread, bl_error *err) {
    (void)thread, (void)err;
    const batch *b = context;
    const bl_decomposer *z = b->z;
    size_t c = p * PANEL, width = z->packed - c < PANEL ? z->packed - c : PANEL;
    bl_gemm_nn(b->m, width, z->d, 1.0F, b->u, z->d, z->b + c, z->packed, 0.0F, b->q + c, z->packed);
    return true;
}

/* Some rows of U P 2^-p. */
static bool rows_of_hidden(void *context, size_t i, size_t thread, bl_error *err) {
    (void)thread, (void)err;
    const batch *b = context;
    const bl_decomposer *z = b->z;
    size_t first = i * ROWS, rows = b->m - first < ROWS ? b->m - first : ROWS;
    bl_gemm_nn(rows, z->h, z->d, ldexpf(1, -z->scales.p), b->u + first * z->d, z->d, z->map.p.data,
               z->map.p.stride, 0.0F, b->hidden + first * z->h, z->h);
    return true;
}

/* q [m, N] of the scaled directions. */
static bool interactions(const bl_decomposer *z, batch *b, bl_error *err) {
    size_t panels = count_panels(z), count;
    if (z->b) return bl_parallel(panels, panel_from_b, b, err);
    if (!z->map.p.data) return expand(z, (bl_view){b->u, b->m, z->d, z->d}, 1.0F, 0, panels, b->q, err);
    if (!bl_mul_size(b->m, z->h, &count)) count = SIZE_MAX;
    b->hidden = bl_alloc(count, sizeof *b->hidden, err);
    return b->hidden && bl_parallel((b->m + ROWS - 1) / ROWS, rows_of_hidden, b, err) &&
           expand(z, (bl_view){b->hidden, b->m, z->h, z->h}, 1.0F, 0, panels, b->q, err);
}

/* The lower triangle of full [n, n] from its packed half; its trace. */
static bool unpack(const bl_decomposer *z, const float *half, float *full, double *trace, bl_error *err) {
    double sum = 0;
    *trace = 0;
    for (size_t j = 0; j < z->n; j++) {
        float *row = full + j * z->n;
        memcpy(row, half, (j + 1) * sizeof *row);
        for (size_t i = 0; i <= j; i++) sum += fabs((double)row[i]);
        *trace += (double)row[j];
        half += j + 1;
    }
    return isfinite(sum) ||
           bl_fail(err, BL_ERR_NUMERIC,
                   "%s: an interaction matrix holds NaN or infinity: so do the weights of layer %zu",
                   bl_map_name(&z->map), z->map.layer);
}

static bool decompose(void *context, size_t i, size_t thread, bl_error *err) {
    const batch *b = context;
    const bl_decomposer *z = b->z;
    float *full = b->full + thread * z->n * z->n;
    int exponent = b->exponents[i] + z->scales.l + z->scales.r + z->scales.p;
    double trace;
    if (!unpack(z, b->q + i * z->packed, full, &trace, err)) return false;
    b->out[i] = z->largest && b->k ? bl_eigen_of_largest(full, z->n, exponent, b->k,
                                                         z->map.normed ? trace / (double)z->n : 0, err)
                                   : bl_eigen_of_scaled(full, z->n, exponent, b->k, err);
    if (b->out[i]) bl_eigen_describe(b->out[i], &z->map, b->original + i * z->d, ldexp(trace, exponent));
    return b->out[i] != NULL;
}

/* q [count], the one that was kept if no other batch has it. */
static bool take_q(batch *b, size_t count, bl_error *err) {
    kept *spare = b->z->kept;
    b->of_kept = !atomic_exchange(&spare->taken, true);
    if (b->of_kept && spare->count < count) {
        free(spare->q);
        spare->count = 0;
        spare->q = bl_alloc(count, sizeof *spare->q, err);
        if (spare->q) spare->count = count;
    }
    b->q = b->of_kept ? spare->q : bl_alloc(count, sizeof *b->q, err);
    return b->q != NULL;
}

static void give_q_back(batch *b) {
    if (b->of_kept) atomic_store(&b->z->kept->taken, false);
    else free(b->q);
}

static bool prepare(batch *b, bl_error *err) {
    const bl_decomposer *z = b->z;
    size_t packed, directions, full;
    if (!bl_mul_size(b->m, z->packed, &packed)) packed = SIZE_MAX;
    if (!bl_mul_size(b->m, z->d, &directions)) directions = SIZE_MAX;
    if (!bl_mul_size((size_t)bl_threads() * z->n, z->n, &full)) full = SIZE_MAX;
    b->u = bl_alloc(directions, sizeof *b->u, err);
    b->exponents = bl_alloc(b->m, sizeof *b->exponents, err);
    b->full = bl_alloc(full, sizeof *b->full, err);
    if (!b->u || !b->exponents || !b->full || !take_q(b, packed, err)) return false;
    for (size_t i = 0; i < b->m; i++)
        if (!bl_scale_direction(&z->map, b->original + i * z->d, b->u + i * z->d, &b->exponents[i], err))
            return false;
    return true;
}

bool bl_decomposer_run(const bl_decomposer *z, const float *u, size_t m, size_t k, bl_eigen **out,
                       bl_error *err) {
    bl_error_clear(err);
    batch b = {.z = z, .original = u, .m = m, .k = k, .out = out};
    for (size_t i = 0; i < m; i++) out[i] = NULL;
    bool ok = prepare(&b, err) && interactions(z, &b, err) && bl_parallel(m, decompose, &b, err);
    free(b.u);
    free(b.exponents);
    free(b.hidden);
    give_q_back(&b);
    free(b.full);
    for (size_t i = 0; !ok && i < m; i++) {
        bl_eigen_free(out[i]);
        out[i] = NULL;
    }
    return ok;
}
