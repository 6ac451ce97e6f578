/* One ablation: which vectors, with which eigenvalues, replaced by what (docs/specification.md, 11). */
#ifndef BL_EVIDENCE_EDIT_H
#define BL_EVIDENCE_EDIT_H
#include "evidence/layer_run.h"
#include <bilens/ablate.h>

/* Unit vectors v_n and the eigenvalues lambda~_n that go with them. Its columns among the measured
 * similarities are first … first + k - 1. */
typedef struct bl_edit {
    size_t first, k;
    double *lambda; /* [k] */
    bool keep;
    double total; /* mean of sum_n not in S lambda~_n (v_n . x')^2, for keep with mean */
} bl_edit;

/* All edits of a run. J vectors, one edit's behind the other's. */
typedef struct bl_edits {
    const bl_model *model;
    const bl_ablate_options *options;
    const bl_bilinear *map;
    const float *u; /* [d] */
    int32_t token;  /* whose logit is "own", -1: none */
    double shift, constant;
    size_t n, J, count;
    float *v;       /* [J, n] */
    double *lambda; /* [J], what the edits' lambdas point into */
    double *square; /* [J] m_n: means of (v . x')^2; 0 with zero */
    float *form;    /* [n, n] of a surrogate, whose y is not the model's; or NULL */
    double *linear; /* [J] means of v . x'; 0 with zero */
    double *mean;   /* [n] mean of x'; 0 with zero */
    bl_edit *items; /* [count] */
} bl_edits;

/* Makes room for `count` edits of J vectors in all. Free with bl_edits_free, also after a failure. */
bool bl_edits_init(bl_edits *e, size_t count, size_t J, bl_error *err);
void bl_edits_free(bl_edits *e);
/* Fills square, linear, mean and the edits' totals over the positions of `stories` that feed a prediction. */
bool bl_edits_measure(bl_edits *e, bl_layer_run *sites, const bl_story_ids *stories, bl_error *err);
/* similarity [rows, J] of x' [rows, n]. */
void bl_edits_similarity(const bl_edits *e, const float *x, size_t rows, float *similarity);
/* What edit i takes from u . y at a position: sum over what is ablated of lambda~ ((v . x')^2 - m). a: the
 * position's similarities [J]; outside: u . y - u . b_p - shift |x'|^2 there (read with keep only). */
double bl_edit_taken(const bl_edits *e, size_t i, const float *a, double outside);
/* u . y - u . b_p - shift |x'|^2 of one position; with a surrogate x'ᵀ A x', its quadratic part. */
double bl_edits_outside(const bl_edits *e, const float *x, const float *y);
/* x'' [rows, n] of mode "input" from x' [rows, n]. */
void bl_edit_input(const bl_edits *e, size_t i, const float *x, size_t rows, const float *similarity,
                   float *out);
#endif
