/* The atlas's scan beside one large sgemm: processor seconds of all threads, GFLOP/s a core, share of the
 * sgemm's, seconds on the wall. One JSON line.
 *
 * Then the sweep that makes the atlas's effects too, both passes, and how many times the seconds it takes.
 *
 *     sweep_speed MODEL [VECTORS] [STORIES] [TOKENS] [POSITIONS]      default 32768 512 200
 *
 * POSITIONS: of the corpus of which these stories are taken to be a part (default: they are all of it); of a
 * large one the null draw's pairs meet a sample only.
 */
#include "atlas/best_inputs.h"
#include "base/random.h"
#include "evidence/effect.h"
#include <bilens/bilens.h>
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double read_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static double now(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

/* GFLOP/s of a square product, the best of five. */
static double peak(const float *x, float *out, int n) {
    double best = 1e30;
    for (int i = 0; i < 5; i++) {
        double t = now();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, n, 1.0F, x, n, x, n, 0.0F, out, n);
        t = now() - t;
        if (t < best) best = t;
    }
    return 2e-9 * n * n * n / best;
}

static void offer(void *context, size_t j, size_t i, const float *similarity, size_t n) {
    bl_hits_offer_run(context, j, (uint32_t)i, similarity, 0, n, 0);
}

/* Processor seconds of the sweep that makes the effects too, both of its passes. */
static double with_effects(const bl_model *model, const float *v, size_t J, const int32_t *const *ids,
                           const size_t *lengths, size_t stories, size_t at_once, uint64_t positions,
                           bl_hits *hits, bl_error *err) {
    size_t d = bl_model_config(model)->d_model, V = bl_model_config(model)->n_vocab, per = J / V, count;
    int32_t *tokens = calloc(V, sizeof *tokens);
    float *u = calloc(V * d, sizeof *u);
    double *lambda = calloc(J, sizeof *lambda), seconds = -1;
    for (size_t t = 0; t < V; t++) tokens[t] = (int32_t)t;
    for (size_t i = 0; i < V * d; i++) u[i] = v[i];
    for (size_t j = 0; j < J; j++) lambda[j] = 0.001;
    const bl_effect_pairs pairs = {model, V, per, tokens, u, v, lambda, v, lambda, positions};
    bl_effects *e = bl_effects_new(&pairs, lengths[0], err);
    const double *second = e ? bl_effects_second(e, &count) : NULL;
    double *total = e ? calloc(count, sizeof *total) : NULL, begin = now();
    bool ok = total != NULL;
    for (size_t i = 0; ok && i < stories; i += at_once) {
        ok = bl_effects_measure(e, ids + i, lengths + i, stories - i < at_once ? stories - i : at_once, err);
        for (size_t k = 0; k < count; k++) total[k] += second[k];
    }
    ok = ok && bl_effects_means(e, total, err);
    for (size_t i = 0; ok && i < stories; i += at_once)
        ok = bl_effects_add(e, i, ids + i, lengths + i, stories - i < at_once ? stories - i : at_once, offer,
                            hits, err);
    if (ok) seconds = now() - begin;
    bl_effects_free(e);
    free(total);
    free(tokens);
    free(u);
    free(lambda);
    return seconds;
}

int main(int argc, char **argv) {
    bl_error err = {0};
    bl_model *model = argc > 1 ? bl_model_load(argv[1], &err) : NULL;
    size_t J = argc > 2 ? strtoul(argv[2], NULL, 10) : 32768,
           stories = argc > 3 ? strtoul(argv[3], NULL, 10) : 512,
           T = argc > 4 ? strtoul(argv[4], NULL, 10) : 200,
           corpus = argc > 5 ? strtoul(argv[5], NULL, 10) : stories * T;
    if (!model || T == 0 || T > bl_model_config(model)->n_ctx) {
        fprintf(stderr, "usage: sweep_speed MODEL [VECTORS] [STORIES] [TOKENS] [POSITIONS]\n%s\n",
                err.message);
        return 2;
    }
    size_t n = bl_interaction_size(model), d = bl_model_config(model)->d_model,
           at_once = bl_best_inputs_chunk() / T;
    float *v = calloc(J * n + 2048 * 2048, sizeof *v), *out = calloc(2048 * 2048, sizeof *out);
    int32_t *ids = calloc(stories * T, sizeof *ids);
    const int32_t **lists = calloc(stories, sizeof *lists);
    size_t *lengths = calloc(stories, sizeof *lengths);
    bl_random random;
    bl_random_seed(&random, 1);
    for (size_t i = 0; i < J * n; i++) v[i] = (float)bl_random_normal(&random);
    for (size_t i = 0; i < stories * T; i++)
        ids[i] = (int32_t)bl_random_below(&random, bl_model_config(model)->n_vocab);
    for (size_t i = 0; i < stories; i++) lists[i] = ids + i * T, lengths[i] = T;
    bl_hits hits, none;
    bl_best_inputs *sweep = bl_best_inputs_new(model, 0, v, J, &err),
                   *empty = bl_best_inputs_new(model, 0, v, 1, &err);
    bool ok = sweep && empty && bl_hits_init(&hits, J, 8, &err) && bl_hits_init(&none, 1, 8, &err);
    double seconds[2] = {0, 0}, wall = 0;
    for (size_t i = 0; ok && i < stories; i += at_once) {
        size_t count = stories - i < at_once ? stories - i : at_once;
        double t0 = now(), w0 = read_clock(CLOCK_MONOTONIC);
        ok = bl_best_inputs_run(sweep, (uint32_t)i, lists + i, lengths + i, count, &hits, &err);
        double t1 = now();
        wall += read_clock(CLOCK_MONOTONIC) - w0;
        ok = ok && bl_best_inputs_run(empty, (uint32_t)i, lists + i, lengths + i, count, &none,
                                      &err); /* mlp_in alone */
        seconds[0] += t1 - t0;
        seconds[1] += now() - t1;
    }
    double effects = ok && J >= bl_model_config(model)->n_vocab && T > 1
                       ? with_effects(model, v, J, lists, lengths, stories, at_once, corpus, &hits, &err)
                       : -1;
    double most = peak(v, out, 2048), flops = 2e-9 * (double)(stories * T) * (double)J * (double)d;
    if (ok)
        printf("{\"vectors\": %zu, \"positions\": %zu, \"seconds\": %.3f, \"of it mlp_in\": %.3f, "
               "\"gflops\": %.1f, \"sgemm\": %.1f, \"share\": %.3f, \"wall\": %.3f, "
               "\"with effects\": %.3f, \"times\": %.3f}\n",
               J, stories * T, seconds[0], seconds[1], flops / seconds[0], most, flops / seconds[0] / most,
               wall, effects, effects / seconds[0]);
    else fprintf(stderr, "sweep_speed: %s\n", err.message);
    return ok ? 0 : 1;
}
