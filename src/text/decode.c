/* From ids back to text: tokens joined by spaces, or as the WordPiece decoder joins them.
 *
 * An added token that is searched in normalised text comes back as the file spells it, as older versions of the Hugging Face library have
 * it; 0.23 gives its normalised form instead. The ids are the same. */
#include "base/buffer.h"
#include "base/error.h"
#include "text/tokenizer_private.h"
#include <string.h>

/* Removes the spaces that the library's clean-up removes, as it does: one replacement after the other over one token. */
static bool clean_up(bl_buffer *token, bl_buffer *scratch) {
    static const char *const replacements[][2] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
        const char *old = replacements[i][0], *rest = token->data, *found;
        if (!strstr(rest, old)) continue;
        scratch->n = 0;
        for (; (found = strstr(rest, old)); rest = found + strlen(old)) {
            bl_buffer_add(scratch, rest, (size_t)(found - rest));
            bl_buffer_text(scratch, replacements[i][1]);
        }
        bl_buffer_text(scratch, rest);
        if (scratch->failed) return false;
        bl_buffer kept = *token;
        *token = *scratch, *scratch = kept;
    }
    return true;
}

static bool decode_wordpiece(const bl_decoder *decoder, const char *token, bool first, bl_buffer *out) {
    size_t prefix = strlen(decoder->prefix);
    bl_buffer piece = {0}, scratch = {0};
    bool continues = !first && strncmp(token, decoder->prefix, prefix) == 0;
    if (!first && !continues) bl_buffer_text(&piece, " ");
    bl_buffer_text(&piece, continues ? token + prefix : token);
    bool ok = !piece.failed && (!decoder->cleanup || clean_up(&piece, &scratch));
    if (ok) bl_buffer_add(out, piece.data, piece.n);
    bl_buffer_free(&piece);
    bl_buffer_free(&scratch);
    return ok;
}

char *bl_tokenizer_decode(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, bl_error *err) {
    bl_buffer out = {0};
    for (size_t i = 0; i < n; i++) {
        const char *token = bl_tokenizer_token(tokenizer, ids[i]);
        if (!token) {
            bl_buffer_free(&out);
            return bl_fail_null(err, BL_ERR_INPUT, "id %d (the %zu-th, counted from 0) is not in the vocabulary, whose ids are 0 to %zu",
                                ids[i], i, bl_tokenizer_size(tokenizer) - 1);
        }
        if (tokenizer->decoder.kind == BL_DECODE_WORDPIECE) {
            if (!decode_wordpiece(&tokenizer->decoder, token, i == 0, &out)) out.failed = true;
            continue;
        }
        if (i > 0) bl_buffer_add(&out, " ", 1);
        bl_buffer_text(&out, token);
    }
    return bl_buffer_take(&out, err);
}
