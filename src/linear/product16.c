/* The kernel: a tile of C, 12 x 32, stays in registers while pairs of k run. Each step loads one row of a
 * panel, 32 pairs (b[2s][j], b[2s + 1][j]), and broadcasts one pair of every row of A. A panel holds the
 * pairs of 32 columns, step by step; bl_multiply16_tn's left factor is packed in groups of 12 columns, step
 * by step. An odd k ends with a zero. This file alone is compiled for AVX512-BF16, whatever the rest is
 * compiled for; nothing in it runs before bl_product16_possible.
 *
 * oneDNN's matmul (2.6, avx512_core_bf16) reaches the same speed per thread on the processors tried, without
 * the conversions that are included here; Debian's OpenBLAS has no sbgemm. */
#include "linear/product16.h"
#include <string.h>

#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#include <immintrin.h>

#define DEPTH BL_PRODUCT_DEPTH   /* steps of k at a time, even */
#define WIDTH BL_PRODUCT_WIDTH   /* columns of b, and … */
#define HEIGHT BL_PRODUCT_HEIGHT /* … of a that bl_multiply16_tn packs at a time */
enum { ROWS = 12, LANES = 16, CHUNK = 120 /* rows of A that are converted at a time, a multiple of ROWS */ };
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 12")
#endif
#define INLINE __attribute__((always_inline)) static inline

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* The first n lanes of 16. */
INLINE __mmask16 lanes(size_t n) { return (__mmask16)(n >= LANES ? 0xFFFF : (1U << n) - 1U); }

/* Writes rows x columns (<= 32) of C. */
INLINE void store(size_t rows, __m512 sum[ROWS][2], float alpha, bool add, float *c, size_t ldc,
                  size_t columns) {
    __mmask16 first = lanes(columns), second = lanes(columns > LANES ? columns - LANES : 0);
    __m512 factor = _mm512_set1_ps(alpha);
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        float *to = c + i * ldc;
        __m512 x0 = _mm512_mul_ps(factor, sum[i][0]), x1 = _mm512_mul_ps(factor, sum[i][1]);
        if (add) {
            x0 = _mm512_add_ps(x0, _mm512_maskz_loadu_ps(first, to));
            x1 = _mm512_add_ps(x1, _mm512_maskz_loadu_ps(second, to + LANES));
        }
        _mm512_mask_storeu_ps(to, first, x0);
        _mm512_mask_storeu_ps(to + LANES, second, x1);
    }
}

/* One tile from `pairs` steps; the pair (row i, step s) of A is a[i * row + s * step]. */
INLINE void tile(size_t rows, size_t pairs, const uint32_t *a, size_t row, size_t step, const uint32_t *panel,
                 float alpha, bool add, float *c, size_t ldc, size_t columns) {
    __m512 sum[ROWS][2];
    for (size_t i = 0; i < rows; i++) {
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
        __builtin_prefetch(c + i * ldc, 1);
        __builtin_prefetch(c + i * ldc + LANES, 1);
    }
    for (size_t s = 0; s < pairs; s++) {
        __m512bh b0 = (__m512bh)_mm512_loadu_si512(panel + s * BL_PANEL),
                 b1 = (__m512bh)_mm512_loadu_si512(panel + s * BL_PANEL + LANES);
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32((int)a[i * row + s * step]);
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, b0);
            sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, b1);
        }
    }
    store(rows, sum, alpha, add, c, ldc, columns);
}

/* rows <= 12 of A against one panel: the number of rows as a constant, so that the sums are registers. */
static void tile_of(size_t rows, size_t pairs, const uint32_t *a, size_t row, size_t step,
                    const uint32_t *panel, float alpha, bool add, float *c, size_t ldc, size_t columns) {
#define CASE(n) \
    case n: tile(n, pairs, a, row, step, panel, alpha, add, c, ldc, columns); break
    switch (rows) {
        CASE(1);
        CASE(2);
        CASE(3);
        CASE(4);
        CASE(5);
        CASE(6);
        CASE(7);
        CASE(8);
        CASE(9);
        CASE(10);
        CASE(11);
        CASE(12);
    default: break;
    }
#undef CASE
}

/* 16 pairs (x[j], y[j]) from 16 numbers of one row of b and 16 of the next. */
INLINE __m512i pair_up(__m512 x, __m512 y) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                           7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(y, x));
}

/* Pairs of rows 2s and 2s + 1 of b [k, …], `width` columns, to `out`, which has room for whole vectors. */
static void pair_rows(const float *b, size_t ldb, size_t s, size_t k, size_t width, uint32_t *out) {
    const float *x = b + 2 * s * ldb, *y = 2 * s + 1 < k ? x + ldb : NULL;
    for (size_t j = 0; j < width; j += LANES) {
        __mmask16 mask = lanes(width - j);
        __m512 low = _mm512_maskz_loadu_ps(mask, x + j),
               high = y ? _mm512_maskz_loadu_ps(mask, y + j) : _mm512_setzero_ps();
        _mm512_storeu_si512(out + j, pair_up(low, high));
    }
}

