/** @file layers.h  Which layer to look at first: what each layer's MLP and heads add to a direction,
 * directly, over a text (docs/specification.md, 9).
 *
 *      mlp_p  = s_p u . y_p            heads_p = sum over heads s_p u . (s_i O_i z_i)       at position p
 *      own    = mean over the positions where the token comes next - mean over all positions
 *      spread = standard deviation over all positions
 *
 * s_p is the final norm's scale, frozen; so is that of a norm behind attention or the MLP. What later
 * layers make of a layer's output is not in these numbers. Position 0 of every story is left out: in many
 * models it is an attention sink whose activations are far from all others.
 *
 *      bl_layer_shares shares;
 *      if (!bl_layer_shares_of(model, u, token, &stories, 16, progress, &shares, &err)) …
 *      shares.layers[i].mlp.own …
 *      bl_layer_shares_free(&shares); */
#ifndef BILENS_LAYERS_H
#define BILENS_LAYERS_H

#include <bilens/scan.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What one part of a layer adds. */
typedef struct bl_layer_part {
    double own;    /**< NaN without a token, or where it never comes next */
    double spread; /**< never NaN */
} bl_layer_part;

typedef struct bl_layer_share {
    bl_layer_part mlp, heads; /**< heads: all of the layer together, without attention's output bias */
    bl_layer_part head;       /**< the one head that adds most: by |own|, or by spread where own is NaN */
    size_t best;              /**< its number */
} bl_layer_share;

typedef struct bl_layer_shares {
    size_t n; /**< layers of the model */
    bl_layer_share *layers;
    uint64_t stories, positions, own; /**< own: positions where the token comes next */
} bl_layer_shares;

/** Over at most `most` of the stories (0: all), those first in which the token is predicted. u [d];
 * `token`: -1 for none. BL_ERR_INPUT when there is no position. Takes any transformer, gated or not. The
 * result does not depend on the number of threads. Phase "running". Free with bl_layer_shares_free. */
BL_API bool bl_layer_shares_of(const bl_model *model, const float *u, int32_t token,
                               const bl_token_stories *stories, size_t most, bl_progress progress,
                               bl_layer_shares *out, bl_error *err);
/** The same of the first 20,000 stories of a corpus. Phases "reading", "running". */
BL_API bool bl_layer_shares_of_corpus(const bl_model *model, const float *u, int32_t token, bl_corpus *corpus,
                                      size_t most, bl_progress progress, bl_layer_shares *out, bl_error *err);
/** Frees what `shares` holds, not the struct itself. NULL is allowed. */
BL_API void bl_layer_shares_free(bl_layer_shares *shares);

#ifdef __cplusplus
}
#endif
#endif
