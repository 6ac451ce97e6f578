/* The kernel of attend.h for vectors of LANES floats, with ROWS x 2 of them as a tile's sums. Included by one
 * file per processor, which defines LANES, ROWS and RUN, the name of its function. */
#include "linear/exp.h"
#include "linear/attend.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define BLOCK (2 * (size_t)LANES) /* queries */
#define GROUP BL_ATTEND_COLUMNS

#ifdef __clang__ /* which would split the vectors in two unless told */
#define UNROLL _Pragma("clang loop unroll(full)")
#define WHOLE_VECTORS __attribute__((min_vector_width(32 * LANES)))
#else
#define UNROLL _Pragma("GCC unroll 16")
#define WHOLE_VECTORS
#endif
#define INLINE __attribute__((always_inline)) static inline

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias)); /* anywhere in memory */

/* c [rows, width] = a b over `depth` steps; `vectors` of b's and c's columns. a has its rows in groups of
 * `group`, which side by side go on to the next step, and to the next group after `next` floats; b and c have
 * rows of BLOCK. All sizes but the depth are constants where this is inlined, so that the sums are registers.
 */
INLINE WHOLE_VECTORS void tile(size_t rows, size_t vectors, size_t depth, const float *a, size_t group,
                               size_t next, const float *b, float *c) {
    vector sum[16][2];
    UNROLL
    for (size_t i = 0; i < rows; i++) sum[i][0] = sum[i][1] = (vector){0};
    for (size_t s = 0; s < depth; s++) {
        vector b0 = *(const loose *)(b + s * BLOCK), b1 = b0;
        if (vectors == 2) b1 = *(const loose *)(b + s * BLOCK + LANES);
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            float x = a[i / group * next + s * group + i % group];
            sum[i][0] += x * b0;
            if (vectors == 2) sum[i][1] += x * b1;
        }
    }
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        *(loose *)(c + i * BLOCK) = sum[i][0];
        if (vectors == 2) *(loose *)(c + i * BLOCK + LANES) = sum[i][1];
    }
}

typedef float four __attribute__((vector_size(16)));
typedef float loose_four __attribute__((vector_size(16), aligned(4), may_alias));

/* Four rows of four become four columns, their rows `width` apart. */
INLINE void turn(const four r[4], float *to, size_t width) {
    four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5),
         b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5),
         c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7),
         d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    *(loose_four *)to = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    *(loose_four *)(to + width) = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    *(loose_four *)(to + 2 * width) = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    *(loose_four *)(to + 3 * width) = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

/* Queries or keys of positions begin … begin + 3, rotated and turned: to [k, 4], rows `width` apart. Behind
 * the story's end the last one is repeated: nobody looks there. The next head's are fetched into the cache
 * meanwhile. */
INLINE void take_four(const bl_attend *a, const float *table, size_t begin, float *to, size_t width) {
    size_t half = a->k / 2, j = 0;
    const float *row[4], *cosine[4], *sine[4];
    for (size_t l = 0; l < 4; l++) {
        size_t p = begin + l < a->n ? begin + l : a->n - 1;
        row[l] = table + (a->ids ? (size_t)a->ids[p] : p) * a->stride;
        cosine[l] = a->rotary->cosine + p * half;
        sine[l] = a->rotary->sine + p * half;
        for (size_t i = 0; i < a->k; i += 16) __builtin_prefetch(row[l] + a->k + i, 0, 2);
    }
    for (; j + 4 <= half; j += 4) {
        four low[4], high[4];
        UNROLL
        for (size_t l = 0; l < 4; l++) {
            four x = *(const loose_four *)(row[l] + j), y = *(const loose_four *)(row[l] + half + j),
                 c = *(const loose_four *)(cosine[l] + j), s = *(const loose_four *)(sine[l] + j);
            low[l] = BL_ROTATED_LOW(x, y, c, s);
            high[l] = BL_ROTATED_HIGH(x, y, c, s);
        }
        turn(low, to + j * width, width);
        turn(high, to + (j + half) * width, width);
    }
    for (; j < half; j++)
        for (size_t l = 0; l < 4; l++) {
            float x = row[l][j], y = row[l][half + j], c = cosine[l][j], s = sine[l][j];
            to[j * width + l] = BL_ROTATED_LOW(x, y, c, s);
            to[(j + half) * width + l] = BL_ROTATED_HIGH(x, y, c, s);
        }
}

