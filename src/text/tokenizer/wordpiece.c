/* WordPiece: from the left, the longest piece of the vocabulary that fits, then the longest that continues
 * with the prefix, … A word that cannot be covered so, or is too long, becomes the unknown token as a
 * whole.
 *
 * One trie serves both: a continuing piece is searched from the node that the prefix leads to. A step costs
 * at most the longest vocabulary string, so a word of n bytes costs O(n * longest), and max_chars bounds
 * n. */
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer/ids.h"
#include "text/tokenizer/models.h"
#include "text/tokenizer/trie.h"
#include <stdlib.h>

typedef struct wordpiece {
    bl_trie trie;
    uint32_t continuing; /* where the prefix leads to */
    bool continues;      /* some string begins with the prefix */
    int32_t unknown;
    size_t max_chars;
} wordpiece;

static bool encode(const void *data, const char *word, size_t length, bl_ids *ids, bl_error *err) {
    const wordpiece *self = data;
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

static void free_data(void *data) {
    wordpiece *self = data;
    if (!self) return;
    bl_trie_free(&self->trie);
    free(self);
}

static bool add_strings(wordpiece *self, const bl_vocabulary *vocabulary, bl_error *err) {
    for (size_t i = 0; i < vocabulary->n_model; i++) {
        size_t n;
        const char *token = bl_string_table_text(&vocabulary->strings, i, &n);
        if (!bl_trie_add(&self->trie, token, n, vocabulary->ids[i], err)) return false;
    }
    return true;
}

bl_word_model bl_wordpiece(const bl_vocabulary *vocabulary, const char *prefix, size_t prefix_length,
                           int32_t unknown, size_t max_chars, bl_error *err) {
    wordpiece *self = bl_alloc_zero(1, sizeof *self, err);
    if (!self || !add_strings(self, vocabulary, err)) {
        free_data(self);
        return (bl_word_model){0};
    }
    self->continuing = bl_trie_find(&self->trie, prefix, prefix_length);
    self->continues = prefix_length == 0 || self->continuing != 0;
    self->unknown = unknown;
    self->max_chars = max_chars;
    return (bl_word_model){.encode = encode, .free = free_data, .data = self};
}
