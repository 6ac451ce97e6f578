/* Added tokens ([BOS], …): strings that are found in the text before it is cut into words. */
#ifndef BL_TEXT_ADDED_TOKENS_H
#define BL_TEXT_ADDED_TOKENS_H
#include "text/tokenizer/trie.h"

typedef struct bl_added_token {
    int32_t id;
    bool single_word; /* only where no word character touches it */
    bool lstrip;      /* takes along the white space before it */
    bool rstrip;      /* takes along the white space after it */
} bl_added_token;

/* Zero-initialise. */
typedef struct bl_added_tokens {
    bl_added_token *tokens;
    size_t n, capacity;
    bl_trie trie;     /* string to index into tokens */
    bool begins[256]; /* some string begins with this byte */
    size_t n_begins;
    unsigned char only; /* the last of these bytes */
} bl_added_tokens;

/* Enters a string, not an empty one, that is not there yet. */
bool bl_added_tokens_add(bl_added_tokens *added, const char *content, size_t length, bl_added_token token,
                         bl_error *err);
bool bl_added_tokens_has(const bl_added_tokens *added, const char *content, size_t length);
void bl_added_tokens_free(bl_added_tokens *added);

/* Called for each piece of a text in order: an added token (id >= 0, no text) or what stands between two (id
 * -1). */
typedef bool (*bl_added_fn)(void *context, int32_t id, const char *text, size_t n, bl_error *err);

/* Finds the added tokens in well-formed text: the leftmost, the longest that begins there, then on from its
 * end. */
bool bl_added_tokens_split(const bl_added_tokens *added, const char *text, size_t n, bl_added_fn piece,
                           void *context, bl_error *err);
#endif
