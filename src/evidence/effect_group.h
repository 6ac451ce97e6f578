/* The positions that eigenpairs meet at a time in evidence/effect.c: whole stories, with all that a rise of
 * the loss needs of them. */
#ifndef BL_EVIDENCE_EFFECT_GROUP_H
#define BL_EVIDENCE_EFFECT_GROUP_H
#include "linear/product.h"

/* A group of stories, row r a position. */
typedef struct bl_effect_group {
    size_t rows, capacity, stories;
    size_t first;    /* its first story in the chunk */
    bool sampled;    /* the null draw's pairs meet it whole */
    size_t *begin;   /* [stories + 1] rows */
    float *x;        /* [capacity, n] */
    float *y;        /* [capacity, d] */
    bl_factor of_x;  /* x^T [n, rows] and … */
    bl_factor of_y;  /* … y^T [d, rows], packed */
    float *scale;    /* [capacity] s; 0 where nothing is predicted */
    float *weight;   /* [capacity] 1, or 0 there */
    int32_t *target; /* [capacity], -1 there */
    float *log_p;    /* [n_directions, capacity] */
    float *f;        /* [n_directions, capacity] u . y */
    uint32_t
        *first_of; /* [V + 2] a token's own rows: by_target[first_of[t]] … by_target[first_of[t + 1] - 1] */
    uint32_t *by_target; /* [capacity] rows in their order */
    uint32_t *story_of;  /* [capacity] the row's story */
    int32_t *likely;     /* [capacity] the token with p >= 1/2, or -1 */
    double *log_rest;    /* [capacity] log(1 - p) of that token */
} bl_effect_group;

/* Room for 512 positions and a story of `longest`: inputs of n, outputs of d numbers, V tokens,
 * `n_directions`. False when there is none; free it in any case. */
bool bl_effect_group_init(bl_effect_group *g, size_t longest, size_t n, size_t d, size_t V,
                          size_t n_directions, bl_error *err);
void bl_effect_group_free(bl_effect_group *g);

/* Takes as many stories from *next on as fit into the group, each without its last `without` positions; at
 * least one. */
void bl_effect_group_take(bl_effect_group *g, const size_t *lengths, size_t count, size_t without,
                          size_t *next);

/* What a story's rows, from `at` on, need of its logits: log p of the tokens [n_directions]. lse [rows] is
 * scratch. */
void bl_effect_group_keep(bl_effect_group *g, bl_view logits, const int32_t *tokens, size_t n_directions,
                          size_t at, double *lse);

/* When all stories are there: packs them, and sorts rows by what came, of V tokens. */
void bl_effect_group_ready(bl_effect_group *g, size_t V);

/* The rows at which `token` came, in their order; how many (0 for a token below 0). */
size_t bl_effect_group_own(const bl_effect_group *g, int32_t token, const uint32_t **rows);
#endif
