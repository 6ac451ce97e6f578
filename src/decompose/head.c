/* One head of bilinear attention by itself (docs/specification.md, 22). All weights of the head are read with
 * a constant coordinate when the attention has biases: [y; 1] and [W b], d' = d + 1. */
#include <bilens/decompose.h>
#include <bilens/head.h>
#include "base/error.h"
#include "base/memory.h"
#include "decompose/pair_search.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include "model/forward.h"
#include "model/model_private.h"
#include <math.h>
#include <stdlib.h>

enum { Q1, K1, Q2, K2, KINDS };

/* The rows of one head for one of the four maps. */
typedef struct map {
    bl_view w;         /* [k, d] */
    const float *bias; /* [k] or NULL */
} map;

static bool check(const bl_head *h, bl_error *err) {
    const bl_config *c = bl_model_config(h->model);
    if (!c->attention2)
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: its attention is a softmax, so a head's pattern depends on all tokens of a text "
                       "and no pair can be read off the weights; only models with bilinear attention "
                       "(\"attention2\": true) have heads by themselves",
                       bl_model_name(h->model));
    if (h->head >= c->n_head)
        return bl_fail(err, BL_ERR_USAGE, "head %zu does not exist: the heads of layer 0 are 0 to %zu",
                       h->head, c->n_head - 1);
    if (h->distance < 1 || h->distance >= c->n_ctx)
        return bl_fail(err, BL_ERR_USAGE,
                       "a distance of %zu positions is not possible: a key stands 1 to %zu positions before "
                       "its query in a context of %zu",
                       h->distance, c->n_ctx - 1, c->n_ctx);
    return true;
}

static map map_of(const bl_head *h, int kind) {
    const bl_layer *l = bl_model_layer(h->model, 0);
    const bl_config *c = bl_model_config(h->model);
    const bl_view views[KINDS] = {l->w_q, l->w_k, l->w_q2, l->w_k2};
    size_t k = c->head_dim, m = kind >= Q2,
           at = kind == K1 || kind == K2 ? bl_k_begin(c, m) : bl_q_begin(c, m);
    bl_view w = views[kind];
    const float *bias = h->model->blocks[0].b_qkv;
    return (map){{w.data + h->head * k * w.stride, k, w.cols, w.stride},
                 bias ? bias + at + h->head * k : NULL};
}

/* x [k] of a query turns by the distance. Only differences of positions count, so that the key stays at 0. */
static void turn(const bl_head *h, float *x) {
    const bl_config *c = bl_model_config(h->model);
    bl_rotate(&h->model->rotary, h->distance, false, 1, c->head_dim, x);
}

/* y [V, d]: what layer 0 reads of every token. */
static float *token_inputs(const bl_model *model, bl_error *err) {
    bl_view w_e = bl_model_w_e(model);
    size_t count;
    if (!bl_mul_size(w_e.rows, w_e.cols, &count)) count = SIZE_MAX;
    float *y = bl_alloc(count, sizeof *y, err);
    if (y) bl_forward_norm(model, y, w_e.data, w_e.rows);
    return y;
}

/* out [V, k] = the map of every token; queries are turned, and scaled by 1/sqrt k. */
static void over_tokens(const bl_head *h, const float *y, int kind, float *out) {
    map m = map_of(h, kind);
    size_t V = bl_model_w_e(h->model).rows, d = m.w.cols, k = m.w.rows;
    bool query = kind == Q1 || kind == Q2;
    float scale = query ? 1.0F / sqrtf((float)k) : 1.0F;
    bl_gemm_nt(V, k, d, scale, y, d, m.w.data, m.w.stride, 0.0F, out, k);
    for (size_t t = 0; t < V; t++) {
        for (size_t i = 0; m.bias && i < k; i++) out[t * k + i] += scale * m.bias[i];
        if (query) turn(h, out + t * k);
    }
}

/* weight [V] = s u·O (V y_b + b_v). */
static bool values(const bl_head *h, const float *y, const float *u, float *weight, bl_error *err) {
    bl_path path = bl_model_path(h->model, 0, 1 + h->head);
    const float *b_v = bl_model_layer(h->model, 0)->b_v;
    size_t V = bl_model_w_e(h->model).rows, d = path.in.cols, k = path.in.rows;
    float *back = bl_alloc(d, sizeof *back, err);
    if (!back || !bl_path_back(&path, u, back, err)) {
        free(back);
        return false;
    }
    double constant = 0;
    for (size_t i = 0; b_v && i < k; i++)
        for (size_t r = 0; r < d; r++)
            constant +=
                (double)u[r] * (double)path.out.data[r * path.out.stride + i] * (double)b_v[h->head * k + i];
    for (size_t t = 0; t < V; t++)
        weight[t] = bl_dot(y + t * d, back, d) + (float)((double)path.scale * constant);
    free(back);
    return true;
}

