/* The head fused with its loss: logits exist for threads * BL_HEAD_ROWS rows at a time only.
 *
 *   loss_r = log sum_v exp(l_rv) - l_r,target,   dloss/dl_rv = scale (softmax_v - [v = target])
 *
 * Each thread makes the logits of its own rows, turns them into their gradient in place while they are in its cache, and multiplies by
 * W_U; then, with all rows of the chunk, by slabs of the vocabulary, dW_U += dlogits^T N_f(x). */
#include "train/gemm.h"
#include "train/net.h"
#include "train/softmax.h"
#include <string.h>

#ifndef SOFTMAX_ROWS
#define SOFTMAX_ROWS ((size_t)128)
#endif

/* One row: the loss; with `gradient`, l becomes scale * (softmax - onehot). A logit that is NaN makes the loss NaN. */
static double cross_entropy(float *l, size_t V, int32_t target, bool gradient, float scale) {
    float chosen = l[target], max = bl_row_max(l, V), sum = bl_row_exp(l, V, max);
    double loss = log((double)sum) + (double)max - (double)chosen;
    if (!gradient) return loss;
    float factor = scale / sum;
#pragma omp simd
    for (size_t i = 0; i < V; i++) l[i] *= factor;
    l[target] -= scale;
    return loss;
}

typedef struct task {
    bl_net *net;
    const bl_minibatch *batch;
    const bl_pass *pass;
    const bl_norm *norm;
    const float *y; /* [N, d] N_f(x) */
    const float *w; /* [V, d] */
} task;

/* Rows `rows` (absolute), whose logits [rows, V] stand at `logits`. */
static void own_rows(const task *t, bl_range rows, float *logits, float *dweight, float *scratch) {
    bl_net *net = t->net;
    size_t V = net->config.n_vocab, d = net->config.d_model, n = rows.end - rows.begin;
    const float *x = net->final + rows.begin * d, *y = t->y + rows.begin * d;
    if (!bl_norm_is_identity(t->norm)) bl_norm_forward(t->norm, x, t->batch->row + rows.begin, n, d, net->final_in + rows.begin * d);
    for (size_t b = 0; b < bl_blocks(rows, SOFTMAX_ROWS); b++) {
        bl_range block = bl_block((bl_range){0, n}, SOFTMAX_ROWS, b);
        bl_gemm_nt(block.end - block.begin, V, d, 1, y + block.begin * d, d, t->w, d, 0, logits + block.begin * V, V);
        for (size_t r = block.begin; r < block.end; r++)
            net->row_loss[rows.begin + r] =
                cross_entropy(logits + r * V, V, t->batch->target[rows.begin + r], t->pass->backward, t->pass->scale);
    }
    if (!t->pass->backward) return;
    float *g = net->g + rows.begin * d;
    if (bl_norm_is_identity(t->norm)) {
        bl_gemm_nn(n, d, V, 1, logits, V, t->w, d, 0, g, d);
        return;
    }
    float *dy = net->dz + rows.begin * d; /* free until the last layer's backward pass */
    bl_gemm_nn(n, d, V, 1, logits, V, t->w, d, 0, dy, d);
    memset(g, 0, n * d * sizeof *g);
    bl_norm_backward(t->norm, x, y, dy, n, d, g, dweight, scratch);
}

void bl_head_run(bl_net *net, const bl_minibatch *batch, const bl_pass *pass, const bl_norm *norm) {
    size_t V = net->config.n_vocab, d = net->config.d_model, N = batch->n_rows;
    bl_param_kind kind = net->config.tied ? BL_PARAM_WTE : BL_PARAM_HEAD;
    float *dw = bl_net_gradient(net, kind, 0), *dnorm = bl_net_gradient(net, BL_PARAM_NF, 0);
    task t = {net, batch, pass, norm, bl_norm_is_identity(norm) ? net->final : net->final_in, bl_net_weight(net, kind, 0)};
    bl_range all = {0, N};
    size_t chunk_rows = BL_HEAD_ROWS * (size_t)net->threads;
#pragma omp parallel
    {
        float *scratch = net->scratch + (size_t)omp_get_thread_num() * net->scratch_size, *dweight = scratch + 2 * d;
        memset(dweight, 0, d * sizeof *dweight);
        for (size_t c = 0; c < bl_blocks(all, chunk_rows); c++) {
            bl_range chunk = bl_block(all, chunk_rows, c), mine = bl_my_part(chunk.end - chunk.begin);
            size_t n = chunk.end - chunk.begin;
            own_rows(&t, (bl_range){chunk.begin + mine.begin, chunk.begin + mine.end}, net->logits + mine.begin * V, dweight, scratch);
#pragma omp barrier
            bl_range slab = bl_my_part(V);
            float beta = c > 0 || pass->accumulate || net->config.tied ? 1.0F : 0.0F;
            if (pass->backward)
                bl_gemm_tn(slab.end - slab.begin, d, n, 1, net->logits + slab.begin, V, t.y + chunk.begin * d, d, beta, dw + slab.begin * d,
                           d);
#pragma omp barrier
        }
        bl_add_in_order(pass->backward ? dnorm : NULL, dweight, d);
    }
}
