/* A tile of C, BL_TILE_ROWS x 32, stays in vector registers while k runs: each step loads one row of a panel
 * and broadcasts one element of every row of A. Blocks: DEPTH steps of k at a time, so that a panel (DEPTH x
 * 32) stays in the first-level cache while the rows of A pass by, and those (a few hundred rows) in the
 * second, with the part of C (512 columns) to which all steps of k are added before the next part's turn. The
 * panel that comes next is fetched meanwhile, a little with each step: many lines at once would keep the tile
 * from its own. */
#include "linear/product16.h"
#include <string.h>

#define LINE ((size_t)16) /* floats of a cache line */
#define DEPTH BL_PRODUCT_DEPTH
#define WIDTH BL_PRODUCT_WIDTH
#define HEIGHT BL_PRODUCT_HEIGHT

#ifdef __clang__ /* which would split the vectors in two unless told */
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL16 UNROLL
#define INLINE __attribute__((always_inline, min_vector_width(8 * sizeof(vector))))
#define WHOLE_VECTORS __attribute__((min_vector_width(8 * sizeof(vector))))
#else
#define UNROLL _Pragma("GCC unroll 12")
#define UNROLL16 _Pragma("GCC unroll 16")
#define INLINE __attribute__((always_inline))
#define WHOLE_VECTORS
#endif

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

#ifdef BL_LANES

/* How much of n to take at a time: parts as equal as multiples of `unit` can be, at most one and a half times
 * `about`. A short last part would cost more than its share. */
static size_t even_part(size_t n, size_t about, size_t unit) {
    size_t parts = (n + about / 2) / about, units = (n + unit - 1) / unit;
    return (parts > 1 ? (units + parts - 1) / parts : units) * unit;
}

typedef float vector __attribute__((vector_size(4 * BL_LANES)));
typedef float loose
    __attribute__((vector_size(4 * BL_LANES), aligned(4), may_alias)); /* anywhere in memory */

/* Columns that one tile has: two registers' worth. A panel of 32 columns is one tile wide with AVX-512, two
 * with AVX2. */
enum { WIDE = 2 * BL_LANES };
#define TILES (BL_PANEL / WIDE)

/* What is fetched into the second cache meanwhile: `stride` floats further with each step. */
typedef struct ahead {
    const float *next;
    size_t stride;
} ahead;

/* rows x WIDE of C from `depth` steps; `columns` <= WIDE of them exist. Element (row i, step k) of A is a[i *
 * row + k * step]. */
INLINE static inline void tile(size_t rows, size_t depth, const float *a, size_t row, size_t step,
                               const float *panel, ahead fetch, float alpha, bool add, float *c, size_t ldc,
                               size_t columns) {
    vector sum[BL_TILE_ROWS][2];
    bool packed = row == 1;                      /* then there are registers for more addresses, and … */
    const float *below = c + BL_TILE_ROWS * ldc; /* … the next tile's C is fetched as time goes by, */
    for (size_t i = 0; i < rows; i++) {
        sum[i][0] = sum[i][1] = (vector){0};
        if (packed) continue;
        __builtin_prefetch(c + i * ldc,
                           1); /* or this tile's at once: a store that has to wait for its line */
        __builtin_prefetch(c + i * ldc + BL_LANES, 1); /* would stall the next tile */
    }
    for (size_t k = 0; k < depth; k++) {
        vector b0 = *(const loose *)(panel + k * BL_PANEL),
               b1 = *(const loose *)(panel + k * BL_PANEL + BL_LANES);
        __builtin_prefetch(fetch.next, 0, 2);
        fetch.next += fetch.stride;
        if (packed) __builtin_prefetch(below + (k >> 4) * ldc + (k >> 3 & 1) * BL_LANES, 1);
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            float x = a[i * row + k * step];
            sum[i][0] += x * b0;
            sum[i][1] += x * b1;
        }
    }
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        float *to = c + i * ldc;
        vector x0 = alpha * sum[i][0], x1 = alpha * sum[i][1];
        if (columns == WIDE) {
            if (add) x0 += *(const loose *)to, x1 += *(const loose *)(to + BL_LANES);
            *(loose *)to = x0;
            *(loose *)(to + BL_LANES) = x1;
            continue;
        }
        float edge[WIDE];
        memcpy(edge, &x0, sizeof x0);
        memcpy(edge + BL_LANES, &x1, sizeof x1);
        for (size_t j = 0; j < columns; j++) to[j] = add ? to[j] + edge[j] : edge[j];
    }
}

