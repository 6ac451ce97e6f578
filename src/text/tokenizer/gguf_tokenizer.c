/* The tokenizer in a GGUF file's metadata. The keys, all beginning with "tokenizer.ggml.":
 *
 *   model          "gpt2": byte-level BPE; "llama": SentencePiece's BPE, which merges by the tokens' scores
 *   pre            how "gpt2" cuts words: a row of `cutters`
 *   tokens         strings, by id
 *   token_type     by id: 3 (control) and 4 (user-defined) are found in raw text like added tokens
 *   merges         of "gpt2": "a b", by rank
 *   scores         of "llama", by id: of the neighbours that make a token, those of the highest score merge
 *                  first
 *   add_space_prefix, add_bos_token, add_eos_token, bos_token_id, eos_token_id, unknown_token_id
 *
 * Normalizer, pre-tokenizer and decoder are those that the same tokenizer has in a tokenizer.json. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "format/gguf.h"
#include "format/json.h"
#include "text/tokenizer/ids.h"
#include "text/tokenizer/tokenizer_private.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

enum { CONTROL = 3, USER_DEFINED = 4, LONGEST_TOKEN = 1024 /* bytes */ };

/* ---- Components, as a tokenizer.json has them ---- */

#define BYTE_LEVEL(regex) "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":" regex "}"
#define SEQUENCE(steps) "{\"type\":\"Sequence\",\"pretokenizers\":[" steps "]}"
#define SPLIT(digits)                                                                        \
    "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"invert\":false,\"pattern\":{\"Regex\":" \
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}" digits \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}}"
#define BYTE_DECODER "\"decoder\":" BYTE_LEVEL("true")
#define SIGN "\xE2\x96\x81"
#define SIGNS "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" SIGN "\"}"
#define TEXT_DECODER                                        \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" SIGN \
    "\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},"   \
    "{\"type\":\"Fuse\"}"

/* How words are cut before "gpt2" merges. */
static const struct cutter {
    const char *pre;
    const char *components;
    bool ignore_merges, bos;
} cutters[] = {
    {"llama-bpe", "{\"pre_tokenizer\":" SEQUENCE(SPLIT("{1,3}") "," BYTE_LEVEL("false")) "," BYTE_DECODER "}",
     true, true},
    {"qwen2",
     "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":" SEQUENCE(
         SPLIT("") "," BYTE_LEVEL("false")) "," BYTE_DECODER "}",
     false, false},
    {"smollm",
     "{\"pre_tokenizer\":" SEQUENCE(
         "{\"type\":\"Digits\",\"individual_digits\":true}," BYTE_LEVEL("true")) "," BYTE_DECODER "}",
     false, false},
    {"gpt-2", "{\"pre_tokenizer\":" BYTE_LEVEL("true") "," BYTE_DECODER "}", false, false},
    {"default", "{\"pre_tokenizer\":" BYTE_LEVEL("true") "," BYTE_DECODER "}", false, false},
};

static const char with_prefix[] =
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"" SIGN
    "\"}," SIGNS "]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[" TEXT_DECODER
    ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}}";
static const char without_prefix[] =
    "{\"normalizer\":" SIGNS ",\"decoder\":{\"type\":\"Sequence\",\"decoders\":[" TEXT_DECODER "]}}";

typedef struct loader {
    const bl_gguf *file;
    const char *name; /* for messages */
    bl_tokenizer *tokenizer;
    const bl_gguf_value *types; /* or NULL */
} loader;

static bool load_components(const loader *self, const char *components, bl_error *err) {
    bl_node root = {.file = self->name,
                    .json = bl_json_parse(components, strlen(components), self->name, err)};
    bool ok = root.json && bl_load_components(&root, self->tokenizer, err);
    json_decref(root.json);
    return ok;
}

/* ---- The vocabulary ---- */

