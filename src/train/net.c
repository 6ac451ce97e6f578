/* Forward and backward through all layers (docs/specification.md, 1). Backward, from the residual stream's
 * gradient g = dloss/dx_next:
 *
 *   dhidden = g P,  dpre = gate'(pre, dhidden),  g_mid = g + N2'(dpre W),  dz = s g_mid O,  dqkv =
 * attention'(dz),  dx = g_mid + N1'(dqkv W_qkv) dP += g^T hidden,  dW += dpre^T mlp_in,  dO += s g_mid^T z,
 * dW_qkv += dqkv^T attn_in
 *
 * The rows' work goes block by block, so that what a product made is still in cache for what comes next;
 * weight gradients are split by slabs of the weight, so that no thread needs a copy of the gradient. */
#include "train/net.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "linear/gate.h"
#include "linear/gemm.h"
#include "linear/noise.h"
#include "model/architecture.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ROWS ((size_t)252) /* a multiple of a tile's rows */

#define SHORT_ROWS ((size_t)24) /* rows that are rounded to bfloat16 while they are in cache */

#define SLAB_ROWS ((size_t)2048) /* rows that a weight's gradient sums up before it asks whether to go on */

bool bl_net_stopped(bl_net *net, const bl_pass *pass) {
    if (omp_get_thread_num() == 0 && pass->stop && pass->stop(pass->context))
        __atomic_store_n(&net->stopped, 1, __ATOMIC_RELAXED);
    return __atomic_load_n(&net->stopped, __ATOMIC_RELAXED) != 0;
}

static float *find(const bl_net *net, float *base, bl_param_kind kind, size_t layer) {
    size_t i = bl_params_find(&net->params, kind, layer);
    return i < net->params.n ? base + net->params.list[i].offset : NULL;
}

float *bl_net_weight(const bl_net *net, bl_param_kind kind, size_t layer) {
    return find(net, net->weights, kind, layer);
}
float *bl_net_gradient(const bl_net *net, bl_param_kind kind, size_t layer) {
    return find(net, net->gradient, kind, layer);
}

float *bl_zeros(size_t n, bl_error *err) {
    float *x = bl_alloc(n, sizeof *x, err);
    if (x) memset(x, 0, n * sizeof *x);
    return x;
}

/* A row's length rounded up to an odd number of cache lines. */
static size_t padded(size_t n) { return ((n + 15) / 16 | 1) * 16; }

static size_t qkv_width(const bl_config *c) { return bl_attention_width(c->d_model, c->attention2); }

bool bl_net_init(bl_net *net, const bl_config *config, bl_error *err) {
    *net = (bl_net){.config = *config};
    bl_config_settle(&net->config);
    config = &net->config;
    size_t half = config->head_dim / 2;
    if (!bl_params_init(&net->params, config, err)) return false;
    net->weights = bl_zeros(net->params.total, err);
    net->gradient = net->weights ? bl_zeros(net->params.total, err) : NULL;
    net->layers = net->gradient ? bl_alloc_zero(config->n_layer, sizeof *net->layers, err) : NULL;
    double *frequency = net->layers ? bl_alloc(half, sizeof *frequency, err) : NULL;
    if (!frequency) return false;
    bl_rotary_frequencies(BL_ROTARY_BASE, half, frequency);
    bool ok = bl_rotary_make(&net->rotary, frequency, half, 1, config->n_ctx, err);
    free(frequency);
    if (!ok) return false;
    net->ld_pre = padded(config->plain ? config->d_hidden : 2 * config->d_hidden);
    net->ld_logits = padded(config->n_vocab);
    net->gate = config->gate;
    net->left = net->right = 1;
    net->attention_scale = bl_config_attention_scale(config);
    return true;
}

void bl_net_free(bl_net *net) {
    bl_params_free(&net->params);
    free(net->weights);
    free(net->gradient);
    free(net->layers);
    bl_rotary_free(&net->rotary);
    free(net->block);
    free(net->panels);
    *net = (bl_net){0};
}

