/* Forward and backward of h_0 = E x, h_{i+1} = [h_i +] g(L h_i + l) * (R h_i + r), logits = U h
 * (docs/specification.md, 20), from the logits' gradient G = scale (softmax - one-hot):
 *
 *   dU = G^T h_L,   dh_L = G U
 *   dpre = gate'(pre, dh),   dW = dpre^T h_i,   db = column sums of dpre,   dh_i = dpre W [+ dh]
 *   dE = dh_0^T x; the input itself needs no gradient
 *
 * Rows go block by block through everything that reads them, so that what one product made is in cache for
 * the next: each thread takes the rows of a block forwards and backwards, and then all of them add what these
 * rows give to the weights' gradients, split by slabs, so that no thread needs a copy. Sums over rows are
 * added up in blocks of BL_PRODUCT_DEPTH in the rows' order whatever the number of threads. */
#include "train/image_net.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "linear/gate.h"
#include "linear/noise.h"
#include "linear/softmax.h"
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define PART_ROWS \
    ((size_t)132) /* a multiple of a tile's rows: pre and h of a part stay in the second cache */
#define BLOCK_ROWS BL_PRODUCT_DEPTH /* of a thread between two gradients of the weights */

/* Places in the parameter table. */
static size_t block_at(const bl_image_net *net, size_t layer) {
    return (net->config.p ? 0 : 1) + layer * (net->config.bias ? 2 : 1);
}
static size_t head_at(const bl_image_net *net) { return net->params.n - 1; }

static bool list_params(bl_image_net *net, const bl_image_model *model, bl_error *err) {
    size_t n = bl_image_tensors(model, NULL), offset = 0;
    bl_image_tensor *tensors = bl_alloc(n, sizeof *tensors, err);
    net->params.list = bl_alloc_zero(n, sizeof *net->params.list, err);
    bool ok = tensors && net->params.list;
    if (ok) bl_image_tensors(model, tensors);
    for (size_t i = 0; ok && i < n; i++) {
        bl_param *param = &net->params.list[i];
        snprintf(param->name, sizeof param->name, "%s", tensors[i].name);
        param->n_dims = tensors[i].n_dims;
        param->rows = tensors[i].rows;
        param->cols = tensors[i].cols;
        param->count = param->rows * param->cols; /* bl_image_new has allocated as much */
        param->offset = offset;
        offset += (param->count + 15) / 16 * 16;
    }
    net->params.n = ok ? n : 0;
    net->params.total = offset;
    free(tensors);
    return ok;
}

bool bl_image_net_init(bl_image_net *net, const bl_image_config *config, bl_error *err) {
    *net = (bl_image_net){.config = *config};
    bl_image_model *model = bl_image_new(config, "net", err); /* for its table only */
    bool ok = model && list_params(net, model, err);
    bl_image_free(model);
    if (!ok) return false;
    net->weights = bl_alloc_zero(net->params.total, sizeof *net->weights, err);
    net->gradient = bl_alloc_zero(net->params.total, sizeof *net->gradient, err);
    net->blocks = bl_alloc_zero(config->n_layer, sizeof *net->blocks, err);
    net->ld_pre = (2 * config->d_hidden + 15) / 16 * 16;
    return net->weights && net->gradient && net->blocks;
}

void bl_image_net_free(bl_image_net *net) {
    bl_params_free(&net->params);
    free(net->weights);
    free(net->gradient);
    free(net->blocks);
    free(net->block);
    free(net->panels);
    free(net->losses);
    free(net->right);
    *net = (bl_image_net){0};
}