/* Of two ids with the same string the last one is the string's, as in llama.cpp. */
static bool load_tokens(loader *self, bl_error *err) {
    const bl_gguf_value *tokens = bl_gguf_array(self->file, KEY("tokens"), BL_GGUF_STRING, err);
    bl_vocabulary *to = &self->tokenizer->vocabulary;
    if (!tokens) return false;
    if (tokens->n == 0 || tokens->n > BL_MAX_VOCABULARY)
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: expected 1 to %zu tokens, found %llu", self->name,
                       tokens->key, BL_MAX_VOCABULARY, (unsigned long long)tokens->n);
    const unsigned char *at = tokens->data;
    for (size_t id = 0; id < tokens->n; id++) {
        size_t length, bad;
        const char *token = bl_gguf_next_string(&at, &length);
        if (!bl_utf8_check(token, length, &bad))
            return bl_fail(err, BL_ERR_INPUT, "%s: %s[%zu]: not valid UTF-8 at byte %zu", self->name,
                           tokens->key, id, bad);
        if (length > LONGEST_TOKEN)
            return bl_fail(err, BL_ERR_INPUT, "%s: %s[%zu]: a token of %zu bytes, expected at most %d",
                           self->name, tokens->key, id, length, LONGEST_TOKEN);
        if (!bl_vocabulary_add(to, token, length, (int32_t)id, err)) return false;
    }
    to->n_model = to->strings.n;
    self->types = bl_gguf_has(self->file, KEY("token_type"))
                    ? bl_gguf_array(self->file, KEY("token_type"), BL_GGUF_I32, err)
                    : NULL;
    if (bl_gguf_has(self->file, KEY("token_type")) && !self->types) return false;
    if (!self->types || self->types->n == tokens->n) return true;
    return bl_fail(err, BL_ERR_INPUT, "%s: %s: expected %llu types, one per token, found %llu", self->name,
                   self->types->key, (unsigned long long)tokens->n, (unsigned long long)self->types->n);
}

/* Control and user-defined tokens, found in raw text. */
static bool load_found(const loader *self, bl_error *err) {
    bl_vocabulary *vocabulary = &self->tokenizer->vocabulary;
    for (size_t id = 0; self->types && id < self->types->n; id++) {
        int type = (int)bl_gguf_element(self->types, id);
        size_t n;
        const char *token = bl_vocabulary_token(vocabulary, (int32_t)id, &n);
        if ((type != CONTROL && type != USER_DEFINED) || n == 0) continue;
        if (!bl_load_added(self->tokenizer, token, n, (bl_added_token){.id = (int32_t)id}, false, err))
            return false;
    }
    return true;
}

/* The id that a key holds, or -1 when the key is missing. */
static bool read_id(const loader *self, const char *key, int32_t *out, bl_error *err) {
    int64_t id = -1;
    if (bl_gguf_has(self->file, key) &&
        !bl_gguf_integer(self->file, key, 0, (int64_t)self->tokenizer->vocabulary.size - 1, &id, err))
        return false;
    *out = (int32_t)id;
    return true;
}

static bool read_flag(const loader *self, const char *key, bool *out, bl_error *err) {
    return !bl_gguf_has(self->file, key) || bl_gguf_bool(self->file, key, out, err);
}

/* The ids around a text. */
static bool load_template(const loader *self, bool bos, bl_error *err) {
    int32_t first, last;
    bool eos = false;
    if (!read_id(self, KEY("bos_token_id"), &first, err) || !read_id(self, KEY("eos_token_id"), &last, err) ||
        !read_flag(self, KEY("add_bos_token"), &bos, err) ||
        !read_flag(self, KEY("add_eos_token"), &eos, err))
        return false;
    if (bos && first < 0)
        return bl_gguf_expected(self->file, KEY("bos_token_id"), "the id that begins a text", err);
    if (eos && last < 0)
        return bl_gguf_expected(self->file, KEY("eos_token_id"), "the id that ends a text", err);
    bl_load_finish(self->tokenizer);
    if (last >= 0) self->tokenizer->eos = last;
    return (!bos || bl_ids_push(&self->tokenizer->before, first, err)) &&
           (!eos || bl_ids_push(&self->tokenizer->after, last, err));
}

/* ---- "gpt2": byte-level BPE ---- */

