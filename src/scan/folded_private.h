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
    float *w_qk;    /* [2d, d] queries scaled by 1/sqrt(k), then keys */
    float *w_moved; /* [H J, d] tau; or [d, d] values */
    size_t moved;   /* H J or d */
    float *out;     /* [J, d] by_values: s v^T O */
    /* The same over the vocabulary, from_tables only. */
    float *t_qk;     /* [V, 2d] */
    float *t_moved;  /* [V, moved] */
    float *t_direct; /* [V, J] v . W_E[t] */
    /* Norms: |x_mid|^2 = |x|^2 + 2 (s O^T x) . z + |R z|^2, s O = Q R. */
    float *r;        /* [d, d] upper triangle */
    float *t_cross;  /* [V, d] s O^T W_E[t], from_tables only */
    float *t_square; /* [V] |W_E[t]|^2, from_tables only */
};

struct bl_folded_workspace {
    bl_workspace *forward; /* deeper layers only */
    float *qk;             /* [T, 2d] from the activations, deeper layers only */
    float *q, *key;        /* [T, k] one head, rotated */
    float *moved;          /* [T, moved] tau or values */
    float *scores;         /* [BL_FOLDED_BLOCK, T] */
    float *part;           /* [BL_FOLDED_BLOCK, J] by tau */
    float *z, *rz;         /* [T, d] by values */
    float *y;              /* [T, d] N1(x), deeper layers only */
    float *direct;         /* [T, J] for contributions */
};

/* Query rows at a time: the block of scores stays in cache, and less than half of the square is wasted. */
#define BL_FOLDED_BLOCK 64

/* What a story's kernel begins with: the direct part in sims [n, J], tau or values in w->moved, and the source of queries and keys:
 * *qk with a row a token (*by_token) or a row a position. Returns x [n, d] for deeper layers, NULL for the first. */
const float *bl_folded_begin(const bl_folded *f, bl_folded_workspace *w, const int32_t *ids, size_t n, float *sims, const float **qk,
                             bool *by_token);
/* Queries or keys of one head, positions begin … end - 1, rotated, into out [end - begin, k]; `offset` is the head's first column in qk. */
void bl_folded_rotated(const bl_folded *f, const float *qk, const int32_t *ids, size_t begin, size_t end, size_t offset, float *out);
/* |x_mid|^2 from z, the plain way: |x + s O z|^2. */
double bl_folded_square(const bl_folded *f, const float *x, const float *z);
#endif