/* A tile with fewer rows or columns. Loop counts are constants here, too, so that the sums are registers. */
WHOLE_VECTORS static void edge_tile(size_t rows, size_t depth, const float *a, size_t row, size_t step,
                                    const float *panel, ahead fetch, float alpha, bool add, float *c,
                                    size_t ldc, size_t columns) {
#define CASE(n) \
    case n: tile(n, depth, a, row, step, panel, fetch, alpha, add, c, ldc, columns); break
    switch (rows) {
        CASE(1);
        CASE(2);
        CASE(3);
        CASE(4);
        CASE(5);
        CASE(6);
#if BL_TILE_ROWS > 6
        CASE(7);
        CASE(8);
        CASE(9);
        CASE(10);
        CASE(11);
        CASE(12);
#endif
    default: break;
    }
#undef CASE
}

/* A's rows where they lie, `stride` apart (`packed` false), or in groups of BL_TILE_ROWS, the group's
 * elements of one step side by side, `stride` floats a group (true). */
typedef struct left {
    const float *a;
    size_t stride;
    bool packed;
} left;

WHOLE_VECTORS static void full_tile(const left *l, size_t i, size_t depth, const float *panel, ahead fetch,
                                    float alpha, bool add, float *c, size_t ldc) {
    if (l->packed)
        tile(BL_TILE_ROWS, depth, l->a + i / BL_TILE_ROWS * l->stride, 1, BL_TILE_ROWS, panel, fetch, alpha,
             add, c, ldc, WIDE);
    else
        tile(BL_TILE_ROWS, depth, l->a + i * l->stride, l->stride, 1, panel, fetch, alpha, add, c, ldc, WIDE);
}

/* m rows of A against one panel's `columns` columns. Meanwhile `next`, the panel after it, is fetched, unless
 * it is NULL. */
static void against_panel(const left *l, size_t m, size_t depth, const float *panel, const float *next,
                          float alpha, bool add, float *c, size_t ldc, size_t columns) {
    ahead fetch = {next ? next : panel, next ? (BL_PANEL * BL_TILE_ROWS + m - 1) / m : 0};
    for (size_t i = 0; i < m; i += BL_TILE_ROWS, fetch.next += fetch.stride * depth) {
        size_t rows = smaller(m - i, BL_TILE_ROWS);
        for (size_t t = 0; t < TILES && t * WIDE < columns; t++) {
            size_t width = smaller(columns - t * WIDE, WIDE);
            float *to = c + i * ldc + t * WIDE;
            if (rows == BL_TILE_ROWS && width == WIDE)
                full_tile(l, i, depth, panel + t * WIDE, fetch, alpha, add, to, ldc);
            else if (l->packed)
                edge_tile(rows, depth, l->a + i / BL_TILE_ROWS * l->stride, 1, BL_TILE_ROWS, panel + t * WIDE,
                          fetch, alpha, add, to, ldc, width);
            else
                edge_tile(rows, depth, l->a + i * l->stride, l->stride, 1, panel + t * WIDE, fetch, alpha,
                          add, to, ldc, width);
        }
    }
}

/* One panel from `width` columns of b [k, n], zeros behind them. */
static void pack_columns(const float *b, size_t ldb, size_t k, size_t width, float *panel) {
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < width; j++) panel[i * BL_PANEL + j] = b[i * ldb + j];
        for (size_t j = width; j < BL_PANEL; j++) panel[i * BL_PANEL + j] = 0;
    }
}