void bl_image_net_randomize(bl_image_net *net, uint64_t seed) {
    const bl_image_config *c = &net->config;
    bl_random random;
    bl_random_seed(&random, seed);
    for (size_t i = 0; i < net->params.n; i++) {
        const bl_param *param = &net->params.list[i];
        const bl_param *weight = param->n_dims == 1 ? param - 1 : param; /* a bias stands behind its weight */
        bool modular_block = c->p && i < head_at(net);
        double bound = 1 / sqrt(modular_block ? (double)c->p : (double)weight->cols);
        float *w = net->weights + param->offset;
        for (size_t j = 0; j < param->count; j++)
            w[j] = (float)((2 * bl_random_uniform(&random) - 1) * bound);
        for (size_t j = 0; modular_block && c->split && j < param->count; j++) {
            bool left = j / param->cols < c->d_hidden, first = j % param->cols < c->p;
            if (left != first) w[j] = 0;
        }
    }
}

/* Where parameter `i` of the table stands in the model. */
static float *model_at(const bl_image_net *net, bl_image_model *model, size_t i) {
    size_t first = net->config.p ? 0 : 1, per = net->config.bias ? 2 : 1;
    if (i == head_at(net)) return model->w_u;
    if (i < first) return model->w_e;
    bl_image_layer *layer = &model->layers[(i - first) / per];
    return (i - first) % per ? layer->bias : layer->w;
}

static void copy_all(const bl_image_net *net, bl_image_model *model, bool store) {
    for (size_t i = 0; i < net->params.n; i++) {
        const bl_param *param = &net->params.list[i];
        float *there = model_at(net, model, i), *here = net->weights + param->offset;
        memcpy(store ? there : here, store ? here : there, param->count * sizeof *here);
    }
}

void bl_image_net_store(const bl_image_net *net, bl_image_model *model) { copy_all(net, model, true); }

void bl_image_net_load(bl_image_net *net, const bl_image_model *model) {
    copy_all(net, (bl_image_model *)(uintptr_t)model, false); /* only read */
}

/* Takes `count` floats, rounded up to a cache line, off the block that begins at `base` (NULL: only counts).
 * */
static float *take(float *base, size_t *used, size_t count) {
    float *at = base ? base + *used : NULL;
    *used += (count + 15) / 16 * 16;
    return at;
}

static size_t lay_out(bl_image_net *net, float *base) {
    const bl_image_config *c = &net->config;
    size_t B = net->rows, used = 0, threads = (size_t)net->threads;
    net->x = take(base, &used, B * (c->d_input + 1));
    for (size_t i = 0; i < c->n_layer; i++) {
        net->blocks[i].in = i == 0 && c->p ? net->x : take(base, &used, B * c->d_hidden);
        net->blocks[i].pre = take(base, &used, B * net->ld_pre);
    }
    net->hidden = take(base, &used, B * c->d_hidden);
    net->first_gradient = take(base, &used, B * c->d_hidden);
    net->logits = take(base, &used, B * c->d_output);
    net->scratch_size = PART_ROWS * 2 * c->d_hidden + c->d_input + 64;
    if (net->scratch_size < BL_PRODUCT_SCRATCH) net->scratch_size = BL_PRODUCT_SCRATCH;
    net->scratch_size = (net->scratch_size + 15) / 16 * 16;
    net->scratch = take(base, &used, threads * net->scratch_size);
    return used;
}

/* Room for a block of all threads, and for what is known of each of `images`. */
static bool reserve(bl_image_net *net, size_t images, bl_error *err) {
    size_t threads = (size_t)omp_get_max_threads(), rows = threads * BLOCK_ROWS;
    if (rows > images) rows = images;
    if (net->block && images <= net->images && rows <= net->rows && threads == (size_t)net->threads)
        return true;
    if (rows > net->rows) net->rows = rows;
    if (images > net->images) net->images = images;
    net->threads = (int)threads;
    free(net->block);
    free(net->losses);
    free(net->right);
    net->block = bl_alloc(lay_out(net, NULL), sizeof *net->block, err);
    net->losses = bl_alloc(net->images, sizeof *net->losses, err);
    net->right = bl_alloc(net->images, sizeof *net->right, err);
    if (!net->block || !net->losses || !net->right) {
        net->rows = net->images = 0;
        return false;
    }
    lay_out(net, net->block);
    return true;
}

