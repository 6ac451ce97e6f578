/* bilens' side of the benchmark of image training: whole steps of the recipe (forward, backward, AdamW, noise).
 *
 *     image_speed IMAGES WIDTH NOISE BATCH STEPS [bf16]
 *     image_speed peak                                     FLOP/s of one thread's products in both precisions
 *
 * IMAGES: folder with the four MNIST files. OMP_NUM_THREADS threads. Prints one JSON line: images per second of
 * the best step, by the wall clock and by processor time (of all threads; for a busy machine); 0
 * where the processor multiplies no bfloat16. */
#include "base/random.h"
#include "linear/noise.h"
#include "linear/peak.h"
#include "train/adamw.h"
#include "train/image_net.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double processor_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void print_peaks(void) {
    double full, half;
    bl_product16_faster(&full, &half);
    printf("{\"float32\": %.6g, \"bfloat16\": %.6g}\n", full, half);
}

int main(int argc, char **argv) {
    bool half = argc == 7 && strcmp(argv[6], "bf16") == 0;
    if (argc == 2 && strcmp(argv[1], "peak") == 0) {
        print_peaks();
        return 0;
    }
    if (argc != 6 && !half) {
        fprintf(stderr, "usage: image_speed IMAGES WIDTH NOISE BATCH STEPS [bf16]\n");
        return 2;
    }
    if (half && !bl_product16_possible()) {
        printf("{\"images_per_second\": 0}\n");
        return 0;
    }
    bl_error err = {0};
    size_t B = strtoul(argv[4], NULL, 10), steps = strtoul(argv[5], NULL, 10), right;
    bl_image_config config = {.d_input = 784,
                              .d_hidden = strtoul(argv[2], NULL, 10),
                              .d_output = 10,
                              .n_layer = 1,
                              .shape = {1, 28, 28}};
    bl_image_net net = {0};
    bl_image_model *model = bl_image_new(&config, "bench", &err); /* for the sizes alone */
    bl_images *images = model ? bl_images_open(model, argv[1], NULL, "train", &err) : NULL;
    if (!images || !bl_image_net_init(&net, &config, &err)) {
        fprintf(stderr, "image_speed: %s\n", err.message);
        return 1;
    }
    net.half = half;
    bl_image_net_randomize(&net, 42);
    size_t n = bl_images_count(images), total = net.params.total;
    float *m = calloc(total, sizeof *m), *v = calloc(total, sizeof *v);
    uint32_t *order = calloc(n, sizeof *order);
    if (!m || !v || !order || B > n) return 1;
    bl_random_order(1, order, n);
    double wall = 1e9, processor = 1e9, loss;
    for (size_t step = 0; step < steps; step++) {
        double begin = omp_get_wtime(), used = processor_seconds();
        bl_image_batch batch = {.images = images,
                                .order = order + step * B % (n - B + 1),
                                .n = B,
                                .noise = strtof(argv[3], NULL),
                                .key = bl_noise_key(42, step, 2),
                                .scale = 1.0F / (float)B};
        if (!bl_image_net_run(&net, &batch, true, &loss, &right, &err)) return 1;
        bl_adamw adamw = {.lr = 1e-3F,
                          .beta1 = 0.9F,
                          .beta2 = 0.999F,
                          .epsilon = 1e-8F,
                          .decay = 0.5F,
                          .decay_all = true,
                          .step = step + 1,
                          .gradient_scale = 1};
        bl_adamw_step(&adamw, &net.params, net.weights, net.gradient, m, v);
        begin = omp_get_wtime() - begin;
        used = processor_seconds() - used;
        if (begin < wall) wall = begin;
        if (used < processor) processor = used;
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf(
        "{\"images_per_second\": %.0f, \"images_per_processor_second\": %.0f, \"loss\": %.4f, \"mb\": %.0f}\n",
        (double)B / wall, (double)B / processor, loss / (double)B, (double)usage.ru_maxrss / 1024);
    free(m), free(v), free(order);
    bl_images_free(images);
    bl_image_free(model);
    bl_image_net_free(&net);
    return 0;
}
