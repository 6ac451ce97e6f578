/* Forward and backward pass of a TopK dictionary. With r = 2 scale (xhat - x) and dz_b = r . D_b where b is
 * active:
 *
 *   dE_b = sum dz_b (x - c),   dD_b = sum z_b r,   dc = sum r - sum_b (sum dz_b) E_b
 *
 * Only E (x - c) is a dense product; all else touches the k active features of a row. The gradient's rows are
 * made feature by feature from lists of the rows in which they are active, so that no two threads write to
 * one and sums are always added in the rows' order. */
#include "train/dictionary_net.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/dots.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)48) /* rows whose pre-activations are in memory at a time; a multiple of a tile's */

static void *room(size_t a, size_t b, size_t size, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a, b, &count)) count = SIZE_MAX;
    return bl_alloc(count, size, err);
}

bool bl_dictionary_net_init(bl_dictionary_net *net, size_t F, size_t d, size_t k, size_t rows, bool half,
                            bl_error *err) {
    size_t threads = (size_t)bl_threads();
    *net = (bl_dictionary_net){.F = F, .d = d, .k = k, .rows = rows, .half = half, .threads = (int)threads};
    net->params = (bl_params){.err = err};
    bl_params_add(&net->params, BL_PARAM_L, 0, F, d, "encoder", NULL);
    bl_params_add(&net->params, BL_PARAM_R, 0, F, d, "decoder", NULL);
    bl_params_add(&net->params, BL_PARAM_P_BIAS, 0, d, 0, "centre", NULL);
    net->params.err = NULL;
    if (net->params.failed) return false;
    const struct {
        void *place;
        size_t count, each, size;
    } parts[] = {{&net->weights, net->params.total, 1, sizeof(float)},
                 {&net->gradient, net->params.total, 1, sizeof(float)},
                 {&net->panels, half ? bl_factor16_size(d, F) : bl_factor_size(d, F), 1, sizeof(float)},
                 {&net->x, rows, d, sizeof(float)},
                 {&net->residual, rows, d, sizeof(float)},
                 {&net->pre, threads * BLOCK, F, sizeof(float)},
                 {&net->best, threads, k, sizeof(bl_scored)},
                 {&net->active, rows, 1, sizeof(size_t)},
                 {&net->feature, rows, k, sizeof(uint32_t)},
                 {&net->z, rows, k, sizeof(float)},
                 {&net->dz, rows, k, sizeof(float)},
                 {&net->begin, F + 1, 1, sizeof(size_t)},
                 {&net->entry, rows, k, sizeof(uint32_t)},
                 {&net->dz_sum, F, 1, sizeof(float)},
                 {&net->losses, rows, 1, sizeof(double)}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        void *block = room(parts[i].count, parts[i].each, parts[i].size, err);
        if (!block) return false;
        memcpy(parts[i].place, &block, sizeof block);
    }
    memset(net->weights, 0, net->params.total * sizeof(float));
    memset(net->gradient, 0, net->params.total * sizeof(float));
    net->encoder = (bl_factor){.w = bl_dictionary_net_encoder(net, net->weights),
                               .panels = net->panels,
                               .K = d,
                               .N = F,
                               .transposed = true,
                               .half = half};
    return true;
}

void bl_dictionary_net_free(bl_dictionary_net *net) {
    void *parts[] = {net->weights, net->gradient, net->panels, net->x,       net->residual,
                     net->pre,     net->best,     net->active, net->feature, net->z,
                     net->dz,      net->begin,    net->entry,  net->dz_sum,  net->losses};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    bl_params_free(&net->params);
    *net = (bl_dictionary_net){0};
}

/* The k largest of a row's pre-activations that are above 0, in the features' order. */
static void choose(bl_dictionary_net *net, const float *pre, size_t row, bl_scored *list) {
    bl_best best = bl_best_begin(list, net->k);
    uint32_t *feature = net->feature + row * net->k;
    float *z = net->z + row * net->k;
    size_t n = 0;
    bl_best_offer_row(&best, 1.0F, pre, net->F, 0);
    for (size_t i = 0; i < best.n; i++) {
        if (!(list[i].value > 0)) continue;
        size_t at = n++; /* k is small: put in order as they come */
        for (; at > 0 && feature[at - 1] > list[i].id; at--) {
            feature[at] = feature[at - 1];
            z[at] = z[at - 1];
        }
        feature[at] = (uint32_t)list[i].id;
        z[at] = list[i].value;
    }
    net->active[row] = n;
}

/* What is left of a row, and the gradient of its activations. */
static void decode(bl_dictionary_net *net, size_t row, float scale) {
    const float *x = net->x + row * net->d, *decoder = bl_dictionary_net_decoder(net, net->weights);
    const uint32_t *feature = net->feature + row * net->k;
    float *r = net->residual + row * net->d;
    double loss = 0;
    for (size_t c = 0; c < net->d; c++) r[c] = -x[c]; /* c cancels: xhat - x = z D - (x - c) */
    for (size_t i = 0; i < net->active[row]; i++) {
        const float *f = decoder + feature[i] * net->d;
        float z = net->z[row * net->k + i];
#pragma omp simd
        for (size_t c = 0; c < net->d; c++) r[c] += z * f[c];
    }
    for (size_t c = 0; c < net->d; c++) {
        loss += (double)r[c] * (double)r[c];
        r[c] *= 2 * scale;
    }
    for (size_t i = 0; i < net->active[row]; i++)
        net->dz[row * net->k + i] = bl_dot(r, decoder + feature[i] * net->d, net->d);
    net->losses[row] = loss;
}

