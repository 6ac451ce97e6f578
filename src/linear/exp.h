/* exp in float32, branch-free, so that loops over it vectorise.
 *
 *   exp(x) = 2^n exp(r),  n = round(x / ln 2),  r = x - n ln 2 in [-ln2/2, ln2/2], exp(r) by a polynomial of
 * degree 6.
 *
 * Error below 2 ulp for x in [-87, 88]; outside it saturates at about 1e-38 and 1.6e38, and exp(-inf) is that
 * tiny number, not 0: mask before or after, never rely on it. NaN stays NaN. */
#ifndef BL_LINEAR_EXP_H
#define BL_LINEAR_EXP_H
#include <stdint.h>
#include <string.h>

static inline float bl_expf(float x) {
    x = x < -87.0F ? -87.0F : x;
    x = x > 88.0F ? 88.0F : x;
    float shifted = x * 1.44269504088896341F + 12582912.0F; /* 1.5 * 2^23: the low bits now hold n */
    float n = shifted - 12582912.0F;
    float r = x - n * 0.693145751953125F;
    r = r - n * 1.428606765330187e-06F;
    float p = 1.3888889e-03F;
    p = p * r + 8.3333333e-03F;
    p = p * r + 4.1666667e-02F;
    p = p * r + 1.6666667e-01F;
    p = p * r + 5.0e-01F;
    p = p * r + 1.0F;
    p = p * r + 1.0F;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + UINT32_C(0x3f800000); /* 2^n: the shifted exponent of 12582912 falls off the top */
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}
#endif
