/* See pair_search.h. A block of rows and columns is one product (or two); every thread keeps the k best of
 * both ends of what it has seen, and the lists are merged at the end. */
#include "decompose/pair_search.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/best.h"
#include "linear/gemm.h"
#include <stdlib.h>

#define ROWS ((size_t)64)
#define COLUMNS ((size_t)1024)

typedef struct work {
    const bl_pair_search *s;
    size_t done;      /* blocks of rows before this group */
    float *blocks;    /* [threads, 2, ROWS, COLUMNS] */
    bl_scored *lists; /* [threads, 2, k] */
    bl_best *best;    /* [threads, 2]: largest, lowest */
} work;

/* block [rows, cols], rows COLUMNS apart, = left[begin …] . right[first …]. */
static void product(bl_view left, bl_view right, size_t begin, size_t rows, size_t first, size_t cols,
                    float *block) {
    bl_gemm_nt(rows, cols, left.cols, 1.0F, left.data + begin * left.stride, left.stride,
               right.data + first * right.stride, right.stride, 0.0F, block, COLUMNS);
}

static void offer_row(const work *w, bl_best *best, const float *row, size_t a, size_t first, size_t cols) {
    size_t V = w->s->right.rows, skip = w->s->symmetric && a > first ? a - first : 0;
    if (skip >= cols) return;
    uint64_t id = (uint64_t)a * V + first + skip;
    const bool *words = w->s->words;
    if (words && !words[a]) return;
    if (words) words += first + skip;
    bl_best_offer_some(&best[0], 1.0F, row + skip, cols - skip, id, words);
    bl_best_offer_some(&best[1], -1.0F, row + skip, cols - skip, id, words);
}

/* A block's entries: one product, or two times the weights of its columns. */
static void make_block(const bl_pair_search *s, size_t begin, size_t rows, size_t first, size_t cols,
                       float *block) {
    float *second = block + ROWS * COLUMNS;
    product(s->left, s->right, begin, rows, first, cols, block);
    if (s->left2.data) product(s->left2, s->right2, begin, rows, first, cols, second);
    for (size_t r = 0; r < rows; r++) {
        float *row = block + r * COLUMNS;
        const float *other = second + r * COLUMNS;
        for (size_t c = 0; s->left2.data && c < cols; c++) row[c] *= other[c];
        for (size_t c = 0; s->weight && c < cols; c++) row[c] *= s->weight[first + c];
    }
}

static bool search_rows(void *context, size_t i, size_t thread, bl_error *err) {
    const work *w = context;
    size_t V = w->s->right.rows, begin = (w->done + i) * ROWS;
    size_t rows = w->s->left.rows - begin < ROWS ? w->s->left.rows - begin : ROWS;
    float *block = w->blocks + thread * 2 * ROWS * COLUMNS;
    (void)err;
    for (size_t first = w->s->symmetric ? begin / COLUMNS * COLUMNS : 0; first < V; first += COLUMNS) {
        size_t cols = V - first < COLUMNS ? V - first : COLUMNS;
        make_block(w->s, begin, rows, first, cols, block);
        for (size_t r = 0; r < rows; r++)
            offer_row(w, w->best + 2 * thread, block + r * COLUMNS, begin + r, first, cols);
    }
    return true;
}

/* The threads' lists of one end become one; NULL with the error filled in. */
static bl_token_pair *merge(const work *w, size_t threads, size_t end, size_t *n, bl_error *err) {
    size_t V = w->s->right.rows, k = w->s->k;
    bl_scored *list = bl_alloc(k, sizeof *list, err);
    bl_token_pair *pairs = bl_alloc(k, sizeof *pairs, err);
    if (list && pairs) {
        bl_best all = bl_best_begin(list, k);
        for (size_t t = 0; t < threads; t++)
            for (size_t i = 0; i < w->best[2 * t + end].n; i++)
                bl_best_offer(&all, w->best[2 * t + end].list[i].value, w->best[2 * t + end].list[i].id);
        bl_best_sort(&all);
        *n = all.n;
        for (size_t i = 0; i < all.n; i++)
            pairs[i] = (bl_token_pair){(int32_t)(list[i].id / V), (int32_t)(list[i].id % V),
                                       end ? -list[i].value : list[i].value};
        free(list);
        return pairs;
    }
    free(list);
    free(pairs);
    return NULL;
}

bool bl_pair_search_run(const bl_pair_search *s, bl_token_pairs *out, bl_error *err) {
    size_t threads = (size_t)bl_threads(), blocks = (s->left.rows + ROWS - 1) / ROWS;
    work w = {.s = s};
    w.blocks = bl_alloc(threads * 2 * ROWS * COLUMNS, sizeof *w.blocks, err);
    w.lists = bl_alloc(threads * 2 * s->k, sizeof *w.lists, err);
    w.best = bl_alloc(threads * 2, sizeof *w.best, err);
    bool ok = w.blocks && w.lists && w.best;
    for (size_t i = 0; ok && i < 2 * threads; i++) w.best[i] = bl_best_begin(w.lists + i * s->k, s->k);
    for (size_t n = 8 * threads; ok && w.done < blocks; w.done += n)
        ok = bl_progress_step(s->progress, "pairs", w.done, blocks, err) &&
             bl_parallel(blocks - w.done < n ? blocks - w.done : n, search_rows, &w, err);
    if (ok) out->top = merge(&w, threads, 0, &out->n_top, err);
    if (ok) out->bottom = merge(&w, threads, 1, &out->n_bottom, err);
    free(w.blocks);
    free(w.lists);
    free(w.best);
    return ok && out->top && out->bottom;
}
