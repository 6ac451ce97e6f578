/* The parameter table: every tensor of a checkpoint, in one place for loading, saving, gradients, optimiser
 * and `info`.
 *
 * Offsets count floats in one flat array that holds all parameters one after another, each beginning at a
 * multiple of 16 floats. */
#ifndef BL_MODEL_PARAMS_H
#define BL_MODEL_PARAMS_H
#include <bilens/model.h>

typedef enum bl_param_kind {
    BL_PARAM_WTE,    /* [V, d] */
    BL_PARAM_N1,     /* [d] */
    BL_PARAM_QKV,    /* [3d, d] */
    BL_PARAM_O,      /* [d, d] */
    BL_PARAM_N2,     /* [d] */
    BL_PARAM_W,      /* [2h, d]; [h, d] for a plain MLP */
    BL_PARAM_W_BIAS, /* [2h] or [h] */
    BL_PARAM_P,      /* [d, h] */
    BL_PARAM_P_BIAS, /* [d] */
    BL_PARAM_NF,     /* [d] */
    BL_PARAM_HEAD    /* [V, d] */
} bl_param_kind;

typedef struct bl_param {
    char name[64];       /* in the checkpoint */
    char other_name[64]; /* a second name that the 2024-06 generation may use; "" = none */
    bl_param_kind kind;
    size_t layer;              /* 0 where it makes no sense */
    size_t n_dims, rows, cols; /* cols = 1 for vectors */
    size_t count, offset;
} bl_param;

typedef struct bl_params {
    bl_param *list;
    size_t n;
    size_t total; /* floats in the flat array */
} bl_params;

/* The table of `config` (all its fields decide). */
bool bl_params_init(bl_params *params, const bl_config *config, bl_error *err);
void bl_params_free(bl_params *params);
/* Index of a parameter; params->n if the model has none such. */
size_t bl_params_find(const bl_params *params, bl_param_kind kind, size_t layer);
#endif
