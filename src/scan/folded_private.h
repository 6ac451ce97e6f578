/* What the folded scan keeps: tables (folded_tables.c) and the kernel over one story (folded.c). */
#ifndef BL_SCAN_FOLDED_PRIVATE_H
#define BL_SCAN_FOLDED_PRIVATE_H
#include "scan/folded.h"

struct bl_folded {
    const bl_probes *probes;
    size_t V, d, H, k, J;
    bool from_tables; /* first layer: everything is looked up by token; otherwise computed from the residual stream */
    bool by_values;   /* z = A V is formed, because norms need it or because J > k makes it cheaper than tau */
    bool normed;
    /* Linear maps of a normed activation y [d], one a row. */
    float *w_qk;      /* [2d, d] queries scaled by 1/sqrt(k), then keys */
    float *w_moved;   /* [H J, d] tau; or [d, d] values */
    size_t moved;     /* H J or d */
    float *out;       /* [J, d] by_values: s v^T O */
    /* The same over the vocabulary, from_tables only. */
    float *t_qk;     /* [V, 2d] */
    float *t_moved;  /* [V, moved] */
    float *t_direct; /* [V, J] v . W_E[t] */
    /* Norms: |x_mid|^2 = |x|^2 + 2 (s O^T x) . z + |R z|^2, s O = Q R. */
    float *r;        /* [d, d] upper triangle */
    float *t_cross;  /* [V, d] s O^T W_E[t], from_tables only */
    float *t_square; /* [V] |W_E[t]|^2, from_tables only */
};
#endif
