/* Reading the models, WordPiece and BPE. */
#include "base/error.h"
#include "base/memory.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/component.h"
#include "base/utf8.h"
#include <stdio.h>
#include <string.h>

/* The id of the unknown token, which must be in the vocabulary. */
static bool find_unknown(const bl_place *place, const bl_place *vocabulary, const char *unknown, int32_t *id,
                         bl_error *err) {
    json_t *there = json_object_get(vocabulary->json, unknown);
    char shortened[64];
    if (!there)
        return bl_fail(err, BL_ERR_INPUT, "%s: %s.unk_token: \"%s\" is not in %s", place->file, place->where,
                       bl_shorten(unknown, shortened), vocabulary->where);
    *id = (int32_t)json_integer_value(there);
    return true;
}

static bool read_wordpiece(const bl_place *place, bl_tokenizer *tokenizer, bl_error *err) {
    const char *prefix, *unknown;
    int64_t max_chars;
    bl_place limit = bl_place_member(place, "max_input_chars_per_word"),
             vocabulary = bl_place_member(place, "vocab");
    if (!bl_place_string(place, "unk_token", &unknown, err) ||
        !bl_place_string(place, "continuing_subword_prefix", &prefix, err) ||
        !bl_place_integer(&limit, INT64_MAX, &max_chars, err))
        return false;
    int32_t id = -1;
    if (!find_unknown(place, &vocabulary, unknown, &id, err)) return false;
    bl_wordpiece *wordpiece = bl_wordpiece_new(err);
    bool ok = wordpiece != NULL;
    const char *token;
    json_t *value;
    json_object_foreach(vocabulary.json, token, value) {
        if (ok)
            ok = bl_wordpiece_add(wordpiece, token, strlen(token), (int32_t)json_integer_value(value), err);
    }
    if (ok) tokenizer->model = bl_wordpiece_finish(wordpiece, prefix, strlen(prefix), id, (size_t)max_chars);
    else bl_wordpiece_free(wordpiece);
    return ok;
}

/* Member `key`, a string or null or missing; then it is "". */
static bool optional_string(const bl_place *place, const char *key, const char **out, bl_error *err) {
    bl_place member = bl_place_member(place, key);
    const char *text = json_string_value(member.json);
    *out = text ? text : "";
    return text || !member.json || json_is_null(member.json) || bl_place_expected(&member, "a string", err);
}

static bool read_options(const bl_place *place, const bl_place *vocabulary, bl_bpe_options *options,
                         bl_error *err) {
    const json_t *dropout = json_object_get(place->json, "dropout"),
                 *unknown = json_object_get(place->json, "unk_token");
    const char *name;
    options->unknown = -1;
    if (dropout && !json_is_null(dropout) && !(json_is_number(dropout) && json_number_value(dropout) == 0))
        return bl_fail(
            err, BL_ERR_UNSUPPORTED,
            "%s: %s.dropout: merges that are left out at random are not supported; supported: null, 0",
            place->file, place->where);
    if (unknown && !json_is_null(unknown) &&
        (!bl_place_string(place, "unk_token", &name, err) ||
         !find_unknown(place, vocabulary, name, &options->unknown, err)))
        return false;
    return optional_string(place, "continuing_subword_prefix", &options->prefix, err) &&
           optional_string(place, "end_of_word_suffix", &options->suffix, err) &&
           bl_component_flag(place, "fuse_unk", &options->fuse_unknown, err) &&
           bl_component_flag(place, "byte_fallback", &options->byte_fallback, err) &&
           bl_component_flag(place, "ignore_merges", &options->ignore_merges, err);
}

typedef struct pair {
    const char *left, *right;
    size_t left_n, right_n;
} pair;

/* A merge's two strings, "a b" or ["a", "b"]. All are of the kind of the first. */
static bool read_pair(const bl_place *merge, bool listed, pair *out, bl_error *err) {
    const json_t *first = json_array_get(merge->json, 0), *second = json_array_get(merge->json, 1);
    const char *both = json_string_value(merge->json);
    if (listed && (json_array_size(merge->json) != 2 || !json_is_string(first) || !json_is_string(second)))
        return bl_place_expected(merge, "an array of two strings", err);
    if (listed) {
        *out = (pair){json_string_value(first), json_string_value(second), json_string_length(first),
                      json_string_length(second)};
        return true;
    }
    if (!both) return bl_place_expected(merge, "a string", err);
    const char *blank = strchr(both, ' ');
    if (!blank || strchr(blank + 1, ' '))
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: expected two strings with one blank between them",
                       merge->file, merge->where);
    size_t left_n = (size_t)(blank - both);
    *out = (pair){both, blank + 1, left_n, json_string_length(merge->json) - left_n - 1};
    return true;
}

