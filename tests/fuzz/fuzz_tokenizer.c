/* A tokenizer.json from anyone: it is refused with a message, or its ids stay within its vocabulary and come
 * back as text and prose. */
#include "model/prose.h"
#include "text/tokenizer/tokenizer_private.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Letters, digits, added tokens, marks out of order, Hangul, an İ, a NUL, SentencePiece's sign, a word too
 * long. */
static const char text[] =
    "Once upon a time [BOS]swimming [EOS]  3\xC2\xBD ducks'"
    " caf\xC3\xA9 e\xCC\x81\xCC\xA7 \xED\x95\x9C\xE1\x84\x80\xE1\x85\xA1 \xC4\xB0 \0_\n"
    "\xF0\x9F\x98\x80\xE2\x80\x8D \xE2\x96\x81 don't  "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aa";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_error err = {0};
    bl_ids ids = {0};
    bl_tokenizer *tokenizer = bl_tokenizer_load_memory("fuzz", (const char *)data, size, &err);
    if (!tokenizer) {
        if (err.code == BL_OK || err.message[0] == '\0') abort();
        return 0;
    }
    if (!bl_tokenizer_encode(tokenizer, text, sizeof text - 1, &ids, &err)) abort();
    for (size_t i = 0; i < ids.n; i++)
        if (!bl_tokenizer_token(tokenizer, ids.data[i])) abort();
    char *back = bl_tokenizer_decode(tokenizer, ids.data, ids.n, &err);
    if (!back) abort();
    bl_free(back);
    size_t n = ids.n;
    if (!bl_prose_whole(tokenizer, ids.data, &n, 0, &err) || n > ids.n) abort();
    back = bl_tokenizer_prose(tokenizer, ids.data, n, true, &err);
    if (!back) abort();
    bl_free(back);
    if (bl_tokenizer_size(tokenizer) < 10000) bl_tokenizer_find(tokenizer, "swimm", &err);
    bl_ids_free(&ids);
    bl_tokenizer_free(tokenizer);
    return 0;
}
