/* The model as the trainer sees it: all parameters in one flat array, their gradient in another, and the
 * activations of one micro-batch.
 *
 * Stories are packed one after another without padding. A story of n tokens has n - 1 rows: its last token is
 * only ever a target. N is the number of rows of the micro-batch at hand. */
#ifndef BL_TRAIN_NET_H
#define BL_TRAIN_NET_H
#include "model/params.h"
#include "linear/attention.h"
#include "linear/norm.h"
#include "linear/product16.h"

typedef struct bl_minibatch {
    const int32_t *input, *target; /* [N] */
    const uint32_t *position;      /* [N] in its story */
    const uint64_t *row;           /* [N] the row's name within the whole step (noise depends on it) */
    const size_t *start;           /* [n_stories + 1] first rows of stories, then N */
    size_t n_stories, n_rows, longest;
} bl_minibatch;

/* The names of the rows from `first` on; NULL where rows have no names (nothing is noisy). */
static inline const uint64_t *bl_minibatch_names(const bl_minibatch *batch, size_t first) {
    return batch->row ? batch->row + first : NULL;
}

/* An activation that feeds nothing but products of the backward pass: in float32, or, in a net that trains in
 * bfloat16, in that; the other pointer is NULL. */
typedef struct bl_kept {
    float *full;
    bl_half *half;
} bl_kept;

/* One layer's activations; pointers into the net's workspace. Where a pass has N(x) = x, attn_in and mlp_in
 * are not written: x and mid stand for them. */
typedef struct bl_layer_state {
    float *x;        /* [N, d] */
    bl_kept attn_in; /* [N, d] */
    float *qkv; /* [N, 3d] (bilinear attention: [N, 5d]), q and k rotated; the backward pass turns it into its
                gradient */
    float *lse; /* [H, N] */
    float *z;   /* [N, d] heads' outputs */
    float *mid; /* [N, d] */
    bl_kept mlp_in; /* [N, d] */
    float *pre;     /* [N, 2h] (plain: [N, h]), rows net->ld_pre apart; the backward pass turns it into its
                   gradient */
    bl_factor qkv_t, o_t, w_t, p_t; /* the weights as right-hand factors, transposed: forward */
    bl_factor qkv_n, o_n, w_n, p_n; /* as they are: backward */
} bl_layer_state;

typedef struct bl_net {
    bl_config config;
    bl_params params;
    float *weights, *gradient; /* [params.total] */
    float attention_scale;     /* s_i */
    bl_rotary rotary;          /* [n_ctx, k/2] */
    bl_gate gate;              /* config.gate, unless it is annealed */
    float left, right;         /* what L's and R's outputs are multiplied by before the gate: 1, 1 */
    /* Workspace, made for at most `rows` rows with stories of at most `longest`, by `threads` threads. */
    size_t rows, longest;
    int threads;
    bool half;               /* what is kept for the backward pass is kept in bfloat16 */
    bl_layer_state *layers;  /* [n_layer] */
    float *final, *final_in; /* x_L and N_f(x_L) [N, d] */
    bl_kept hidden;          /* [N, h] of the layer at hand */
    float *logits;           /* [threads * BL_HEAD_ROWS, V], rows ld_logits apart */
    size_t ld_pre,
        ld_logits; /* off the powers of two, which would put all rows of a tile into one set of the cache */
    bl_factor head_t, head_n;
    float *panels;         /* of all factors */
    float *g, *g_mid, *dz; /* [N, d] gradients with respect to the residual stream, and to z */
    float *scratch;        /* [threads, scratch_size] */
    size_t scratch_size;
    double *row_loss; /* [N] */
    void *block;      /* what all of the above point into */
    int stopped;      /* pass->stop said so; written by one thread, read by all */
} bl_net;

/* What one pass is to do. */
typedef struct bl_pass {
    bool backward;
    bool accumulate;     /* add to the gradient instead of replacing it */
    bool half;           /* products of bfloat16 factors; needs bl_product16_possible() */
    float scale;         /* of the loss in the gradient: 1 / predictions of the whole step */
    bool noise;          /* training noise, where the configuration has some */
    uint64_t seed, step; /* of the noise */
    bool (*stop)(
        void *context); /* asked many times on the way, by the calling thread; true: give up. Or NULL */
    void *context;
} bl_pass;

/* Allocates and zeroes weights and gradient. On failure bl_net_free is still to be called. */
bool bl_net_init(bl_net *net, const bl_config *config, bl_error *err);
void bl_net_free(bl_net *net);

/* Whether the gate x -> x s(b x), s the logistic function, is x / 2 in float32. */
static inline bool bl_swish_is_half(double b) { return b < 1e-4; }
/* The gate becomes x -> x s(b x), 0 <= b. */
void bl_net_set_swish(bl_net *net, double b);
/* The same function as a checkpoint can say it, gate silu or none, with L and R scaled; config.gate follows.
 * */
void bl_net_fold_swish(bl_net *net);

/* Draws weights from N(0, 0.02^2) (norm weights 1, biases 0), with float32 uniforms of `seed`. */
void bl_net_randomize(bl_net *net, uint64_t seed);

/* The sum of the losses of all rows; with pass->backward also the gradient of pass->scale times it. Grows the
 * workspace as needed. BL_ERR_CANCELLED when pass->stop said so; loss and gradient are nothing then. */
bool bl_net_run(bl_net *net, const bl_minibatch *batch, const bl_pass *pass, double *loss, bl_error *err);

/* Packs the weights for the products of such a pass; bl_net_run does it by itself. */
bool bl_net_pack(bl_net *net, const bl_pass *pass, bl_error *err);

/* Logits [V] of the token that follows ids [n], n <= n_ctx, without noise. The weights must have been packed
 * since they changed. */
bool bl_net_next(bl_net *net, const int32_t *ids, size_t n, float *logits, bl_error *err);

/* Rough count of floating-point operations of forward and backward a token, in stories of T tokens: 6 *
 * (parameters that multiply, the embedding table not) + 6 * n_layer * T * d (the causal half of 12 n_layer T
 * d). */
double bl_net_flops(const bl_config *config, double T);

/* n zeros, aligned to a cache line (which zeroed memory from the system is not). */
float *bl_zeros(size_t n, bl_error *err);

/* Private to the room: */
#define BL_HEAD_ROWS ((size_t)480) /* rows a thread has logits for at a time; a multiple of a tile's */

/* A parameter's weights or gradient; NULL if the model has none such. */
float *bl_net_weight(const bl_net *net, bl_param_kind kind, size_t layer);
float *bl_net_gradient(const bl_net *net, bl_param_kind kind, size_t layer);

/* N_f, the head and cross-entropy, forward and (pass->backward) backward: writes net->row_loss, net->g =
 * dloss/dx_L, the gradients of the head and of n_f. */
void bl_head_run(bl_net *net, const bl_minibatch *batch, const bl_pass *pass, const bl_norm *norm);

/* Adds every thread's part [d] to a norm weight's gradient (NULL: nothing), in the order of threads, so that
 * the sum is always the same. To be called by all threads of a parallel region. */
void bl_add_in_order(float *total, const float *part, size_t d);

/* Whether the pass at hand is to be given up; the calling thread's first thread asks pass->stop. */
bool bl_net_stopped(bl_net *net, const bl_pass *pass);
#endif
