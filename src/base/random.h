/* Random numbers: xoshiro256** (Blackman & Vigna 2018), seeded by splitmix64. The state is four words, so
 * that it can be saved. */
#ifndef BL_BASE_RANDOM_H
#define BL_BASE_RANDOM_H
#include <stddef.h>
#include <stdint.h>

typedef struct bl_random {
    uint64_t state[4];
} bl_random;

void bl_random_seed(bl_random *random, uint64_t seed);
uint64_t bl_random_next(bl_random *random);
/* Uniform in [0, 1). */
double bl_random_uniform(bl_random *random);
/* Uniform in 0 … n-1, n > 0, without bias. */
uint64_t bl_random_below(bl_random *random, uint64_t n);
/* Standard normal (Box-Muller, one of the pair; stateless beyond `state`). */
double bl_random_normal(bl_random *random);
/* order [n] = 0 … n-1 in an order of its own for every seed. */
void bl_random_order(uint64_t seed, uint32_t *order, size_t n);
#endif
