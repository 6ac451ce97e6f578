/* From ids back to text: the ids' tokens through the decoder, or joined by blanks where there is none.
 *
 * An added token that is searched in normalised text comes back as the file spells it, as older versions of
 * the Hugging Face library have it; 0.23 gives its normalised form instead. The ids are the same. */
#include "base/buffer.h"
#include "base/error.h"
#include "text/tokenizer/tokenizer_private.h"
#include <string.h>

/* The tokens of the ids, joined by blanks already where nothing decodes them. */
static bool gather(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, bl_pieces *pieces,
                   bl_error *err) {
    for (size_t i = 0; i < n; i++) {
        const char *token = bl_tokenizer_token(tokenizer, ids[i]);
        if (!token)
            return bl_fail(
                err, BL_ERR_INPUT,
                "id %d (the %zu-th, counted from 0) is not in the vocabulary, whose ids are 0 to %zu", ids[i],
                i, bl_tokenizer_size(tokenizer) - 1);
        if (i > 0 && tokenizer->decoder.n == 0) bl_buffer_add(&pieces->text, " ", 1);
        bl_buffer_text(&pieces->text, token);
        if (!bl_pieces_end(pieces, err)) return false;
    }
    return true;
}

char *bl_tokenizer_decode_n(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, size_t *length,
                            bl_error *err) {
    bl_pieces pieces = {0};
    char *text = NULL;
    if (gather(tokenizer, ids, n, &pieces, err) && bl_decoder_run(&tokenizer->decoder, &pieces, err)) {
        *length = pieces.text.n;
        text = bl_buffer_take(&pieces.text, err);
    }
    bl_pieces_free(&pieces);
    return text;
}

char *bl_tokenizer_decode(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, bl_error *err) {
    size_t length;
    return bl_tokenizer_decode_n(tokenizer, ids, n, &length, err);
}