void bl_net_randomize(bl_net *net, uint64_t seed) {
    bl_random random;
    bl_random_seed(&random, seed);
    for (size_t i = 0; i < net->params.n; i++) {
        const bl_param *param = &net->params.list[i];
        bool norm = param->kind == BL_PARAM_N1 || param->kind == BL_PARAM_N2 || param->kind == BL_PARAM_NF;
        float *w = net->weights + param->offset;
        for (size_t j = 0; j < param->count; j++)
            w[j] = param->n_dims > 1 ? (float)(0.02 * bl_random_normal(&random)) : norm ? 1.0F : 0.0F;
    }
}

/* Takes `count` floats, rounded up to a cache line, off the block that begins at `base` (NULL: only counts).
 */
static float *take(float *base, size_t *used, size_t count) {
    float *at = base ? base + *used : NULL;
    *used += (count + 15) / 16 * 16;
    return at;
}

static bl_kept take_kept(const bl_net *net, float *base, size_t *used, size_t count) {
    float *at = take(base, used, net->half ? (count + 1) / 2 : count);
    return net->half ? (bl_kept){NULL, (bl_half *)(void *)at} : (bl_kept){at, NULL};
}

/* Element `at` of an activation. */
static bl_kept kept_at(bl_kept a, size_t at) {
    return (bl_kept){a.full ? a.full + at : NULL, a.half ? a.half + at : NULL};
}

/* Lays the workspace out; returns its size in floats. */
static size_t lay_out(bl_net *net, float *base) {
    const bl_config *c = &net->config;
    size_t N = net->rows, d = c->d_model, h = c->d_hidden, used = 0, threads = (size_t)net->threads;
    bool changed = c->normalization || c->noise > 0;
    for (size_t i = 0; i < c->n_layer; i++) {
        bl_layer_state *s = &net->layers[i];
        s->x = take(base, &used, N * d);
        if (changed) s->attn_in = take_kept(net, base, &used, N * d);
        s->qkv = take(base, &used, N * qkv_width(c));
        s->lse = take(base, &used, N * c->n_head);
        s->z = take(base, &used, N * d);
        s->mid = take(base, &used, N * d);
        if (changed) s->mlp_in = take_kept(net, base, &used, N * d);
        s->pre = take(base, &used, N * net->ld_pre);
    }
    net->final = take(base, &used, N * d);
    net->final_in = changed ? take(base, &used, N * d) : net->final;
    net->hidden = take_kept(net, base, &used, N * h);
    net->logits = take(base, &used, threads * BL_HEAD_ROWS * net->ld_logits);
    net->g = take(base, &used, N * d);
    net->g_mid = take(base, &used, N * d);
    net->dz = take(base, &used, N * d);
    net->row_loss = (double *)(void *)take(base, &used, 2 * N);
    size_t most = bl_attention_scratch(net->longest, d, c->n_head, c->attention2),
           rows = BLOCK_ROWS * (h + d) + 2 * d +
                  (net->half ? SHORT_ROWS * (h > d ? h : d) : 0); /* what different stages need */
    if (most < rows) most = rows;
    if (most < BL_PRODUCT_SCRATCH) most = BL_PRODUCT_SCRATCH;
    net->scratch_size = (most + d + 79) / 16 * 16; /* and, at the end, a norm weight's gradient */
    net->scratch = take(base, &used, threads * net->scratch_size);
    return used;
}

/* Room for so many rows; of a backward pass in bfloat16 or not. */
static bool reserve(bl_net *net, size_t rows, size_t longest, const bl_pass *pass, bl_error *err) {
    int threads = omp_get_max_threads();
    bool half = pass->backward ? pass->half && net->config.d_model % 2 == 0 : net->half;
    if (net->block && rows <= net->rows && longest <= net->longest && threads == net->threads &&
        half == net->half)
        return true;
    net->half = half;
    if (rows > net->rows) net->rows = rows;
    if (longest > net->longest) net->longest = longest;
    net->threads = threads;
    free(net->block);
    net->block = bl_alloc(lay_out(net, NULL), sizeof(float), err);
    if (!net->block) {
        net->rows = net->longest = 0;
        return false;
    }
    lay_out(net, net->block);
    return true;
}