#if BL_LANES == 16
/* Of two rows `step` apart in a 16 x 16 block: what they are after that stage of its transposition. */
#define LOW(lane, step) ((lane) & (step) ? 16 + (lane) - (step) : (lane))
#define HIGH(lane, step) ((lane) & (step) ? 16 + (lane) : (lane) + (step))
#define MIX(a, b, to, s)                                                                                \
    __builtin_shufflevector(a, b, to(0, s), to(1, s), to(2, s), to(3, s), to(4, s), to(5, s), to(6, s), \
                            to(7, s), to(8, s), to(9, s), to(10, s), to(11, s), to(12, s), to(13, s),   \
                            to(14, s), to(15, s))
#define STAGE(step)                              \
    for (size_t i = 0; i < 16; i++) {            \
        if (i & (step)) continue;                \
        vector a = row[i], b = row[i + (step)];  \
        row[i] = MIX(a, b, LOW, step);           \
        row[i + (step)] = MIX(a, b, HIGH, step); \
    }

/* Sixteen rows of w, sixteen numbers each, as sixteen columns of a panel. */
INLINE static inline void transpose(const float *w, size_t ldw, float *panel) {
    vector row[16];
    UNROLL16
    for (size_t i = 0; i < 16; i++) row[i] = *(const loose *)(w + i * ldw);
    UNROLL16
    STAGE(1)
    UNROLL16
    STAGE(2)
    UNROLL16
    STAGE(4)
    UNROLL16
    STAGE(8)
    UNROLL16
    for (size_t i = 0; i < 16; i++) *(loose *)(panel + i * BL_PANEL) = row[i];
}

/* The first steps of a whole panel, 64 at a time: whole lines of w, one by one. Returns how many. */
WHOLE_VECTORS static size_t transpose_rows(const float *w, size_t ldw, size_t k, float *panel) {
    size_t done = k / 64 * 64;
    for (size_t begin = 0; begin < done; begin += 64)
        for (size_t j = 0; j < BL_PANEL; j += 16)
            for (size_t i = begin; i < begin + 64; i += 16)
                transpose(w + j * ldw + i, ldw, panel + i * BL_PANEL + j);
    return done;
}
#else
static size_t transpose_rows(const float *w, size_t ldw, size_t k, float *panel) {
    (void)w, (void)ldw, (void)k, (void)panel;
    return 0;
}
#endif

/* One panel from `width` rows of w [n, k]. */
static void pack_rows(const float *w, size_t ldw, size_t k, size_t width, float *panel) {
    size_t done = width == BL_PANEL ? transpose_rows(w, ldw, k, panel) : 0;
    for (size_t begin = done; begin < k;
         begin += 16) /* 16 steps of 32 columns: written lines stay in cache until they are full */
        for (size_t j = 0; j < BL_PANEL; j++)
            for (size_t i = begin; i < smaller(k, begin + 16); i++)
                panel[i * BL_PANEL + j] = j < width ? w[j * ldw + i] : 0;
}

static void pack_panels(const bl_factor *f, bl_range mine) {
    for (size_t p = mine.begin; p < mine.end; p++) {
        size_t first = p * BL_PANEL, width = smaller(BL_PANEL, f->N - first);
        float *panel = f->panels + first * f->K;
        if (f->transposed) pack_rows(f->w + first * f->K, f->K, f->K, width, panel);
        else pack_columns(f->w + first, f->N, f->K, width, panel);
    }
}

static bl_range all_panels(const bl_factor *f) { return (bl_range){0, (f->N + BL_PANEL - 1) / BL_PANEL}; }

void bl_factor_pack(const bl_factor *f) {
    if (f->half) bl_factor16_pack(f);
    else pack_panels(f, bl_my_part(all_panels(f).end));
}

