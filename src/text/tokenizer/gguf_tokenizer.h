/* The tokenizer in a GGUF file. */
#ifndef BL_TEXT_GGUF_TOKENIZER_H
#define BL_TEXT_GGUF_TOKENIZER_H
#include "format/gguf.h"
#include <bilens/text.h>

/* Reads the keys tokenizer.ggml.*; `name` is for messages. The file is not needed afterwards. A kind of
 * tokenizer or of pre-tokenizer that is not supported is refused by its name (BL_ERR_UNSUPPORTED). */
bl_tokenizer *bl_gguf_tokenizer(const bl_gguf *file, const char *name, bl_error *err);
#endif
