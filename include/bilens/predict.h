/** @file predict.h  What a model predicts at every position of a text. */
#ifndef BILENS_PREDICT_H
#define BILENS_PREDICT_H

#include <bilens/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_predicted {
    int32_t id;         /**< of a token; -1: none */
    double probability; /**< softmax of the logits at the position before it */
    size_t rank;        /**< 1: the most probable */
} bl_predicted;

/** Of each position of a text, the most probable next tokens and the one that follows. */
typedef struct bl_predictions {
    size_t n, top;      /**< positions; tokens per position */
    bl_predicted *best; /**< [n, top] the most probable first; of equal ones the lower id */
    bl_predicted *next; /**< [n] the text's own next token; of the last position id -1 */
} bl_predictions;

/** Runs the model over ids [n], 1 <= n <= n_ctx, each in 0 … V-1. `top` is cut to V. Free with
 * bl_predictions_free. BL_ERR_USAGE, BL_ERR_UNSUPPORTED when an id is not the model's; BL_ERR_NUMERIC when a
 * logit is not finite; BL_ERR_MEMORY. */
BL_API bl_predictions *bl_predict(const bl_model *model, const int32_t *ids, size_t n, size_t top,
                                  bl_error *err);
/** The same of one position only, position < n: n is 1 in the result. */
BL_API bl_predictions *bl_predict_at(const bl_model *model, const int32_t *ids, size_t n, size_t position,
                                     size_t top, bl_error *err);
/** Frees `predictions` and all that it holds. NULL is allowed. */
BL_API void bl_predictions_free(bl_predictions *predictions);

#ifdef __cplusplus
}
#endif
#endif
