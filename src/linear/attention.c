/* Forward: S = cap(scale Q K^T), P = softmax of S over what a query sees, or S1 * S2, and Z = P V.
 *
 * Backward, over packed stories: the scores are computed again. Of a softmax only the rows' log sum exp is
 * kept:
 *
 *   P = exp(S - lse),  dV += P^T dZ,  dP = dZ V^T,  dS = P * (dP - rowsum(dZ * Z))       (softmax)
 *   P = S1 * S2,                                    dS1 = dP * S2,  dS2 = dP * S1        (bilinear)
 *   dQ = scale dS K,  dK += scale dS^T Q
 *
 * One task is one (story, head): within it, blocks of queries against all keys up to the block's last one, so
 * that a thread never holds more than [BLOCK, T] scores. Tasks are dealt out by a schedule that depends on
 * nothing but their number: every task writes only its own columns of its own rows. */
#include "linear/attention.h"
#include "linear/dots.h"
#include "linear/gate.h"
#include "linear/gemm.h"
#include "linear/softmax.h"
#include <string.h>

#define BLOCK BL_ATTENTION_QUERIES

static void steady_scores(const bl_attention *a, const float *q, const float *key, float *scores) {
    for (size_t i = 0; i < a->queries; i++)
        for (size_t j = bl_attention_first(a, i); j < bl_attention_end(a, i); j++)
            scores[i * a->keys + j] = a->scale * bl_dot(q + i * a->stride, key + j * a->stride, a->k);
}

void bl_attention_scores(const bl_attention *a, const float *q, const float *key, float *scores) {
    if (a->steady) steady_scores(a, q, key, scores);
    else bl_gemm_nt(a->queries, a->keys, a->k, a->scale, q, a->stride, key, a->stride, 0, scores, a->keys);
    for (size_t i = 0; a->cap > 0 && i < a->queries; i++) {
        size_t first = bl_attention_first(a, i);
        bl_cap(a->cap, scores + i * a->keys + first, bl_attention_end(a, i) - first);
    }
}

void bl_attention_mask(const bl_attention *a, float value, float *scores) {
    for (size_t i = 0; i < a->queries; i++) {
        float *row = scores + i * a->keys;
        for (size_t j = 0; j < bl_attention_first(a, i); j++) row[j] = value;
        for (size_t j = bl_attention_end(a, i); j < a->keys; j++) row[j] = value;
    }
}

void bl_attention_pattern(const bl_attention *a, float *scores, const float *second, float *inverse,
                          float *lse) {
    for (size_t i = 0; i < a->queries; i++) {
        size_t first = bl_attention_first(a, i), n = bl_attention_end(a, i) - first;
        float *row = scores + i * a->keys + first, factor = 1, log_sum_exp = 0;
        if (second)
            for (size_t j = 0; j < n; j++) row[j] *= second[i * a->keys + first + j];
        else log_sum_exp = bl_softmax_begin(row, n, &factor);
        if (inverse) inverse[i] = factor;
        else if (!second) bl_scale_row(row, n, factor);
        if (lse) lse[i] = log_sum_exp;
    }
    bl_attention_mask(a, 0, scores);
}

/* z [queries, k] = pattern v, each entry added up key by key. */
static void steady_values(const bl_attention *a, const float *pattern, const float *v, float *z,
                          size_t ld_z) {
    for (size_t i = 0; i < a->queries; i++) {
        memset(z + i * ld_z, 0, a->k * sizeof *z);
        for (size_t j = bl_attention_first(a, i); j < bl_attention_end(a, i); j++)
            bl_axpy(a->k, pattern[i * a->keys + j], v + j * a->stride, z + i * ld_z);
    }
}

void bl_attention_values(const bl_attention *a, const float *pattern, const float *inverse, const float *v,
                         float *z, size_t ld_z) {
    if (a->steady) steady_values(a, pattern, v, z, ld_z);
    else bl_gemm_nn(a->queries, a->k, a->keys, 1, pattern, a->keys, v, a->stride, 0, z, ld_z);
    for (size_t i = 0; inverse && i < a->queries; i++) bl_scale_row(z + i * ld_z, a->k, inverse[i]);
}

