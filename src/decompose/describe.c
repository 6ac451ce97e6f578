/* The k largest and smallest entries of an array: one pass and a bounded heap for each end. The result's own
 * memory is the heap; while it is one, index[0] holds the flat index. */
#include <bilens/decompose.h>
#include <math.h>
#include <stdlib.h>

/* a comes after b in the list of the largest: smaller, or equal and later. */
static bool worse(const bl_entry *a, const bl_entry *b) {
    return a->value < b->value || (a->value == b->value && a->index[0] > b->index[0]);
}

/* Restores the heap (worst on top) downwards from i. */
static void sift(bl_entry *heap, size_t n, size_t i) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) return;
        if (child + 1 < n && worse(&heap[child + 1], &heap[child])) child++;
        if (!worse(&heap[child], &heap[i])) return;
        bl_entry t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
        i = child;
    }
}

static int best_first(const void *a, const void *b) { return worse(a, b) ? 1 : worse(b, a) ? -1 : 0; }

/* The flat index becomes one index an axis, and the value gets its sign back. */
static void unravel(const bl_named_array *array, float sign, bl_entry *entry) {
    size_t flat = entry->index[0];
    entry->value *= sign;
    for (size_t axis = array->n_dims; axis-- > 0;) {
        entry->index[axis] = flat % array->shape[axis];
        flat /= array->shape[axis];
    }
}

/* The k best of sign * data, best first; returns how many there are. */
static size_t select_best(const bl_named_array *array, size_t count, float sign, size_t k, bl_entry *heap) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        float value = sign * array->data[i];
        if (isnan(value) || (n == k && value <= heap[0].value))
            continue; /* an equal one comes later: not better */
        bl_entry entry = {.value = value, .index = {i}};
        if (n < k) {
            heap[n++] = entry;
            for (size_t j = k / 2 + 1; n == k && j-- > 0;) sift(heap, n, j);
        } else {
            heap[0] = entry;
            sift(heap, n, 0);
        }
    }
    qsort(heap, n, sizeof *heap, best_first);
    for (size_t i = 0; i < n; i++) unravel(array, sign, &heap[i]);
    return n;
}

size_t bl_describe(const bl_named_array *array, size_t k, bl_entry *top, bl_entry *bottom) {
    size_t count = 1;
    for (size_t i = 0; i < array->n_dims; i++) count *= array->shape[i];
    if (k > count) k = count;
    if (k == 0) return 0;
    select_best(array, count, -1.0F, k, bottom);
    return select_best(array, count, 1.0F, k, top);
}
