/* Top inputs of thousands of vectors (docs/specification.md, 6).
 *
 *   S = V X^T,   V [J, d] eigenvectors, X [positions, d] mlp_in of a chunk of stories
 *
 * X is made once per chunk, one story per thread, and packed in blocks of about POSITIONS with whole stories.
 * Then tiles of S, VECTORS x such a block, are one product each by one thread, and every (vector, story) run
 * of a tile is reduced to its best position while it is still in cache, so that all goes at the speed of the
 * product. A tile of vectors belongs to
 * one thread: its lists need no lock, and stories come in order, so equal ones stay behind. */
#include "atlas/best_inputs.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "model/forward.h"
#include "linear/product.h"
#include <bilens/surrogate.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS 252 /* whole tiles of the product */
#define POSITIONS 512
#define CHUNK 8192

struct bl_best_inputs {
    const bl_model *model;
    size_t layer, d, n, J, threads;
    size_t longest; /* story that tiles and x have room for */
    const float *v;
    bl_workspace **workspaces; /* [threads] */
    float **tiles;             /* [threads][VECTORS, POSITIONS + longest] */
    float *x;                  /* [CHUNK + longest, d] */
    float *panels;             /* the same, packed block by block */
};

bool bl_hits_init(bl_hits *hits, size_t J, size_t top, bl_error *err) {
    size_t count;
    if (!bl_mul_size(J, top, &count)) count = SIZE_MAX;
    *hits = (bl_hits){.J = J, .top = top};
    hits->list = bl_alloc_zero(count, sizeof *hits->list, err);
    hits->have = bl_alloc_zero(J, sizeof *hits->have, err);
    if (hits->list && hits->have) return true;
    bl_hits_free(hits);
    return false;
}

void bl_hits_free(bl_hits *hits) {
    free(hits->list);
    free(hits->have);
    *hits = (bl_hits){0};
}

size_t bl_best_inputs_chunk(void) { return CHUNK; }

/* Room for stories of up to `longest` tokens: by the stories that come, as a context may be far longer. */
static bool hold(bl_best_inputs *w, size_t longest, bl_error *err) {
    size_t rows, positions, count, tile, packed;
    if (w->x && longest <= w->longest) return true;
    if (!bl_add_size(CHUNK, longest, &rows) || !bl_mul_size(rows, w->d, &count)) count = SIZE_MAX;
    /* two blocks side by side have more than POSITIONS rows, and each is filled up to whole panels */
    if (!bl_mul_size(rows + (2 * (rows / POSITIONS) + 2) * BL_PANEL, w->d, &packed)) packed = SIZE_MAX;
    if (!bl_add_size(POSITIONS, longest, &positions) || !bl_mul_size(positions, VECTORS, &tile))
        tile = SIZE_MAX;
    free(w->x);
    free(w->panels);
    w->x = bl_alloc(count, sizeof *w->x, err);
    w->panels = bl_alloc(packed, sizeof *w->panels, err);
    for (size_t t = 0; w->x && w->panels && t < w->threads; t++) {
        free(w->tiles[t]);
        if (!(w->tiles[t] = bl_alloc(tile, sizeof(float), err))) return false;
    }
    w->longest = longest;
    return w->x && w->panels;
}

bl_best_inputs *bl_best_inputs_new(const bl_model *model, size_t layer, const float *v, size_t J,
                                   bl_error *err) {
    const bl_config *c = bl_model_config(model);
    bl_best_inputs *w = bl_alloc_zero(1, sizeof *w, err);
    if (!w) return NULL;
    *w = (bl_best_inputs){.model = model,
                          .layer = layer,
                          .d = c->d_model,
                          .n = bl_interaction_size(model),
                          .J = J,
                          .v = v,
                          .threads = (size_t)bl_threads()};
    w->workspaces = bl_alloc_zero(w->threads, sizeof(bl_workspace *), err);
    w->tiles = bl_alloc_zero(w->threads, sizeof(float *), err);
    bool ok = w->workspaces && w->tiles;
    for (size_t t = 0; ok && t < w->threads; t++)
        ok = (w->workspaces[t] = bl_workspace_new(model, err)) != NULL;
    if (ok && hold(w, c->n_ctx < POSITIONS ? c->n_ctx : POSITIONS, err)) return w;
    bl_best_inputs_free(w);
    return NULL;
}