size_t bl_attention_scratch(size_t longest, size_t d_model, size_t n_head, bool bilinear) {
    size_t k = d_model / n_head, blocks = bilinear ? 3 : 2, sums = bilinear ? 3 : 2;
    return (blocks * BLOCK * longest + sums * longest * k + BLOCK + 63) / 16 * 16;
}

static size_t width_of(const bl_packed_stories *s) { return bl_attention_width(s->d_model, s->bilinear); }

void bl_attention_rotate(const bl_packed_stories *s, const uint32_t *position, size_t begin, size_t end,
                         bool back, float *qkv) {
    size_t d = s->d_model, parts = s->bilinear ? 4 : 2; /* the heads of q, then those of k, and so on */
    for (size_t r = begin; r < end; r++)
        bl_rotate(s->rotary, position[r], back, parts * s->n_head, d / s->n_head, qkv + r * width_of(s));
}

/* One story's head: where its rows and columns begin. */
typedef struct task {
    size_t first, T; /* rows of the story */
    size_t column;   /* the head's first in z and in each part of qkv */
    size_t k, width; /* of a head, of a row of qkv */
    size_t patterns; /* pairs of q and k */
    float *scratch;  /* the thread's */
} task;

static task task_of(const bl_packed_stories *s, size_t number) {
    size_t story = number / s->n_head, head = number % s->n_head, k = s->d_model / s->n_head;
    size_t per_thread = bl_attention_scratch(s->longest, s->d_model, s->n_head, s->bilinear);
    return (task){.first = s->start[story],
                  .T = s->start[story + 1] - s->start[story],
                  .column = head * k,
                  .k = k,
                  .width = width_of(s),
                  .patterns = s->bilinear ? 2 : 1,
                  .scratch = s->scratch + (size_t)omp_get_thread_num() * per_thread};
}

/* The queries begin … of a task, at most BLOCK. */
static bl_attention block_of(const task *t, size_t begin) {
    size_t n = t->T - begin < BLOCK ? t->T - begin : BLOCK;
    return (bl_attention){
        .queries = n, .keys = begin + n, .k = t->k, .stride = t->width, .scale = 1.0F / sqrtf((float)t->k)};
}

static void forward_task(const bl_packed_stories *s, const task *t, const float *qkv, float *z, float *lse) {
    size_t d = s->d_model;
    const float *q = qkv + t->first * t->width + t->column, *v = q + 2 * t->patterns * d;
    float *scores = t->scratch, *second = s->bilinear ? scores + BLOCK * s->longest : NULL;
    for (size_t begin = 0; begin < t->T; begin += BLOCK) {
        bl_attention a = block_of(t, begin);
        float inverse[BLOCK];
        const float *query = q + begin * t->width;
        bl_attention_scores(&a, query, q + d, scores);
        if (second) bl_attention_scores(&a, query + 2 * d, q + 3 * d, second);
        bl_attention_pattern(&a, scores, second, inverse, second ? NULL : lse + t->first + begin);
        bl_attention_values(&a, scores, inverse, v, z + (t->first + begin) * d + t->column, d);
    }
}

void bl_attention_forward(const bl_packed_stories *s, const float *qkv, float *z, float *lse) {
    size_t tasks = s->n_stories * s->n_head, N = s->start[s->n_stories];
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < tasks; i++) {
        task t = task_of(s, i);
        forward_task(s, &t, qkv, z, lse + i % s->n_head * N);
    }
}

/* along [queries] = rowsum(dZ * Z) */
static void sums_along(size_t n, size_t k, size_t d, const float *g, const float *z, float *along) {
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < k; j++) sum += g[i * d + j] * z[i * d + j];
        along[i] = sum;
    }
}

