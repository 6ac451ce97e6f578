/* Which terms of a spectrum count first (docs/specification.md, 10). */
#include "evidence/order.h"
#include "base/error.h"
#include "base/memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t *bl_rank_list(const size_t *ranks, size_t n_ranks, size_t n, size_t *count, bl_error *err) {
    static const size_t defaults[] = {0, 1, 2, 4, 8, 16, 32, 64};
    if (n_ranks == 0) {
        ranks = defaults;
        n_ranks = sizeof defaults / sizeof *defaults;
    }
    size_t *out = bl_alloc(n_ranks, sizeof *out, err);
    *count = 0;
    for (size_t i = 0; out && i < n_ranks; i++)
        if (ranks[i] <= n) out[(*count)++] = ranks[i];
    if (!out || *count) return out;
    free(out);
    return bl_fail_null(err, BL_ERR_USAGE,
                        "no rank is left: there are %zu eigenvectors, and every rank is above that", n);
}

/* The spectrum is ascending, so the largest magnitudes stand at its two ends: the order is a merge. */
void bl_order_by_size(const float *values, size_t n, double shift, size_t *places) {
    size_t low = 0, high = n;
    for (size_t i = 0; i < n; i++) {
        double at_low = fabs((double)values[low] - shift), at_high = fabs((double)values[high - 1] - shift);
        bool take_low = at_low >= at_high; /* equal: the lower index */
        if (take_low) places[i] = low++;
        else places[i] = --high;
    }
}

void bl_order_take(int order, const size_t *by_size, size_t n, size_t count, bl_random *random, size_t *out) {
    if (order == BL_ORDER_LOWEST) {
        for (size_t i = 0; i < count; i++) out[i] = by_size[n - 1 - i];
        return;
    }
    memcpy(out, by_size, n * sizeof *out);
    for (size_t i = 0; order == BL_ORDER_RANDOM && i < count; i++) {
        size_t at = i + (size_t)bl_random_below(random, n - i), place = out[at];
        out[at] = out[i];
        out[i] = place;
    }
}
