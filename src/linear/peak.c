#include "linear/peak.h"
#include "base/memory.h"
#include "linear/product16.h"
#include <math.h>
#include <stdlib.h>

#define SIZE ((size_t)1024)
#define ROUNDS 8

/* One thread's product of SIZE^3 at data [3, SIZE, SIZE]: a, b (or b's panels), c. */
typedef void (*product_fn)(float *data);

static void product32(float *data) {
    float *b = data + SIZE * SIZE, *c = b + SIZE * SIZE;
    bl_gemm_nn(SIZE, SIZE, SIZE, 1, data, SIZE, b, SIZE, 0, c, SIZE);
}

static void product16(float *data) { /* any panels are as good as others: these too */
    bl_factor f = {.panels = data + SIZE * SIZE, .K = SIZE, .N = SIZE};
    bl_multiply16(&f, SIZE, 1, data, SIZE, false, data + 2 * SIZE * SIZE, SIZE);
}

static double peak(product_fn product) {
    size_t threads = (size_t)omp_get_max_threads(), each = SIZE * SIZE;
    float *data = bl_alloc(threads * 3 * each, sizeof *data, NULL);
    double best = 0;
    if (!data) return 0;
#pragma omp parallel
    {
        float *a = data + (size_t)omp_get_thread_num() * 3 * each;
        for (size_t i = 0; i < 2 * each; i++) a[i] = (float)(i % 17) * 0.1F;
    }
    for (int round = 0; round < ROUNDS; round++) {
        double begin = omp_get_wtime();
#pragma omp parallel
        product(data + (size_t)omp_get_thread_num() * 3 * each);
        double speed =
            (double)threads * 2 * (double)SIZE * (double)SIZE * (double)SIZE / (omp_get_wtime() - begin);
        if (speed > best) best = speed;
    }
    free(data);
    return best;
}

double bl_sgemm_peak(void) { return peak(product32); }
double bl_product16_peak(void) { return bl_product16_possible() ? peak(product16) : 0; }

/* Seconds of one product of 252 x 256 rows with 256 x 512, as a training step makes them. */
static double one_product(bool half, float *data) {
    float *weight =
        data + 256 * 256; /* its numbers do not matter: the panels, or where there are none the weight */
    bl_factor f = {.w = weight, .panels = weight, .K = 256, .N = 512, .half = half};
    float *c = weight + 256 * 512;
    double begin = omp_get_wtime();
    bl_multiply(&f, 252, 1, data, 256, false, c, 512);
    return omp_get_wtime() - begin;
}

bool bl_product16_faster(double *full, double *half) {
    size_t n = 256 * 256 + 256 * 512 + 256 * 512;
    double work = 2.0 * 252 * 256 * 512, best[2] = {1e9, 1e9};
    float *data = bl_alloc(n, sizeof *data, NULL);
    *full = *half = 0;
    if (!data) return false;
    for (size_t i = 0; i < n; i++) data[i] = 0.1F;
    for (int round = 0; round < 100; round++)
        for (int kind = 0; kind < (bl_product16_possible() ? 2 : 1); kind++)
            best[kind] = fmin(best[kind], one_product(kind, data));
    free(data);
    *full = work / best[0];
    *half = bl_product16_possible() ? work / best[1] : 0;
    return *half > *full;
}
