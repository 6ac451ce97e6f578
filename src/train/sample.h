/* A sample of text during training. */
#ifndef BL_TRAIN_SAMPLE_H
#define BL_TRAIN_SAMPLE_H
#include "train/net.h"

/* Up to `most` tokens after the template's beginning, drawn at temperature 0.8 from `seed`; ends at [EOS].
 * Free with bl_free. */
char *bl_net_sample(bl_net *net, const bl_tokenizer *tokenizer, size_t most, uint64_t seed, bl_error *err);
#endif
