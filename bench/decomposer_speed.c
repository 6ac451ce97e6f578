/* Seconds per direction of a batch, with B held and without, against one bl_eigen_new after the other: one
 * JSON line a way. Processor seconds of all threads together, and those of the clock on the wall; and the
 * directions' lowest and highest eigenvalues, to be compared.
 *
 *     decomposer_speed MODEL [DIRECTIONS] [PAIRS] [held]      held: only with B held, as the atlas does where
 * there is room
 */
#include <bilens/bilens.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static double processor(void) { return now(CLOCK_PROCESS_CPUTIME_ID); }
static double wall(void) { return now(CLOCK_MONOTONIC); }

static bool batch(const bl_model *model, const float *u, size_t m, size_t k, size_t expected, bl_eigen **out,
                  bl_error *err) {
    bl_decomposer_options options = {.directions = expected};
    double t0 = processor(), w0 = wall();
    bl_bilinear map;
    bl_decomposer *z = bl_model_bilinear(model, 0, &map, err) ? bl_decomposer_new(&map, &options, err) : NULL;
    double t1 = processor(), w1 = wall();
    bool ok = z && bl_decomposer_run(z, u, m, k, out, err);
    double t2 = processor(), w2 = wall();
    if (ok) {
        printf("{\"way\": \"%s\", \"directions\": %zu, \"prepare\": %.4f, \"a_direction\": %.6f, "
               "\"wall_prepare\": %.4f, "
               "\"wall_a_direction\": %.6f, \"extremes\": [",
               bl_decomposer_held(z) ? "B held" : "from L and R", m, t1 - t0, (t2 - t1) / (double)m, w1 - w0,
               (w2 - w1) / (double)m);
        for (size_t i = 0; i < m; i++) {
            const float *values = bl_eigen_values(out[i]);
            printf("%s[%.9g, %.9g]", i ? ", " : "", (double)values[0],
                   (double)values[bl_eigen_size(out[i]) - 1]);
            bl_eigen_free(out[i]);
        }
        printf("]}\n");
        fflush(stdout);
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
        fprintf(stderr, "usage: decomposer_speed MODEL [DIRECTIONS] [PAIRS] [held]\n%s\n", err.message);
        return 2;
    }
    bl_view w_u = bl_model_w_u(model);
    bool ok = true, held = argc > 4 && strcmp(argv[4], "held") == 0;
    double t0 = processor();
    size_t few = held ? 0 : m < 32 ? m : 32;
    for (size_t i = 0; ok && i < few; i++) {
        bl_eigen *eigen = bl_eigen_new(model, 0, w_u.data + i * w_u.stride, k, &err);
        ok = eigen != NULL;
        bl_eigen_free(eigen);
    }
    if (!held)
        printf("{\"way\": \"one by one\", \"directions\": %zu, \"prepare\": 0, \"a_direction\": %.6f}\n", few,
               (processor() - t0) / (double)few);
    ok = ok && (held || batch(model, w_u.data, m, k, 0, out, &err)) &&
         batch(model, w_u.data, m, k, w_u.rows, out, &err);
    if (!ok) fprintf(stderr, "decomposer_speed: %s\n", err.message);
    free(out);
    bl_model_free(model);
    return ok ? 0 : 1;
}
