/* A heap with the worst entry in front: an offer costs one comparison, and log k steps if it is taken. */
#include "linear/best.h"
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)64) /* numbers whose maximum is looked at before each of them */

/* a comes after b in the list of the best. */
static inline bool worse(const bl_scored *a, const bl_scored *b) {
    return a->value < b->value || (a->value == b->value && a->id > b->id);
}

static void swap(bl_scored *a, bl_scored *b) {
    bl_scored t = *a;
    *a = *b;
    *b = t;
}

static void sift_down(bl_scored *heap, size_t n, size_t i) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) return;
        if (child + 1 < n && worse(&heap[child + 1], &heap[child])) child++;
        if (!worse(&heap[child], &heap[i])) return;
        swap(&heap[child], &heap[i]);
        i = child;
    }
}

static void sift_up(bl_scored *heap, size_t i) {
    while (i > 0 && worse(&heap[i], &heap[(i - 1) / 2])) {
        swap(&heap[i], &heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

size_t bl_best_offer(bl_best *best, float value, uint64_t id) {
    if (!bl_best_takes(best, value, id)) return BL_BEST_NONE;
    if (best->n < best->most) {
        size_t slot = best->n++;
        best->list[slot] = (bl_scored){value, id, slot};
        sift_up(best->list, slot);
        return slot;
    }
    size_t slot = best->list[0].slot;
    best->list[0] = (bl_scored){value, id, slot};
    sift_down(best->list, best->n, 0);
    return slot;
}

void bl_best_offer_row(bl_best *best, float sign, const float *x, size_t n, uint64_t first) {
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t end = begin + BLOCK < n ? begin + BLOCK : n;
        if (best->n == best->most && best->most > 0) {
            float most = sign * x[begin];
#pragma omp simd reduction(max : most)
            for (size_t i = begin; i < end; i++) most = sign * x[i] > most ? sign * x[i] : most;
            if (most < best->list[0].value)
                continue; /* false where the block begins with NaN: each is looked at */
        }
        for (size_t i = begin; i < end; i++) bl_best_offer(best, sign * x[i], first + i);
    }
}

void bl_best_offer_some(bl_best *best, float sign, const float *x, size_t n, uint64_t first,
                        const bool *some) {
    for (size_t begin = 0; begin < n;) {
        const bool *gap = some ? memchr(some + begin, false, n - begin) : NULL;
        size_t end = gap ? (size_t)(gap - some) : n;
        bl_best_offer_row(best, sign, x + begin, end - begin, first + begin);
        begin = end + 1;
    }
}

static int best_first(const void *a, const void *b) { return worse(a, b) ? 1 : worse(b, a) ? -1 : 0; }

void bl_best_sort(bl_best *best) {
    if (best->n > 1) qsort(best->list, best->n, sizeof *best->list, best_first);
}