static bool load_merge(const loader *self, bl_bpe *bpe, const char *text, size_t n, size_t rank,
                       bl_buffer *joined, bl_error *err) {
    const bl_vocabulary *vocabulary = &self->tokenizer->vocabulary;
    const char *blank = n > 1 ? memchr(text + 1, ' ', n - 1) : NULL;
    size_t left_n = blank ? (size_t)(blank - text) : 0, right_n = blank ? n - left_n - 1 : 0;
    if (!blank)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: " KEY("merges") "[%zu]: expected two strings with one blank between them",
                       self->name, rank);
    joined->n = 0;
    bl_buffer_add(joined, text, left_n);
    bl_buffer_add(joined, blank + 1, right_n);
    if (joined->failed) return bl_fail(err, BL_ERR_MEMORY, "%s: out of memory", self->name);
    int32_t left = bl_vocabulary_id(vocabulary, text, left_n),
            right = bl_vocabulary_id(vocabulary, blank + 1, right_n),
            product = bl_vocabulary_id(vocabulary, joined->data, joined->n);
    if (left < 0 || right < 0 || product < 0)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: " KEY(
                           "merges") "[%zu]: \"%.*s\" merges strings that are not all among the tokens",
                       self->name, rank, (int)(n < 60 ? n : bl_utf8_clip(text, 60)), text);
    bl_bpe_merge(bpe, left, right, product, (uint32_t)rank);
    return true;
}

static bool load_merges(const loader *self, bl_bpe *bpe, const bl_gguf_value *merges, bl_error *err) {
    bl_buffer joined = {0};
    const unsigned char *at = merges->data;
    bool ok = true;
    for (size_t i = 0; ok && i < merges->n; i++) {
        size_t n, bad;
        const char *text = bl_gguf_next_string(&at, &n);
        ok = bl_utf8_check(text, n, &bad)
               ? load_merge(self, bpe, text, n, i, &joined, err)
               : bl_fail(err, BL_ERR_INPUT, "%s: %s[%zu]: not valid UTF-8", self->name, merges->key, i);
    }
    bl_buffer_free(&joined);
    return ok;
}

static bool finish_bpe(loader *self, bl_bpe *bpe, bool ok, bl_error *err) {
    if (!ok) {
        bl_bpe_free(bpe);
        return false;
    }
    self->tokenizer->model = bl_bpe_finish(bpe, err);
    return self->tokenizer->model.encode != NULL;
}

static bool find_cutter(const loader *self, const struct cutter **out, bl_error *err) {
    const char *pre = "default";
    char supported[200] = "";
    if (bl_gguf_has(self->file, KEY("pre")) && !bl_gguf_string(self->file, KEY("pre"), &pre, err))
        return false;
    for (size_t i = 0, used = 0; i < sizeof cutters / sizeof *cutters; i++) {
        if (strcmp(pre, cutters[i].pre) == 0) return *out = &cutters[i], true;
        used += (size_t)snprintf(supported + used, sizeof supported - used, "%s%s", i ? ", " : "",
                                 cutters[i].pre);
    }
    return bl_fail(err, BL_ERR_UNSUPPORTED,
                   "%s: " KEY("pre") ": the pre-tokenizer \"%.60s\" is not supported; supported: %s",
                   self->name, pre, supported);
}

static bool load_gpt2(loader *self, bl_error *err) {
    const struct cutter *cutter = NULL;
    const bl_gguf_value *merges = bl_gguf_array(self->file, KEY("merges"), BL_GGUF_STRING, err);
    if (!merges || !find_cutter(self, &cutter, err) || !load_components(self, cutter->components, err))
        return false;
    bl_bpe_options options = {.unknown = -1,
                              .ignore_merges = cutter->ignore_merges,
                              .prefix = "",
                              .suffix = ""};
    bl_bpe *bpe = bl_bpe_new(&options, &self->tokenizer->vocabulary, (size_t)merges->n, err);
    return bpe && finish_bpe(self, bpe, load_merges(self, bpe, merges, err), err) &&
           load_template(self, cutter->bos, err);
}

/* ---- "llama": SentencePiece's BPE ---- */

/* A token and its rank: the highest score is rank 0, equal scores have equal ranks. */
typedef struct ranked {
    double score;
    int32_t id;
    uint32_t rank;
} ranked;

static int by_score(const void *a, const void *b) {
    double x = ((const ranked *)a)->score, y = ((const ranked *)b)->score;
    return x > y ? -1 : x < y;
}

