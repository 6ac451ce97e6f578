/** @file diff.h  How alike two bilinear maps are: as a whole, and direction by direction
 * (docs/specification.md, 16).
 *
 *      frobenius  = <B_a, B_b> / (|B_a| |B_b|)                traceless forms where either map has a norm
 *      similarity = E f_a . f_b / sqrt(E |f_a|^2  E |f_b|^2)  f = the whole map, biases included, x ~ N(0, I)
 *      cosine(t)  = <Q_t, Q'_t> / (|Q_t| |Q'_t|)              of one output direction, u from each model's
 * own
 *
 * All of it comes from three Gram matrices [d, d], which are computed once:
 *
 *      bl_diff diff;
 *      if (!bl_diff_of(&a, &b, &diff, &err)) …
 *      bl_diff_cosines(&diff, u_a, u_b, m, out, &err);        u_a, u_b [m, d]
 *      bl_diff_free(&diff);
 *
 * Both maps must have one input and one output width, and their coordinates must mean the same (two
 * checkpoints of one run; not two runs of different seeds). */
#ifndef BILENS_DIFF_H
#define BILENS_DIFF_H

#include <bilens/bilinear.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_diff {
    double frobenius;  /**< cosine of the two tensors, -1 … 1; 0 when one is zero */
    double similarity; /**< cosine of the two functions over Gaussian inputs */
    size_t d;
    float *gram_a, *gram_b, *gram_ab; /**< [d, d] each: <Q_o, Q_o'> within a, within b, between them, each
                                         map scaled by a power of two */
} bl_diff;

/** Compares `a` and `b`. BL_ERR_USAGE when their widths differ. Free with bl_diff_free. On failure `out` is
 * empty. Threads inside; the maps are only read. */
BL_API bool bl_diff_of(const bl_bilinear *a, const bl_bilinear *b, bl_diff *out, bl_error *err);
/** Frees what `diff` holds, not the struct itself. NULL is allowed. */
BL_API void bl_diff_free(bl_diff *diff);

/** out [m]: cosines of the forms of the directions u_a [m, d] in a and u_b [m, d] in b; 0 where a form is 0.
 * */
BL_API bool bl_diff_cosines(const bl_diff *diff, const float *u_a, const float *u_b, size_t m, double *out,
                            bl_error *err);

/** q [n, n] = Q_a(u_a) - Q_b(u_b), traceless where either map is normed; n = the larger bl_bilinear_size (a
 * missing bias is 0). Its eigenvectors say what changed. */
BL_API bool bl_diff_matrix(const bl_bilinear *a, const float *u_a, const bl_bilinear *b, const float *u_b,
                           float *q, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