/* The same of rows that are kept in bfloat16. */
static void pair_kept_rows(const bl_half *b, size_t ldb, size_t s, size_t k, size_t width, uint32_t *out) {
    const bl_half *x = b + 2 * s * ldb, *y = 2 * s + 1 < k ? x + ldb : NULL;
    for (size_t j = 0; j < width; j += LANES) {
        __mmask16 mask = lanes(width - j);
        __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, x + j)),
                high =
                    y ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, y + j)) : _mm512_setzero_si512();
        _mm512_storeu_si512(out + j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
}

/* n numbers as bfloat16, a zero behind an odd number of them. */
static void convert_row(const float *x, size_t n, uint32_t *out) {
    for (size_t i = 0; i < n; i += 2 * LANES) {
        __m512 low = _mm512_maskz_loadu_ps(lanes(n - i), x + i),
               high = n - i > LANES ? _mm512_maskz_loadu_ps(lanes(n - i - LANES), x + i + LANES)
                                    : _mm512_setzero_ps();
        _mm512_mask_storeu_epi32(out + i / 2, lanes((n - i + 1) / 2),
                                 (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

/* A right factor [k, n] in float32 or, where `full` is NULL, kept in bfloat16. */
typedef struct right {
    const float *full;
    const bl_half *kept;
    size_t ld;
} right;

INLINE right from(right b, size_t row, size_t column) {
    size_t at = row * b.ld + column;
    return b.full ? (right){b.full + at, NULL, b.ld} : (right){NULL, b.kept + at, b.ld};
}

/* One panel from `width` columns of b [k, n], zeros behind them. */
static void pack_columns(right b, size_t k, size_t width, uint32_t *panel) {
    for (size_t s = 0; s < (k + 1) / 2; s++, panel += BL_PANEL) {
        if (width < BL_PANEL) memset(panel, 0, BL_PANEL * sizeof *panel);
        if (b.full) pair_rows(b.full, b.ld, s, k, width, panel);
        else pair_kept_rows(b.kept, b.ld, s, k, width, panel);
    }
}

/* One panel from `width` rows of w [n, k]: 16 steps at a time, so that written lines stay in cache. */
static void pack_rows(const float *w, size_t ldw, size_t k, size_t width, uint32_t *panel) {
    uint32_t pairs[LANES];
    for (size_t begin = 0; begin < k; begin += 2 * LANES) {
        size_t n = smaller(2 * LANES, k - begin);
        for (size_t j = 0; j < BL_PANEL; j++) {
            if (j < width) convert_row(w + j * ldw + begin, n, pairs);
            else memset(pairs, 0, sizeof pairs);
            for (size_t s = 0; s < (n + 1) / 2; s++) panel[(begin / 2 + s) * BL_PANEL + j] = pairs[s];
        }
    }
}

void bl_factor16_pack(const bl_factor *f) {
    bl_range mine = bl_my_part((f->N + BL_PANEL - 1) / BL_PANEL);
    uint32_t *panels = (uint32_t *)(void *)f->panels;
    for (size_t p = mine.begin; p < mine.end; p++) {
        size_t first = p * BL_PANEL, width = smaller(BL_PANEL, f->N - first);
        uint32_t *panel = panels + first * ((f->K + 1) / 2);
        if (f->transposed) pack_rows(f->w + first * f->K, f->K, f->K, width, panel);
        else pack_columns((right){f->w + first, NULL, f->N}, f->K, width, panel);
    }
}

void bl_multiply16(const bl_factor *f, size_t m, float alpha, const float *a, size_t lda, bool add, float *c,
                   size_t ldc) {
    uint32_t rows[CHUNK * DEPTH / 2];
    const uint32_t *panels = (const uint32_t *)(const void *)f->panels;
    for (size_t k = 0; k < f->K; k += DEPTH)
        for (size_t i = 0; i < m; i += CHUNK) {
            size_t depth = smaller(DEPTH, f->K - k), n_rows = smaller(CHUNK, m - i), pairs = (depth + 1) / 2;
            for (size_t r = 0; r < n_rows; r++) convert_row(a + (i + r) * lda + k, depth, rows + r * pairs);
            for (size_t n = 0; n < f->N; n += BL_PANEL)
                for (size_t r = 0; r < n_rows; r += ROWS)
                    tile_of(smaller(ROWS, n_rows - r), pairs, rows + r * pairs, pairs, 1,
                            panels + n * ((f->K + 1) / 2) + k / 2 * BL_PANEL, alpha, add || k > 0,
                            c + (i + r) * ldc + n, ldc, smaller(BL_PANEL, f->N - n));
        }
}

void bl_multiply16_kept(const bl_factor *f, size_t m, float alpha, const bl_half *a, size_t lda, bool add,
                        float *c, size_t ldc) {
    const uint32_t *panels = (const uint32_t *)(const void *)f->panels,
                   *rows = (const uint32_t *)(const void *)a;
    for (size_t k = 0; k < f->K; k += DEPTH)
        for (size_t i = 0; i < m; i += CHUNK)
            for (size_t n = 0; n < f->N; n += BL_PANEL)
                for (size_t r = i; r < smaller(m, i + CHUNK); r += ROWS)
                    tile_of(smaller(ROWS, m - r), smaller(DEPTH, f->K - k) / 2, rows + (r * lda + k) / 2,
                            lda / 2, 1, panels + n * (f->K / 2) + k / 2 * BL_PANEL, alpha, add || k > 0,
                            c + r * ldc + n, ldc, smaller(BL_PANEL, f->N - n));
}

void bl_halve(const float *x, size_t n, bl_half *to) {
    for (size_t i = 0; i < n; i += LANES) {
        __m512 some = _mm512_maskz_loadu_ps(lanes(n - i), x + i);
        _mm256_mask_storeu_epi16(to + i, lanes(n - i), (__m256i)_mm512_cvtneps_pbh(some));
    }
}

void bl_widen(const bl_half *x, size_t n, float *to) {
    for (size_t i = 0; i < n; i += LANES) {
        __m512i some = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes(n - i), x + i));
        _mm512_mask_storeu_epi32(to + i, lanes(n - i), _mm512_slli_epi32(some, 16));
    }
}

/* Columns of a [depth, m <= HEIGHT] as pairs, in groups of ROWS. */
static void pack_groups(const float *a, size_t lda, size_t depth, size_t m, uint32_t *groups) {
    uint32_t line[HEIGHT + LANES];
    size_t pairs = (depth + 1) / 2;
    for (size_t s = 0; s < pairs; s++) {
        pair_rows(a, lda, s, depth, m, line);
        for (size_t g = 0; g * ROWS < m; g++)
            memcpy(groups + (g * pairs + s) * ROWS, line + g * ROWS, ROWS * sizeof *line);
    }
}

/* c [m, n] (+)= alpha a^T b for at most DEPTH steps and WIDTH columns. */
static void small_tn(size_t m, size_t n, size_t depth, float alpha, const float *a, size_t lda, right b,
                     bool add, float *c, size_t ldc, uint32_t *panels) {
    size_t pairs = (depth + 1) / 2;
    uint32_t *groups = panels + DEPTH / 2 * WIDTH;
    for (size_t j = 0; j < n; j += BL_PANEL)
        pack_columns(from(b, 0, j), depth, smaller(BL_PANEL, n - j), panels + j * pairs);
    for (size_t i = 0; i < m; i += HEIGHT) {
        size_t height = smaller(HEIGHT, m - i);
        pack_groups(a + i, lda, depth, height, groups);
        for (size_t j = 0; j < n; j += BL_PANEL)
            for (size_t r = 0; r < height; r += ROWS)
                tile_of(smaller(ROWS, height - r), pairs, groups + r / ROWS * pairs * ROWS, 1, ROWS,
                        panels + j * pairs, alpha, add, c + (i + r) * ldc + j, ldc, smaller(BL_PANEL, n - j));
    }
}

static void multiply_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, right b,
                        bool add, float *c, size_t ldc, float *scratch) {
    for (size_t begin = 0; begin < k; begin += DEPTH)
        for (size_t j = 0; j < n; j += WIDTH)
            small_tn(m, smaller(WIDTH, n - j), smaller(DEPTH, k - begin), alpha, a + begin * lda, lda,
                     from(b, begin, j), add || begin > 0, c + j, ldc, (uint32_t *)(void *)scratch);
}

void bl_multiply16_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                      size_t ldb, bool add, float *c, size_t ldc, float *scratch) {
    multiply_tn(m, n, k, alpha, a, lda, (right){b, NULL, ldb}, add, c, ldc, scratch);
}