void bl_best_inputs_free(bl_best_inputs *w) {
    if (!w) return;
    for (size_t t = 0; t < w->threads; t++) {
        if (w->workspaces) bl_workspace_free(w->workspaces[t]);
        if (w->tiles) free(w->tiles[t]);
    }
    free(w->workspaces);
    free(w->tiles);
    free(w->x);
    free(w->panels);
    free(w);
}

/* Larger square first, then the lower story. */
static bool is_better(const bl_hit *a, const bl_hit *b) {
    float x = a->similarity * a->similarity, y = b->similarity * b->similarity;
    return x > y || (x == y && a->story < b->story);
}

void bl_hits_offer(bl_hits *hits, size_t j, const bl_hit *hit) {
    bl_hit *list = hits->list + j * hits->top;
    size_t at = hits->have[j];
    while (at > 0 && is_better(hit, &list[at - 1])) at--;
    if (at == hits->top) return;
    if (hits->have[j] < hits->top) hits->have[j]++;
    memmove(list + at + 1, list + at, (hits->have[j] - 1 - at) * sizeof *list);
    list[at] = *hit;
}

/* One that only equals the list's last comes too late. */
void bl_hits_offer_run(bl_hits *hits, size_t j, uint32_t story, const float *restrict s, size_t first,
                       size_t n, float bias) {
    float most = 0;
    if (n <= first) return;
#pragma omp simd reduction(max : most)
    for (size_t p = first; p < n; p++) {
        float square = (s[p] + bias) * (s[p] + bias);
        most = square > most ? square : most;
    }
    if (hits->have[j] == hits->top) {
        float last = hits->list[(j + 1) * hits->top - 1].similarity;
        if (most <= last * last) return;
    }
    size_t p = first;
    while (p + 1 < n && (s[p] + bias) * (s[p] + bias) < most) p++;
    bl_hits_offer(hits, j, &(bl_hit){story, (uint32_t)p, s[p] + bias});
}

/* Stories `from` … `to` - 1 of a chunk, whose inputs are one factor x^T [d, positions]. */
typedef struct block {
    size_t from, to;
    bl_factor x;
} block;

typedef struct chunk {
    uint32_t first;
    const size_t *lengths;
    const size_t *begin; /* [count + 1] rows of x */
    size_t count;
    block *blocks; /* [n_blocks], at most one per story */
    size_t n_blocks;
} chunk;

/* Divides the chunk into blocks, each at least one story, and packs them. */
static void pack_blocks(const bl_best_inputs *w, chunk *c) {
    size_t packed = 0;
    for (size_t a = 0, b; a < c->count; a = b) {
        for (b = a; b < c->count && (b == a || c->begin[b + 1] - c->begin[a] <= POSITIONS);) b++;
        size_t rows = c->begin[b] - c->begin[a];
        if (rows == 0) continue;
        bl_factor x = {.w = w->x + c->begin[a] * w->d,
                       .panels = w->panels + packed,
                       .K = w->d,
                       .N = rows,
                       .transposed = true};
        packed += bl_factor_size(w->d, rows);
        c->blocks[c->n_blocks++] = (block){a, b, x};
    }
#pragma omp parallel
    for (size_t i = 0; i < c->n_blocks; i++) bl_factor_pack(&c->blocks[i].x);
}

/* Vectors j0 … j0 + rows - 1 against the whole chunk, by one thread. */
static void search_tile(const bl_best_inputs *w, const chunk *c, size_t j0, size_t rows, bl_hits *hits) {
    float *tile = w->tiles[omp_get_thread_num()];
    for (const block *k = c->blocks; k < c->blocks + c->n_blocks; k++) {
        size_t base = c->begin[k->from], cols = k->x.N;
        bl_multiply(&k->x, rows, 1.0F, w->v + j0 * w->n, w->n, false, tile, cols);
        for (size_t r = 0; r < rows; r++) {
            size_t j = j0 + r;
            float bias = bl_constant_of(w->model, w->layer, w->v + j * w->n);
            for (size_t i = k->from; i < k->to; i++)
                if (c->lengths[i])
                    bl_hits_offer_run(hits, j, c->first + (uint32_t)i, tile + r * cols + c->begin[i] - base,
                                      bl_model_left_out(w->model), c->lengths[i], bias);
        }
    }
}