/* Lists one weight [rows, cols] as a factor both ways; `panels` NULL: only counts. */
static size_t list_factor(bl_factor *t, bl_factor *n, const float *w, size_t rows, size_t cols,
                          float *panels) {
    size_t first = bl_factor_size(cols, rows);
    *t = (bl_factor){.w = w, .K = cols, .N = rows, .transposed = true};
    *n = (bl_factor){.w = w, .K = rows, .N = cols};
    if (panels) t->panels = panels, n->panels = panels + first;
    return first + bl_factor_size(rows, cols);
}

/* Lists all factors; returns the floats that their panels take. */
static size_t list_factors(bl_net *net, float *panels) {
    const bl_config *c = &net->config;
    size_t d = c->d_model, h = c->d_hidden, used = 0;
    for (size_t i = 0; i < c->n_layer; i++) {
        bl_layer_state *s = &net->layers[i];
        used += list_factor(&s->qkv_t, &s->qkv_n, bl_net_weight(net, BL_PARAM_QKV, i), qkv_width(c), d,
                            panels ? panels + used : NULL);
        used += list_factor(&s->o_t, &s->o_n, bl_net_weight(net, BL_PARAM_O, i), d, d,
                            panels ? panels + used : NULL);
        used += list_factor(&s->w_t, &s->w_n, bl_net_weight(net, BL_PARAM_W, i), c->plain ? h : 2 * h, d,
                            panels ? panels + used : NULL);
        used += list_factor(&s->p_t, &s->p_n, bl_net_weight(net, BL_PARAM_P, i), d, h,
                            panels ? panels + used : NULL);
    }
    const float *head = bl_net_weight(net, c->tied ? BL_PARAM_WTE : BL_PARAM_HEAD, 0);
    return used + list_factor(&net->head_t, &net->head_n, head, c->n_vocab, d, panels ? panels + used : NULL);
}

bool bl_net_pack(bl_net *net, const bl_pass *pass, bl_error *err) {
    bool backward = pass->backward, half = pass->half;
    if (!net->panels) {
        net->panels = bl_alloc(list_factors(net, NULL), sizeof(float), err);
        if (!net->panels) return false;
        list_factors(net, net->panels);
    }
    net->head_t.half = net->head_n.half = half;
#pragma omp parallel
    {
        for (size_t i = 0; i < net->config.n_layer; i++) {
            bl_layer_state *s = &net->layers[i];
            bl_factor *const all[] = {&s->qkv_t, &s->o_t, &s->w_t, &s->p_t,
                                      &s->qkv_n, &s->o_n, &s->w_n, &s->p_n};
#pragma omp single
            for (size_t j = 0; j < 8; j++) all[j]->half = half;
            for (size_t j = 0; j < (backward ? 8 : 4); j++) bl_factor_pack(all[j]);
        }
        bl_factor_pack(&net->head_t);
        if (backward) bl_factor_pack(&net->head_n);
    }
    return true;
}

double bl_net_flops(const bl_config *c, double T) {
    double d = (double)c->d_model, h = (double)c->d_hidden, layers = (double)c->n_layer;
    double weights =
        layers * ((c->attention2 ? 6 : 4) * d * d + (c->plain ? 2 : 3) * h * d) + (double)c->n_vocab * d;
    return 6 * weights + 6 * layers * T * d;
}

/* The three places of noise of a layer and the one before the head are told apart by `site`. */
static bl_norm norm_at(const bl_net *net, const bl_pass *pass, bl_param_kind kind, size_t layer) {
    uint64_t site = kind == BL_PARAM_NF ? 0 : 1 + 2 * layer + (kind == BL_PARAM_N2);
    return (bl_norm){.normalize = net->config.normalization,
                     .weight = bl_net_weight(net, kind, layer),
                     .noise = pass->noise ? net->config.noise : 0,
                     .key = bl_noise_key(pass->seed, pass->step, site)};
}

