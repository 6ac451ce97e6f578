/* What the folded scan keeps: tables (folded_tables.c) and the kernel over one story (folded.c). */
#ifndef BL_SCAN_FOLDED_PRIVATE_H
#define BL_SCAN_FOLDED_PRIVATE_H
#include "linear/attend.h"
#include "scan/folded.h"

struct bl_folded {
    const bl_probes *probes;
    size_t V, d, H, k, J;
    bool from_tables; /* first layer: everything is looked up by token; otherwise computed from the residual
                         stream */
    bool by_values; /* z = A V is formed, because norms need it or because J > k makes it cheaper than tau */
    bool normed;
    const bl_attend_kernel *kernel;
    size_t patterns; /* 2 with bilinear attention, else 1 */
    size_t qk;       /* 2d patterns: queries and keys of a position */
    /* Maps of a normed activation y [d], one per row, and their biases (NULL: none). */
    float *w_qk;       /* [qk, d] queries scaled by 1/sqrt(k), then keys; of bilinear attention both again */
    float *b_qk;       /* [qk] */
    float *b_attended; /* [attended] */
    float *w_attended; /* [H J, d] tau; or [d, d] values */
    size_t attended;   /* H J or d */
    float *out;        /* [J, d] by_values: s v^T O */
    /* The same over the vocabulary, from_tables only. */
    float *t_qk;       /* [V, qk] */
    float *t_attended; /* [V, attended] */
    float *t_direct;   /* [V, J] v . W_E[t] */
    /* Norms: |x_mid|^2 = |x|^2 + 2 (s O^T x) . z + |R z|^2, s O = Q R. */
    float *r;        /* [d, d] upper triangle */
    float *t_cross;  /* [V, d] s O^T W_E[t], from_tables only */
    float *t_square; /* [V] |W_E[t]|^2, from_tables only */
};

struct bl_folded_workspace {
    size_t T;              /* tokens of a story that there is room for */
    bl_workspace *forward; /* deeper layers only */
    float *qk;             /* [T, qk] from the activations, deeper layers only */
    float *attended;       /* [T, attended] tau or values, deeper layers only */
    float *direct;         /* [T, J] v . x */
    float *y;              /* [T, d] N1(x), deeper layers only */
    float *keys;           /* [patterns, N, k] one head, rotated; N: T rounded up to BL_ATTEND_BLOCK */
    float *columns;        /* [groups, N, 12] of the head's tau or values (attend.h) */
    float *panel, *scores; /* the kernel's; scores also rows [T] of the pattern */
    float *out;            /* [12 groups, N] */
    float *z, *rz;         /* [T, d] by values */
};

/* Where a story's rows come from: tables over the vocabulary, with position p in row ids[p], or activations,
 * with a row a position. */
typedef struct bl_folded_rows {
    const int32_t *ids;             /* NULL: by position */
    const float *qk;                /* [., qk] */
    const float *attended, *direct; /* [., attended], [., J] */
    const float *x;                 /* [n, d] activations, or NULL */
} bl_folded_rows;

static inline size_t bl_folded_row(const bl_folded_rows *rows, size_t p) {
    return rows->ids ? (size_t)rows->ids[p] : p;
}
/* Columns of tau or values that one head has, and their groups of BL_ATTEND_COLUMNS. */
static inline size_t bl_folded_columns(const bl_folded *f) { return f->by_values ? f->k : f->J; }
static inline size_t bl_folded_groups(const bl_folded *f) {
    return (bl_folded_columns(f) + BL_ATTEND_COLUMNS - 1) / BL_ATTEND_COLUMNS;
}

/* What a story's kernel begins with; nothing is computed if it all comes from tables. */
bl_folded_rows bl_folded_begin(const bl_folded *f, bl_folded_workspace *w, const int32_t *ids, size_t n,
                               bl_error *err);
/* Queries or keys of one head, positions begin … end - 1, rotated, into out [end - begin, k]; `offset` is
 * the head's first column in qk. */
void bl_folded_rotated(const bl_folded *f, const bl_folded_rows *rows, size_t begin, size_t end,
                       size_t offset, float *out);
/* rows [n, width] += bias [width]; NULL: nothing. */
void bl_folded_add_bias(float *rows, size_t n, size_t width, const float *bias);
/* |x_mid|^2 from z, the plain way: |x + s O z|^2. */
double bl_folded_square(const bl_folded *f, const float *x, const float *z);
#endif
