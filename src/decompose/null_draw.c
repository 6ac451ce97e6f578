/* Null draws: the h rows of R and, independently, the h columns of P permuted (docs/specification.md, 4).
 *
 * Only live units take part. A unit that is 0 in one of L, R and P adds nothing to the layer; shuffled among
 * live ones it would take others' weights away with it, and chance would look weaker than it is. */
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "decompose/form.h"
#include <math.h>
#include <stdlib.h>

#define DEAD 1e-6 /* of the largest |l| |r| |p| */

/* |row r of [weight bias]|² */
static double square_of_row(bl_view weight, const float *bias, size_t r) {
    double sum = bias ? (double)bias[r] * (double)bias[r] : 0;
    for (size_t c = 0; c < weight.cols; c++) {
        double value = (double)weight.data[r * weight.stride + c];
        sum += value * value;
    }
    return sum;
}

/* live [h]: the units that are not dead, ascending; their number, or SIZE_MAX without memory. */
static size_t live_units(const bl_bilinear *map, size_t *live, bl_error *err) {
    size_t h = map->l.rows, n = 0;
    double most = 0, *size = bl_alloc_zero(2 * h, sizeof *size, err), *columns = BL_PART(size, h);
    if (!size) return SIZE_MAX;
    for (size_t o = 0; map->p.data && o < map->p.rows; o++)
        for (size_t g = 0; g < h; g++) {
            double value = (double)map->p.data[o * map->p.stride + g];
            columns[g] += value * value;
        }
    for (size_t g = 0; g < h; g++) {
        double column = map->p.data ? columns[g] : 1;
        size[g] = sqrt(square_of_row(map->l, map->l_bias, g)) * sqrt(square_of_row(map->r, map->r_bias, g)) *
                  sqrt(column);
        most = fmax(most, size[g]);
    }
    for (size_t g = 0; g < h; g++)
        if (size[g] > DEAD * most) live[n++] = g;
    free(size);
    return n;
}

/* 0 … n-1 in random order (Fisher & Yates). */
static void shuffle(bl_random *random, size_t *order, size_t n) {
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)bl_random_below(random, i), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}

bool bl_bilinear_null(const bl_bilinear *map, uint64_t seed, bl_bilinear *draw, size_t *dead, bl_error *err) {
    size_t h = map->l.rows, n = SIZE_MAX;
    bl_error_clear(err);
    *draw = (bl_bilinear){0};
    size_t *left = bl_alloc(h, sizeof *left, err), *right = bl_alloc(h, sizeof *right, err);
    size_t *live = bl_alloc(3 * h, sizeof *live, err), *rows = BL_PART(live, h),
           *columns = BL_PART(live, 2 * h);
    if (left && right && live) n = live_units(map, live, err);
    if (n != SIZE_MAX) {
        bl_random random;
        bl_random_seed(&random, seed);
        shuffle(&random, rows, n);
        shuffle(&random, columns, n);
        for (size_t g = 0; g < h; g++) left[g] = right[g] = g;
        for (size_t i = 0; i < n; i++) { /* unit i is L[i] * R[rows[i]], written by column columns[i] of P */
            left[live[columns[i]]] = live[i];
            right[live[columns[i]]] = live[rows[i]];
        }
        *draw = *map;
        draw->left = left;
        draw->right = right;
        left = right = NULL;
        if (dead) *dead = h - n;
    }
    free(live);
    free(left);
    free(right);
    return n != SIZE_MAX;
}

void bl_bilinear_null_free(bl_bilinear *draw) {
    if (!draw) return;
    bl_free((void *)(uintptr_t)draw->left);
    bl_free((void *)(uintptr_t)draw->right);
    draw->left = draw->right = NULL;
}