typedef struct activations {
    bl_best_inputs *search;
    const int32_t *const *ids;
    const size_t *lengths, *begin;
} activations;

/* mlp_in of story i to its rows of x. */
static bool activate(void *context, size_t i, size_t thread, bl_error *err) {
    const activations *a = context;
    const bl_best_inputs *w = a->search;
    if (!a->lengths[i]) return true;
    bl_view x =
        bl_forward_mlp_in(w->model, w->workspaces[thread], a->ids[i], a->lengths[i], w->layer, NULL, err);
    if (!x.data) return false;
    float *out = w->x + a->begin[i] * w->d;
    double sum = 0;
    for (size_t p = 0; p < x.rows; p++) memcpy(out + p * w->d, x.data + p * x.stride, w->d * sizeof *out);
    for (size_t e = 0; e < x.rows * w->d; e++) sum += fabs((double)out[e]);
    return isfinite(sum) ||
           bl_fail(err, BL_ERR_NUMERIC, "an activation is not finite: the weights hold NaN or infinity");
}

bool bl_best_inputs_run(bl_best_inputs *w, uint32_t first, const int32_t *const *ids, const size_t *lengths,
                        size_t count, bl_hits *hits, bl_error *err) {
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) longest = lengths[i] > longest ? lengths[i] : longest;
    if (!hold(w, longest, err)) return false;
    size_t *begin = bl_alloc(count + 1, sizeof *begin, err), tiles = (w->J + VECTORS - 1) / VECTORS;
    chunk c = {first, lengths, begin, count, bl_alloc(count, sizeof *c.blocks, err), 0};
    bool ok = begin && c.blocks;
    if (ok) begin[0] = 0;
    for (size_t i = 0; ok && i < count; i++) begin[i + 1] = begin[i] + lengths[i];
    activations task = {w, ids, lengths, begin};
    ok = ok && bl_parallel(count, activate, &task, err);
    if (ok) pack_blocks(w, &c);
#pragma omp parallel for schedule(dynamic, 1) if (ok)
    for (size_t t = 0; t < (ok ? tiles : 0); t++)
        search_tile(w, &c, t * VECTORS, w->J - t * VECTORS < VECTORS ? w->J - t * VECTORS : VECTORS, hits);
    free(begin);
    free(c.blocks);
    return ok;
}

bool bl_hits_gather(const bl_ranks *ranks, const bl_hits *mine, bl_hits *all, bl_error *err) {
    size_t counts = mine->J * sizeof *mine->have, lists = mine->J * mine->top * sizeof *mine->list;
    bl_gathered got = {0};
    char *message = bl_alloc(counts + lists, 1, err);
    if (message) {
        memcpy(message, mine->have, counts);
        memcpy(message + counts, mine->list, lists);
    }
    bool ok = bl_ranks_agree(ranks, message != NULL, err) &&
              bl_ranks_gather(ranks, message, counts + lists, &got, err);
    for (int r = 0; ok && ranks->rank == 0 && r < ranks->size; r++) {
        const char *data = got.data + got.begin[r];
        for (size_t j = 0; j < mine->J; j++) {
            uint32_t have;
            memcpy(&have, data + j * sizeof have, sizeof have);
            for (size_t i = 0; i < have; i++) {
                bl_hit hit;
                memcpy(&hit, data + counts + (j * mine->top + i) * sizeof hit, sizeof hit);
                bl_hits_offer(all, j, &hit);
            }
        }
    }
    bl_gathered_free(&got);
    free(message);
    return ok;
}

bool bl_hits_share(const bl_ranks *ranks, bl_hits *hits, bl_error *err) {
    return bl_ranks_share(ranks, hits->have, hits->J * sizeof *hits->have, err) &&
           bl_ranks_share(ranks, hits->list, hits->J * hits->top * sizeof *hits->list, err);
}
