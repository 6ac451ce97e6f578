/* bilens' side of the training benchmark: whole AdamW steps on one batch.
 *
 *     train_speed D_MODEL D_HIDDEN HEADS LAYERS VOCAB STORIES CONTEXT NOISE STEPS FILE [bf16]
 *
 * Initial weights and the batch are read from FILE, which train_reference.py wrote: both sides begin alike
 * and have to arrive at the same loss. Prints one JSON line; the time is the median of STEPS steps after
 * three. flops: 6 N + 6 L T d per token (train/net.h); peak: of the products, as linear/peak.h measures it;
 * 0 tokens per second where the processor multiplies no bfloat16. */
#include "train/adamw.h"
#include "linear/gemm.h"
#include "train/net.h"
#include "linear/peak.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Weights and ids of `file` into the net and the batch. */
static bool read_start(const char *path, bl_net *net, int32_t *ids, size_t n) {
    FILE *file = fopen(path, "rb");
    bool ok = file != NULL;
    for (size_t p = 0; ok && p < net->params.n; p++)
        ok = fread(net->weights + net->params.list[p].offset, sizeof(float), net->params.list[p].count,
                   file) == net->params.list[p].count;
    ok = ok && fread(ids, sizeof *ids, n, file) == n;
    if (file) fclose(file);
    return ok;
}

int main(int argc, char **argv) {
    bool half = argc == 12 && strcmp(argv[11], "bf16") == 0;
    if (argc != 11 && !half) {
        fprintf(
            stderr,
            "usage: train_speed D_MODEL D_HIDDEN HEADS LAYERS VOCAB STORIES CONTEXT NOISE STEPS FILE [bf16]\n");
        return 2;
    }
    if (half && !bl_product16_possible()) {
        printf("{\"tokens_per_second\": 0}\n");
        return 0;
    }
    size_t number[10] = {0};
    for (int i = 1; i < 10; i++) number[i] = strtoul(argv[i], NULL, 10);
    size_t stories = number[6], T = number[7], n = T - 1, rows = stories * n, steps = number[9];
    bl_config config = {.n_vocab = number[5],
                        .n_layer = number[4],
                        .n_head = number[3],
                        .n_ctx = T,
                        .d_model = number[1],
                        .d_hidden = number[2],
                        .noise = strtof(argv[8], NULL)};
    bl_net net;
    bl_error err;
    if (!bl_net_init(&net, &config, &err)) {
        fprintf(stderr, "train_speed: %s\n", err.message);
        return 1;
    }
    float *m = calloc(net.params.total, sizeof *m), *v = calloc(net.params.total, sizeof *v);
    int32_t *ids = calloc(stories * T, sizeof *ids), *input = calloc(rows, sizeof *input),
            *target = calloc(rows, sizeof *target);
    uint32_t *position = calloc(rows, sizeof *position);
    uint64_t *row = calloc(rows, sizeof *row);
    size_t *start = calloc(stories + 1, sizeof *start);
    double *seconds = calloc(steps, sizeof *seconds), loss = 0,
           peak = half ? bl_product16_peak() : bl_sgemm_peak();
    if (!read_start(argv[10], &net, ids, stories * T)) {
        fprintf(stderr, "train_speed: %s: cannot be read\n", argv[10]);
        return 1;
    }
    for (size_t r = 0; r < rows; r++) {
        input[r] = ids[r / n * T + r % n];
        target[r] = ids[r / n * T + r % n + 1];
        position[r] = (uint32_t)(r % n);
        row[r] = r;
    }
    for (size_t s = 0; s <= stories; s++) start[s] = s * n;
    bl_minibatch batch = {input, target, position, row, start, stories, rows, n};
    for (size_t step = 0; step < steps + 3; step++) {
        bl_pass pass = {.backward = true,
                        .half = half,
                        .noise = true,
                        .scale = 1.0F / (float)rows,
                        .seed = 1,
                        .step = step};
        double begin = omp_get_wtime();
        if (!bl_net_run(&net, &batch, &pass, &loss, &err)) return 1;
        double norm = bl_gradient_norm(&net.params, net.gradient);
        bl_adamw adamw = {.lr = 1e-3F,
                          .beta1 = 0.9F,
                          .beta2 = 0.999F,
                          .epsilon = 1e-8F,
                          .decay = 0.1F,
                          .step = step + 1,
                          .gradient_scale = norm > 1 ? (float)(1 / (norm + 1e-6)) : 1.0F};
        bl_adamw_step(&adamw, &net.params, net.weights, net.gradient, m, v);
        if (step >= 3) seconds[step - 3] = omp_get_wtime() - begin;
    }
    qsort(seconds, steps, sizeof *seconds, by_value);
    double time = seconds[steps / 2], speed = (double)(stories * T) / time,
           flops = bl_net_flops(&config, (double)T);
    printf("{\"tokens_per_second\": %.0f, \"seconds_per_step\": %.5f, \"flops_per_token\": %.0f, \"peak\": "
           "%.4g, \"share_of_peak\": %.3f, "
           "\"loss\": %.6f, \"threads\": %d}\n",
           speed, time, flops, peak, speed * flops / peak, loss / (double)rows, omp_get_max_threads());
    free(m), free(v), free(ids), free(input), free(target), free(position), free(row), free(start),
        free(seconds);
    bl_net_free(&net);
    return 0;
}
