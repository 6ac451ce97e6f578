/* bilens' side of the training benchmark: random weights, random token ids, whole AdamW steps.
 *
 *     train_speed D_MODEL D_HIDDEN HEADS LAYERS VOCAB STORIES CONTEXT NOISE STEPS
 *
 * Prints one JSON line: {"tokens_per_second", "seconds_per_step", "flops_per_token", "peak", "share_of_peak", "loss", "threads"}. The time is the
 * median of STEPS steps after three. flops: 6 N + 6 L T d a token (train/net.h); peak: the best of ten 1536^3 products, one a thread. */
#include "train/adamw.h"
#include "train/gemm.h"
#include "train/net.h"
#include "train/peak.h"
#include <stdio.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 10) {
        fprintf(stderr, "usage: train_speed D_MODEL D_HIDDEN HEADS LAYERS VOCAB STORIES CONTEXT NOISE STEPS\n");
        return 2;
    }
    size_t number[10] = {0};
    for (int i = 1; i < 10; i++) number[i] = strtoul(argv[i], NULL, 10);
    size_t stories = number[6], T = number[7], n = T - 1, steps = number[9];
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
    bl_net_randomize(&net, 1);
    float *m = calloc(net.params.total, sizeof *m), *v = calloc(net.params.total, sizeof *v);
    int32_t *input = calloc(stories * n, sizeof *input), *target = calloc(stories * n, sizeof *target);
    uint32_t *position = calloc(stories * n, sizeof *position);
    uint64_t *row = calloc(stories * n, sizeof *row);
    size_t *start = calloc(stories + 1, sizeof *start);
    double *seconds = calloc(steps, sizeof *seconds), loss = 0, peak = bl_sgemm_peak();
    for (size_t step = 0; step < steps + 3; step++) {
        for (size_t r = 0; r < stories * n; r++) {
            input[r] = rand() % (int)config.n_vocab;
            target[r] = rand() % (int)config.n_vocab;
            position[r] = (uint32_t)(r % n);
            row[r] = r;
        }
        for (size_t s = 0; s <= stories; s++) start[s] = s * n;
        bl_minibatch batch = {input, target, position, row, start, stories, stories * n, n};
        bl_pass pass = {.backward = true, .noise = true, .scale = 1.0F / (float)(stories * n), .seed = 1, .step = step};
        double begin = omp_get_wtime();
        if (!bl_net_run(&net, &batch, &pass, &loss, &err)) return 1;
        double norm = bl_gradient_norm(&net.params, net.gradient);
        bl_adamw adamw = {1e-3F, 0.9F, 0.999F, 1e-8F, 0.1F, step + 1, norm > 1 ? (float)(1 / norm) : 1.0F};
        bl_adamw_step(&adamw, &net.params, net.weights, net.gradient, m, v);
        if (step >= 3) seconds[step - 3] = omp_get_wtime() - begin;
    }
    qsort(seconds, steps, sizeof *seconds, by_value);
    double time = seconds[steps / 2], speed = (double)(stories * T) / time, flops = bl_net_flops(&config, (double)T);
    printf("{\"tokens_per_second\": %.0f, \"seconds_per_step\": %.5f, \"flops_per_token\": %.0f, \"peak\": %.4g, \"share_of_peak\": %.3f, "
           "\"loss\": %.5f, \"threads\": %d}\n",
           speed, time, flops, peak, speed * flops / peak, loss / (double)(stories * n), omp_get_max_threads());
    free(m), free(v), free(input), free(target), free(position), free(row), free(start), free(seconds);
    bl_net_free(&net);
    return 0;
}