void bl_multiply16_tn_kept(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                           const bl_half *b, size_t ldb, bool add, float *c, size_t ldc, float *scratch) {
    multiply_tn(m, n, k, alpha, a, lda, (right){NULL, b, ldb}, add, c, ldc, scratch);
}

const bool bl_product16_built = true;

#else

void bl_factor16_pack(const bl_factor *f) { (void)f; }

void bl_multiply16(const bl_factor *f, size_t m, float alpha, const float *a, size_t lda, bool add, float *c,
                   size_t ldc) {
    (void)f, (void)m, (void)alpha, (void)a, (void)lda, (void)add, (void)c, (void)ldc;
}

void bl_multiply16_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                      size_t ldb, bool add, float *c, size_t ldc, float *scratch) {
    (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda, (void)b, (void)ldb, (void)add, (void)c;
    (void)ldc, (void)scratch;
}

void bl_multiply16_kept(const bl_factor *f, size_t m, float alpha, const bl_half *a, size_t lda, bool add,
                        float *c, size_t ldc) {
    (void)f, (void)m, (void)alpha, (void)a, (void)lda, (void)add, (void)c, (void)ldc;
}

void bl_multiply16_tn_kept(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                           const bl_half *b, size_t ldb, bool add, float *c, size_t ldc, float *scratch) {
    (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda, (void)b, (void)ldb, (void)add, (void)c;
    (void)ldc, (void)scratch;
}

void bl_halve(const float *x, size_t n, bl_half *to) { (void)x, (void)n, (void)to; }
void bl_widen(const bl_half *x, size_t n, float *to) { (void)x, (void)n, (void)to; }

const bool bl_product16_built = false;

#endif
