/* The parameter table: every tensor of a checkpoint, in one place for loading, saving, gradients, optimiser
 * and `info`.
 *
 * Offsets count floats in one flat array that holds all parameters one after another, each beginning at a
 * multiple of 16 floats. */
#ifndef BL_MODEL_PARAMS_H
#define BL_MODEL_PARAMS_H
#include <bilens/model.h>

/* Sizes: H heads, K key/value heads, k head width. */
typedef enum bl_param_kind {
    BL_PARAM_WTE,      /* [V, d] */
    BL_PARAM_WPE,      /* [n_ctx, d] */
    BL_PARAM_N1,       /* [d] */
    BL_PARAM_N1_BIAS,  /* [d] */
    BL_PARAM_QKV,      /* [3d, d]; [(H + 2 K) k, d]; of bilinear attention [5d, d] */
    BL_PARAM_QKV_BIAS, /* as many */
    BL_PARAM_Q,        /* [H k, d] */
    BL_PARAM_Q_BIAS,   /* [H k] */
    BL_PARAM_K,        /* [K k, d] */
    BL_PARAM_K_BIAS,   /* [K k] */
    BL_PARAM_V,        /* [K k, d] */
    BL_PARAM_V_BIAS,   /* [K k] */
    BL_PARAM_Q_NORM,   /* [k] */
    BL_PARAM_K_NORM,   /* [k] */
    BL_PARAM_O,        /* [d, H k] */
    BL_PARAM_O_BIAS,   /* [d] */
    BL_PARAM_N1_POST,  /* [d] */
    BL_PARAM_N2,       /* [d] */
    BL_PARAM_N2_BIAS,  /* [d] */
    BL_PARAM_W,        /* L above R [2h, d]; [h, d] for a plain MLP */
    BL_PARAM_W_BIAS,   /* [2h] or [h] */
    BL_PARAM_L,        /* [h, d] */
    BL_PARAM_L_BIAS,   /* [h] */
    BL_PARAM_R,        /* [h, d] */
    BL_PARAM_R_BIAS,   /* [h] */
    BL_PARAM_P,        /* [d, h] */
    BL_PARAM_P_BIAS,   /* [d] */
    BL_PARAM_N2_POST,  /* [d] */
    BL_PARAM_NF,       /* [d] */
    BL_PARAM_NF_BIAS,  /* [d] */
    BL_PARAM_HEAD,     /* [V, d] */
    BL_PARAM_ROPE      /* [k/2] divisors of the rotary frequencies */
} bl_param_kind;

/* How a matrix lies in the file. */
typedef enum bl_param_layout {
    BL_LAYOUT_ROWS,    /* as it is used */
    BL_LAYOUT_COLUMNS, /* transposed, [in, out] (GPT-2's Conv1D) */
    BL_LAYOUT_HEADS,   /* rows q_i, k_i, v_i of one head after the other (GPT-NeoX) */
    BL_LAYOUT_PAIRS    /* rotary pairs side by side instead of in halves (llama in GGUF) */
} bl_param_layout;

typedef struct bl_param {
    char name[80];       /* in the checkpoint */
    char other_name[80]; /* a second name that it may have; "" = none */
    bl_param_kind kind;
    bl_param_layout layout;
    size_t layer;              /* 0 where it makes no sense */
    size_t n_dims, rows, cols; /* cols = 1 for vectors */
    size_t count, offset;
} bl_param;

typedef struct bl_params {
    bl_param *list;
    size_t n, capacity;
    size_t total;  /* floats in the flat array */
    bl_error *err; /* where bl_params_add reports to, and whether it has failed */
    bool failed;
} bl_params;

/* The table of `config` (all its fields decide), as its architecture says. */
bool bl_params_init(bl_params *params, const bl_config *config, bl_error *err);
void bl_params_free(bl_params *params);
/* Index of a parameter; params->n if the model has none such. */
size_t bl_params_find(const bl_params *params, bl_param_kind kind, size_t layer);

/* For architectures: a matrix [rows, cols], or a vector [rows] with cols 0. A "%zu" in `name` and `other` is
 * the layer. Returns the entry, so that its layout can be set; a scratch entry after a failure. */
bl_param *bl_params_add(bl_params *params, bl_param_kind kind, size_t layer, size_t rows, size_t cols,
                        const char *name, const char *other);
#endif
