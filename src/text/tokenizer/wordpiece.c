/* WordPiece: from the left, the longest piece of the vocabulary that fits, then the longest that continues
 * with the prefix, … A word that cannot be covered so, or is too long, becomes the unknown token as
 * a whole.
 *
 * One trie serves both: a continuing piece is searched from the node that the prefix leads to. A step costs
 * at most the longest vocabulary string, so a word of n bytes costs O(n * longest), and max_chars bounds n.
 */
#include "base/memory.h"
#include "text/tokenizer/ids.h"
#include "text/tokenizer/trie.h"
#include "base/utf8.h"
#include "text/tokenizer/word_model.h"
#include <stdlib.h>

struct bl_wordpiece {
    bl_trie trie;
    uint32_t continuing; /* where the prefix leads to */
    bool continues;      /* some string begins with the prefix */
    int32_t unknown;
    size_t max_chars;
};

static bool encode(const void *data, const char *word, size_t length, bl_ids *ids, bl_error *err) {
    const bl_wordpiece *self = data;
    size_t before = ids->n;
    bool known = length <= self->max_chars || bl_utf8_count(word, length) <= self->max_chars;
    for (size_t at = 0; known && at < length;) {
        size_t piece = 0;
        int32_t id = -1;
        if (at == 0 || self->continues)
            id = bl_trie_longest(&self->trie, at ? self->continuing : 0, word + at, length - at, &piece);
        known = id >= 0;
        at += piece;
        if (known && !bl_ids_push(ids, id, err)) return false;
    }
    if (known) return true;
    ids->n = before;
    return bl_ids_push(ids, self->unknown, err);
}

static void free_data(void *data) { bl_wordpiece_free(data); }

bl_wordpiece *bl_wordpiece_new(bl_error *err) { return bl_alloc_zero(1, sizeof(bl_wordpiece), err); }

void bl_wordpiece_free(bl_wordpiece *wordpiece) {
    if (!wordpiece) return;
    bl_trie_free(&wordpiece->trie);
    free(wordpiece);
}

bool bl_wordpiece_add(bl_wordpiece *wordpiece, const char *token, size_t length, int32_t id, bl_error *err) {
    return bl_trie_add(&wordpiece->trie, token, length, id, err);
}

bl_word_model bl_wordpiece_finish(bl_wordpiece *wordpiece, const char *prefix, size_t prefix_length,
                                  int32_t unknown, size_t max_chars) {
    wordpiece->continuing = bl_trie_find(&wordpiece->trie, prefix, prefix_length);
    wordpiece->continues = prefix_length == 0 || wordpiece->continuing != 0;
    wordpiece->unknown = unknown;
    wordpiece->max_chars = max_chars;
    return (bl_word_model){.encode = encode, .free = free_data, .data = wordpiece};
}