/* scores -> P; dp -> dS. */
static void softmax_slopes(const bl_attention *a, const float *lse, const float *along, float *scores,
                           float *dp) {
    for (size_t i = 0; i < a->queries; i++) {
        float *row = scores + i * a->keys, *grad = dp + i * a->keys;
        size_t end = bl_attention_end(a, i);
#pragma omp simd
        for (size_t j = 0; j < end; j++) {
            row[j] = bl_expf(row[j] - lse[i]);
            grad[j] = row[j] * (grad[j] - along[i]);
        }
    }
    bl_attention_mask(a, 0, scores);
    bl_attention_mask(a, 0, dp);
}

/* dp -> P; both scores -> dS1 and dS2. */
static void product_slopes(const bl_attention *a, float *dp, float *first, float *second) {
    for (size_t i = 0; i < a->queries; i++)
        for (size_t j = 0; j < bl_attention_end(a, i); j++) {
            size_t at = i * a->keys + j;
            float one = first[at], two = second[at], slope = dp[at];
            dp[at] = one * two;
            first[at] = slope * two;
            second[at] = slope * one;
        }
    bl_attention_mask(a, 0, dp);
    bl_attention_mask(a, 0, first);
    bl_attention_mask(a, 0, second);
}

static void backward_task(const bl_packed_stories *s, const task *t, float *qkv, const float *z,
                          const float *lse, const float *dz) {
    size_t d = s->d_model, k = t->k, w = t->width, room = BLOCK * s->longest, sums = s->longest * k;
    float *q = qkv + t->first * w + t->column, *v = q + 2 * t->patterns * d;
    float *dp = t->scratch, *scores = dp + room, *second = scores + room; /* second: bilinear only */
    float *dk = scores + t->patterns * room, *dv = dk + t->patterns * sums;
    memset(dk, 0, (t->patterns + 1) * sums * sizeof *dk);
    for (size_t begin = 0; begin < t->T; begin += BLOCK) {
        bl_attention a = block_of(t, begin);
        size_t n = a.queries, keys = a.keys, at = (t->first + begin) * d + t->column;
        const float *g = dz + at;
        float *query = q + begin * w, along[BLOCK];
        bl_attention_scores(&a, query, q + d, scores);
        if (s->bilinear) bl_attention_scores(&a, query + 2 * d, q + 3 * d, second);
        bl_gemm_nt(n, keys, k, 1, g, d, v, w, 0, dp, keys);
        sums_along(n, k, d, g, z + at, along);
        if (s->bilinear) product_slopes(&a, dp, scores, second);
        else softmax_slopes(&a, lse + t->first + begin, along, scores, dp);
        float *pattern = s->bilinear ? dp : scores, *slopes[2] = {s->bilinear ? scores : dp, second};
        bl_gemm_tn(keys, k, n, 1, pattern, keys, g, d, 1, dv, k);
        for (size_t m = 0; m < t->patterns; m++) {
            float *own = query + 2 * m * d; /* the block's queries, which are not needed afterwards */
            bl_gemm_tn(keys, k, n, a.scale, slopes[m], keys, own, w, 1, dk + m * sums, k);
            bl_gemm_nn(n, k, keys, a.scale, slopes[m], keys, q + (2 * m + 1) * d, w, 0, own, w);
        }
    }
    for (size_t i = 0; i < t->T; i++) {
        for (size_t m = 0; m < t->patterns; m++)
            memcpy(q + i * w + (2 * m + 1) * d, dk + m * sums + i * k, k * sizeof *dk);
        memcpy(v + i * w, dv + i * k, k * sizeof *dv);
    }
}

void bl_attention_backward(const bl_packed_stories *s, float *qkv, const float *z, const float *lse,
                           const float *dz) {
    size_t tasks = s->n_stories * s->n_head, N = s->start[s->n_stories];
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < tasks; i++) {
        task t = task_of(s, i);
        backward_task(s, &t, qkv, z, lse + i % s->n_head * N, dz);
    }
}
