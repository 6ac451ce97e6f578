/* What a loaded model holds. */
#ifndef BL_MODEL_MODEL_PRIVATE_H
#define BL_MODEL_MODEL_PRIVATE_H
#include "linear/rotary.h"
#include "model/matrix.h"
#include "model/params.h"
#include "model/plan.h"
#include "model/weights.h"

/* A norm's weight and bias [d] as the forward pass applies them; NULL where there is none, or where it is
 * folded into the matrices that read it. */
typedef struct bl_norm_weights {
    const float *weight, *bias;
} bl_norm_weights;

/* One layer as the forward pass reads it. A product's matrices stand above one another: those that are one
 * in memory are one here. */
typedef struct bl_block_weights {
    bl_matrix qkv[5]; /* together [width, d]: q, k (of bilinear attention also q2, k2), v */
    size_t n_qkv;
    bl_matrix o;    /* [d, H k] */
    bl_matrix w[2]; /* L above R, [2h, d] or [h, d] */
    size_t n_w;
    bl_matrix p;                          /* [d, h] */
    const float *b_qkv, *b_o, *b_w, *b_p; /* as long as the products' results, or NULL */
    bl_norm_weights n1, n2, n1_post, n2_post;
    const float *q_norm, *k_norm; /* [k] or NULL */
    unsigned flags;               /* bl_layer_flag */
} bl_block_weights;

struct bl_model {
    bl_config config; /* settled; its plan is the one below */
    bl_plan plan;
    char *name, *config_json;
    bl_tokenizer *tokenizer;
    bl_weights weights;
    bl_params params;
    const bl_weight **stored; /* [params.n] where each parameter lies in the file */
    const float **raw;        /* [params.n] in float32; NULL for the matrices of ordinary models */
    float **owned;            /* allocations to free */
    size_t n_owned, owned_capacity;
    bl_block_weights *blocks;       /* [n_layer] */
    bl_matrix embedding, positions; /* [V, d]; [n_ctx, d] or nothing */
    bl_matrix head;                 /* [V, d] */
    bl_norm_weights final;
    bl_layer *layers; /* [n_layer], folded, in float32; bl_model_unfold */
    bl_view w_e, w_u;
    bl_rotary rotary; /* [n_ctx, k/2] of bilinear checkpoints, for the folded scan; else empty */
    float attention_scale;
    const struct bl_surrogate *surrogate; /* what stands for its MLPs where they are decomposed; or NULL */
    char **warnings;
    size_t n_warnings, warnings_capacity;
};

/* Loads only what config.json and the tensors say; the tokenizer stays NULL (for tests of the numeric part).
 */
bl_model *bl_model_load_weights(const char *directory, bl_error *err);

/* Floats that belong to the model. */
float *bl_model_own(bl_model *model, size_t count, bl_error *err);
/* words [V]: which ids the tokenizer has a token for; all of them without a tokenizer. Rows beyond are
 * padding, which is no word to predict or to name. Free it. */
bool *bl_model_words(const bl_model *model, bl_error *err);
/* Number of (query, key) pairs of patterns: 2 with bilinear attention, else 1. */
static inline size_t bl_model_patterns(const bl_config *c) { return c->attention2 ? 2 : 1; }
/* Where q of pattern m, k of pattern m and v begin in a row of qkv, and how long the row is. */
static inline size_t bl_q_begin(const bl_config *c, size_t m) {
    return m * (c->n_head + c->n_kv_head) * c->head_dim;
}
static inline size_t bl_k_begin(const bl_config *c, size_t m) {
    return bl_q_begin(c, m) + c->n_head * c->head_dim;
}
static inline size_t bl_v_begin(const bl_config *c) { return bl_q_begin(c, bl_model_patterns(c)); }
static inline size_t bl_qkv_width(const bl_config *c) { return bl_v_begin(c) + c->n_kv_head * c->head_dim; }

/* blocks.c: from the parameters to blocks. */
bool bl_model_build(bl_model *model, bl_error *err);
#endif
