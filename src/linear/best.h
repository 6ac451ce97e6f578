/* The k best of a stream of (value, id): the largest value first; of equal values the lower id. NaN is
 * never among them. The order of the offers does not matter.
 *
 *   bl_scored list[10];
 *   bl_best best = bl_best_begin(list, 10);
 *   bl_best_offer_row(&best, 1.0F, x, n, 0);      x[i] has the id i
 *   bl_best_sort(&best);                          list [best.n], best first
 *
 * For the k lowest offer -x (sign -1 of bl_best_offer_row) and change the sign of the values afterwards. */
#ifndef BL_LINEAR_BEST_H
#define BL_LINEAR_BEST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BL_BEST_NONE SIZE_MAX

typedef struct bl_scored {
    float value;
    uint64_t id;
    size_t slot; /* 0 … most - 1: where the caller may keep what belongs to the entry. An entry that
                 displaces another
                    takes over its slot. */
} bl_scored;

typedef struct bl_best {
    bl_scored *list; /* [most], the caller's; a heap with the worst in front until bl_best_sort */
    size_t n, most;
} bl_best;

static inline bl_best bl_best_begin(bl_scored *list, size_t most) { return (bl_best){list, 0, most}; }

/* True if `value` with `id` would be taken now. */
static inline bool bl_best_takes(const bl_best *best, float value, uint64_t id) {
    if (best->n < best->most) return value == value;
    if (best->most == 0) return false;
    const bl_scored *worst = &best->list[0];
    return value > worst->value || (value == worst->value && id < worst->id);
}

/* Offers one entry, before bl_best_sort. Returns its slot, or BL_BEST_NONE if it was not taken. */
size_t bl_best_offer(bl_best *best, float value, uint64_t id);
/* Offers sign * x[i] with the id first + i, for x [n]. */
void bl_best_offer_row(bl_best *best, float sign, const float *x, size_t n, uint64_t first);
/* The same without those i for which some[i] is false; some NULL: all are offered. */
void bl_best_offer_some(bl_best *best, float sign, const float *x, size_t n, uint64_t first,
                        const bool *some);
/* Puts the list in order, best first. Nothing can be offered afterwards. */
void bl_best_sort(bl_best *best);
#endif
