#include "base/random.h"
#include <math.h>

static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

void bl_random_seed(bl_random *random, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        random->state[i] = z ^ (z >> 31);
    }
}

uint64_t bl_random_next(bl_random *random) {
    uint64_t *s = random->state, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double bl_random_uniform(bl_random *random) { return (double)(bl_random_next(random) >> 11) * 0x1p-53; }

uint64_t bl_random_below(bl_random *random, uint64_t n) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;
    do x = bl_random_next(random);
    while (x >= limit);
    return x % n;
}

double bl_random_normal(bl_random *random) {
    double radius = 1.0 - bl_random_uniform(random), angle = bl_random_uniform(random); /* radius in (0, 1] */
    return sqrt(-2.0 * log(radius)) * cos(6.283185307179586 * angle);
}

void bl_random_order(uint64_t seed, uint32_t *order, size_t n) {
    bl_random random;
    bl_random_seed(&random, seed);
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)bl_random_below(&random, i);
        uint32_t swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}
