/* Uniforms: the column's index, whitened by two rounds of a 32-bit multiply-xorshift permutation under two
 * 32-bit keys, which come from (key, row) by a 64-bit finaliser. Normals: Box-Muller, both of the pair,
 * columns i and i + n/2, with polynomials for the logarithm and the sine that vectorise: ln to 2e-7, sin and
 * cos to 1e-6, far below what noise needs. */
#include "linear/noise.h"
#include <math.h>
#include <string.h>

static uint64_t mix64(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t bl_noise_key(uint64_t seed, uint64_t step, uint64_t site) {
    return mix64(mix64(mix64(seed + UINT64_C(0x9e3779b97f4a7c15)) + step * UINT64_C(0xd1342543de82ef95)) +
                 site * UINT64_C(0xda942042e4dd58b5));
}

static inline uint32_t mix32(uint32_t x) {
    x = (x ^ (x >> 16)) * UINT32_C(0x85ebca6b);
    x = (x ^ (x >> 13)) * UINT32_C(0xc2b2ae35);
    return x ^ (x >> 16);
}

/* ln x for x in (0, 1]: x = 2^e m, m in [sqrt(1/2), sqrt 2), ln m = 2 atanh s = 2 (s + s^3/3 + s^5/5 + …),
 * s = (m - 1)/(m + 1). */
static inline float log_unit(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t shifted = bits - UINT32_C(0x3f3504f3);
    float e = (float)((int32_t)shifted >> 23);
    bits = (shifted & UINT32_C(0x007fffff)) + UINT32_C(0x3f3504f3);
    float m;
    memcpy(&m, &bits, sizeof m);
    float s = (m - 1.0F) / (m + 1.0F), q = s * s;
    return e * 0.69314718F +
           2.0F * s * (1.0F + q * (0.33333333F + q * (0.2F + q * (0.14285714F + q * 0.11111111F))));
}

/* sin(2 pi t) for t in [-1/4, 1/4]: the Taylor series to the power 11 (error 6e-8). */
static inline float sine_turn(float t) {
    float a = t * 6.2831853F, q = a * a;
    return a * (1.0F +
                q * (-1.6666667e-1F +
                     q * (8.3333333e-3F + q * (-1.9841270e-4F + q * (2.7557319e-6F - q * 2.5052108e-8F)))));
}

void bl_noise_row(uint64_t key, uint64_t row, size_t n, float *z) {
    uint64_t mixed = mix64(key ^ mix64(row + UINT64_C(0x9e3779b97f4a7c15)));
    uint32_t k0 = (uint32_t)mixed, k1 = (uint32_t)(mixed >> 32);
    size_t half = n / 2;
    float *restrict cosines = z + half, *restrict sines = z;
    for (size_t i = 0; i < half; i++) {
        uint32_t a = mix32((uint32_t)i * UINT32_C(0x9e3779b9) + k0), b = mix32(a ^ k1);
        float radius = sqrtf(-2.0F * log_unit(((float)(int32_t)(a >> 8) + 1.0F) * 0x1p-24F));
        float turn = (float)(int32_t)(b >> 8) * 0x1p-24F - 0.5F; /* [-1/2, 1/2) */
        float distance = fabsf(turn); /* cos a = sin(pi/2 - |a|), |sin a| = sin(pi/2 - |pi/2 - |a||) */
        sines[i] = copysignf(radius * sine_turn(0.25F - fabsf(0.25F - distance)), turn);
        cosines[i] = radius * sine_turn(0.25F - distance);
    }
}