/* About HEIGHT rows of A against some columns: all steps of k while that part of C is in the second cache. */
static void block_of(const bl_factor *f, bl_range columns, size_t m, float alpha, const float *a, size_t lda,
                     bool add, float *c, size_t ldc) {
    size_t steps = even_part(f->K, DEPTH, LINE);
    for (size_t k = 0; k < f->K; k += steps) {
        left l = {a + k, lda, false};
        for (size_t n = columns.begin; n < columns.end; n += BL_PANEL)
            against_panel(&l, m, smaller(steps, f->K - k), f->panels + n * f->K + k * BL_PANEL,
                          n + BL_PANEL < columns.end ? f->panels + (n + BL_PANEL) * f->K + k * BL_PANEL
                                                     : NULL,
                          alpha, add || k > 0, c + n, ldc, smaller(BL_PANEL, f->N - n));
    }
}

void bl_multiply(const bl_factor *f, size_t m, float alpha, const float *a, size_t lda, bool add, float *c,
                 size_t ldc) {
    if (f->half) {
        bl_multiply16(f, m, alpha, a, lda, add, c, ldc);
        return;
    }
    size_t height = even_part(m, HEIGHT, BL_TILE_ROWS);
    for (size_t i = 0; i < m; i += height)
        for (size_t n = 0; n < f->N; n += WIDTH)
            block_of(f, (bl_range){n, smaller(f->N, n + WIDTH)}, smaller(height, m - i), alpha, a + i * lda,
                     lda, add, c + i * ldc, ldc);
}

/* Columns of a [depth, m] in groups of BL_TILE_ROWS, zeros behind the last: read row by row, as they lie. */
static void pack_groups(const float *a, size_t lda, size_t depth, size_t m, float *groups) {
    size_t whole = m / BL_TILE_ROWS, rest = m % BL_TILE_ROWS, stride = depth * BL_TILE_ROWS;
    for (size_t s = 0; s < depth; s++) {
        float *to = groups + s * BL_TILE_ROWS;
        const float *from = a + s * lda;
        for (size_t g = 0; g < whole; g++)
            memcpy(to + g * stride, from + g * BL_TILE_ROWS, BL_TILE_ROWS * sizeof *to);
        for (size_t r = 0; r < rest; r++) to[whole * stride + r] = from[whole * BL_TILE_ROWS + r];
    }
}

/* All panels of b [depth, n] at `panels`, zeros behind the last column: read row by row, as they lie. */
static void pack_all(const float *b, size_t ldb, size_t depth, size_t n, float *panels) {
    size_t rest = n % BL_PANEL;
    for (size_t s = 0; s < depth; s++) {
        float *to = panels + s * BL_PANEL;
        const float *from = b + s * ldb, *end = from + n - rest;
        for (; from < end; from += BL_PANEL, to += depth * BL_PANEL) memcpy(to, from, BL_PANEL * sizeof *to);
        if (rest) pack_columns(from, ldb, 1, rest, to);
    }
}

/* c [m, n] (+)= alpha a^T b for at most DEPTH steps and 3/2 TN_WIDTH columns. */
static void small_tn(size_t m, size_t n, size_t depth, float alpha, const float *a, size_t lda,
                     const float *b, size_t ldb, bool add, float *c, size_t ldc, float *scratch) {
    size_t height = even_part(m, HEIGHT, BL_TILE_ROWS);
    float *groups = scratch + depth * ((n + BL_PANEL - 1) / BL_PANEL * BL_PANEL);
    pack_all(b, ldb, depth, n, scratch);
    for (size_t i = 0; i < m; i += height) {
        left l = {groups, depth * BL_TILE_ROWS, true};
        size_t rows = smaller(height, m - i);
        pack_groups(a + i, lda, depth, rows, groups);
        for (size_t j = 0; j < n; j += BL_PANEL)
            against_panel(&l, rows, depth, scratch + j * depth,
                          j + BL_PANEL < n ? scratch + (j + BL_PANEL) * depth : NULL, alpha, add,
                          c + i * ldc + j, ldc, smaller(BL_PANEL, n - j));
    }
}

