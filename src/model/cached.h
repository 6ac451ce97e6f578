/* The forward pass a token at a time: keys and values of earlier positions are kept, so that a token costs
 * one pass through the weights and one look at each earlier position. Several texts advance side by side, so
 * that the weights are read once for all of them. */
#ifndef BL_MODEL_CACHED_H
#define BL_MODEL_CACHED_H
#include "model/model_private.h"

/* So many texts at most. */
#define BL_CACHED_SLOTS 8

typedef struct bl_cached bl_cached;

/* Room for `slots` texts of at most T <= n_ctx tokens. One a thread. */
bl_cached *bl_cached_new(const bl_model *model, size_t slots, size_t T, bl_error *err);
void bl_cached_free(bl_cached *cached);
/* Bytes of keys and values that a slot takes; SIZE_MAX when there are too many to say. */
size_t bl_cached_bytes(const bl_model *model, size_t T);

/* Begins a new text in a slot. */
void bl_cached_begin(bl_cached *cached, size_t slot);
/* Tokens of the text in a slot so far. */
size_t bl_cached_length(const bl_cached *cached, size_t slot);

/* One token of each of n texts. */
typedef struct bl_cached_input {
    size_t slot;
    int32_t id;
    bool wanted;         /* compute the logits of what follows */
    const float *logits; /* out: [V], valid until the next step; NULL if not wanted */
} bl_cached_input;

/* Appends inputs[i].id to the text in inputs[i].slot, the slots all different and not full. The logits of a
 * text do not depend, to the bit, on which others advance with it. */
void bl_cached_step(bl_cached *cached, bl_cached_input *inputs, size_t n);
#endif