static size_t padded(const bl_attend *a) {
    return (a->n + BL_ATTEND_BLOCK - 1) / BL_ATTEND_BLOCK * BL_ATTEND_BLOCK;
}

static void take_keys(const bl_attend *a, const float *keys, float *turned) {
    for (size_t j = 0; j < a->n; j += 4) take_four(a, keys, j, turned + j * a->k, 4);
    size_t end = (a->n + 3) / 4 * 4, N = (a->n + BLOCK - 1) / BLOCK * BLOCK;
    memset(turned + end * a->k, 0, (N - end) * a->k * sizeof *turned);
}

static void take_queries(const bl_attend *a, const float *queries, size_t begin, float *panel) {
    for (size_t i = 0; i < BLOCK; i += 4) take_four(a, queries, begin + i, panel + i, BLOCK);
}

/* scores [last, BLOCK] of the keys 0 … last - 1, an odd number of LANES, with both halves of the block. */
WHOLE_VECTORS static void whole_scores(size_t k, const float *turned, const float *panel, size_t last,
                                       float *scores) {
    size_t j = 0;
    for (; j + ROWS <= last; j += ROWS) tile(ROWS, 2, k, turned + j * k, 4, 4 * k, panel, scores + j * BLOCK);
    for (; j < last; j += 4) tile(4, 2, k, turned + j * k, 4, 4 * k, panel, scores + j * BLOCK);
}

/* The same of keys first … last - 1 with one half alone. */
WHOLE_VECTORS static void half_scores(size_t k, const float *turned, const float *panel, size_t first,
                                      size_t last, size_t half, float *scores) {
    for (size_t j = first; j < last; j += LANES)
        tile(LANES, 1, k, turned + j * k, 4, 4 * k, panel + half * LANES, scores + j * BLOCK + half * LANES);
}

/* All scores of the queries from begin on; `whole`: of both halves of the block. */
static void block_scores(const bl_attend *a, const float *queries, const float *turned, size_t begin,
                         bool whole, float *panel, float *scores) {
    take_queries(a, queries, begin, panel);
    if (whole) {
        whole_scores(a->k, turned, panel, begin + LANES, scores);
        half_scores(a->k, turned, panel, begin + LANES, begin + BLOCK, 1, scores);
    } else {
        half_scores(a->k, turned, panel, 0, begin + LANES, 0, scores);
    }
}

/* Scores of `width` queries from begin on, keys 0 … begin + width - 1, become exp(score - max), 0 in the
 * future; inverse: 1 / their sums. */
INLINE void exponentials(float *scores, size_t begin, size_t width, float *inverse) {
    float most[LANES], sum[LANES] = {0};
    for (size_t i = 0; i < width; i++) most[i] = scores[i]; /* key 0 is everyone's past */
    for (size_t j = 1; j < begin; j++)
        for (size_t i = 0; i < width; i++)
            most[i] = scores[j * BLOCK + i] > most[i] ? scores[j * BLOCK + i] : most[i];
    for (size_t j = 0; j < width; j++) {
        float *row = scores + (begin + j) * BLOCK;
        for (size_t i = 0; i < width; i++) {
            row[i] = i >= j ? row[i] : -INFINITY;
            most[i] = row[i] > most[i] ? row[i] : most[i];
        }
    }
    for (size_t j = 0; j < begin; j++)
        for (size_t i = 0; i < width; i++) {
            float e = bl_expf(scores[j * BLOCK + i] - most[i]);
            scores[j * BLOCK + i] = e;
            sum[i] += e;
        }
    for (size_t j = 0; j < width; j++)
        for (size_t i = 0; i < width; i++) {
            float *at = scores + (begin + j) * BLOCK + i, e = bl_expf(*at - most[i]);
            e = i >= j ? e : 0;
            *at = e;
            sum[i] += e;
        }
    for (size_t i = 0; i < width; i++) inverse[i] = 1.0F / sum[i];
}

