/* Orders in which a spectrum's terms are taken: by size, at random, smallest first; and the ranks to stop
 * at. */
#ifndef BL_EVIDENCE_ORDER_H
#define BL_EVIDENCE_ORDER_H
#include "base/random.h"
#include <bilens/decompose.h>

enum { BL_ORDER_SIZE, BL_ORDER_RANDOM, BL_ORDER_LOWEST, BL_N_ORDERS };

/* The ranks asked for (n_ranks 0: 0, 1, 2, 4 … 64) that are at most n, in the order given; *count of them.
 * Free with free. */
size_t *bl_rank_list(const size_t *ranks, size_t n_ranks, size_t n, size_t *count, bl_error *err);

/* places [n] = 0 … n-1 by falling |lambda - shift|, ties: lower index first. */
void bl_order_by_size(const float *values, size_t n, double shift, size_t *places);
/* The first `count` places of an order become out[0 … count-1]; out [n], by_size [n] that of
 * bl_order_by_size. */
void bl_order_take(int order, const size_t *by_size, size_t n, size_t count, bl_random *random, size_t *out);
#endif