static bool not_in_vocabulary(const bl_place *merge, const char *token, size_t n, bl_error *err) {
    char copy[72], shortened[64];
    if (n >= sizeof copy) n = bl_utf8_clip(token, sizeof copy - 1);
    snprintf(copy, sizeof copy, "%.*s", (int)n, token);
    return bl_fail(err, BL_ERR_INPUT, "%s: %s: \"%s\" is not in the vocabulary", merge->file, merge->where,
                   bl_shorten(copy, shortened));
}

/* Enters one merge. The product is the left string and, without the prefix, the right one. `joined` is
 * scratch. */
static bool read_merge(const bl_place *merge, bool listed, const char *prefix, bl_bpe *bpe, bl_buffer *joined,
                       bl_error *err) {
    pair both = {"", "", 0, 0};
    size_t prefix_n = bl_utf8_count(prefix, strlen(prefix));
    if (!read_pair(merge, listed, &both, err)) return false;
    int32_t left = bl_bpe_id(bpe, both.left, both.left_n), right = bl_bpe_id(bpe, both.right, both.right_n);
    if (left < 0) return not_in_vocabulary(merge, both.left, both.left_n, err);
    if (right < 0) return not_in_vocabulary(merge, both.right, both.right_n, err);
    if (both.right_n < prefix_n || bl_utf8_clip(both.right, prefix_n) != prefix_n)
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: the right part does not begin with the prefix \"%s\"",
                       merge->file, merge->where, prefix);
    joined->n = 0;
    bl_buffer_add(joined, both.left, both.left_n);
    bl_buffer_add(joined, both.right + prefix_n, both.right_n - prefix_n);
    if (joined->failed)
        return bl_fail(err, BL_ERR_MEMORY, "%s: %s: out of memory", merge->file, merge->where);
    const char *text = joined->data ? joined->data : "";
    int32_t product = bl_bpe_id(bpe, text, joined->n);
    if (product < 0) return not_in_vocabulary(merge, text, joined->n, err);
    bl_bpe_merge(bpe, left, right, product);
    return true;
}

static bool read_merges(const bl_place *merges, const char *prefix, bl_bpe *bpe, bl_error *err) {
    bool listed = json_is_array(json_array_get(merges->json, 0)), ok = true;
    bl_buffer joined = {0};
    for (size_t i = 0; ok && i < json_array_size(merges->json); i++) {
        bl_place merge = bl_place_element(merges, i);
        const char *text = json_string_value(merge.json);
        if (!listed && text && strncmp(text, "#version", 8) == 0)
            continue; /* the first line of older files */
        ok = read_merge(&merge, listed, prefix, bpe, &joined, err);
    }
    bl_buffer_free(&joined);
    return ok;
}

static bool read_bpe(const bl_place *place, bl_tokenizer *tokenizer, bl_error *err) {
    bl_place vocabulary = bl_place_member(place, "vocab"), merges = bl_place_member(place, "merges");
    bl_bpe_options options = {.prefix = "", .suffix = ""};
    if (!read_options(place, &vocabulary, &options, err) || !bl_place_is_array(&merges, err)) return false;
    bl_bpe *bpe = bl_bpe_new(&options, tokenizer->vocabulary.size, json_object_size(vocabulary.json),
                             tokenizer->vocabulary.n_bytes, json_array_size(merges.json), err);
    if (!bpe) return false;
    const char *token;
    json_t *value;
    json_object_foreach(vocabulary.json, token, value)
        bl_bpe_add(bpe, token, strlen(token), (int32_t)json_integer_value(value));
    if (!read_merges(&merges, options.prefix, bpe, err)) {
        bl_bpe_free(bpe);
        return false;
    }
    tokenizer->model = bl_bpe_finish(bpe, err);
    return tokenizer->model.encode != NULL;
}

bl_model_reader bl_find_model_reader(const bl_place *place, bl_error *err) {
    static const struct {
        const char *type;
        bl_model_reader read;
    } known[] = {{"WordPiece", read_wordpiece}, {"BPE", read_bpe}};
    const char *type = bl_component_type(place, err);
    if (!type) return NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0) return known[i].read;
    bl_component_refuse(place, "model", type, "WordPiece, BPE", err);
    return NULL;
}
