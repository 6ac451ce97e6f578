/* One task is one (story, head): within it, blocks of queries against all keys up to the block's last one, so
 * that a thread never holds more than [BLOCK, T] scores. The backward pass computes the scores again and
 * needs only the rows' log sum exp:
 *
 *   P = exp(S - lse),  dV += P^T dZ,  dP = dZ V^T,  dS = P * (dP - rowsum(dZ * Z)) / sqrt(k),  dQ = dS K,  dK
 * += dS^T Q
 *
 * Tasks are dealt out by a schedule that depends on nothing but their number: every task writes only its own
 * columns of its own rows. */
#include "linear/attention.h"
#include "linear/gemm.h"
#include "linear/softmax.h"
#include <string.h>

#define BLOCK ((size_t)64)

size_t bl_attention_scratch(size_t longest, size_t d_model, size_t n_head, bool bilinear) {
    size_t k = d_model / n_head, blocks = bilinear ? 3 : 2, sums = bilinear ? 3 : 2;
    return (blocks * BLOCK * longest + sums * longest * k + BLOCK + 63) / 16 * 16;
}

static size_t width_of(const bl_attention *a) { return bl_attention_width(a->d_model, a->bilinear); }

void bl_attention_rotate(const bl_attention *a, const uint32_t *position, size_t begin, size_t end, bool back,
                         float *qkv) {
    size_t d = a->d_model, parts = a->bilinear ? 4 : 2; /* the heads of q, then those of k, and so on */
    for (size_t r = begin; r < end; r++)
        bl_rotate(a->rotary, position[r], back, parts * a->n_head, d / a->n_head, qkv + r * width_of(a));
}

/* Row of scores -> row of exp(s - max), and log sum exp. Columns n … width-1 are the future: 0. */
static float softmax_row(float *s, size_t n, size_t width, float *inverse_sum) {
    float max = bl_row_max(s, n), sum = bl_row_exp(s, n, max);
    for (size_t j = n; j < width; j++) s[j] = 0;
    *inverse_sum = 1.0F / sum;
    return max + logf(sum);
}

static void forward_task(const bl_attention *a, size_t story, size_t head, const float *qkv, float *z,
                         float *lse, float *scores) {
    size_t d = a->d_model, k = d / a->n_head, first = a->start[story], T = a->start[story + 1] - first;
    const float *q = qkv + first * 3 * d + head * k, *key = q + d, *v = q + 2 * d;
    float *out = z + first * d + head * k, scale = 1.0F / sqrtf((float)k);
    for (size_t begin = 0; begin < T; begin += BLOCK) {
        size_t n = T - begin < BLOCK ? T - begin : BLOCK, width = begin + n;
        float inverse[BLOCK];
        bl_gemm_nt(n, width, k, scale, q + begin * 3 * d, 3 * d, key, 3 * d, 0, scores, width);
        for (size_t i = 0; i < n; i++)
            lse[first + begin + i] = softmax_row(scores + i * width, begin + i + 1, width, &inverse[i]);
        bl_gemm_nn(n, k, width, 1, scores, width, v, 3 * d, 0, out + begin * d, d);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < k; j++) out[(begin + i) * d + j] *= inverse[i];
    }
}

/* first [n, width] *= second, the future becomes 0. */
static void multiply_patterns(size_t n, size_t width, float *first, const float *second) {
    for (size_t i = 0; i < n; i++) {
        size_t seen = width - n + i + 1;
        for (size_t j = 0; j < seen; j++) first[i * width + j] *= second[i * width + j];
        for (size_t j = seen; j < width; j++) first[i * width + j] = 0;
    }
}

