/* g of docs/specification.md, 1, and the elementwise work of the MLP: hidden = g(l) * r, or g(l) for a plain
 * MLP. */
#ifndef BL_LINEAR_GATE_H
#define BL_LINEAR_GATE_H
#include <bilens/base.h>

/* hidden [n, h] from pre [n, 2h] (l beside r), or [n, h] for a plain MLP; its rows are ld apart. */
void bl_gate_forward(bl_gate gate, bool plain, const float *pre, size_t ld, size_t n, size_t h,
                     float *hidden);

/* Replaces `pre` by the gradient with respect to it, given dhidden; writes `hidden` [n, h] once more on the
 * way. */
void bl_gate_backward(bl_gate gate, bool plain, float *pre, size_t ld, size_t n, size_t h,
                      const float *dhidden, float *hidden);
/* x [n] becomes cap tanh(x / cap), the soft cap of scores and logits; cap > 0. */
void bl_cap(float cap, float *x, size_t n);
#endif
