/* Training steps of a TopK dictionary on random vectors, as bench/dictionary.py asks:
 *
 *   dictionary_speed F D K BATCH STEPS f32|bf16 VECTORS.f32
 *
 * VECTORS.f32: N vectors [N, D], float32, N >= BATCH. Prints JSON {"losses": [...], "seconds", "processor": per step}. */
#include "linear/noise.h"
#include "train/adamw.h"
#include "train/dictionary_net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv) {
    if (argc != 8) return 2;
    size_t F = strtoul(argv[1], NULL, 10), D = strtoul(argv[2], NULL, 10), K = strtoul(argv[3], NULL, 10),
           batch = strtoul(argv[4], NULL, 10), steps = strtoul(argv[5], NULL, 10), N;
    FILE *file = fopen(argv[7], "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) return 1;
    N = (size_t)ftell(file) / (D * sizeof(float));
    rewind(file);
    float *x = malloc(N * D * sizeof *x);
    uint32_t *order = malloc(batch * sizeof *order);
    bl_dictionary_net net;
    bl_error err = {0};
    if (!x || !order || fread(x, D * sizeof *x, N, file) != N ||
        !bl_dictionary_net_init(&net, F, D, K, batch, strcmp(argv[6], "bf16") == 0, &err))
        return 1;
    fclose(file);
    float *decoder = bl_dictionary_net_decoder(&net, net.weights),
          *centre = bl_dictionary_net_centre(&net, net.weights);
    float *m = calloc(net.params.total, sizeof *m), *v = calloc(net.params.total, sizeof *v);
    if (!m || !v) return 1;
    for (size_t c = 0; c < D; c++) {
        double sum = 0;
        for (size_t i = 0; i < N; i++) sum += (double)x[i * D + c];
        centre[c] = (float)(sum / (double)N);
    }
    for (size_t f = 0; f < F; f++) /* the peer starts from the same rows */
        for (size_t c = 0; c < D; c++) decoder[f * D + c] = x[f * 7919 % N * D + c] - centre[c];
    bl_dictionary_net_normalize(&net);
    memcpy(bl_dictionary_net_encoder(&net, net.weights), decoder, F * D * sizeof *decoder);
    printf("{\"losses\": [");
    double begun = 0, processor = 0;
    for (size_t t = 0; t < steps + 2; t++) { /* two to warm up */
        double loss;
        if (t == 2) begun = omp_get_wtime(), processor = (double)clock() / CLOCKS_PER_SEC;
        for (size_t i = 0; i < batch; i++) order[i] = (uint32_t)((t * batch + i) * 31 % N);
        bl_dictionary_net_run(&net, x, order, batch, 1.0F / (float)batch, &loss);
        bl_adamw adam = {
            .lr = 1e-3F, .beta1 = .9F, .beta2 = .999F, .epsilon = 1e-8F, .step = t + 1, .gradient_scale = 1};
        bl_gradient_norm(&net.params, net.gradient); /* a run logs it */
        bl_adamw_step(&adam, &net.params, net.weights, net.gradient, m, v);
        bl_dictionary_net_normalize(&net);
        printf("%s%.9g", t ? ", " : "", loss / (double)batch);
    }
    printf("], \"seconds\": %.6g, \"processor\": %.6g}\n", (omp_get_wtime() - begun) / (double)steps,
           ((double)clock() / CLOCKS_PER_SEC - processor) / (double)steps);
    bl_dictionary_net_free(&net);
    free(m);
    free(v);
    free(x);
    free(order);
    return 0;
}