/* out [n, ld] = N(x) W; N(x) is kept for the backward pass, if there is one. `scratch` [n d]. */
static void multiply_normed(const bl_norm *norm, const bl_pass *pass, const float *x, const uint64_t *row,
                            size_t n, size_t d, bl_kept kept, const bl_factor *w, float *out, size_t ld,
                            float *scratch) {
    if (bl_norm_is_identity(norm)) {
        bl_multiply(w, n, 1, x, d, false, out, ld);
        return;
    }
    if (!pass->backward || kept.full) {
        float *y = pass->backward ? kept.full : scratch;
        bl_norm_forward(norm, x, row, n, d, y);
        bl_multiply(w, n, 1, y, d, false, out, ld);
        return;
    }
    for (size_t r = 0; r < n; r += SHORT_ROWS) {
        size_t some = n - r < SHORT_ROWS ? n - r : SHORT_ROWS;
        bl_norm_forward(norm, x + r * d, row + r, some, d, scratch);
        bl_halve(scratch, some * d, kept.half + r * d);
    }
    bl_multiply16_kept(w, n, 1, kept.half, d, false, out, ld);
}

static void add_bias(float *y, size_t ld, const float *bias, size_t n, size_t width) {
    for (size_t r = 0; bias && r < n; r++)
        for (size_t i = 0; i < width; i++) y[r * ld + i] += bias[i];
}

/* pre [n, 2h], or its gradient: L's half times net->left, R's times net->right. */
static void scale_sides(const bl_net *net, float *pre, size_t ld, size_t n) {
    size_t h = net->config.d_hidden;
    if (net->left == 1 && net->right == 1) return;
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < h; i++) pre[r * ld + i] *= net->left;
        for (size_t i = h; i < 2 * h; i++) pre[r * ld + i] *= net->right;
    }
}

/* swish_b(x) y = x s(b x) y, s the logistic function: silu(b x) (y / b), at b = 0 half of x y. */
void bl_net_set_swish(bl_net *net, double b) {
    bool zero = bl_swish_is_half(b);
    net->gate = zero ? BL_GATE_NONE : BL_GATE_SILU;
    net->left = zero ? 0.5F : (float)b;
    net->right = zero ? 1 : (float)(1 / b);
}

void bl_net_fold_swish(bl_net *net) {
    size_t h = net->config.d_hidden, d = net->config.d_model;
    for (size_t i = 0; i < net->config.n_layer; i++) {
        float *w = bl_net_weight(net, BL_PARAM_W, i), *bias = bl_net_weight(net, BL_PARAM_W_BIAS, i);
        for (size_t j = 0; j < 2 * h * d; j++) w[j] *= j < h * d ? net->left : net->right;
        for (size_t j = 0; bias && j < 2 * h; j++) bias[j] *= j < h ? net->left : net->right;
    }
    net->config.gate = net->gate;
    net->left = net->right = 1;
}

static bl_packed_stories stories_of(const bl_net *net, const bl_minibatch *batch) {
    return (bl_packed_stories){.n_stories = batch->n_stories,
                               .n_head = net->config.n_head,
                               .d_model = net->config.d_model,
                               .bilinear = net->config.attention2,
                               .start = batch->start,
                               .rotary = &net->rotary,
                               .longest = batch->longest,
                               .scratch = net->scratch};
}

