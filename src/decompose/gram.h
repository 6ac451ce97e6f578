/* Inner products of bilinear maps without their third-order tensors. */
#ifndef BL_DECOMPOSE_GRAM_H
#define BL_DECOMPOSE_GRAM_H
#include <bilens/bilinear.h>

/* g [d_a, d_b] of <Q_o, Q'_o'> = sum_ij Q_o[i, j] Q'_o'[i, j] for every output coordinate o of `a` and o' of
 * `b` (docs/specification.md, 15 and 16). Both maps read inputs of one width; where one alone has biases the
 * other's are 0. All are scaled by 2^-(e + e'), the maps' bl_gram_exponent, so that weights of any magnitude
 * neither vanish nor overflow. Takes 4 n (h_a + h_b) + 16 h_b * 192 bytes. BL_ERR_NUMERIC when an entry is
 * not finite. */
bool bl_bilinear_gram(const bl_bilinear *a, const bl_bilinear *b, float *g, bl_error *err);

/* The power of two that the entries of a map's B are of. */
int bl_gram_exponent(const bl_bilinear *map);
/* The traces [d] of Q_o, scaled by 2^-bl_gram_exponent. */
bool bl_gram_traces(const bl_bilinear *map, float *tau, bl_error *err);
/* bl_bilinear_gram of the traceless forms where either map is normed: minus tau_o tau'_o' / n, tau from
 * bl_gram_traces. */
bool bl_bilinear_gram_traceless(const bl_bilinear *a, const bl_bilinear *b, const float *tau_a,
                                const float *tau_b, float *g, bl_error *err);
#endif