/* This thread's rows. */
static void forward(bl_dictionary_net *net, const float *vectors, const uint32_t *order, size_t n,
                    float scale) {
    size_t d = net->d, thread = (size_t)omp_get_thread_num();
    const float *centre = bl_dictionary_net_centre(net, net->weights);
    float *pre = net->pre + thread * BLOCK * net->F;
#pragma omp for schedule(dynamic, 1)
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t rows = n - begin < BLOCK ? n - begin : BLOCK;
        for (size_t p = begin; p < begin + rows; p++) {
            const float *x = vectors + (size_t)order[p] * d;
            for (size_t c = 0; c < d; c++) net->x[p * d + c] = x[c] - centre[c];
        }
        bl_multiply(&net->encoder, rows, 1.0F, net->x + begin * d, d, false, pre, net->F);
        for (size_t p = 0; p < rows; p++) {
            choose(net, pre + p * net->F, begin + p, net->best + thread * net->k);
            decode(net, begin + p, scale);
        }
    }
}

/* Lists of the rows in which each feature is active, by counting. */
static void list_entries(bl_dictionary_net *net, size_t n) {
    memset(net->begin, 0, (net->F + 1) * sizeof *net->begin);
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < net->active[p]; i++) net->begin[net->feature[p * net->k + i] + 1]++;
    for (size_t f = 0; f < net->F; f++) net->begin[f + 1] += net->begin[f];
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < net->active[p]; i++) {
            size_t at = p * net->k + i;
            net->entry[net->begin[net->feature[at]]++] = (uint32_t)at;
        }
    memmove(net->begin + 1, net->begin, net->F * sizeof *net->begin); /* each has moved to its end */
    net->begin[0] = 0;
}

/* The gradient of feature f's encoder and decoder row. */
static void backward_feature(bl_dictionary_net *net, size_t f) {
    size_t d = net->d;
    float *encoder = bl_dictionary_net_encoder(net, net->gradient) + f * d,
          *decoder = bl_dictionary_net_decoder(net, net->gradient) + f * d, sum = 0;
    memset(encoder, 0, d * sizeof *encoder);
    memset(decoder, 0, d * sizeof *decoder);
    for (size_t i = net->begin[f]; i < net->begin[f + 1]; i++) {
        size_t at = net->entry[i], row = at / net->k;
        const float *x = net->x + row * d, *r = net->residual + row * d;
        float z = net->z[at], dz = net->dz[at];
#pragma omp simd
        for (size_t c = 0; c < d; c++) {
            encoder[c] += dz * x[c];
            decoder[c] += z * r[c];
        }
        sum += dz;
    }
    net->dz_sum[f] = sum;
}

/* This thread's coordinates of dc. */
static void backward_centre(bl_dictionary_net *net, size_t n) {
    bl_range mine = bl_my_part(net->d);
    size_t width = mine.end - mine.begin;
    const float *encoder = bl_dictionary_net_encoder(net, net->weights) + mine.begin,
                *residual = net->residual + mine.begin;
    float *out = bl_dictionary_net_centre(net, net->gradient) + mine.begin;
    memset(out, 0, width * sizeof *out);
    for (size_t p = 0; p < n; p++)
        for (size_t c = 0; c < width; c++) out[c] += residual[p * net->d + c];
    for (size_t f = 0; f < net->F; f++)
        for (size_t c = 0; net->dz_sum[f] != 0 && c < width; c++)
            out[c] -= net->dz_sum[f] * encoder[f * net->d + c];
}

void bl_dictionary_net_run(bl_dictionary_net *net, const float *vectors, const uint32_t *order, size_t n,
                           float scale, double *loss) {
    bl_threads_ready();
#pragma omp parallel num_threads(net->threads)
    {
        bl_factor_pack(&net->encoder);
#pragma omp barrier
        forward(net, vectors, order, n, scale);
#pragma omp single
        list_entries(net, n);
#pragma omp for schedule(dynamic, 8)
        for (size_t f = 0; f < net->F; f++) backward_feature(net, f);
        backward_centre(net, n);
    }
    *loss = 0;
    for (size_t p = 0; p < n; p++) *loss += net->losses[p];
}

void bl_dictionary_net_normalize(bl_dictionary_net *net) {
    float *decoder = bl_dictionary_net_decoder(net, net->weights);
    size_t d = net->d;
    bl_threads_ready();
#pragma omp parallel for schedule(static)
    for (size_t f = 0; f < net->F; f++) {
        float *row = decoder + f * d, norm = sqrtf(bl_dot(row, row, d));
        for (size_t c = 0; norm > 0 && c < d; c++) row[c] /= norm;
    }
}
