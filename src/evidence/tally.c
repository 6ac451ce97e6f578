/* The bootstrap over stories (docs/specification.md, 13): positions of one story are not independent, so
 * whole stories are drawn with replacement and every mean is a ratio of sums over the drawn stories. */
#include "evidence/outcome.h"
#include "base/memory.h"
#include "base/random.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOSS, OWN, OTHERS, KL, N_MEANS };

void bl_tally_add(bl_tally *t, const bl_outcome *o) {
    t->n++;
    t->before += o->before;
    t->after += o->after;
    t->kl += o->kl;
    t->changed += o->changed;
    if (!o->own) return;
    t->own_n++;
    t->own_before += o->before;
    t->own_after += o->after;
}

static void add(bl_tally *sum, const bl_tally *t) {
    sum->n += t->n;
    sum->before += t->before;
    sum->after += t->after;
    sum->own_n += t->own_n;
    sum->own_before += t->own_before;
    sum->own_after += t->own_after;
    sum->kl += t->kl;
    sum->changed += t->changed;
}

static double ratio(double sum, double n) { return n > 0 ? sum / n : NAN; }

static void means(const bl_tally *t, double out[N_MEANS]) {
    out[LOSS] = ratio(t->after - t->before, t->n);
    out[OWN] = ratio(t->own_after - t->own_before, t->own_n);
    out[OTHERS] = ratio(t->after - t->own_after - t->before + t->own_before, t->n - t->own_n);
    out[KL] = ratio(t->kl, t->n);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The percentiles of the values that are numbers; NaN where there are none. */
static void interval(double *values, size_t n, double *low, double *high) {
    size_t numbers = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i])) values[numbers++] = values[i];
    *low = *high = NAN;
    if (numbers == 0) return;
    qsort(values, numbers, sizeof *values, ascending);
    *low = values[(size_t)floor(0.025 * (double)(numbers - 1))];
    *high = values[(size_t)ceil(0.975 * (double)(numbers - 1))];
}

static bl_ablated_loss loss_of(double n, double before, double after) {
    return (bl_ablated_loss){(uint64_t)n, ratio(before, n), ratio(after, n), NAN, NAN};
}

bool bl_tally_summary(const bl_tally *tallies, size_t stories, size_t stride, size_t resamples, uint64_t seed,
                      bl_ablated *out, bl_error *err) {
    bl_tally sum = {0};
    double *values = bl_alloc(N_MEANS * resamples, sizeof *values, err), drawn[N_MEANS];
    if (!values) return false;
    bl_random random;
    bl_random_seed(&random, seed);
    for (size_t r = 0; r < resamples; r++) {
        sum = (bl_tally){0};
        for (size_t i = 0; i < stories; i++) add(&sum, &tallies[bl_random_below(&random, stories) * stride]);
        means(&sum, drawn);
        for (size_t m = 0; m < N_MEANS; m++) values[m * resamples + r] = drawn[m];
    }
    sum = (bl_tally){0};
    for (size_t i = 0; i < stories; i++) add(&sum, &tallies[i * stride]);
    out->loss = loss_of(sum.n, sum.before, sum.after);
    out->own = loss_of(sum.own_n, sum.own_before, sum.own_after);
    out->others = loss_of(sum.n - sum.own_n, sum.before - sum.own_before, sum.after - sum.own_after);
    out->kl = ratio(sum.kl, sum.n);
    out->changed = ratio(sum.changed, sum.n);
    interval(values + LOSS * resamples, resamples, &out->loss.low, &out->loss.high);
    interval(values + OWN * resamples, resamples, &out->own.low, &out->own.high);
    interval(values + OTHERS * resamples, resamples, &out->others.low, &out->others.high);
    interval(values + KL * resamples, resamples, &out->kl_low, &out->kl_high);
    free(values);
    return true;
}
