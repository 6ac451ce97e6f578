/* Finding added tokens, with the Hugging Face library's rules for the white space and the words around them.
 */
#include "text/tokenizer/added_tokens.h"
#include "base/memory.h"
#include "text/tokenizer/unicode.h"
#include "base/utf8.h"
#include <stdlib.h>

bool bl_added_tokens_has(const bl_added_tokens *added, const char *content, size_t length) {
    uint32_t node = bl_trie_find(&added->trie, content, length);
    return node != 0 && added->trie.values[node] >= 0;
}

bool bl_added_tokens_add(bl_added_tokens *added, const char *content, size_t length, bl_added_token token,
                         bl_error *err) {
    if (!bl_grow(&added->tokens, &added->capacity, added->n + 1, sizeof *added->tokens, err)) return false;
    if (!bl_trie_add(&added->trie, content, length, (int32_t)added->n, err)) return false;
    added->tokens[added->n++] = token;
    added->only = (unsigned char)content[0];
    added->n_begins += !added->begins[added->only];
    added->begins[added->only] = true;
    return true;
}

void bl_added_tokens_free(bl_added_tokens *added) {
    free(added->tokens);
    bl_trie_free(&added->trie);
    *added = (bl_added_tokens){0};
}

/* The next place at or after `at` where a string may begin; n if there is none. */
static size_t candidate(const bl_added_tokens *added, const char *text, size_t at, size_t n) {
    if (added->n_begins == 1) {
        const char *found = at < n ? memchr(text + at, added->only, n - at) : NULL;
        return found ? (size_t)(found - text) : n;
    }
    while (at < n && !added->begins[(unsigned char)text[at]]) at++;
    return at;
}

static bool is_word_around(const char *text, size_t begin, size_t end, size_t n) {
    if (begin > 0 && bl_unicode_class(bl_utf8_previous(text, &begin)) & BL_CLASS_WORD) return true;
    return end < n && bl_unicode_class(bl_utf8_next(text, &end)) & BL_CLASS_WORD;
}

static size_t skip_space_before(const char *text, size_t at, size_t limit) {
    for (size_t before = at; at > limit; at = before)
        if (!(bl_unicode_class(bl_utf8_previous(text, &before)) & BL_CLASS_SPACE)) break;
    return at;
}

static size_t skip_space_after(const char *text, size_t at, size_t n) {
    for (size_t after = at; at < n; at = after)
        if (!(bl_unicode_class(bl_utf8_next(text, &after)) & BL_CLASS_SPACE)) break;
    return at;
}

bool bl_added_tokens_split(const bl_added_tokens *added, const char *text, size_t n, bl_added_fn piece,
                           void *context, bl_error *err) {
    size_t done =
        0; /* everything before is handed out; past `at` when a token took along the white space after it */
    for (size_t at = added->n ? candidate(added, text, 0, n) : n; at < n;) {
        size_t length = 0;
        int32_t found = bl_trie_longest(&added->trie, 0, text + at, n - at, &length);
        if (found < 0) {
            at = candidate(added, text, at + 1, n);
            continue;
        }
        const bl_added_token *token = &added->tokens[found];
        size_t begin = at, end = at + length;
        at = candidate(added, text, end, n);
        if (token->single_word && is_word_around(text, begin, end, n)) continue;
        if (token->lstrip && begin > done) begin = skip_space_before(text, begin, done);
        if (token->rstrip) end = skip_space_after(text, end, n);
        if (begin > done && !piece(context, -1, text + done, begin - done, err)) return false;
        if (!piece(context, token->id, NULL, 0, err)) return false;
        done = end;
    }
    return done >= n || piece(context, -1, text + done, n - done, err);
}
