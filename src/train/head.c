/* The head fused with its loss: logits exist for threads * BL_HEAD_ROWS rows at a time only.
 *
 *   loss_r = log sum_v exp(l_rv) - l_r,target,   dloss/dl_rv = scale (softmax_v - [v = target]) = factor_r
 * e_rv
 *
 * Each thread makes the logits of its own rows, turns them into e in place while they are in its cache, and
 * multiplies by W_U; then, with all rows of the chunk, by slabs of the vocabulary, dW_U += e^T (factor
 * N_f(x)). net->dz and net->g_mid are free until the last layer's backward pass and serve as scratch. */
#include "linear/gemm.h"
#include "train/net.h"
#include "linear/softmax.h"
#include <string.h>

#define SOFTMAX_ROWS \
    ((size_t)60) /* rows of logits that are worked on while they are in cache; a multiple of a tile's */

/* One row [V]: the loss. l becomes exp(l - max) - [v = target] sum, which is the loss's gradient up to the
 * factor scale / sum; that is left to the caller, who has shorter rows to multiply by it. A logit that is NaN
 * makes the loss NaN. */
static double cross_entropy(float *l, size_t V, int32_t target, float scale, float *factor) {
    float chosen = l[target], max = bl_row_max(l, V), sum = bl_row_exp(l, V, max);
    l[target] -= sum;
    *factor = scale / sum;
    return log((double)sum) + (double)max - (double)chosen;
}

typedef struct task {
    bl_net *net;
    const bl_minibatch *batch;
    const bl_pass *pass;
    const bl_norm *norm;
    const float *y; /* [N, d] N_f(x) */
} task;

/* to [n, d] = from, each row times its factor. */
static void scale_rows(const float *from, const float *factor, size_t n, size_t d, float *to) {
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < d; i++) to[r * d + i] = from[r * d + i] * factor[r];
}

/* Rows `rows` (absolute), whose logits [rows, V] stand at `logits`: the losses, and dloss/dx in net->g. */
static void own_rows(const task *t, bl_range rows, float *logits, float *dweight, float *scratch) {
    bl_net *net = t->net;
    size_t V = net->config.n_vocab, d = net->config.d_model, ld = net->ld_logits, n = rows.end - rows.begin;
    const float *x = net->final + rows.begin * d, *y = t->y + rows.begin * d;
    float factor[BL_HEAD_ROWS] = {0}, *g = net->g + rows.begin * d;
    if (!bl_norm_is_identity(t->norm))
        bl_norm_forward(t->norm, x, bl_minibatch_names(t->batch, rows.begin), n, d,
                        net->final_in + rows.begin * d);
    for (size_t b = 0; b < bl_blocks(rows, SOFTMAX_ROWS); b++) {
        bl_range block = bl_block((bl_range){0, n}, SOFTMAX_ROWS, b);
        bl_multiply(&net->head_t, block.end - block.begin, 1, y + block.begin * d, d, false,
                    logits + block.begin * ld, ld);
        for (size_t r = block.begin; r < block.end; r++)
            net->row_loss[rows.begin + r] =
                cross_entropy(logits + r * ld, V, t->batch->target[rows.begin + r], t->pass->scale,
                              &factor[r]);
    }
    if (!t->pass->backward) return;
    scale_rows(y, factor, n, d, net->g_mid + rows.begin * d);
    if (bl_norm_is_identity(t->norm)) {
        bl_multiply(&net->head_n, n, 1, logits, ld, false, g, d);
        scale_rows(g, factor, n, d, g);
        return;
    }
    float *dy = net->dz + rows.begin * d;
    bl_multiply(&net->head_n, n, 1, logits, ld, false, dy, d);
    scale_rows(dy, factor, n, d, dy);
    memset(g, 0, n * d * sizeof *g);
    bl_norm_backward(t->norm, x, y, dy, n, d, g, dweight, scratch);
}

void bl_head_run(bl_net *net, const bl_minibatch *batch, const bl_pass *pass, const bl_norm *norm) {
    size_t V = net->config.n_vocab, d = net->config.d_model, N = batch->n_rows;
    bl_param_kind kind = net->config.tied ? BL_PARAM_WTE : BL_PARAM_HEAD;
    float *dw = bl_net_gradient(net, kind, 0), *dnorm = bl_net_gradient(net, BL_PARAM_NF, 0);
    task t = {net, batch, pass, norm, bl_norm_is_identity(norm) ? net->final : net->final_in};
    bl_range all = {0, N};
    size_t chunk_rows = BL_HEAD_ROWS * (size_t)net->threads;
#pragma omp parallel
    {
        float *scratch = net->scratch + (size_t)omp_get_thread_num() * net->scratch_size,
              *dweight = scratch + net->scratch_size - d;
        memset(dweight, 0, d * sizeof *dweight);
        for (size_t c = 0; c < bl_blocks(all, chunk_rows); c++) {
            bl_range chunk = bl_block(all, chunk_rows, c), mine = bl_my_part(chunk.end - chunk.begin);
            size_t n = chunk.end - chunk.begin;
            own_rows(&t, (bl_range){chunk.begin + mine.begin, chunk.begin + mine.end},
                     net->logits + mine.begin * net->ld_logits, dweight, scratch);
#pragma omp barrier
            bl_net_stopped(net,
                           pass); /* asked here: all threads look after the next barrier, and see the same */
            bl_range slab = bl_my_part(V);
            bool add = c > 0 || pass->accumulate || net->config.tied;
            if (pass->backward)
                bl_product_tn(pass->half)(slab.end - slab.begin, d, n, 1, net->logits + slab.begin,
                                          net->ld_logits, net->g_mid + chunk.begin * d, d, add,
                                          dw + slab.begin * d, d, scratch);
#pragma omp barrier
            if (__atomic_load_n(&net->stopped, __ATOMIC_RELAXED)) break;
        }
        bl_add_in_order(pass->backward ? dnorm : NULL, dweight, d);
    }
}
