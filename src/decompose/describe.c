/* The k largest and smallest entries of an array: one pass per end over a bounded list (linear/best.h). */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/best.h"
#include <bilens/decompose.h>
#include <stdlib.h>

#define PIECE ((size_t)1 << 24) /* entries between two looks at whether to go on */

/* One index per axis of entry number `flat`. */
static void unravel(const bl_named_array *array, size_t flat, bl_entry *entry) {
    for (size_t axis = array->n_dims; axis-- > 0;) {
        entry->index[axis] = flat % array->shape[axis];
        flat /= array->shape[axis];
    }
}

/* The k best of sign * data, best first, and how many there are. */
static bool select_best(const bl_named_array *array, size_t count, float sign, size_t k, bl_scored *list,
                        bl_entry *out, size_t *n, bl_error *err) {
    bl_best best = bl_best_begin(list, k);
    for (size_t begin = 0; begin < count; begin += PIECE) {
        if (!bl_go_on(err)) return false;
        bl_best_offer_row(&best, sign, array->data + begin, count - begin < PIECE ? count - begin : PIECE,
                          begin);
    }
    bl_best_sort(&best);
    for (size_t i = 0; i < best.n; i++) {
        out[i].value = sign * list[i].value;
        unravel(array, (size_t)list[i].id, &out[i]);
    }
    *n = best.n;
    return true;
}

bool bl_describe(const bl_named_array *array, size_t k, bl_entry *top, bl_entry *bottom, size_t *n,
                 bl_error *err) {
    size_t count = 1;
    bl_error_clear(err);
    for (size_t i = 0; i < array->n_dims; i++) count *= array->shape[i];
    if (k > count) k = count;
    bl_scored *list = bl_alloc(k, sizeof *list, err);
    if (!list) return false;
    bool ok = select_best(array, count, -1.0F, k, list, bottom, n, err) &&
              select_best(array, count, 1.0F, k, list, top, n, err);
    free(list);
    return ok;
}