static void forward_layer(bl_net *net, size_t layer, const bl_minibatch *batch, const bl_pass *pass) {
    const bl_config *c = &net->config;
    bl_layer_state *s = &net->layers[layer];
    size_t d = c->d_model, h = c->d_hidden, w = c->plain ? h : 2 * h, ld = net->ld_pre, N = batch->n_rows,
           q = qkv_width(c);
    float *next = layer + 1 < c->n_layer ? net->layers[layer + 1].x : net->final;
    bl_norm n1 = norm_at(net, pass, BL_PARAM_N1, layer), n2 = norm_at(net, pass, BL_PARAM_N2, layer);
    bl_packed_stories stories = stories_of(net, batch);
    const float *b_qkv = bl_net_weight(net, BL_PARAM_QKV_BIAS, layer),
                *b_w = bl_net_weight(net, BL_PARAM_W_BIAS, layer),
                *b_p = bl_net_weight(net, BL_PARAM_P_BIAS, layer);
#pragma omp parallel
    {
        float *scratch = net->scratch + (size_t)omp_get_thread_num() * net->scratch_size;
        bl_range mine = bl_my_part(N);
        for (size_t b = 0; b < bl_blocks(mine, BLOCK_ROWS); b++) {
            if (bl_net_stopped(net, pass)) break;
            bl_range r = bl_block(mine, BLOCK_ROWS, b);
            size_t n = r.end - r.begin;
            multiply_normed(&n1, pass, s->x + r.begin * d, bl_minibatch_names(batch, r.begin), n, d,
                            kept_at(s->attn_in, r.begin * d), &s->qkv_t, s->qkv + r.begin * q, q, scratch);
            add_bias(s->qkv + r.begin * q, q, b_qkv, n, q);
            bl_attention_rotate(&stories, batch->position, r.begin, r.end, false, s->qkv);
        }
    }
    if (bl_net_stopped(net, pass)) return;
    bl_attention_forward(&stories, s->qkv, s->z, s->lse);
#pragma omp parallel
    {
        float *hidden = net->scratch + (size_t)omp_get_thread_num() * net->scratch_size;
        bl_range mine = bl_my_part(N);
        for (size_t b = 0; b < bl_blocks(mine, BLOCK_ROWS); b++) {
            if (bl_net_stopped(net, pass)) break;
            bl_range r = bl_block(mine, BLOCK_ROWS, b);
            size_t n = r.end - r.begin;
            float *mid = s->mid + r.begin * d, *pre = s->pre + r.begin * ld, *out = next + r.begin * d;
            memcpy(mid, s->x + r.begin * d, n * d * sizeof *mid);
            bl_multiply(&s->o_t, n, net->attention_scale, s->z + r.begin * d, d, true, mid, d);
            multiply_normed(&n2, pass, mid, bl_minibatch_names(batch, r.begin), n, d,
                            kept_at(s->mlp_in, r.begin * d), &s->w_t, pre, ld, hidden);
            add_bias(pre, ld, b_w, n, w);
            scale_sides(net, pre, ld, n);
            bl_gate_forward(net->gate, c->plain, pre, ld, n, h, hidden);
            memcpy(out, mid, n * d * sizeof *out);
            bl_multiply(&s->p_t, n, 1, hidden, h, true, out, d);
            add_bias(out, d, b_p, n, d);
        }
    }
}

/* dx [n, d] += N'(dy W), y = N(x), dy [n, width], W [width, d]. `scratch` [n d + 2 d + SHORT_ROWS d]. */
static void through_norm(const bl_norm *norm, const float *dy, size_t ld, const bl_factor *w, const float *x,
                         bl_kept y, size_t n, size_t d, float *dx, float *dweight, float *scratch) {
    if (bl_norm_is_identity(norm)) {
        bl_multiply(w, n, 1, dy, ld, true, dx, d);
        return;
    }
    float *more = scratch + n * d, *wide = more + 2 * d;
    bl_multiply(w, n, 1, dy, ld, false, scratch, d);
    if (y.full) bl_norm_backward(norm, x, y.full, scratch, n, d, dx, dweight, more);
    for (size_t r = 0; y.half && r < n; r += SHORT_ROWS) {
        size_t some = n - r < SHORT_ROWS ? n - r : SHORT_ROWS;
        bl_widen(y.half + r * d, some * d, wide);
        bl_norm_backward(norm, x + r * d, wide, scratch + r * d, some, d, dx + r * d, dweight, more);
    }
}

/* The gate's backward pass over n rows: pre becomes its gradient; hidden is kept for P's. `scratch`
 * [SHORT_ROWS, h]. */
static void backward_gate(const bl_net *net, float *pre, size_t n, const float *dhidden, bl_kept hidden,
                          float *scratch) {
    size_t h = net->config.d_hidden, ld = net->ld_pre;
    bool plain = net->config.plain;
    if (hidden.full) bl_gate_backward(net->gate, plain, pre, ld, n, h, dhidden, hidden.full);
    for (size_t r = 0; hidden.half && r < n; r += SHORT_ROWS) {
        size_t some = n - r < SHORT_ROWS ? n - r : SHORT_ROWS;
        bl_gate_backward(net->gate, plain, pre + r * ld, ld, some, h, dhidden + r * h, scratch);
        bl_halve(scratch, some * h, hidden.half + r * h);
    }
}

