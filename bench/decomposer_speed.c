/* Processor seconds (of all threads together) a direction of a batch, with B held and without, against one bl_eigen_new after the other: one JSON line a way.
 *
 *     decomposer_speed MODEL [DIRECTIONS] [PAIRS]
 */
#include <bilens/bilens.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool batch(const bl_model *model, const float *u, size_t m, size_t k, size_t expected, bl_eigen **out, bl_error *err) {
    bl_decomposer_options options = {.directions = expected};
    double t0 = now();
    bl_decomposer *z = bl_decomposer_new(model, 0, &options, err);
    double t1 = now();
    bool ok = z && bl_decomposer_run(z, u, m, k, out, err);
    double t2 = now();
    if (ok) {
        printf("{\"way\": \"%s\", \"directions\": %zu, \"prepare\": %.4f, \"a_direction\": %.6f}\n",
               bl_decomposer_held(z) ? "B held" : "from L and R", m, t1 - t0, (t2 - t1) / (double)m);
        fflush(stdout);
        for (size_t i = 0; i < m; i++) bl_eigen_free(out[i]);
    }
    bl_decomposer_free(z);
    return ok;
}

int main(int argc, char **argv) {
    bl_error err = {0};
    bl_model *model = argc > 1 ? bl_model_load(argv[1], &err) : NULL;
    size_t m = argc > 2 ? strtoul(argv[2], NULL, 10) : 64, k = argc > 3 ? strtoul(argv[3], NULL, 10) : 4;
    bl_eigen **out = calloc(m, sizeof *out);
    if (!model || !out || m > bl_model_config(model)->n_vocab) {
        fprintf(stderr, "usage: decomposer_speed MODEL [DIRECTIONS] [PAIRS]\n%s\n", err.message);
        return 2;
    }
    bl_view w_u = bl_model_w_u(model);
    double t0 = now();
    bool ok = true;
    size_t few = m < 32 ? m : 32;
    for (size_t i = 0; ok && i < few; i++) {
        bl_eigen *eigen = bl_eigen_new(model, 0, w_u.data + i * w_u.stride, k, &err);
        ok = eigen != NULL;
        bl_eigen_free(eigen);
    }
    printf("{\"way\": \"one by one\", \"directions\": %zu, \"prepare\": 0, \"a_direction\": %.6f}\n", few, (now() - t0) / (double)few);
    ok = ok && batch(model, w_u.data, m, k, 0, out, &err) && batch(model, w_u.data, m, k, w_u.rows, out, &err);
    if (!ok) fprintf(stderr, "decomposer_speed: %s\n", err.message);
    free(out);
    bl_model_free(model);
    return ok ? 0 : 1;
}
