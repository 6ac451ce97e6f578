/* A short piece of text inside a plain value, so that normalisers, pre-tokenizers and decoders can be copied
 * and need no freeing. */
#ifndef BL_TEXT_SHORT_TEXT_H
#define BL_TEXT_SHORT_TEXT_H
#include <stddef.h>

enum { BL_SHORT_TEXT = 32 };

typedef struct bl_short_text {
    char data[BL_SHORT_TEXT];
    size_t n; /* bytes, at most BL_SHORT_TEXT */
} bl_short_text;
#endif