void bl_add_in_order(float *total, const float *part, size_t d) {
    if (!total) return;
#pragma omp for schedule(static) ordered
    for (int i = 0; i < omp_get_num_threads(); i++) {
#pragma omp ordered
        for (size_t j = 0; j < d; j++) total[j] += part[j];
    }
}

/* sum += column sums of y, n rows ld apart, columns `slab` only. */
static void sum_columns(const float *y, size_t n, size_t ld, bl_range slab, float *sum) {
    for (size_t r = 0; sum && r < n; r++)
        for (size_t i = slab.begin; i < slab.end; i++) sum[i] += y[r * ld + i];
}

/* The MLP's and the output projection's part: g -> g_mid, dz, dpre (in place of pre), hidden. */
static void backward_mlp_rows(bl_net *net, size_t layer, const bl_minibatch *batch, const bl_norm *n2,
                              const bl_pass *pass) {
    const bl_config *c = &net->config;
    bl_layer_state *s = &net->layers[layer];
    size_t d = c->d_model, h = c->d_hidden, ld = net->ld_pre;
    float *dn2 = bl_net_gradient(net, BL_PARAM_N2, layer);
#pragma omp parallel
    {
        float *dhidden = net->scratch + (size_t)omp_get_thread_num() * net->scratch_size,
              *rest = dhidden + BLOCK_ROWS * h;
        float *dweight = dhidden + net->scratch_size - d;
        bl_range mine = bl_my_part(batch->n_rows);
        memset(dweight, 0, d * sizeof *dweight);
        for (size_t b = 0; b < bl_blocks(mine, BLOCK_ROWS); b++) {
            if (bl_net_stopped(net, pass)) break;
            bl_range r = bl_block(mine, BLOCK_ROWS, b);
            size_t n = r.end - r.begin;
            float *g = net->g + r.begin * d, *g_mid = net->g_mid + r.begin * d, *pre = s->pre + r.begin * ld;
            bl_multiply(&s->p_n, n, 1, g, d, false, dhidden, h);
            backward_gate(net, pre, n, dhidden, kept_at(net->hidden, r.begin * h), rest);
            scale_sides(net, pre, ld, n);
            memcpy(g_mid, g, n * d * sizeof *g);
            through_norm(n2, pre, ld, &s->w_n, s->mid + r.begin * d, kept_at(s->mlp_in, r.begin * d), n, d,
                         g_mid, dweight, rest);
            bl_multiply(&s->o_n, n, net->attention_scale, g_mid, d, false, net->dz + r.begin * d, d);
        }
        bl_add_in_order(dn2, dweight, d);
    }
}

/* dw [m, n] (+)= alpha a^T b over all N rows, a [N, m], b [N, n]: the calling thread's slab of a weight. */
static void weight_gradient(bl_net *net, const bl_pass *pass, size_t m, size_t n, size_t N, float alpha,
                            const float *a, size_t lda, bl_kept b, size_t ldb, float *dw, size_t ld) {
    float *scratch = net->scratch + (size_t)omp_get_thread_num() * net->scratch_size;
    bl_product_tn_fn *multiply_tn = bl_product_tn(pass->half);
    for (size_t r = 0; r < N && !bl_net_stopped(net, pass); r += SLAB_ROWS) {
        size_t rows = N - r < SLAB_ROWS ? N - r : SLAB_ROWS;
        bool add = pass->accumulate || r > 0;
        if (b.half)
            bl_multiply16_tn_kept(m, n, rows, alpha, a + r * lda, lda, b.half + r * ldb, ldb, add, dw, ld,
                                  scratch);
        else multiply_tn(m, n, rows, alpha, a + r * lda, lda, b.full + r * ldb, ldb, add, dw, ld, scratch);
    }
}

/* What stood behind a norm. */
static bl_kept input_of(const bl_norm *norm, float *x, bl_kept y) {
    return bl_norm_is_identity(norm) ? (bl_kept){x, NULL} : y;
}

