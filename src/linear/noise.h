/* Normal random numbers without a state: a function of (key, row, column), so that the noise of a row can be
 * drawn again in the backward pass, after a resume, on another rank, by any thread, and always be the same.
 */
#ifndef BL_LINEAR_NOISE_H
#define BL_LINEAR_NOISE_H
#include <stddef.h>
#include <stdint.h>

/* The key of one place (`site`) of one step. */
uint64_t bl_noise_key(uint64_t seed, uint64_t step, uint64_t site);

/* z [n], n even: independent and standard normal, of magnitude up to 5.77 (uniforms of 24 bits). */
void bl_noise_row(uint64_t key, uint64_t row, size_t n, float *z);
#endif
