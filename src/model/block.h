/* The one block: norm, attention, norm, MLP, with every setting of the plan; for whole stories and for
 * single tokens of several texts alike, which differ in how they attend and in how products are added up. */
#ifndef BL_MODEL_BLOCK_H
#define BL_MODEL_BLOCK_H
#include "linear/attention.h"
#include "model/forward.h"
#include "model/matrix.h"

/* Activations of n rows, each one position of some text. Zero-initialise. */
typedef struct bl_rows_state {
    size_t rows;   /* room for so many */
    float *x;      /* [n, d] the residual stream */
    float *mid;    /* [n, d] x_mid */
    float *y;      /* [n, d] N1(x), then N2(x_mid), then N_f(x_L) */
    float *read;   /* [n, d] the same with the norm's weight and bias, where they are not folded */
    float *qkv;    /* [n, width] */
    float *z;      /* [n, H k] heads' outputs side by side */
    float *out;    /* [n, d] what attention or the MLP adds */
    float *pre;    /* [n, 2h] L y beside R y */
    float *hidden; /* [n, h] g(L y) * R y */
    bl_pack_room scratch;
} bl_rows_state;

bool bl_rows_reserve(bl_rows_state *state, const bl_model *model, size_t rows, bl_error *err);
void bl_rows_free(bl_rows_state *state);

/* The rotary tables of a model's two kinds of layers, for stories of up to `positions`. Zero-initialise. */
typedef struct bl_ropes {
    size_t positions;
    bool made;
    bl_rotary global, local;
} bl_ropes;

bool bl_ropes_reserve(bl_ropes *ropes, const bl_model *model, size_t positions, bool exact, bl_error *err);
void bl_ropes_free(bl_ropes *ropes);

/* One pass. */
typedef struct bl_block_pass {
    const bl_model *model;
    bl_rows_state *state;
    const bl_ropes *ropes;
    size_t n;
    const size_t *position; /* [n]; NULL: row i is position i of one story */
    const size_t *begin;    /* [stories + 1] story s has rows begin[s] - begin[0] … begin[s + 1] -
                          * begin[0] - 1; NULL: all rows are of one story, or `attend` knows better */
    size_t stories;
    bool steady;       /* add up alike whatever n is */
    const bl_tap *tap; /* or NULL */
    /* z from qkv (rotated) of the pass's rows. */
    void (*attend)(const struct bl_block_pass *pass, size_t layer);
    void *context; /* attend's */
} bl_block_pass;

/* x [n, d] of the tokens ids [n]. */
void bl_pass_embed(const bl_block_pass *pass, const int32_t *ids);
/* From x to x_mid and y = mlp_in. */
void bl_pass_attention(const bl_block_pass *pass, size_t layer);
/* From there to the next x: pre and hidden from y, out from hidden, x from x_mid and out. */
void bl_pass_mlp(const bl_block_pass *pass, size_t layer);
void bl_pass_hidden(const bl_block_pass *pass, size_t layer);
void bl_pass_out(const bl_block_pass *pass, size_t layer);
void bl_pass_add(const bl_block_pass *pass, size_t layer);
/* y = N_f(x) of the rows begin … begin + n - 1, to the first rows of state->y, weighted; then logits [n,
 * V]. */
void bl_pass_final(const bl_block_pass *pass, size_t begin, size_t n);
void bl_pass_logits(const bl_block_pass *pass, size_t n, float *logits);
/* The same of tokens first … first + count - 1 only, logits [n, count]. */
void bl_pass_some_logits(const bl_block_pass *pass, size_t n, size_t first, size_t count, float *logits);

/* A pass over whole stories side by side in the workspace's state, to be driven by the functions above:
 * story s has begin[s + 1] - begin[s] positions. `begin` must outlive the pass. */
bool bl_forward_stories(const bl_model *model, bl_workspace *workspace, const size_t *begin, size_t stories,
                        bl_block_pass *out, bl_error *err);
/* How many of these stories, one at least, to run together so that there are at most `rows` rows. */
size_t bl_forward_together(const bl_model *model, const size_t *begin, size_t stories, size_t rows);
/* losses [stories] of such a pass from what its last layer left in x: the sum of -log softmax(logits)[next
 * token] over each story's predictions. ids [n] of all rows. */
bool bl_pass_losses(const bl_block_pass *pass, const int32_t *ids, double *losses, bl_error *err);

void bl_tap_value(const bl_tap *tap, bl_point point, size_t layer, size_t head, bl_rows value);
/* A head of a layer: `queries` positions against `keys`, rows `stride` apart. */
bl_attention bl_block_attention(const bl_model *model, size_t layer, size_t queries, size_t keys,
                                size_t stride);
/* The key and value head that query head h shares with its neighbours. */
static inline size_t bl_kv_head(const bl_config *c, size_t h) { return h / (c->n_head / c->n_kv_head); }
#endif