/* z = (S1 * S2) V, both scores of the past. */
static void forward_bilinear(const bl_attention *a, size_t story, size_t head, const float *qkv, float *z,
                             float *scratch) {
    size_t d = a->d_model, k = d / a->n_head, first = a->start[story], T = a->start[story + 1] - first,
           w = 5 * d;
    const float *q = qkv + first * w + head * k, *v = q + 4 * d;
    float *out = z + first * d + head * k, scale = 1.0F / sqrtf((float)k), *s1 = scratch,
          *s2 = s1 + BLOCK * a->longest;
    for (size_t begin = 0; begin < T; begin += BLOCK) {
        size_t n = T - begin < BLOCK ? T - begin : BLOCK, width = begin + n;
        bl_gemm_nt(n, width, k, scale, q + begin * w, w, q + d, w, 0, s1, width);
        bl_gemm_nt(n, width, k, scale, q + begin * w + 2 * d, w, q + 3 * d, w, 0, s2, width);
        multiply_patterns(n, width, s1, s2);
        bl_gemm_nn(n, k, width, 1, s1, width, v, w, 0, out + begin * d, d);
    }
}

void bl_attention_forward(const bl_attention *a, const float *qkv, float *z, float *lse) {
    size_t tasks = a->n_stories * a->n_head, N = a->start[a->n_stories],
           per_thread = bl_attention_scratch(a->longest, a->d_model, a->n_head, a->bilinear);
#pragma omp parallel for schedule(dynamic)
    for (size_t t = 0; t < tasks; t++) {
        size_t head = t % a->n_head;
        float *scratch = a->scratch + (size_t)omp_get_thread_num() * per_thread;
        if (a->bilinear) forward_bilinear(a, t / a->n_head, head, qkv, z, scratch);
        else forward_task(a, t / a->n_head, head, qkv, z, lse + head * N, scratch);
    }
}

/* p [n, width]: scores -> P; dp -> dS, without the factor 1/sqrt(k). */
static void softmax_backward(size_t n, size_t width, const float *lse, const float *along, float *p,
                             float *dp) {
    for (size_t i = 0; i < n; i++) {
        size_t seen = width - n + i + 1;
        float *row = p + i * width, *grad = dp + i * width;
#pragma omp simd
        for (size_t j = 0; j < seen; j++) {
            row[j] = bl_expf(row[j] - lse[i]);
            grad[j] = row[j] * (grad[j] - along[i]);
        }
        for (size_t j = seen; j < width; j++) row[j] = grad[j] = 0;
    }
}

static void backward_task(const bl_attention *a, size_t story, size_t head, float *qkv, const float *z,
                          const float *lse, const float *dz, float *scratch) {
    size_t d = a->d_model, k = d / a->n_head, first = a->start[story], T = a->start[story + 1] - first;
    float *q = qkv + first * 3 * d + head * k, *key = q + d, *v = q + 2 * d, scale = 1.0F / sqrtf((float)k);
    float *p = scratch, *dp = p + BLOCK * a->longest, *dk = dp + BLOCK * a->longest,
          *dv = dk + a->longest * k;
    memset(dk, 0, 2 * a->longest * k * sizeof *dk);
    for (size_t begin = 0; begin < T; begin += BLOCK) {
        size_t n = T - begin < BLOCK ? T - begin : BLOCK, width = begin + n;
        const float *g = dz + (first + begin) * d + head * k, *o = z + (first + begin) * d + head * k;
        float along[BLOCK], *query = q + begin * 3 * d;
        for (size_t i = 0; i < n; i++) {
            float sum = 0;
#pragma omp simd reduction(+ : sum)
            for (size_t j = 0; j < k; j++) sum += g[i * d + j] * o[i * d + j];
            along[i] = sum;
        }
        bl_gemm_nt(n, width, k, scale, query, 3 * d, key, 3 * d, 0, p, width);
        bl_gemm_nt(n, width, k, 1, g, d, v, 3 * d, 0, dp, width);
        softmax_backward(n, width, lse + first + begin, along, p, dp);
        bl_gemm_tn(width, k, n, 1, p, width, g, d, 1, dv, k);
        bl_gemm_tn(width, k, n, scale, dp, width, query, 3 * d, 1, dk, k);
        bl_gemm_nn(n, k, width, scale, dp, width, key, 3 * d, 0, query,
                   3 * d); /* the block's queries are not needed any more */
    }
    for (size_t i = 0; i < T; i++) {
        memcpy(key + i * 3 * d, dk + i * k, k * sizeof *dk);
        memcpy(v + i * 3 * d, dv + i * k, k * sizeof *dv);
    }
}

