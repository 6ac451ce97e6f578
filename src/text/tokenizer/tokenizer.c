/* The tokenizer's life, encoding and decoding.
 *
 *   text -> added tokens cut out -> normalizer -> added tokens of normalized text cut out -> words -> ids,
 *           the template around them
 *   ids -> their tokens through the decoder, or joined by blanks where there is none
 *
 * Encoding does not allocate memory per word: ids grow by doubling, the scratch is one per call. */
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "text/tokenizer/gguf_tokenizer.h"
#include "text/tokenizer/ids.h"
#include "text/tokenizer/tokenizer_private.h"
#include <stdlib.h>
#include <string.h>

/* The largest tokenizer.json in use has about 35 MB. */
#define MAX_FILE ((size_t)256 << 20)

void bl_ids_free(bl_ids *ids) {
    if (!ids) return;
    free(ids->data);
    *ids = (bl_ids){0};
}

bl_tokenizer *bl_tokenizer_load_memory(const char *name, const char *json, size_t size, bl_error *err) {
    bl_tokenizer *tokenizer = bl_alloc_zero(1, sizeof *tokenizer, err);
    if (!tokenizer) return NULL;
    if (bl_tokenizer_parse(tokenizer, name, json, size, err)) return tokenizer;
    bl_tokenizer_free(tokenizer);
    return NULL;
}

static bl_tokenizer *load_gguf(const char *path, bl_error *err) {
    bl_gguf *file = bl_gguf_open(path, err);
    bl_tokenizer *tokenizer = file ? bl_gguf_tokenizer(file, path, err) : NULL;
    bl_gguf_free(file);
    return tokenizer;
}

bl_tokenizer *bl_tokenizer_load(const char *path, bl_error *err) {
    size_t size;
    if (bl_gguf_is(path)) return load_gguf(path, err);
    char *json = bl_file_read(path, MAX_FILE, &size, err);
    if (!json) return NULL;
    bl_tokenizer *tokenizer = bl_tokenizer_load_memory(path, json, size, err);
    free(json);
    return tokenizer;
}

void bl_tokenizer_free(bl_tokenizer *tokenizer) {
    if (!tokenizer) return;
    bl_vocabulary_free(&tokenizer->vocabulary);
    bl_added_tokens_free(&tokenizer->raw);
    bl_added_tokens_free(&tokenizer->normalized);
    bl_pretokenizer_free(&tokenizer->pretokenizer);
    if (tokenizer->model.free) tokenizer->model.free(tokenizer->model.data);
    bl_ids_free(&tokenizer->before);
    bl_ids_free(&tokenizer->after);
    free(tokenizer);
}

size_t bl_tokenizer_size(const bl_tokenizer *tokenizer) { return tokenizer ? tokenizer->vocabulary.size : 0; }

bool bl_no_tokenizer(bl_error *err) {
    return bl_fail(err, BL_ERR_INPUT,
                   "the model has no tokenizer.json, which reading and writing text needs");
}

int32_t bl_tokenizer_eos(const bl_tokenizer *tokenizer) { return tokenizer ? tokenizer->eos : -1; }

const char *bl_tokenizer_token(const bl_tokenizer *tokenizer, int32_t id) {
    size_t length;
    return tokenizer ? bl_vocabulary_token(&tokenizer->vocabulary, id, &length) : NULL;
}

int32_t bl_tokenizer_id(const bl_tokenizer *tokenizer, const char *token) {
    return tokenizer ? bl_vocabulary_id(&tokenizer->vocabulary, token, strlen(token)) : -1;
}

/* One call of bl_tokenizer_encode. */
typedef struct encoding {
    const bl_tokenizer *tokenizer;
    bl_ids *ids;
    const char *text;   /* all of it, */
    const char *normal; /* and the normalized piece that is being cut */
    bool first;         /* which is the text's first */
    bl_scratch scratch;
} encoding;

