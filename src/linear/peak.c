#include "linear/peak.h"
#include "base/memory.h"
#include "linear/gemm.h"
#include <stdlib.h>

#define SIZE ((size_t)1024)
#define ROUNDS 8

double bl_sgemm_peak(void) {
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
        {
            float *a = data + (size_t)omp_get_thread_num() * 3 * each, *b = a + each, *c = b + each;
            bl_gemm_nn(SIZE, SIZE, SIZE, 1, a, SIZE, b, SIZE, 0, c, SIZE);
        }
        double speed =
            (double)threads * 2 * (double)SIZE * (double)SIZE * (double)SIZE / (omp_get_wtime() - begin);
        if (speed > best) best = speed;
    }
    free(data);
    return best;
}