/* dP = dZ V^T,  dV += P^T dZ,  dS1 = dP * S2,  dS2 = dP * S1,  dQm = dSm Km / sqrt(k),  dKm += dSm^T Qm /
 * sqrt(k) */
static void backward_bilinear(const bl_attention *a, size_t story, size_t head, float *qkv, const float *dz,
                              float *scratch) {
    size_t d = a->d_model, k = d / a->n_head, first = a->start[story], T = a->start[story + 1] - first,
           w = 5 * d, room = BLOCK * a->longest;
    float *q = qkv + first * w + head * k, *v = q + 4 * d, scale = 1.0F / sqrtf((float)k);
    float *s1 = scratch, *s2 = s1 + room, *dp = s2 + room, *dk1 = dp + room, *dk2 = dk1 + a->longest * k,
          *dv = dk2 + a->longest * k;
    memset(dk1, 0, 3 * a->longest * k * sizeof *dk1);
    for (size_t begin = 0; begin < T; begin += BLOCK) {
        size_t n = T - begin < BLOCK ? T - begin : BLOCK, width = begin + n;
        const float *g = dz + (first + begin) * d + head * k;
        float *q1 = q + begin * w, *q2 = q1 + 2 * d;
        bl_gemm_nt(n, width, k, scale, q1, w, q + d, w, 0, s1, width);
        bl_gemm_nt(n, width, k, scale, q2, w, q + 3 * d, w, 0, s2, width);
        bl_gemm_nt(n, width, k, 1, g, d, v, w, 0, dp, width);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < width; j++) {
                size_t at = i * width + j;
                bool past = j <= begin + i;
                float one = s1[at], two = s2[at], slope = dp[at];
                dp[at] = past ? one * two : 0; /* P */
                s1[at] = past ? slope * two : 0;
                s2[at] = past ? slope * one : 0;
            }
        bl_gemm_tn(width, k, n, 1, dp, width, g, d, 1, dv, k);
        bl_gemm_tn(width, k, n, scale, s1, width, q1, w, 1, dk1, k);
        bl_gemm_tn(width, k, n, scale, s2, width, q2, w, 1, dk2, k);
        bl_gemm_nn(n, k, width, scale, s1, width, q + d, w, 0, q1, w); /* the block's queries are free now */
        bl_gemm_nn(n, k, width, scale, s2, width, q + 3 * d, w, 0, q2, w);
    }
    for (size_t i = 0; i < T; i++) {
        memcpy(q + i * w + d, dk1 + i * k, k * sizeof *dk1);
        memcpy(q + i * w + 3 * d, dk2 + i * k, k * sizeof *dk2);
        memcpy(v + i * w, dv + i * k, k * sizeof *dv);
    }
}

void bl_attention_backward(const bl_attention *a, float *qkv, const float *z, const float *lse,
                           const float *dz) {
    size_t tasks = a->n_stories * a->n_head, N = a->start[a->n_stories],
           per_thread = bl_attention_scratch(a->longest, a->d_model, a->n_head, a->bilinear);
#pragma omp parallel for schedule(dynamic)
    for (size_t t = 0; t < tasks; t++) {
        size_t head = t % a->n_head;
        float *scratch = a->scratch + (size_t)omp_get_thread_num() * per_thread;
        if (a->bilinear) backward_bilinear(a, t / a->n_head, head, qkv, dz, scratch);
        else backward_task(a, t / a->n_head, head, qkv, z, lse + head * N, dz, scratch);
    }
}
