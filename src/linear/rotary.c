#include "linear/rotary.h"
#include "base/error.h"
#include "base/memory.h"
#include <math.h>
#include <stdlib.h>

void bl_rotary_frequencies(double base, size_t half, double *frequency) {
    for (size_t j = 0; j < half; j++) frequency[j] = pow(base, -(double)j / (double)half);
}

bool bl_rotary_make(bl_rotary *table, const double *frequency, size_t half, double magnitude,
                    size_t positions, bl_error *err) {
    size_t count;
    *table = (bl_rotary){.positions = positions, .half = half};
    if (!bl_mul_size(positions, half, &count))
        return bl_fail(err, BL_ERR_INPUT, "a context of %zu positions is too large", positions);
    table->cosine = bl_alloc(count, sizeof(float), err);
    table->sine = table->cosine ? bl_alloc(count, sizeof(float), err) : NULL;
    if (!table->sine) return false;
    for (size_t p = 0; p < positions; p++)
        for (size_t j = 0; j < half; j++) {
            double angle = (double)p * frequency[j];
            table->cosine[p * half + j] = (float)(magnitude * cos(angle));
            table->sine[p * half + j] = (float)(magnitude * sin(angle));
        }
    return true;
}

void bl_rotary_free(bl_rotary *table) {
    free(table->cosine);
    free(table->sine);
    *table = (bl_rotary){0};
}
