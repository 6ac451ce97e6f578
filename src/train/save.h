/* The trained net as a model directory. */
#ifndef BL_TRAIN_SAVE_H
#define BL_TRAIN_SAVE_H
#include "train/net.h"
#include <bilens/train.h>

/* True if config.json and the tensors of config->generation can say all of `config`; else BL_ERR_USAGE or
 * BL_ERR_UNSUPPORTED names what they cannot. */
bool bl_config_check(const bl_config *config, bl_error *err);

/* Writes tokenizer.json (a copy of `tokenizer`), model.safetensors and, last, config.json into `directory`.
 */
bool bl_net_save(const bl_net *net, const char *directory, const char *tokenizer, bl_store store,
                 bl_error *err);
#endif