/* Scores of LANES queries from begin on, keys 0 … begin + LANES - 1, times the second ones, 0 in the
 * future. */
INLINE void products(float *scores, const float *second, size_t begin, float *inverse) {
    for (size_t j = 0; j < begin; j++)
        for (size_t i = 0; i < LANES; i++) scores[j * BLOCK + i] *= second[j * BLOCK + i];
    for (size_t j = 0; j < LANES; j++)
        for (size_t i = 0; i < LANES; i++) {
            size_t at = (begin + j) * BLOCK + i;
            scores[at] = i >= j ? scores[at] * second[at] : 0;
        }
    for (size_t i = 0; i < LANES; i++) inverse[i] = 1;
}

/* What the scores of one half of the block become: its pattern, but for the factor `inverse`. */
static void half_pattern(const bl_attend *a, float *scores, size_t begin, float *inverse) {
    if (a->queries2) products(scores, scores + padded(a) * BL_ATTEND_BLOCK, begin, inverse);
    else exponentials(scores, begin, LANES, inverse);
}

/* out [columns, N] += the block's share. */
WHOLE_VECTORS static void add_products(const bl_attend *a, size_t begin, size_t keys, bool whole,
                                       const float *inverse) {
    size_t N = padded(a);
    for (size_t c = 0; c < a->columns; c += GROUP) {
        float part[GROUP * BLOCK];
        const float *attended = a->attended + c * N;
        size_t rest = a->columns - c < GROUP ? a->columns - c : GROUP;
        if (!whole) tile(GROUP, 1, keys, attended, GROUP, 0, a->scores, part);
        else if (ROWS == GROUP && rest > 4) tile(GROUP, 2, keys, attended, GROUP, 0, a->scores, part);
        else
            for (size_t i = 0; i < rest; i += 4)
                tile(4, 2, keys, attended + i, GROUP, 0, a->scores, part + i * BLOCK);
        size_t width = whole ? BLOCK : LANES;
        for (size_t i = 0; i < rest; i++) {
            float *to = a->out + (c + i) * N + begin;
            for (size_t l = 0; l < width; l++) to[l] += inverse[l] * part[i * BLOCK + l];
        }
    }
}

void RUN(const bl_attend *a) {
    size_t N = padded(a);
    float *turned2 = a->turned + N * a->k, *panel2 = a->panel + BL_ATTEND_BLOCK * a->k,
          *scores2 = a->scores + N * BL_ATTEND_BLOCK;
    take_keys(a, a->keys, a->turned);
    if (a->keys2) take_keys(a, a->keys2, turned2);
    for (size_t begin = 0; begin < a->n; begin += BLOCK) {
        float inverse[BLOCK];
        bool whole = a->n - begin > LANES;
        block_scores(a, a->queries, a->turned, begin, whole, a->panel, a->scores);
        if (a->queries2) block_scores(a, a->queries2, turned2, begin, whole, panel2, scores2);
        if (whole) {
            for (size_t j = begin + LANES; j < begin + BLOCK; j++)
                memset(a->scores + j * BLOCK, 0, LANES * sizeof(float));
            half_pattern(a, a->scores + LANES, begin + LANES, inverse + LANES);
        }
        half_pattern(a, a->scores, begin, inverse);
        add_products(a, begin, begin + (whole ? BLOCK : LANES), whole, inverse);
    }
}
