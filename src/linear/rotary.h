/* Rotary position embedding: element j of a head pairs with j + half, and the pair turns by an angle that
 * grows with the position; elements from 2 half on stay. */
#ifndef BL_LINEAR_ROTARY_H
#define BL_LINEAR_ROTARY_H
#include <bilens/base.h>

#define BL_ROTARY_BASE 10000.0 /* of bilens's own models */

/* cos and sin [positions, half] of position * frequency[j], times `magnitude`. */
typedef struct bl_rotary {
    size_t positions, half;
    float *cosine, *sine;
} bl_rotary;

/* frequency [half] = base^(-j / half). */
void bl_rotary_frequencies(double base, size_t half, double *frequency);
/* A table for `positions` positions. bl_rotary_free is due even when it fails; it accepts a zeroed table. */
bool bl_rotary_make(bl_rotary *table, const double *frequency, size_t half, double magnitude,
                    size_t positions, bl_error *err);
void bl_rotary_free(bl_rotary *table);

/* The formula for one pair of elements, for floats and for vectors of them: x before, y `half` behind. */
#define BL_ROTATED_LOW(x, y, cosine, sine) ((x) * (cosine) - (y) * (sine))
#define BL_ROTATED_HIGH(x, y, cosine, sine) ((y) * (cosine) + (x) * (sine))

/* Turns `heads` heads of k numbers that stand side by side, x [heads, k], by position p; `back` turns the
 * other way (the transpose, which is what a gradient needs). */
static inline void bl_rotate(const bl_rotary *table, size_t p, bool back, size_t heads, size_t k, float *x) {
    size_t half = table->half;
    const float *restrict cosine = table->cosine + p * half, *restrict sine = table->sine + p * half;
    float sign = back ? -1.0F : 1.0F;
    for (size_t head = 0; head < heads; head++) {
        float *restrict low = x + head * k, *restrict high = low + half;
#pragma omp simd
        for (size_t j = 0; j < half; j++) {
            float u = low[j], v = high[j], s = sign * sine[j];
            low[j] = BL_ROTATED_LOW(u, v, cosine[j], s);
            high[j] = BL_ROTATED_HIGH(u, v, cosine[j], s);
        }
    }
}
#endif
