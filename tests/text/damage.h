/* Tokenizers damaged in one place: what the hostile tests share. */
#ifndef BL_TESTS_TEXT_DAMAGE_H
#define BL_TESTS_TEXT_DAMAGE_H
#include "support.h"
#include "text/tokenizer/tokenizer_private.h"

/* `sound` with its first `old` replaced; to be freed. */
static inline char *damage(const char *sound, const char *old, const char *replacement) {
    const char *at = strstr(sound, old);
    size_t room = strlen(sound) + strlen(replacement) + 1;
    char *text = malloc(room);
    assert_non_null(text);
    if (!at) fail_msg("'%s' is not in the sound tokenizer", old);
    else snprintf(text, room, "%.*s%s%s", (int)(at - sound), sound, replacement, at + strlen(old));
    return text;
}

/* Cut at every byte, a tokenizer is never taken for a whole one; with every byte changed, it never crashes:
 * refused, or `probe`, a text that is encoded, has ids of its vocabulary, which come back as text. */
static inline void cut_and_flip(const char *sound, const char *probe) {
    size_t n = strlen(sound), accepted = 0;
    bl_error err = {0};
    bl_ids ids = {0};
    for (size_t cut = 0; cut < n; cut++) {
        assert_null(bl_tokenizer_load_memory("cut", sound, cut, &err));
        assert_error(err, BL_ERR_INPUT, "cut: not valid JSON");
    }
    char *text = malloc(n + 1);
    assert_non_null(text);
    for (size_t i = 0; i < 3 * n; i++) {
        memcpy(text, sound, n);
        text[i / 3] = (char)(text[i / 3] ^ (i % 3 == 0 ? 0x01 : i % 3 == 1 ? 0x20 : 0x80));
        err = (bl_error){0};
        bl_tokenizer *tokenizer = bl_tokenizer_load_memory("flipped", text, n, &err);
        if (!tokenizer && (err.code == BL_OK || !strstr(err.message, "flipped: ")))
            fail_msg("byte %zu: %s", i / 3, err.message);
        if (!tokenizer) continue;
        accepted++;
        assert_true(bl_tokenizer_encode(tokenizer, probe, strlen(probe), &ids, &err));
        for (size_t j = 0; j < ids.n; j++) assert_non_null(bl_tokenizer_token(tokenizer, ids.data[j]));
        char *back = bl_tokenizer_decode(tokenizer, ids.data, ids.n, &err);
        assert_non_null(back);
        bl_free(back);
        bl_tokenizer_free(tokenizer);
    }
    assert_true(accepted > 0 && accepted < n);
    bl_ids_free(&ids);
    free(text);
}
#endif