/* A weight [rows, cols] of the table as a factor, transposed (rows by its columns) or as it is. */
static bl_factor factor(const bl_image_net *net, size_t at, bool transposed, float *panels, size_t *used) {
    const bl_param *param = &net->params.list[at];
    bl_factor f = {.w = net->weights + param->offset,
                   .K = transposed ? param->cols : param->rows,
                   .N = transposed ? param->rows : param->cols,
                   .transposed = transposed};
    if (panels) f.panels = panels + *used;
    *used += bl_factor_size(f.K, f.N);
    return f;
}

static size_t list_factors(bl_image_net *net, float *panels) {
    size_t used = 0;
    if (!net->config.p) net->embed_t = factor(net, 0, true, panels, &used);
    for (size_t i = 0; i < net->config.n_layer; i++) {
        net->blocks[i].w_t = factor(net, block_at(net, i), true, panels, &used);
        net->blocks[i].w_n = factor(net, block_at(net, i), false, panels, &used);
    }
    net->head_t = factor(net, head_at(net), true, panels, &used);
    net->head_n = factor(net, head_at(net), false, panels, &used);
    return used;
}

/* The precision of the pass: losses without a gradient are always float32. */
static void set_half(bl_image_net *net, bool half) {
    net->embed_t.half = net->head_t.half = net->head_n.half = half;
    for (size_t i = 0; i < net->config.n_layer; i++) net->blocks[i].w_t.half = net->blocks[i].w_n.half = half;
}

static void pack(const bl_image_net *net, bool backward) {
    if (!net->config.p) bl_factor_pack(&net->embed_t);
    for (size_t i = 0; i < net->config.n_layer; i++) {
        bl_factor_pack(&net->blocks[i].w_t);
        if (backward && (i > 0 || !net->config.p)) bl_factor_pack(&net->blocks[i].w_n);
    }
    bl_factor_pack(&net->head_t);
    if (backward) bl_factor_pack(&net->head_n);
}

/* x of the rows, with noise: absolute, not clipped. */
static void fill_inputs(const bl_image_net *net, const bl_image_batch *block, bl_range r, float *z) {
    size_t n = net->config.d_input;
    for (size_t b = r.begin; b < r.end; b++) {
        float *x = net->x + b * n;
        if (b + 3 < block->n) bl_images_fetch(block->images, block->order[b + 3]);
        bl_images_rows(block->images, block->order[b], 1, x);
        if (block->noise == 0) continue;
        bl_noise_row(block->key, block->first + b, n + n % 2, z);
        for (size_t i = 0; i < n; i++) x[i] += block->noise * z[i];
    }
}

static void forward_rows(const bl_image_net *net, bl_range r) {
    const bl_image_config *c = &net->config;
    size_t m = r.end - r.begin, n = c->d_input, h = c->d_hidden, ld = net->ld_pre;
    if (!c->p)
        bl_multiply(&net->embed_t, m, 1, net->x + r.begin * n, n, false, net->blocks[0].in + r.begin * h, h);
    for (size_t i = 0; i < c->n_layer; i++) {
        const bl_image_state *s = &net->blocks[i];
        size_t width = s->w_t.K;
        float *in = s->in + r.begin * width, *pre = s->pre + r.begin * ld;
        float *out = (i + 1 < c->n_layer ? net->blocks[i + 1].in : net->hidden) + r.begin * h;
        bl_multiply(&s->w_t, m, 1, in, width, false, pre, ld);
        const float *bias = c->bias ? net->weights + net->params.list[block_at(net, i) + 1].offset : NULL;
        for (size_t b = 0; bias && b < m; b++)
            for (size_t j = 0; j < 2 * h; j++) pre[b * ld + j] += bias[j];
        bl_gate_forward(c->gate, false, pre, ld, m, h, out);
        for (size_t j = 0; c->residual && j < m * h; j++) out[j] += in[j];
    }
    bl_multiply(&net->head_t, m, 1, net->hidden + r.begin * h, h, false, net->logits + r.begin * c->d_output,
                c->d_output);
}

