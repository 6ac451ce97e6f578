/* Products of bfloat16 factors with float32 sums, of one thread, as linear/product.h has them in float32.
 *
 *   c = alpha bf16(a) bf16(b), every product exact, sums in float32 (in the order of vdpbf16ps: pairs of k)
 *
 * The factors are float32 in memory and are rounded to bfloat16 (to nearest, ties to even) by the pass that
 * packs them, so that a conversion costs no pass of its own. A processor without AVX512-BF16 has none of
 * this: ask bl_product16_possible first. */
#ifndef BL_LINEAR_PRODUCT16_H
#define BL_LINEAR_PRODUCT16_H
#include "linear/product.h"

/* Whether the compiler knew the instructions. */
extern const bool bl_product16_built;

/* Whether this processor (and this build) multiplies bfloat16. */
static inline bool bl_product16_possible(void) {
#if defined(__x86_64__)
    return bl_product16_built && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

/* Floats that the panels of a factor take: half of bl_factor_size, whole lines. */
static inline size_t bl_factor16_size(size_t K, size_t N) {
    return (N + BL_PANEL - 1) / BL_PANEL * BL_PANEL * ((K + 1) / 2);
}

/* Packs this thread's share of the panels; a barrier has to follow. */
void bl_factor16_pack(const bl_factor *f);

/* c [m, N] = alpha a [m, K] B, or c += with `add`. */
void bl_multiply16(const bl_factor *f, size_t m, float alpha, const float *a, size_t lda, bool add, float *c,
                   size_t ldc);

/* c [m, n] = alpha a^T b, or c += with `add`; a [k, m], b [k, n]. `scratch`: BL_PRODUCT_SCRATCH floats of the
 * thread's own. */
void bl_multiply16_tn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                      size_t ldb, bool add, float *c, size_t ldc, float *scratch);

/* bl_multiply_tn in one precision or the other. */
typedef void bl_product_tn_fn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                              const float *b, size_t ldb, bool add, float *c, size_t ldc, float *scratch);
static inline bl_product_tn_fn *bl_product_tn(bool half) { return half ? bl_multiply16_tn : bl_multiply_tn; }

/* ---- factors that are kept in bfloat16 ---- */

typedef uint16_t bl_half; /* a bfloat16: the upper half of a float32 */

/* to [n] = x, rounded as the products above round it. */
void bl_halve(const float *x, size_t n, bl_half *to);
/* to [n] = x. */
void bl_widen(const bl_half *x, size_t n, float *to);

/* bl_multiply16 with a left factor a [m, K] of an even K, its rows lda, an even number, apart. */
void bl_multiply16_kept(const bl_factor *f, size_t m, float alpha, const bl_half *a, size_t lda, bool add,
                        float *c, size_t ldc);

/* bl_multiply16_tn with a right factor b [k, n]. */
void bl_multiply16_tn_kept(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                           const bl_half *b, size_t ldb, bool add, float *c, size_t ldc, float *scratch);
#endif
