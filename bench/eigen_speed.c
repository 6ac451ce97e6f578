/* Seconds of the decomposition's parts for one direction, one JSON line a repetition, for bench/run.sh to lay
 * beside the reference's.
 *
 *     eigen_speed MODEL TOKEN [REPETITIONS]
 */
#include <bilens/bilens.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    bl_error err = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: eigen_speed MODEL TOKEN [REPETITIONS]\n");
        return 2;
    }
    bl_model *model = bl_model_load(argv[1], &err);
    if (!model) {
        fprintf(stderr, "eigen_speed: %s\n", err.message);
        return 1;
    }
    size_t d = bl_model_config(model)->d_model, n = bl_interaction_size(model),
           V = bl_model_config(model)->n_vocab;
    float *u = calloc(d, sizeof *u), *q = calloc(n * n, sizeof *q),
          *rows = calloc((1 + bl_model_config(model)->n_head) * V, sizeof *rows);
    bl_direction direction = {.token = argv[2]};
    bl_basis basis = bl_model_basis_out(model);
    bool ok = u && q && rows && bl_direction_vector(&direction, &basis, u, &err);
    for (long i = 0, times = argc > 3 ? atol(argv[3]) : 5; ok && i < times; i++) {
        double t0 = now();
        ok = bl_interaction_matrix(model, 0, u, q, &err);
        double t1 = now();
        bl_eigen *all = bl_eigen_new(model, 0, u, 0, &err);
        double t2 = now();
        bl_eigen *ends = bl_eigen_new(model, 0, u, 4, &err);
        double t3 = now();
        ok = ok && all && ends && bl_virtual_tokens(model, 0, bl_eigen_vector(all, -1), rows, &err);
        double t4 = now();
        printf("{\"interaction\": %.6f, \"interaction+eigh\": %.6f, \"interaction+extremes\": %.6f, "
               "\"virtual_tokens\": %.6f}\n",
               t1 - t0, t2 - t1, t3 - t2, t4 - t3);
        bl_eigen_free(all);
        bl_eigen_free(ends);
    }
    if (!ok) fprintf(stderr, "eigen_speed: %s\n", err.message);
    free(u);
    free(q);
    free(rows);
    bl_model_free(model);
    return ok ? 0 : 1;
}
