/* The tokenizer's life and encoding:
 *
 *   text -> added tokens cut out -> normalise -> added tokens of normalised text cut out -> words -> ids,
 * template around it
 *
 * Nothing is allocated a word: ids grow by doubling, the scratch is one per call. */
#include "base/error.h"
#include "base/file.h"
#include "text/tokenizer/ids.h"
#include "text/tokenizer/tokenizer_private.h"
#include "base/utf8.h"
#include <stdlib.h>

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

bl_tokenizer *bl_tokenizer_load(const char *path, bl_error *err) {
    size_t size;
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
    bl_added_tokens_free(&tokenizer->normalised);
    if (tokenizer->model.free) tokenizer->model.free(tokenizer->model.data);
    bl_ids_free(&tokenizer->before);
    bl_ids_free(&tokenizer->after);
    free(tokenizer);
}

size_t bl_tokenizer_size(const bl_tokenizer *tokenizer) { return tokenizer->vocabulary.size; }

int32_t bl_tokenizer_eos(const bl_tokenizer *tokenizer) { return tokenizer->eos; }

const char *bl_tokenizer_token(const bl_tokenizer *tokenizer, int32_t id) {
    if (id < 0 || (size_t)id >= tokenizer->vocabulary.size) return NULL;
    return tokenizer->vocabulary.tokens[id];
}

int32_t bl_tokenizer_id(const bl_tokenizer *tokenizer, const char *token) {
    return bl_vocabulary_id(&tokenizer->vocabulary, token, strlen(token));
}

/* One call of bl_tokenizer_encode. */
typedef struct encoding {
    const bl_tokenizer *tokenizer;
    bl_ids *ids;
    const char *text;   /* all of it, */
    const char *normal; /* and the normalised piece that is being cut */
    bool first;         /* which is the text's first */
    bl_normal_scratch scratch;
} encoding;

static bool on_word(void *context, const char *word, size_t length, bl_error *err) {
    encoding *self = context;
    return self->tokenizer->model.encode(self->tokenizer->model.data, word, length, self->ids, err);
}

static bool on_normalised_piece(void *context, int32_t id, const char *text, size_t n, bl_error *err) {
    encoding *self = context;
    if (id >= 0) return bl_ids_push(self->ids, id, err);
    bool first = self->first && text == self->normal;
    return bl_pretokenise(&self->tokenizer->splitter.pretokeniser, text, n, first, &self->scratch, on_word,
                          self, err);
}

static bool on_raw_piece(void *context, int32_t id, const char *text, size_t n, bl_error *err) {
    encoding *self = context;
    if (id >= 0) return bl_ids_push(self->ids, id, err);
    const char *normal;
    size_t normal_n;
    if (!bl_normalise(&self->tokenizer->splitter.normaliser, text, n, &self->scratch, &normal, &normal_n,
                      err))
        return false;
    self->first = text == self->text;
    self->normal = normal;
    return bl_added_tokens_split(&self->tokenizer->normalised, normal, normal_n, on_normalised_piece, self,
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
    if (!bl_utf8_check(text, length, &bad))
        return bl_fail(err, BL_ERR_INPUT, "the text is not valid UTF-8: byte 0x%02x at offset %zu",
                       (unsigned char)text[bad], bad);
    encoding self = {.tokenizer = tokenizer, .ids = ids, .text = text};
    bool ok = push_all(ids, &tokenizer->before, err) &&
              bl_added_tokens_split(&tokenizer->raw, text, length, on_raw_piece, &self, err) &&
              push_all(ids, &tokenizer->after, err);
    bl_normal_scratch_free(&self.scratch);
    if (!ok) ids->n = 0;
    return ok;
}