void bl_multiply_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                    size_t ldb, bool add, float *c, size_t ldc, float *scratch) {
    size_t width = even_part(n, BL_PRODUCT_TN_WIDTH, BL_PANEL);
    for (size_t begin = 0; begin < k; begin += DEPTH)
        for (size_t j = 0; j < n; j += width)
            small_tn(m, smaller(width, n - j), smaller(DEPTH, k - begin), alpha, a + begin * lda, lda,
                     b + begin * ldb + j, ldb, add || begin > 0, c + j, ldc, scratch);
}

/* The panels of f from rows of its weight as `read` makes them, `first` the first; `made` [BL_PANEL, K]. */
static void pack_made(bl_factor *f, bl_read_rows read, void *context, size_t first, float *made) {
    for (size_t r = 0; r < f->N; r += BL_PANEL) {
        size_t width = smaller(BL_PANEL, f->N - r);
        read(context, first + r, width, made);
        pack_rows(made, f->K, f->K, width, f->panels + r * f->K);
    }
}

#else

/* There are no panels: the BLAS reads rows where they lie. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as of the panels */
static void pack_made(bl_factor *f, bl_read_rows read, void *context, size_t first, float *made) {
    (void)made;
    for (size_t r = 0; r < f->N; r += BL_PANEL)
        read(context, first + r, smaller(BL_PANEL, f->N - r), f->panels + r * f->K);
    f->w = f->panels;
}

static void pack_panels(const bl_factor *f, bl_range mine) { (void)f, (void)mine; }
static bl_range all_panels(const bl_factor *f) { return (bl_range){0, f->N}; }

void bl_factor_pack(const bl_factor *f) {
    if (f->half) bl_factor16_pack(f);
}

void bl_multiply(const bl_factor *f, size_t m, float alpha, const float *a, size_t lda, bool add, float *c,
                 size_t ldc) {
    float beta = add ? 1.0F : 0.0F;
    if (f->half) bl_multiply16(f, m, alpha, a, lda, add, c, ldc);
    else if (f->transposed) bl_gemm_nt(m, f->N, f->K, alpha, a, lda, f->w, f->K, beta, c, ldc);
    else bl_gemm_nn(m, f->N, f->K, alpha, a, lda, f->w, f->N, beta, c, ldc);
}

void bl_multiply_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                    size_t ldb, bool add, float *c, size_t ldc,
                    float *scratch) { /* NOLINT(readability-non-const-parameter): as of the panels */
    (void)scratch;
    bl_gemm_tn(m, n, k, alpha, a, lda, b, ldb, add ? 1.0F : 0.0F, c, ldc);
}

#endif

#define WORTH_SHARING \
    ((size_t)1 << 22) /* multiplications; below that waking threads costs more than it saves */

void bl_multiply_of(float *out, size_t ld, const float *in, size_t n, size_t rows, size_t cols,
                    const float *w, bl_read_rows read, void *context, size_t threads, float *scratch) {
    bool share = threads > 1 && !omp_in_parallel() && n * rows * cols >= WORTH_SHARING;
    size_t panels = (rows + BL_PANEL - 1) / BL_PANEL,
           part = share ? (panels + threads - 1) / threads : panels,
           group = smaller(part * BL_PANEL, BL_PRODUCT_ROWS);
#pragma omp parallel for schedule(static) num_threads(share ? (int)threads : 1)
    for (size_t first = 0; first < rows; first += group) {
        float *mine = scratch + (share ? (size_t)omp_get_thread_num() : 0) * bl_multiply_of_scratch(cols);
        bl_factor f = {.panels = mine, .K = cols, .N = smaller(group, rows - first), .transposed = true};
        if (w) f.w = w + first * cols, pack_panels(&f, all_panels(&f));
        else pack_made(&f, read, context, first, mine + BL_PRODUCT_ROWS * cols);
        for (size_t i = 0; i < n; i += HEIGHT)
            bl_multiply(&f, smaller(HEIGHT, n - i), 1.0F, in + i * cols, cols, false, out + i * ld + first,
                        ld);
    }
}
