/* Normalisers that put text in: Prepend before the whole, Replace in the place of a string. SentencePiece's
 * blanks come so ("▁"). */
#include "base/error.h"
#include "base/memory.h"
#include "text/tokenizer/normalise.h"
#include <string.h>

static bool out_of_memory(size_t n, bl_error *err) {
    return bl_fail(err, BL_ERR_MEMORY, "out of memory while a text of %zu bytes was normalised", n);
}

static bool prepend(const bl_normaliser_step *step, const char *text, size_t n, bl_normal_scratch *scratch,
                    bl_buffer *out, bl_error *err) {
    (void)scratch;
    bl_buffer_add(out, step->content.data, step->content.n);
    bl_buffer_add(out, text, n);
    return !out->failed || out_of_memory(n, err);
}

void bl_add_replaced(bl_buffer *out, const char *text, size_t n, const char *old, size_t old_n,
                     const char *new, size_t new_n) {
    const char *end = text + n, *found;
    for (; (found = memmem(text, (size_t)(end - text), old, old_n)); text = found + old_n) {
        bl_buffer_add(out, text, (size_t)(found - text));
        bl_buffer_add(out, new, new_n);
    }
    bl_buffer_add(out, text, (size_t)(end - text));
}

static bool replace(const bl_normaliser_step *step, const char *text, size_t n, bl_normal_scratch *scratch,
                    bl_buffer *out, bl_error *err) {
    (void)scratch;
    bl_add_replaced(out, text, n, step->pattern.data, step->pattern.n, step->content.data, step->content.n);
    return !out->failed || out_of_memory(n, err);
}

bl_normaliser_step bl_normaliser_prepend(bl_short_text content) {
    return (bl_normaliser_step){.apply = prepend, .content = content};
}

bl_normaliser_step bl_normaliser_replace(bl_short_text pattern, bl_short_text content) {
    return (bl_normaliser_step){.apply = replace,
                                .pattern = pattern,
                                .content = content,
                                .may_remove = content.n == 0};
}
