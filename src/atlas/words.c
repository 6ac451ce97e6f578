/* Virtual tokens of many eigenvectors at once (docs/specification.md, 5).
 *
 *   direct[t] = W_E[t] . v        head_h[t] = (s O^T v)_h . (V_h W_E[t])
 *
 * Values over the vocabulary, V_h W_E, are formed once [V, d]; then all heads together cost as much as the
 * direct part, an eighth of going by v^T O_h V_h, which a single vector is better served with
 * (bl_virtual_tokens). */
#include "atlas/words.h"
#include "base/error.h"
#include "base/memory.h"
#include "linear/gemm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 32  /* vectors at a time: a tile of values stays in cache */
#define BLOCK 64 /* values that are looked at together */

struct bl_words {
    const bl_model *model;
    size_t layer, V, d, n, H, k;
    float *values; /* [V, d] head-major */
};

bl_words *bl_words_new(const bl_model *model, size_t layer, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    bl_words *w = bl_alloc_zero(1, sizeof *w, err);
    if (!w) return NULL;
    *w = (bl_words){.model = model,
                    .layer = layer,
                    .V = c->n_vocab,
                    .d = c->d_model,
                    .n = bl_interaction_size(model),
                    .H = c->n_head,
                    .k = c->d_model / c->n_head};
    size_t count;
    if (!bl_mul_size(w->V, w->d, &count)) count = SIZE_MAX;
    w->values = bl_alloc(count, sizeof *w->values, err);
    if (!w->values) {
        bl_words_free(w);
        return NULL;
    }
    bl_view w_e = bl_model_w_e(model), w_v = bl_model_layer(model, layer)->w_v;
    bl_gemm_nt(w->V, w->d, w->d, 1.0F, w_e.data, w_e.stride, w_v.data, w_v.stride, 0.0F, w->values, w->d);
    return w;
}

void bl_words_free(bl_words *w) {
    if (!w) return;
    free(w->values);
    free(w);
}

/* Puts a value into list [N], of which `have` are there, largest sign * value first; an equal one comes
 * later. */
static void insert(bl_word *list, size_t *have, size_t N, float sign, float value, size_t token) {
    size_t at = *have;
    while (at > 0 && sign * value > sign * list[at - 1].value) at--;
    if (at == N) return;
    if (*have < N) ++*have;
    memmove(list + at + 1, list + at, (*have - 1 - at) * sizeof *list);
    list[at] = (bl_word){value, (int32_t)token};
}

/* The N highest and lowest of x [V]; false when there are not as many numbers. */
static bool select_extremes(const float *x, size_t V, size_t N, bl_word *top, bl_word *bottom) {
    size_t high = 0, low = 0;
    for (size_t begin = 0; begin < V; begin += BLOCK) {
        size_t end = begin + BLOCK < V ? begin + BLOCK : V;
        float most = -INFINITY, least = INFINITY;
#pragma omp simd reduction(max : most) reduction(min : least)
        for (size_t i = begin; i < end; i++) {
            most = x[i] > most ? x[i] : most;
            least = x[i] < least ? x[i] : least;
        }
        for (size_t i = begin; i < end && (high < N || most > top[N - 1].value); i++)
            if (isfinite(x[i]) && (high < N || x[i] > top[N - 1].value)) insert(top, &high, N, 1.0F, x[i], i);
        for (size_t i = begin; i < end && (low < N || least < bottom[N - 1].value); i++)
            if (isfinite(x[i]) && (low < N || x[i] < bottom[N - 1].value))
                insert(bottom, &low, N, -1.0F, x[i], i);
    }
    return high == N && low == N;
}

/* `rows` vectors by one thread; z [rows, d], x [rows, V] are scratch. */
static bool extremes_of(const bl_words *w, const float *v, size_t rows, size_t N, float *z, float *x,
                        bl_word *out) {
    bl_view w_e = bl_model_w_e(w->model), w_o = bl_model_layer(w->model, w->layer)->w_o;
    bool ok = true;
    bl_gemm_nn(rows, w->d, w->d, bl_model_attention_scale(w->model), v, w->n, w_o.data, w_o.stride, 0.0F, z,
               w->d);
    for (size_t source = 0; source <= w->H; source++) {
        size_t h = source ? source - 1 : 0;
        if (source)
            bl_gemm_nt(rows, w->V, w->k, 1.0F, z + h * w->k, w->d, w->values + h * w->k, w->d, 0.0F, x, w->V);
        else bl_gemm_nt(rows, w->V, w->d, 1.0F, v, w->n, w_e.data, w_e.stride, 0.0F, x, w->V);
        for (size_t r = 0; r < rows; r++) {
            bl_word *top = out + ((r * (1 + w->H) + source) * 2) * N;
            ok = select_extremes(x + r * w->V, w->V, N, top, top + N) && ok;
        }
    }
    return ok;
}

bool bl_words_extremes(const bl_words *w, const float *v, size_t count, size_t N, bl_word *out,
                       bl_error *err) {
    size_t tiles = (count + ROWS - 1) / ROWS, bad = 0;
    bl_error failure = {0};
#pragma omp parallel
    {
        bl_error mine = {0};
        float *z = bl_alloc(ROWS * (w->d + w->V), sizeof *z, &mine);
#pragma omp for schedule(dynamic, 1)
        for (size_t t = 0; t < tiles; t++) {
            size_t begin = t * ROWS, rows = count - begin < ROWS ? count - begin : ROWS;
            if (z && extremes_of(w, v + begin * w->n, rows, N, z, z + ROWS * w->d,
                                 out + begin * (1 + w->H) * 2 * N))
                continue;
#pragma omp critical(bl_words_failure)
            {
                bad++;
                if (!z) failure = mine;
            }
        }
        free(z);
    }
    if (failure.code) return bl_fail(err, failure.code, "%s", failure.message);
    return bad == 0 ||
           bl_fail(err, BL_ERR_NUMERIC,
                   "%s: virtual tokens are not numbers (NaN): the weights are too large or damaged",
                   bl_model_name(w->model));
}
