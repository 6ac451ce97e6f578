/* Attention patterns times a few columns, for one head and a block of queries: the innermost loop of the
 * folded scan.
 *
 *   out[c, p] = sum_{j<=p} A[p, j] attended[j, c],   A[p, :] = softmax_{j<=p} (q_p . k_j)
 *                                                 or A[p, j] = (q_p . k_j) (q2_p . k2_j)   bilinear attention
 *
 * The vectors' lanes are queries: scores come out of one register tile after the other, [keys, queries], and
 * are still in the nearest caches when they become exponentials and the left factor of the second product. A
 * block is twice a vector wide; above the diagonal only half blocks of LANES queries are computed in vain.
 * Row by row the sums are made in the same order whatever the story behind p: stories that begin alike tie to
 * the bit.
 *
 * The formula is another one than attention.h's: no values, no head output, but a few numbers per position
 * for all probes at once, with queries and keys looked up by token. Rotation, exponential and the meaning of
 * "past" are those of rotary.h, exp.h and attention.h.
 *
 * One source (attend_kernel.h), compiled for AVX-512, for AVX2, and for whatever the compiler's flags allow;
 * bl_attend_best asks the processor. */
#ifndef BL_LINEAR_ATTEND_H
#define BL_LINEAR_ATTEND_H
#include "linear/rotary.h"
#include <stddef.h>
#include <stdint.h>

#define BL_ATTEND_BLOCK ((size_t)32) /* a multiple of every kernel's block: what stories are padded to */
#define BL_ATTEND_COLUMNS ((size_t)12)

/* One head of one story. n positions; N = n rounded up to BL_ATTEND_BLOCK. */
typedef struct bl_attend {
    size_t n, k, columns;        /* columns of attended */
    const float *queries, *keys; /* the head's first elements in row 0 of a table, which begins again with the
                                    next head behind them, */
    size_t stride;               /* … rows `stride` apart, */
    const int32_t *ids;          /* … of which position p has row ids[p]; NULL: row p */
    const float *queries2, *keys2; /* bilinear attention: the second pattern's, likewise; else NULL */
    const bl_rotary *rotary;       /* [>= n, k/2] */
    const float
        *attended; /* [columns / 12, N, 12]: groups of twelve columns, zeros behind n and behind the last
                           column */
    float *turned; /* [2, N / 4, k, 4] scratch; the second half only for bilinear attention, here and below */
    float *panel;  /* [2, k, 32] scratch */
    float *scores; /* [2, N, 32] scratch */
    float *out;    /* [columns rounded up to 12, N] is added to */
} bl_attend;

typedef struct bl_attend_kernel {
    const char *name;
    void (*run)(const bl_attend *a);
} bl_attend_kernel;

/* The fastest kernel that this processor can run. */
const bl_attend_kernel *bl_attend_best(void);
/* Every kernel that it can run, the fastest first and the portable one last; returns their number. */
size_t bl_attend_all(const bl_attend_kernel *out[3]);

/* The kernels themselves; only those of bl_attend_all may be called. */
void bl_attend_avx512(const bl_attend *a);
void bl_attend_avx2(const bl_attend *a);
void bl_attend_plain(const bl_attend *a);
#endif
