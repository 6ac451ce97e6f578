/* The vocabulary and the added tokens: checked first (types, ranges, total size), entered then.
 *
 * An added token that the model's vocabulary holds too must have its id. One that it lacks keeps the id that
 * the file gives it; the Hugging Face library counts such ids up from the vocabulary's size, which is what
 * every file that it wrote says as well. */
#include "text/tokenizer/tokenizer_vocabulary.h"
#include "base/error.h"
#include "base/memory.h"
#include <string.h>

/* What both lists need in all. */
typedef struct census {
    size_t n, bytes, size;
} census;

static void count(census *all, const char *token, int64_t id) {
    all->n++;
    all->bytes += strlen(token) + 1; /* bounded by the file's size */
    if ((size_t)id + 1 > all->size) all->size = (size_t)id + 1;
}

static bool check_vocabulary(const bl_place *vocabulary, census *all, bl_error *err) {
    const char *token;
    json_t *value;
    if (!bl_place_is_object(vocabulary, err)) return false;
    if (json_object_size(vocabulary->json) == 0)
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: has no entry", vocabulary->file, vocabulary->where);
    json_object_foreach(vocabulary->json, token, value) {
        int64_t id;
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) >= (int64_t)BL_MAX_VOCABULARY) {
            bl_place entry = bl_place_member(vocabulary, token);
            return bl_place_integer(&entry, (int64_t)BL_MAX_VOCABULARY, &id, err);
        }
        count(all, token, json_integer_value(value));
    }
    return true;
}

static bool check_added(const bl_place *added, census *all, bl_error *err) {
    if (!added->json || json_is_null(added->json)) return true;
    if (!bl_place_is_array(added, err)) return false;
    for (size_t i = 0; i < json_array_size(added->json); i++) {
        bl_place entry = bl_place_element(added, i), id = bl_place_member(&entry, "id");
        const char *content;
        int64_t value;
        if (!bl_place_is_object(&entry, err) ||
            !bl_place_integer(&id, (int64_t)BL_MAX_VOCABULARY, &value, err) ||
            !bl_place_string(&entry, "content", &content, err))
            return false;
        count(all, content, value);
    }
    return true;
}

static bool id_taken(const bl_place *place, const char *token, int32_t id, const char *other, bl_error *err) {
    char a[64], b[64];
    return bl_fail(err, BL_ERR_INPUT, "%s: %s: the id %d belongs to both \"%s\" and \"%s\"", place->file,
                   place->where, id, bl_shorten(other, a), bl_shorten(token, b));
}

static bool enter_vocabulary(const bl_place *vocabulary, bl_vocabulary *to, bl_error *err) {
    const char *token;
    json_t *value;
    json_object_foreach(vocabulary->json, token, value) {
        int32_t id = (int32_t)json_integer_value(value);
        if (to->tokens[id]) return id_taken(vocabulary, token, id, to->tokens[id], err);
        bl_vocabulary_add(to, token, strlen(token), id);
    }
    return true;
}

/* Enters the string among those found in raw or, normalised itself, in normalised text. */
static bool enter_searched(const bl_place *entry, const char *content, bl_added_token token,
                           bl_tokenizer *tokenizer, bl_error *err) {
    bool normalised;
    if (!bl_place_bool(entry, "normalized", &normalised, err)) return false;
    bl_added_tokens *to = normalised ? &tokenizer->normalised : &tokenizer->raw;
    bl_normal_scratch scratch = {0};
    const char *text = content;
    size_t n = strlen(content);
    char shortened[64];
    bool ok =
        !normalised || bl_normalise(&tokenizer->splitter.normaliser, content, n, &scratch, &text, &n, err);
    if (ok && n == 0)
        ok = bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: nothing is left of \"%s\" when it is normalized",
                     entry->file, entry->where, bl_shorten(content, shortened));
    if (ok && bl_added_tokens_has(to, text, n))
        ok = bl_fail(err, BL_ERR_INPUT, "%s: %s: \"%s\" is listed twice (normalized or not)", entry->file,
                     entry->where, bl_shorten(content, shortened));
    ok = ok && bl_added_tokens_add(to, text, n, token, err);
    bl_normal_scratch_free(&scratch);
    return ok;
}

static bool enter_added(const bl_place *entry, bl_tokenizer *tokenizer, bl_error *err) {
    bl_vocabulary *vocabulary = &tokenizer->vocabulary;
    const char *content = json_string_value(json_object_get(entry->json, "content"));
    bl_added_token token = {.id = (int32_t)json_integer_value(json_object_get(entry->json, "id"))};
    if (!bl_place_bool(entry, "single_word", &token.single_word, err) ||
        !bl_place_bool(entry, "lstrip", &token.lstrip, err) ||
        !bl_place_bool(entry, "rstrip", &token.rstrip, err))
        return false;
    size_t length = strlen(content);
    if (length == 0) return true; /* the library leaves it out as well */
    int32_t there = bl_vocabulary_id(vocabulary, content, length);
    if (there >= 0 && there != token.id) {
        char shortened[64];
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: \"%s\" has the id %d here and %d before", entry->file,
                       entry->where, bl_shorten(content, shortened), token.id, there);
    }
    if (there < 0 && vocabulary->tokens[token.id])
        return id_taken(entry, content, token.id, vocabulary->tokens[token.id], err);
    if (there < 0) bl_vocabulary_add(vocabulary, content, length, token.id);
    return enter_searched(entry, content, token, tokenizer, err);
}

bool bl_read_vocabulary(const bl_place *vocabulary, const bl_place *added, bl_tokenizer *tokenizer,
                        bl_error *err) {
    census all = {0};
    if (!check_vocabulary(vocabulary, &all, err) || !check_added(added, &all, err)) return false;
    if (!bl_vocabulary_init(&tokenizer->vocabulary, all.size, all.n, all.bytes, err)) return false;
    if (!enter_vocabulary(vocabulary, &tokenizer->vocabulary, err)) return false;
    for (size_t i = 0; i < json_array_size(added->json); i++) {
        bl_place entry = bl_place_element(added, i);
        if (!enter_added(&entry, tokenizer, err)) return false;
    }
    return true;
}