/* Gradients of P, W, O and the biases. */
static void backward_mlp_weights(bl_net *net, size_t layer, size_t N, const bl_norm *n2,
                                 const bl_pass *pass) {
    const bl_config *c = &net->config;
    bl_layer_state *s = &net->layers[layer];
    size_t d = c->d_model, h = c->d_hidden, w = c->plain ? h : 2 * h;
    float *dp = bl_net_gradient(net, BL_PARAM_P, layer), *dw = bl_net_gradient(net, BL_PARAM_W, layer),
          *d_o = bl_net_gradient(net, BL_PARAM_O, layer);
#pragma omp parallel
    {
        bl_range of_h = bl_my_part(h), of_w = bl_my_part(w), of_d = bl_my_part(d);
        weight_gradient(net, pass, d, of_h.end - of_h.begin, N, 1, net->g, d,
                        kept_at(net->hidden, of_h.begin), h, dp + of_h.begin, h);
        weight_gradient(net, pass, of_w.end - of_w.begin, d, N, 1, s->pre + of_w.begin, net->ld_pre,
                        input_of(n2, s->mid, s->mlp_in), d, dw + of_w.begin * d, d);
        weight_gradient(net, pass, of_d.end - of_d.begin, d, N, net->attention_scale, net->g_mid + of_d.begin,
                        d, (bl_kept){s->z, NULL}, d, d_o + of_d.begin * d, d);
        sum_columns(s->pre, N, net->ld_pre, of_w, bl_net_gradient(net, BL_PARAM_W_BIAS, layer));
        sum_columns(net->g, N, d, of_d, bl_net_gradient(net, BL_PARAM_P_BIAS, layer));
    }
}

/* dqkv (in place of qkv, still rotated) -> g_mid becomes the layer's dx, and W_qkv's gradient. */
static void backward_qkv(bl_net *net, size_t layer, const bl_minibatch *batch, const bl_norm *n1,
                         const bl_pass *pass) {
    bl_layer_state *s = &net->layers[layer];
    size_t d = net->config.d_model, N = batch->n_rows, q = qkv_width(&net->config);
    float *dw = bl_net_gradient(net, BL_PARAM_QKV, layer), *dn1 = bl_net_gradient(net, BL_PARAM_N1, layer);
    bl_packed_stories stories = stories_of(net, batch);
#pragma omp parallel
    {
        float *scratch = net->scratch + (size_t)omp_get_thread_num() * net->scratch_size,
              *dweight = scratch + net->scratch_size - d;
        bl_range mine = bl_my_part(N), slab = bl_my_part(q);
        memset(dweight, 0, d * sizeof *dweight);
        for (size_t b = 0; b < bl_blocks(mine, BLOCK_ROWS); b++) {
            if (bl_net_stopped(net, pass)) break;
            bl_range r = bl_block(mine, BLOCK_ROWS, b);
            bl_attention_rotate(&stories, batch->position, r.begin, r.end, true, s->qkv);
            through_norm(n1, s->qkv + r.begin * q, q, &s->qkv_n, s->x + r.begin * d,
                         kept_at(s->attn_in, r.begin * d), r.end - r.begin, d, net->g_mid + r.begin * d,
                         dweight, scratch);
        }
#pragma omp barrier
        weight_gradient(net, pass, slab.end - slab.begin, d, N, 1, s->qkv + slab.begin, q,
                        input_of(n1, s->x, s->attn_in), d, dw + slab.begin * d, d);
        sum_columns(s->qkv, N, q, slab, bl_net_gradient(net, BL_PARAM_QKV_BIAS, layer));
        bl_add_in_order(dn1, dweight, d);
    }
}