/* Loss, and whether the largest logit, the first of equal ones, is the image's class; logits become scale
 * (softmax - one-hot). The exponentials of all rows are one loop: those of ten classes fill no vector. */
static void logits_gradient(const bl_image_net *net, const bl_image_batch *block, bl_range r, double *losses,
                            bool *right) {
    size_t C = net->config.d_output, cells = (r.end - r.begin) * C;
    float *logits = net->logits + r.begin * C;
    for (size_t b = r.begin; b < r.end; b++) {
        float *row = net->logits + b * C;
        size_t best = 0, label = bl_images_label(block->images, block->order[b]);
        for (size_t c = 1; c < C; c++)
            if (row[c] > row[best]) best = c;
        float max = row[best];
        for (size_t c = 0; c < C; c++) row[c] -= max;
        losses[b] = -(double)row[label];
        right[b] = best == label;
    }
    for (size_t i = 0; i < cells; i++) logits[i] = bl_expf(logits[i]);
    for (size_t b = r.begin; b < r.end; b++) {
        float *row = net->logits + b * C, sum = 0;
        for (size_t c = 0; c < C; c++) sum += row[c];
        losses[b] += log((double)sum);
        bl_scale_row(row, C, block->scale / sum);
        row[bl_images_label(block->images, block->order[b])] -= block->scale;
    }
}

/* g, hidden [PART_ROWS, h] are scratch. */
static void backward_rows(const bl_image_net *net, bl_range r, float *g, float *hidden) {
    const bl_image_config *c = &net->config;
    size_t m = r.end - r.begin, h = c->d_hidden, ld = net->ld_pre;
    bl_multiply(&net->head_n, m, 1, net->logits + r.begin * c->d_output, c->d_output, false, g, h);
    for (size_t i = c->n_layer; i-- > 0;) {
        const bl_image_state *s = &net->blocks[i];
        float *pre = s->pre + r.begin * ld;
        bl_gate_backward(c->gate, false, pre, ld, m, h, g, hidden);
        if (i == 0 && c->p) return;
        float *to = i == 0 ? net->first_gradient + r.begin * h : g;
        if (c->residual && to != g) memcpy(to, g, m * h * sizeof *to);
        bl_multiply(&s->w_n, m, 1, pre, ld, c->residual, to, h);
    }
}

/* out [rows, cols] = a^T b over the block's B images, or += with `add`: this thread's columns of the wider
 * side. */
static void weight_gradient(const bl_image_net *net, size_t at, size_t B, bool add, const float *a,
                            size_t lda, const float *b, size_t ldb, float *scratch) {
    const bl_param *param = &net->params.list[at];
    float *out = net->gradient + param->offset;
    bool by_columns = param->cols > param->rows;
    bl_product_tn_fn *multiply_tn = bl_product_tn(net->half);
    bl_range mine = bl_my_part(((by_columns ? param->cols : param->rows) + 15) / 16);
    size_t end = by_columns ? param->cols : param->rows;
    mine.begin *= 16;
    mine.end = mine.end * 16 < end ? mine.end * 16 : end;
    if (mine.begin >= mine.end) return;
    if (by_columns)
        multiply_tn(param->rows, mine.end - mine.begin, B, 1, a, lda, b + mine.begin, ldb, add,
                    out + mine.begin, param->cols, scratch);
    else
        multiply_tn(mine.end - mine.begin, param->cols, B, 1, a + mine.begin, lda, b, ldb, add,
                    out + mine.begin * param->cols, param->cols, scratch);
}