static ranked *rank_tokens(const loader *self, bl_error *err) {
    size_t n = self->tokenizer->vocabulary.size;
    const bl_gguf_value *scores = bl_gguf_array(self->file, KEY("scores"), BL_GGUF_F32, err);
    if (!scores) return NULL;
    if (scores->n != n) {
        bl_fail(err, BL_ERR_INPUT, "%s: %s: expected %zu scores, one per token, found %llu", self->name,
                scores->key, n, (unsigned long long)scores->n);
        return NULL;
    }
    ranked *all = bl_alloc(n, sizeof *all, err);
    for (size_t i = 0; all && i < n; i++) {
        all[i] = (ranked){bl_gguf_element(scores, i), (int32_t)i, 0};
        if (!isnan(all[i].score)) continue;
        bl_fail(err, BL_ERR_INPUT, "%s: %s[%zu]: expected a score, found not a number", self->name,
                scores->key, i);
        free(all);
        return NULL;
    }
    if (!all) return NULL;
    qsort(all, n, sizeof *all, by_score);
    for (size_t i = 1; i < n; i++)
        all[i].rank = all[i].score < all[i - 1].score ? (uint32_t)i : all[i - 1].rank;
    return all;
}

/* The ways in which two tokens make this one: calls bl_bpe_merge for each if there is a bpe; returns how
 * many. */
static size_t splits(const bl_vocabulary *vocabulary, const ranked *token, bl_bpe *bpe) {
    size_t n, found = 0;
    const char *text = bl_vocabulary_token(vocabulary, token->id, &n);
    for (size_t at = 0; at < n;) {
        bl_utf8_next(text, &at);
        if (at == n) break;
        int32_t left = bl_vocabulary_id(vocabulary, text, at),
                right = left < 0 ? -1 : bl_vocabulary_id(vocabulary, text + at, n - at);
        if (right < 0) continue;
        found++;
        if (bpe) bl_bpe_merge(bpe, left, right, token->id, token->rank);
    }
    return found;
}

static bool load_llama(loader *self, bl_error *err) {
    const bl_vocabulary *vocabulary = &self->tokenizer->vocabulary;
    bool prefix = true;
    bl_bpe_options options = {.fuse_unknown = true, .byte_fallback = true, .prefix = "", .suffix = ""};
    if (!read_flag(self, KEY("add_space_prefix"), &prefix, err) ||
        !read_id(self, KEY("unknown_token_id"), &options.unknown, err) ||
        !load_components(self, prefix ? with_prefix : without_prefix, err))
        return false;
    ranked *tokens = rank_tokens(self, err);
    if (!tokens) return false;
    size_t merges = 0;
    for (size_t i = 0; i < vocabulary->size; i++) merges += splits(vocabulary, &tokens[i], NULL);
    bl_bpe *bpe = bl_bpe_new(&options, vocabulary, merges, err);
    for (size_t i = 0; bpe && i < vocabulary->size; i++) splits(vocabulary, &tokens[i], bpe);
    free(tokens);
    return bpe && finish_bpe(self, bpe, true, err) && load_template(self, true, err);
}

/* ---- The whole ---- */

static bool load(loader *self, bl_error *err) {
    const char *model;
    if (!bl_gguf_string(self->file, KEY("model"), &model, err) || !load_tokens(self, err)) return false;
    bool gpt2 = strcmp(model, "gpt2") == 0;
    if (!gpt2 && strcmp(model, "llama") != 0)
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: " KEY(
                           "model") ": the tokenizer \"%.60s\" is not supported; supported: gpt2, llama",
                       self->name, model);
    return (gpt2 ? load_gpt2(self, err) : load_llama(self, err)) && load_found(self, err);
}

bl_tokenizer *bl_gguf_tokenizer(const bl_gguf *file, const char *name, bl_error *err) {
    loader self = {.file = file, .name = name};
    self.tokenizer = bl_alloc_zero(1, sizeof *self.tokenizer, err);
    if (self.tokenizer && load(&self, err)) return self.tokenizer;
    bl_tokenizer_free(self.tokenizer);
    return NULL;
}
