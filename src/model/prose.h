/* Where sentences end in ids, and prose of tokenizers that keep blanks. */
#ifndef BL_MODEL_PROSE_H
#define BL_MODEL_PROSE_H
#include <bilens/text.h>

/* Shortens `*n` ids to whole sentences, quotations closed; not below `least`, and not at all when no sentence
 * ends behind that. */
bool bl_prose_whole(const bl_tokenizer *tokenizer, const int32_t *ids, size_t *n, size_t least,
                    bl_error *err);

/* Whether a token only frames a text: the end, what the template puts around. */
bool bl_is_frame(const bl_tokenizer *tokenizer, int32_t id);

/* prose_kept.c: bl_tokenizer_prose and bl_prose_whole of a tokenizer whose tokens hold blanks and capitals.
 */
char *bl_kept_prose(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, bl_error *err);
bool bl_kept_whole(const bl_tokenizer *tokenizer, const int32_t *ids, size_t *n, size_t least, bl_error *err);
#endif