bool bl_head_pairs(const bl_head *h, const float *u, size_t k, bl_token_pairs *out, bl_error *err) {
    bl_error_clear(err);
    *out = (bl_token_pairs){0};
    if (!check(h, err)) return false;
    size_t V = bl_model_w_e(h->model).rows, width = bl_model_config(h->model)->head_dim, count;
    if (!bl_mul_size(V, KINDS * width + 1, &count)) count = SIZE_MAX;
    float *y = token_inputs(h->model, err), *part = y ? bl_alloc(count, sizeof *part, err) : NULL;
    bool *words = part ? bl_model_words(h->model, err) : NULL, ok = words != NULL;
    for (int kind = 0; ok && kind < KINDS; kind++) over_tokens(h, y, kind, part + (size_t)kind * V * width);
    float *weight = ok ? part + KINDS * V * width : NULL;
    if (ok && u) ok = values(h, y, u, weight, err);
    if (ok) {
        bl_view factors[KINDS];
        for (size_t i = 0; i < KINDS; i++) factors[i] = (bl_view){part + i * V * width, V, width, width};
        bl_pair_search s = {.left = factors[Q1],
                            .right = factors[K1],
                            .left2 = factors[Q2],
                            .right2 = factors[K2],
                            .weight = u ? weight : NULL,
                            .words = words,
                            .k = k ? k : 20};
        if (s.k > V * V) s.k = V * V;
        ok = bl_pair_search_run(&s, out, err);
    }
    free(y);
    free(part);
    free(words);
    if (!ok) bl_token_pairs_free(out);
    return ok;
}

/* row [n] = A_mᵀ y_query: the query's vector goes back through the keys' map. n is d, or d + 1 with
 * biases. */
static void key_vector(const bl_head *h, const float *y, int query, size_t n, double *row) {
    map q = map_of(h, query), key = map_of(h, query + 1);
    size_t k = q.w.rows, d = q.w.cols;
    float x[2 * BL_ROPE_MOST] = {0};
    for (size_t i = 0; i < k; i++)
        x[i] = (bl_dot(q.w.data + i * q.w.stride, y, d) + (q.bias ? q.bias[i] : 0)) / sqrtf((float)k);
    turn(h, x);
    for (size_t j = 0; j < n; j++) {
        row[j] = 0;
        for (size_t i = 0; i < k; i++)
            row[j] += (double)x[i] * (double)(j < d      ? key.w.data[i * key.w.stride + j]
                                              : key.bias ? key.bias[i]
                                                         : 0);
    }
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* v [n] = alpha/|alpha| + sign beta/|beta|, of unit length, its coordinate of largest magnitude positive.
 * Where the two are parallel the sum may vanish (its eigenvalue is 0 then): v is a unit vector across
 * alpha. */
static void eigenvector(const double *alpha, const double *beta, double sign, size_t n, double *v) {
    double a = sqrt(dot(alpha, alpha, n)), b = sqrt(dot(beta, beta, n)), length;
    for (size_t i = 0; i < n; i++) v[i] = (a > 0 ? alpha[i] / a : 0) + sign * (b > 0 ? beta[i] / b : 0);
    length = sqrt(dot(v, v, n));
    if (length < 1e-9) {
        size_t least = 0;
        for (size_t i = 1; i < n; i++)
            if (fabs(alpha[i]) < fabs(alpha[least])) least = i;
        for (size_t i = 0; i < n; i++) v[i] = (i == least) - (a > 0 ? alpha[least] * alpha[i] / (a * a) : 0);
        length = sqrt(dot(v, v, n));
    }
    size_t most = 0;
    for (size_t i = 1; i < n; i++)
        if (fabs(v[i]) > fabs(v[most])) most = i;
    if (v[most] < 0) length = -length;
    for (size_t i = 0; i < n; i++) v[i] /= length;
}

bool bl_head_query_of(const bl_head *h, size_t query, bl_head_query *out, bl_error *err) {
    bl_error_clear(err);
    *out = (bl_head_query){0};
    if (!check(h, err)) return false;
    size_t V = bl_model_w_e(h->model).rows, d = bl_model_w_e(h->model).cols;
    size_t n = d + (h->model->blocks[0].b_qkv ? 1 : 0);
    if (query >= V)
        return bl_fail(err, BL_ERR_USAGE, "token %zu does not exist: the vocabulary has %zu", query, V);
    float *y = token_inputs(h->model, err);
    double *work = bl_alloc(3 * n, sizeof *work, err), *alpha = work, *beta = BL_PART(work, n),
           *v = BL_PART(work, 2 * n);
    out->similarity = bl_alloc(2 * V, sizeof *out->similarity, err);
    bool ok = y && work && out->similarity;
    if (ok) {
        key_vector(h, y + query * d, Q1, n, alpha);
        key_vector(h, y + query * d, Q2, n, beta);
        double inner = dot(alpha, beta, n), sizes = sqrt(dot(alpha, alpha, n) * dot(beta, beta, n));
        out->n = V;
        out->values[0] = (inner - sizes) / 2;
        out->values[1] = (inner + sizes) / 2;
        for (size_t e = 0; e < 2; e++) {
            eigenvector(alpha, beta, e ? -1 : 1, n, v);
            for (size_t t = 0; t < V; t++) {
                double sum = n > d ? v[d] : 0;
                for (size_t i = 0; i < d; i++) sum += v[i] * (double)y[t * d + i];
                out->similarity[e * V + t] = (float)sum;
            }
        }
    }
    free(y);
    free(work);
    if (!ok) bl_head_query_free(out);
    return ok;
}

void bl_head_query_free(bl_head_query *query) {
    if (!query) return;
    free(query->similarity);
    *query = (bl_head_query){0};
}