static void backward_layer(bl_net *net, size_t layer, const bl_minibatch *batch, const bl_pass *pass) {
    bl_layer_state *s = &net->layers[layer];
    bl_norm n1 = norm_at(net, pass, BL_PARAM_N1, layer), n2 = norm_at(net, pass, BL_PARAM_N2, layer);
    bl_packed_stories stories = stories_of(net, batch);
    backward_mlp_rows(net, layer, batch, &n2, pass);
    backward_mlp_weights(net, layer, batch->n_rows, &n2, pass);
    if (bl_net_stopped(net, pass)) return;
    bl_attention_backward(&stories, s->qkv, s->z, s->lse, net->dz);
    backward_qkv(net, layer, batch, &n1, pass);
    float *swap = net->g;
    net->g = net->g_mid;
    net->g_mid = swap;
}

static void embed(const bl_net *net, const bl_minibatch *batch, float *x) {
    const float *wte = bl_net_weight(net, BL_PARAM_WTE, 0);
    size_t d = net->config.d_model;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < batch->n_rows; r++)
        memcpy(x + r * d, wte + (size_t)batch->input[r] * d, d * sizeof *x);
}

/* Each thread adds its own columns of all rows, so that the order of additions is the rows'. */
static void embed_backward(bl_net *net, const bl_minibatch *batch) {
    float *dwte = bl_net_gradient(net, BL_PARAM_WTE, 0);
    size_t d = net->config.d_model;
#pragma omp parallel
    {
        bl_range mine = bl_my_part(d);
        for (size_t r = 0; r < batch->n_rows; r++) {
            float *to = dwte + (size_t)batch->input[r] * d;
            const float *from = net->g + r * d;
#pragma omp simd
            for (size_t i = mine.begin; i < mine.end; i++) to[i] += from[i];
        }
    }
}

/* Zeroes the gradients that are added to rather than written: embedding, norm weights, biases. */
static void clear_sums(bl_net *net) {
    for (size_t i = 0; i < net->params.n; i++) {
        const bl_param *param = &net->params.list[i];
        if (param->n_dims == 1 || param->kind == BL_PARAM_WTE)
            memset(net->gradient + param->offset, 0, param->count * sizeof(float));
    }
}

bool bl_net_run(bl_net *net, const bl_minibatch *batch, const bl_pass *pass, double *loss, bl_error *err) {
    size_t layers = net->config.n_layer;
    *loss = 0;
    net->stopped = 0;
    if (!reserve(net, batch->n_rows, batch->longest, pass, err) || !bl_net_pack(net, pass, err)) return false;
    if (pass->backward && !pass->accumulate) clear_sums(net);
    embed(net, batch, net->layers[0].x);
    for (size_t i = 0; i < layers && !bl_net_stopped(net, pass); i++) forward_layer(net, i, batch, pass);
    bl_norm nf = norm_at(net, pass, BL_PARAM_NF, 0);
    if (!bl_net_stopped(net, pass)) bl_head_run(net, batch, pass, &nf);
    for (size_t i = layers; pass->backward && i > 0 && !bl_net_stopped(net, pass); i--)
        backward_layer(net, i - 1, batch, pass);
    if (bl_net_stopped(net, pass)) return bl_fail(err, BL_ERR_CANCELLED, "interrupted");
    for (size_t r = 0; r < batch->n_rows; r++) *loss += net->row_loss[r];
    if (pass->backward) embed_backward(net, batch);
    return true;
}

bool bl_net_next(bl_net *net, const int32_t *ids, size_t n, float *logits, bl_error *err) {
    uint32_t *position = bl_alloc(n, sizeof *position, err);
    size_t start[2] = {0, n}, d = net->config.d_model;
    bl_pass pass = {0};
    bool ok = position && reserve(net, n, n, &pass, err);
    if (ok) {
        for (size_t i = 0; i < n; i++) position[i] = (uint32_t)i;
        bl_minibatch batch = {
            .input = ids, .position = position, .start = start, .n_stories = 1, .n_rows = n, .longest = n};
        embed(net, &batch, net->layers[0].x);
        for (size_t i = 0; i < net->config.n_layer; i++) forward_layer(net, i, &batch, &pass);
        bl_norm nf = norm_at(net, &pass, BL_PARAM_NF, 0);
        multiply_normed(&nf, &pass, net->final + (n - 1) * d, NULL, 1, d, (bl_kept){0}, &net->head_t, logits,
                        net->config.n_vocab, net->scratch);
    }
    free(position);
    return ok;
}
