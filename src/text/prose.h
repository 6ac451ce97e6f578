/* Where sentences end in ids. */
#ifndef BL_TEXT_PROSE_H
#define BL_TEXT_PROSE_H
#include <bilens/text.h>

/* How many of the ids make whole sentences, quotations closed; at least `least`, and n when no sentence ends behind that. */
size_t bl_prose_whole(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, size_t least);
#endif