static bool on_word(void *context, const char *word, size_t length, bl_error *err) {
    encoding *self = context;
    return self->tokenizer->model.encode(self->tokenizer->model.data, word, length, self->ids, err);
}

static bool on_normalized_piece(void *context, int32_t id, const char *text, size_t n, bl_error *err) {
    encoding *self = context;
    if (id >= 0) return bl_ids_push(self->ids, id, err);
    bool first = self->first && text == self->normal;
    return bl_pretokenize(&self->tokenizer->pretokenizer, text, n, first, &self->scratch, on_word, self, err);
}

static bool on_raw_piece(void *context, int32_t id, const char *text, size_t n, bl_error *err) {
    encoding *self = context;
    if (id >= 0) return bl_ids_push(self->ids, id, err);
    const char *normal;
    size_t normal_n;
    if (!bl_normalize(&self->tokenizer->normalizer, text, n, &self->scratch, &normal, &normal_n, err))
        return false;
    self->first = text == self->text;
    self->normal = normal;
    return bl_added_tokens_split(&self->tokenizer->normalized, normal, normal_n, on_normalized_piece, self,
                                 err);
}

static bool push_all(bl_ids *ids, const bl_ids *more, bl_error *err) {
    for (size_t i = 0; i < more->n; i++)
        if (!bl_ids_push(ids, more->data[i], err)) return false;
    return true;
}

bool bl_tokenizer_encode(const bl_tokenizer *tokenizer, const char *text, size_t length, bl_ids *ids,
                         bl_error *err) {
    size_t bad;
    ids->n = 0;
    if (!tokenizer) return bl_no_tokenizer(err);
    if (!bl_utf8_check(text, length, &bad))
        return bl_fail(err, BL_ERR_INPUT, "the text is not valid UTF-8: byte 0x%02x at offset %zu",
                       (unsigned char)text[bad], bad);
    encoding self = {.tokenizer = tokenizer, .ids = ids, .text = text};
    bool ok = push_all(ids, &tokenizer->before, err) &&
              bl_added_tokens_split(&tokenizer->raw, text, length, on_raw_piece, &self, err) &&
              push_all(ids, &tokenizer->after, err);
    bl_scratch_free(&self.scratch);
    if (!ok) ids->n = 0;
    return ok;
}

bool bl_tokenizer_words(const bl_tokenizer *tokenizer, const char *text, size_t n, bl_scratch *scratch,
                        bl_word_fn word, void *context, bl_error *err) {
    const char *normal;
    size_t normal_n;
    return bl_normalize(&tokenizer->normalizer, text, n, scratch, &normal, &normal_n, err) &&
           bl_pretokenize(&tokenizer->pretokenizer, normal, normal_n, true, scratch, word, context, err);
}

/* An added token that is found in normalized text comes back as the file spells it, as older versions of the
 * Hugging Face library have it; 0.23 gives its normalized form instead. */

/* The tokens of the ids, joined by blanks already where nothing decodes them. */
static bool gather(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, bl_pieces *pieces,
                   bl_error *err) {
    for (size_t i = 0; i < n; i++) {
        size_t length;
        const char *token = bl_vocabulary_token(&tokenizer->vocabulary, ids[i], &length);
        if (!token)
            return bl_fail(
                err, BL_ERR_INPUT,
                "id %d (the %zu-th, counted from 0) is not in the vocabulary, whose ids are 0 to %zu", ids[i],
                i, bl_tokenizer_size(tokenizer) - 1);
        if (i > 0 && tokenizer->decoder.n == 0) bl_buffer_add(&pieces->text, " ", 1);
        bl_buffer_add(&pieces->text, token, length);
        if (!bl_pieces_end(pieces, err)) return false;
    }
    return true;
}

char *bl_tokenizer_decode_n(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, size_t *length,
                            bl_error *err) {
    bl_pieces pieces = {0};
    char *text = NULL;
    if (!tokenizer) {
        bl_no_tokenizer(err);
        return NULL;
    }
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
