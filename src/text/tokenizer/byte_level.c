/* ByteLevel: words by GPT-2's expression
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * each then written byte by byte in GPT-2's alphabet. The expression is so regular that it is matched by
 * hand: from a character's kind to the end of its run, without trying alternatives again. That is some ten
 * times faster than a library of regular expressions, and its answer does not hang on the age of that
 * library's Unicode tables: the classes are those of the Hugging Face library 
 * (text/tokenizer/unicode.h). The tests
 * hold it against PCRE2 with the expression itself. */
#include "text/tokenizer/byte_level.h"
#include "base/memory.h"
#include "text/tokenizer/pretokenise.h"

#define KINDS \
    (BL_CLASS_LETTER | BL_CLASS_NUMBER | BL_CLASS_BLANK) /* of which a character has one, or none \
                                                                    */

/* The length of 's, 't, 're, 've, 'm, 'll or 'd at an apostrophe, or 0. */
static size_t contraction(const char *text, size_t n) {
    if (n < 2) return 0;
    switch (text[1]) {
    case 's':
    case 't':
    case 'm':
    case 'd': return 2;
    case 'r':
    case 'v': return n > 2 && text[2] == 'e' ? 3 : 0;
    case 'l': return n > 2 && text[2] == 'l' ? 3 : 0;
    default: return 0;
    }
}

/* The end of the match that begins at `begin`. White space leaves its last character to the word that
 * follows. */
static size_t match(const char *text, size_t begin, size_t n) {
    size_t known = text[begin] == '\'' ? contraction(text + begin, n - begin) : 0;
    if (known) return begin + known;
    size_t end = begin + (text[begin] == ' ' && begin + 1 < n), last = begin;
    unsigned kind = bl_class_at(text, &end) & KINDS;
    if (kind != BL_CLASS_BLANK) {
        for (size_t next = end; next < n && (bl_class_at(text, &next) & KINDS) == kind;) end = next;
        return end;
    }
    end = begin;
    for (size_t next = begin; next < n && bl_class_at(text, &next) & BL_CLASS_BLANK; end = next) last = end;
    return end == n || last == begin ? end : last;
}

/* The word in GPT-2's alphabet, handed on. */
static bool spell(const bl_cutting *rest, const char *word, size_t n) {
    bl_buffer *spelled = bl_cutting_buffer(rest, 1, 2 * n);
    if (!spelled) return false;
    char *to = spelled->data;
    for (size_t i = 0; i < n; i++) to += bl_utf8_put(bl_byte_to_point((unsigned char)word[i]), to);
    return bl_hand_on(rest, spelled->data, (size_t)(to - spelled->data));
}

static bool cut(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text, size_t n) {
    if (step->prefix_space && text[0] != ' ') {
        bl_buffer *prefixed = bl_cutting_buffer(rest, 0, n + 1);
        if (!prefixed) return false;
        prefixed->data[0] = ' ';
        memcpy(prefixed->data + 1, text, n);
        text = prefixed->data, n++;
    }
    if (!step->split) return spell(rest, text, n);
    for (size_t begin = 0, end; begin < n; begin = end) {
        end = match(text, begin, n);
        if (!spell(rest, text + begin, end - begin)) return false;
    }
    return true;
}

bl_pretokeniser_step bl_pretokeniser_byte_level(bool prefix_space, bool split) {
    return (bl_pretokeniser_step){.cut = cut, .prefix_space = prefix_space, .split = split};
}