static void bias_gradient(const bl_image_net *net, size_t layer, size_t B, bool add) {
    const bl_param *param = &net->params.list[block_at(net, layer) + 1];
    bl_range mine = bl_my_part(param->count);
    for (size_t j = mine.begin; j < mine.end; j++) {
        float *to = &net->gradient[param->offset + j];
        if (!add) *to = 0;
        for (size_t begin = 0; begin < B; begin += BL_PRODUCT_DEPTH) { /* as the products do */
            double sum = 0;
            size_t end = B - begin < BL_PRODUCT_DEPTH ? B : begin + BL_PRODUCT_DEPTH;
            for (size_t b = begin; b < end; b++) sum += (double)net->blocks[layer].pre[b * net->ld_pre + j];
            *to += (float)sum;
        }
    }
}

static void gradients(const bl_image_net *net, size_t B, bool add, float *scratch) {
    const bl_image_config *c = &net->config;
    weight_gradient(net, head_at(net), B, add, net->logits, c->d_output, net->hidden, c->d_hidden, scratch);
    for (size_t i = 0; i < c->n_layer; i++) {
        const bl_image_state *s = &net->blocks[i];
        weight_gradient(net, block_at(net, i), B, add, s->pre, net->ld_pre, s->in, s->w_t.K, scratch);
        if (c->bias) bias_gradient(net, i, B, add);
    }
    if (!c->p) weight_gradient(net, 0, B, add, net->first_gradient, c->d_hidden, net->x, c->d_input, scratch);
}

/* A split model of modular addition keeps the zeros of what it does not read. */
static void keep_zeros(const bl_image_net *net) {
    const bl_image_config *c = &net->config;
    const bl_param *param = &net->params.list[0];
    float *g = net->gradient + param->offset;
    for (size_t j = 0; c->p && c->split && j < param->count; j++) {
        bool left = j / param->cols < c->d_hidden, first = j % param->cols < c->p;
        if (left != first) g[j] = 0;
    }
}

/* One block: this thread's rows forwards and backwards, then its part of the weights' gradients, to which
 * those of the blocks before are added with `add`. `losses`, `right`: of the block's images. */
static void run_block(const bl_image_net *net, const bl_image_batch *block, bool backward, bool add,
                      double *losses, bool *right) {
    size_t C = net->config.d_output;
    float *scratch = net->scratch + (size_t)omp_get_thread_num() * net->scratch_size;
    bl_range mine = bl_my_part(block->n);
    for (size_t i = 0; i < bl_blocks(mine, PART_ROWS); i++) {
        bl_range r = bl_block(mine, PART_ROWS, i);
        fill_inputs(net, block, r, scratch);
        forward_rows(net, r);
        if (!backward) {
            for (size_t b = r.begin; b < r.end; b++)
                bl_image_judge_one(net->logits + b * C, C, bl_images_label(block->images, block->order[b]),
                                   &losses[b], &right[b]);
            continue;
        }
        logits_gradient(net, block, r, losses, right);
        backward_rows(net, r, scratch, scratch + PART_ROWS * net->config.d_hidden);
    }
#pragma omp barrier
    if (!backward) return;
    gradients(net, block->n, add, scratch);
#pragma omp barrier
}

bool bl_image_net_run(bl_image_net *net, const bl_image_batch *batch, bool backward, double *loss,
                      size_t *right, bl_error *err) {
    size_t B = batch->n;
    if (!reserve(net, B, err)) return false;
    if (!net->panels) {
        net->panels = bl_alloc(list_factors(net, NULL), sizeof *net->panels, err);
        if (!net->panels) return false;
        list_factors(net, net->panels);
    }
    set_half(net, net->half && backward);
#pragma omp parallel
    {
        pack(net, backward);
#pragma omp barrier
        size_t rows = (size_t)omp_get_num_threads() * BLOCK_ROWS;
        for (size_t first = 0; first < B; first += rows) {
            bl_image_batch block = *batch;
            block.order += first;
            block.first += first;
            block.n = B - first < rows ? B - first : rows;
            run_block(net, &block, backward, first > 0, net->losses + first, net->right + first);
        }
    }
    if (backward) keep_zeros(net);
    *loss = 0;
    *right = 0;
    for (size_t b = 0; b < B; b++) {
        *loss += net->losses[b];
        *right += net->right[b];
    }
    return true;
}
