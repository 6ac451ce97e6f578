/* One prediction before and after (docs/specification.md, 11, 12). KL(p || p') = E_p[l - l'] - log Z + log
 * Z'. */
#include "evidence/outcome.h"
#include "evidence/layer_run.h"
#include "linear/exp.h"
#include <math.h>

/* The largest of row[0 … n-1]; -infinity where n is 0. */
static float largest(const float *row, size_t n) {
    float most = -INFINITY;
#pragma omp simd reduction(max : most)
    for (size_t i = 0; i < n; i++) most = row[i] > most ? row[i] : most;
    return most;
}

/* sum exp(row[i] - most), and sums of the same weights times a and b (b may be NULL). */
static double weigh(const float *row, size_t n, float most, const float *a, const float *b, double *of_a,
                    double *of_b) {
    double sum = 0, sum_a = 0, sum_b = 0;
    for (size_t begin = 0; begin < n; begin += 256) {
        size_t end = n - begin < 256 ? n : begin + 256;
        float s = 0, sa = 0, sb = 0;
#pragma omp simd reduction(+ : s, sa, sb)
        for (size_t i = begin; i < end; i++) {
            float e = bl_expf(row[i] - most);
            s += e;
            sa += e * a[i];
            sb += b ? e * b[i] : 0;
        }
        sum += (double)s;
        sum_a += (double)sa;
        sum_b += (double)sb;
    }
    *of_a = sum_a / sum;
    *of_b = sum_b / sum;
    return sum;
}

bl_before bl_before_of(const float *logits, size_t V, int32_t target, const float *g) {
    bl_before b = {.logits = logits, .V = V, .target = target};
    float most = largest(logits, V);
    while (b.best + 1 < V && logits[b.best] != most) b.best++;
    double sum = weigh(logits, V, most, logits, g, &b.expected, &b.expected_g);
    b.lse = (double)most + log(sum);
    return b;
}

/* Whether another token than b->best is the most probable one of `row`. */
static bool changed(const bl_before *b, const float *row) {
    return largest(row, b->best) >= row[b->best] ||
           largest(row + b->best + 1, b->V - b->best - 1) > row[b->best];
}

bl_outcome bl_outcome_of(const bl_before *b, const float *after) {
    double expected, unused, lse = bl_log_sum_exp(after, b->V);
    weigh(b->logits, b->V, largest(b->logits, b->V), after, NULL, &expected, &unused);
    return (bl_outcome){.before = b->lse - (double)b->logits[b->target],
                        .after = lse - (double)after[b->target],
                        .kl = b->expected - expected - b->lse + lse,
                        .changed = changed(b, after)};
}

bl_outcome bl_outcome_along(const bl_before *b, double r, double c, const float *g, float *scratch) {
    float rate = (float)r, along = (float)(r * c);
    for (size_t t = 0; t < b->V; t++) scratch[t] = rate * b->logits[t] - along * g[t];
    double lse = bl_log_sum_exp(scratch, b->V), expected = r * (b->expected - c * b->expected_g);
    return (bl_outcome){.before = b->lse - (double)b->logits[b->target],
                        .after = lse - (double)scratch[b->target],
                        .kl = b->expected - expected - b->lse + lse,
                        .changed = changed(b, scratch)};
}

double bl_log_rest(double log_p, double log_other, double delta) {
    double small = exp(log_p) * expm1(-delta);
    if (fabs(small) < 0.5) return log1p(small);
    double a = log_other, b = log_p - delta, most = fmax(a, b);
    return isinf(most) ? most : most + log(exp(a - most) + exp(b - most));
}

double bl_log_other(const float *logits, size_t V, double lse, size_t token) {
    double p = exp((double)logits[token] - lse);
    if (p < 0.5) return log1p(-p);
    double sum = 0;
    for (size_t t = 0; t < V; t++) sum += t == token ? 0 : exp((double)logits[t] - lse);
    return log(sum);
}

bl_outcome bl_outcome_own(const bl_before *b, size_t token, double delta) {
    double log_p = (double)b->logits[token] - b->lse,
           log_other = bl_log_other(b->logits, b->V, b->lse, token),
           rise = bl_log_rest(log_p, log_other, delta), before = b->lse - (double)b->logits[b->target],
           own = (double)b->logits[token] - delta;
    bool is_own = (size_t)b->target == token, other;
    if (token == b->best) /* it falls behind another */
        other = (double)largest(b->logits, token) >= own ||
                (double)largest(b->logits + token + 1, b->V - token - 1) > own;
    else /* it overtakes the best */
        other = own > (double)b->logits[b->best] || (own == (double)b->logits[b->best] && token < b->best);
    return (bl_outcome){.before = before,
                        .after = before + rise + (is_own ? delta : 0),
                        .kl = exp(log_p) * delta + rise,
                        .changed = other};
}
