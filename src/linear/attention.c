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

size_t bl_attention_scratch(size_t longest, size_t d_model, size_t n_head) {
    size_t k = d_model / n_head;
    return (2 * BLOCK * longest + 2 * longest * k + BLOCK + 63) / 16 * 16;
}

void bl_attention_rotate(const bl_attention *a, const uint32_t *position, size_t begin, size_t end, bool back,
                         float *qkv) {
    size_t d = a->d_model; /* the heads of q, then those of k */
    for (size_t r = begin; r < end; r++)
        bl_rotate(a->rotary, position[r], back, 2 * a->n_head, d / a->n_head, qkv + r * 3 * d);
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

void bl_attention_forward(const bl_attention *a, const float *qkv, float *z, float *lse) {
    size_t tasks = a->n_stories * a->n_head,
           per_thread = bl_attention_scratch(a->longest, a->d_model, a->n_head), N = a->start[a->n_stories];
#pragma omp parallel for schedule(dynamic)
    for (size_t t = 0; t < tasks; t++) {
        size_t head = t % a->n_head;
        forward_task(a, t / a->n_head, head, qkv, z, lse + head * N,
                     a->scratch + (size_t)omp_get_thread_num() * per_thread);
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

void bl_attention_backward(const bl_attention *a, float *qkv, const float *z, const float *lse,
                           const float *dz) {
    size_t tasks = a->n_stories * a->n_head,
           per_thread = bl_attention_scratch(a->longest, a->d_model, a->n_head), N = a->start[a->n_stories];
#pragma omp parallel for schedule(dynamic)
    for (size_t t = 0; t < tasks; t++) {
        size_t head = t % a->n_head;
        backward_task(a, t / a->n_head, head, qkv, z, lse + head * N, dz,
                      a->scratch + (size_t)omp_get_thread_num() * per_thread);
    }
}
