/* Reading a Hugging Face tokenizer.json: from its JSON to the parts of a tokenizer.
 *
 * `truncation` and `padding` are settings of the library's batches and are not applied: the callers cut
 * stories to n_ctx themselves (docs/specification.md, 3).
 *
 * Ids of added tokens are the library's own: one that the vocabulary holds has its id, the others are
 * counted up from the vocabulary's size, whatever id the file gives them. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "format/json.h"
#include "text/tokenizer/ids.h"
#include "text/tokenizer/tokenizer_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- NULs: the JSON library refuses them in keys ----
 *
 * So every \u0000 of the file is written as a character that the file does not hold, and strings of the
 * vocabulary are read back through `text_of`. */

typedef struct text {
    const char *data;
    size_t n;
} text;

typedef struct loader {
    bl_tokenizer *tokenizer;
    char nul[4];        /* what stands for a NUL; "": none is there */
    bl_buffer texts[2]; /* strings with NULs put back */
} loader;

static bool holds(const char *json, size_t size, const char *bytes, const char *escape) {
    if (memmem(json, size, bytes, 3)) return true;
    for (const char *at = json; (at = memchr(at, '\\', (size_t)(json + size - at))); at++)
        if (json + size - at >= 6 && strncasecmp(at, escape, 6) == 0) return true;
    return false;
}

/* A copy of the file without NULs, or NULL: with the error set, or, when there is none, because the file
 * needs no copy. */
static char *without_nuls(const char *json, size_t size, char nul[4], bl_error *err) {
    char escape[8];
    uint32_t point = 0xFDD0; /* to U+FDEF: code points that are never characters */
    nul[0] = '\0';
    if (!memmem(json, size, "\\u0000", 6)) return NULL;
    for (; point < 0xFDF0; point++) {
        nul[bl_utf8_put(point, nul)] = '\0';
        snprintf(escape, sizeof escape, "\\u%04x", point);
        if (!holds(json, size, nul, escape)) break;
    }
    char *copy = point < 0xFDF0 ? bl_strndup(json, size, err) : NULL;
    if (!copy) return NULL;
    for (size_t i = 0; i + 6 <= size; i++) {
        if (copy[i] != '\\') continue;
        if (memcmp(copy + i, "\\u0000", 6) == 0) memcpy(copy + i, escape, 6);
        i++; /* the escaped character is no beginning of an escape */
    }
    return copy;
}

/* The string with its NULs. `which` of the two places it may be put in. Memory that is short shows in
 * texts[which].failed. */
static text text_of(loader *self, int which, const char *string) {
    size_t n = strlen(string);
    if (!self->nul[0] || !strstr(string, self->nul)) return (text){string, n};
    bl_buffer *to = &self->texts[which];
    to->n = 0;
    bl_add_replaced(to, string, n, self->nul, strlen(self->nul), "", 1);
    return (text){to->data ? to->data : "", to->n};
}

static bool check_texts(const loader *self, const bl_node *node, bl_error *err) {
    return (!self->texts[0].failed && !self->texts[1].failed) ||
           bl_fail(err, BL_ERR_MEMORY, "%s: %s: out of memory", node->file, node->where);
}

/* ---- The vocabulary ---- */

static bool read_vocabulary(const bl_node *node, loader *self, bl_error *err) {
    bl_vocabulary *to = &self->tokenizer->vocabulary;
    const char *key;
    json_t *value;
    if (!bl_node_is_object(node, err)) return false;
    if (json_object_size(node->json) == 0)
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: has no entry", node->file, node->where);
    json_object_foreach(node->json, key, value) {
        bl_node entry = {.file = node->file, .json = value};
        int64_t id = json_integer_value(value);
        size_t length;
        if (!json_is_integer(value) || id < 0 || id >= (int64_t)BL_MAX_VOCABULARY) {
            entry = bl_node_member(node, key);
            return bl_node_integer(&entry, (int64_t)BL_MAX_VOCABULARY, &id, err);
        }
        const char *other = bl_vocabulary_token(to, (int32_t)id, &length);
        if (other) {
            char a[64], b[64];
            return bl_fail(err, BL_ERR_INPUT, "%s: %s: the id %d belongs to both \"%s\" and \"%s\"",
                           node->file, node->where, (int)id, bl_shorten(other, a), bl_shorten(key, b));
        }
        text token = text_of(self, 0, key);
        if (!check_texts(self, node, err) || !bl_vocabulary_add(to, token.data, token.n, (int32_t)id, err))
            return false;
    }
    to->n_model = to->strings.n;
    return true;
}

/* The id of the unknown token, which must be in the vocabulary. */
static bool find_unknown(const bl_node *node, loader *self, const char *unknown, int32_t *id, bl_error *err) {
    text token = text_of(self, 0, unknown);
    char shortened[64];
    *id = bl_vocabulary_model_id(&self->tokenizer->vocabulary, token.data, token.n);
    return *id >= 0 || bl_fail(err, BL_ERR_INPUT, "%s: %s.unk_token: \"%s\" is not in %s.vocab", node->file,
                               node->where, bl_shorten(unknown, shortened), node->where);
}

/* ---- WordPiece ---- */

static bool read_wordpiece(const bl_node *node, loader *self, bl_error *err) {
    const char *prefix, *unknown;
    int64_t max_chars;
    int32_t id = -1;
    bl_node limit = bl_node_member(node, "max_input_chars_per_word");
    if (!bl_node_string(node, "unk_token", &unknown, err) ||
        !bl_node_string(node, "continuing_subword_prefix", &prefix, err) ||
        !bl_node_integer(&limit, INT64_MAX, &max_chars, err) || !find_unknown(node, self, unknown, &id, err))
        return false;
    self->tokenizer->model =
        bl_wordpiece(&self->tokenizer->vocabulary, prefix, strlen(prefix), id, (size_t)max_chars, err);
    return self->tokenizer->model.encode != NULL;
}

/* ---- Byte-pair encoding ---- */

/* Member `key`, a string or null or missing; then it is "". */
static bool optional_string(const bl_node *node, const char *key, const char **out, bl_error *err) {
    bl_node member = bl_node_member(node, key);
    const char *string = json_string_value(member.json);
    *out = string ? string : "";
    return string || !member.json || json_is_null(member.json) || bl_node_expected(&member, "a string", err);
}

static bool read_options(const bl_node *node, loader *self, bl_bpe_options *options, bl_error *err) {
    const json_t *dropout = json_object_get(node->json, "dropout"),
                 *unknown = json_object_get(node->json, "unk_token");
    const char *name;
    options->unknown = -1;
    if (dropout && !json_is_null(dropout) && !(json_is_number(dropout) && json_number_value(dropout) == 0))
        return bl_fail(
            err, BL_ERR_UNSUPPORTED,
            "%s: %s.dropout: merges that are left out at random are not supported; supported: null, 0",
            node->file, node->where);
    if (unknown && !json_is_null(unknown) &&
        (!bl_node_string(node, "unk_token", &name, err) ||
         !find_unknown(node, self, name, &options->unknown, err)))
        return false;
    return optional_string(node, "continuing_subword_prefix", &options->prefix, err) &&
           optional_string(node, "end_of_word_suffix", &options->suffix, err) &&
           bl_node_flag(node, "fuse_unk", &options->fuse_unknown, err) &&
           bl_node_flag(node, "byte_fallback", &options->byte_fallback, err) &&
           bl_node_flag(node, "ignore_merges", &options->ignore_merges, err);
}

/* A merge's two strings, "a b" or ["a", "b"]. All are of the kind of the first. */
static bool read_pair(const bl_node *merge, loader *self, bool listed, text both[2], bl_error *err) {
    const json_t *first = json_array_get(merge->json, 0), *second = json_array_get(merge->json, 1);
    const char *string = json_string_value(merge->json);
    if (listed && (json_array_size(merge->json) != 2 || !json_is_string(first) || !json_is_string(second)))
        return bl_node_expected(merge, "an array of two strings", err);
    if (listed) {
        both[0] = text_of(self, 0, json_string_value(first));
        both[1] = text_of(self, 1, json_string_value(second));
        return check_texts(self, merge, err);
    }
    if (!string) return bl_node_expected(merge, "a string", err);
    text whole = text_of(self, 0, string);
    const char *blank = memchr(whole.data, ' ', whole.n), *end = whole.data + whole.n;
    if (!blank || memchr(blank + 1, ' ', (size_t)(end - blank - 1)))
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: expected two strings with one blank between them",
                       merge->file, merge->where);
    both[0] = (text){whole.data, (size_t)(blank - whole.data)};
    both[1] = (text){blank + 1, (size_t)(end - blank - 1)};
    return check_texts(self, merge, err);
}

static int32_t merged_id(const bl_node *merge, const loader *self, text token, bl_error *err) {
    char copy[72], shortened[64];
    int32_t id = bl_vocabulary_model_id(&self->tokenizer->vocabulary, token.data, token.n);
    if (id >= 0) return id;
    if (token.n >= sizeof copy) token.n = bl_utf8_clip(token.data, sizeof copy - 1);
    snprintf(copy, sizeof copy, "%.*s", (int)token.n, token.data);
    bl_fail(err, BL_ERR_INPUT, "%s: %s: \"%s\" is not in the vocabulary", merge->file, merge->where,
            bl_shorten(copy, shortened));
    return -1;
}

/* Enters one merge. The product is the left string and, without the prefix, the right one. `joined` is
 * scratch. */
static bool read_merge(const bl_node *merge, loader *self, bool listed, const char *prefix, bl_bpe *bpe,
                       uint32_t rank, bl_buffer *joined, bl_error *err) {
    text both[2] = {{"", 0}, {"", 0}};
    size_t prefix_n = bl_utf8_count(prefix, strlen(prefix));
    if (!read_pair(merge, self, listed, both, err)) return false;
    int32_t left = merged_id(merge, self, both[0], err);
    int32_t right = left < 0 ? -1 : merged_id(merge, self, both[1], err);
    if (right < 0) return false;
    if (both[1].n < prefix_n || bl_utf8_clip(both[1].data, prefix_n) != prefix_n)
        return bl_fail(err, BL_ERR_INPUT, "%s: %s: the right part does not begin with the prefix \"%s\"",
                       merge->file, merge->where, prefix);
    joined->n = 0;
    bl_buffer_add(joined, both[0].data, both[0].n);
    bl_buffer_add(joined, both[1].data + prefix_n, both[1].n - prefix_n);
    if (joined->failed)
        return bl_fail(err, BL_ERR_MEMORY, "%s: %s: out of memory", merge->file, merge->where);
    int32_t product = merged_id(merge, self, (text){joined->data ? joined->data : "", joined->n}, err);
    if (product < 0) return false;
    bl_bpe_merge(bpe, left, right, product, rank);
    return true;
}

static bool read_merges(const bl_node *merges, loader *self, const char *prefix, bl_bpe *bpe, bl_error *err) {
    bool listed = json_is_array(json_array_get(merges->json, 0)), ok = true;
    bl_buffer joined = {0};
    for (size_t i = 0; ok && i < json_array_size(merges->json); i++) {
        bl_node merge = bl_node_element(merges, i);
        const char *string = json_string_value(merge.json);
        if (!listed && string && strncmp(string, "#version", 8) == 0)
            continue; /* the first line of older files */
        ok = read_merge(&merge, self, listed, prefix, bpe, (uint32_t)i, &joined, err);
    }
    bl_buffer_free(&joined);
    return ok;
}

static bool read_bpe(const bl_node *node, loader *self, bl_error *err) {
    bl_node merges = bl_node_member(node, "merges");
    bl_bpe_options options = {.prefix = "", .suffix = ""};
    if (!read_options(node, self, &options, err) || !bl_node_is_array(&merges, err)) return false;
    bl_bpe *bpe = bl_bpe_new(&options, &self->tokenizer->vocabulary, json_array_size(merges.json), err);
    if (!bpe) return false;
    if (!read_merges(&merges, self, options.prefix, bpe, err)) {
        bl_bpe_free(bpe);
        return false;
    }
    self->tokenizer->model = bl_bpe_finish(bpe, err);
    return self->tokenizer->model.encode != NULL;
}

typedef bool (*model_reader)(const bl_node *node, loader *self, bl_error *err);

static model_reader find_model_reader(const bl_node *node, bl_error *err) {
    static const struct {
        const char *type;
        model_reader read;
    } known[] = {{"WordPiece", read_wordpiece}, {"BPE", read_bpe}};
    const char *type = bl_node_type(node, err);
    if (!type) return NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0) return known[i].read;
    bl_node_refuse(node, "model", type, "WordPiece, BPE", err);
    return NULL;
}

/* ---- Added tokens ---- */

/* Enters the string among those found in raw or, normalized itself, in normalized text. Of two that are
 * spelled alike there, the first is found. */
static bool make_found(bl_tokenizer *tokenizer, const char *content, size_t n, bl_added_token token,
                       bool normalized, bl_error *err) {
    bl_added_tokens *to = normalized ? &tokenizer->normalized : &tokenizer->raw;
    bl_scratch scratch = {0};
    const char *spelled = content;
    char shortened[64];
    bool ok = !normalized || bl_normalize(&tokenizer->normalizer, content, n, &scratch, &spelled, &n, err);
    if (ok && n == 0)
        ok = bl_fail(err, BL_ERR_UNSUPPORTED, "nothing is left of \"%s\" when it is normalized",
                     bl_shorten(content, shortened));
    if (ok && !bl_added_tokens_has(to, spelled, n)) ok = bl_added_tokens_add(to, spelled, n, token, err);
    bl_scratch_free(&scratch);
    return ok;
}

bool bl_load_added(bl_tokenizer *tokenizer, const char *content, size_t n, bl_added_token token,
                   bool normalized, bl_error *err) {
    bl_vocabulary *vocabulary = &tokenizer->vocabulary;
    if (bl_vocabulary_id(vocabulary, content, n) < 0 &&
        !bl_vocabulary_add(vocabulary, content, n, token.id, err))
        return false;
    return make_found(tokenizer, content, n, token, normalized, err);
}

typedef struct added {
    char *content; /* NULL: left out, empty or listed again later */
    size_t n;
    bl_added_token token;
    bool normalized;
} added;

static bool read_entry(const bl_node *entry, loader *self, added *out, bl_error *err) {
    bl_node id = bl_node_member(entry, "id");
    const char *content;
    int64_t given; /* the library gives its own */
    if (!bl_node_is_object(entry, err) || !bl_node_integer(&id, (int64_t)BL_MAX_VOCABULARY, &given, err) ||
        !bl_node_string(entry, "content", &content, err) ||
        !bl_node_bool(entry, "single_word", &out->token.single_word, err) ||
        !bl_node_bool(entry, "lstrip", &out->token.lstrip, err) ||
        !bl_node_bool(entry, "rstrip", &out->token.rstrip, err) ||
        !bl_node_bool(entry, "normalized", &out->normalized, err))
        return false;
    text string = text_of(self, 0, content);
    if (!check_texts(self, entry, err)) return false;
    out->n = string.n;
    out->content = string.n ? bl_strndup(string.data, string.n, err) : NULL;
    return out->content || string.n == 0;
}

/* The ids in the file's order, as the library gives them: the vocabulary's own, or the next one. */
static bool number_added(const bl_node *node, bl_tokenizer *tokenizer, added *all, size_t n, bl_error *err) {
    bl_vocabulary *vocabulary = &tokenizer->vocabulary;
    int64_t size = (int64_t)vocabulary->n_model, largest = -1;
    for (size_t i = 0; i < n; i++) {
        if (!all[i].content) continue;
        int64_t id = bl_vocabulary_id(vocabulary, all[i].content, all[i].n);
        if (id < 0) {
            id = largest >= size ? largest + 1 : size;
            if (id >= (int64_t)BL_MAX_VOCABULARY)
                return bl_fail(err, BL_ERR_INPUT, "%s: %s: more than %zu tokens", node->file, node->where,
                               BL_MAX_VOCABULARY);
            if (!bl_vocabulary_add(vocabulary, all[i].content, all[i].n, (int32_t)id, err)) return false;
        }
        if (id > largest) largest = id;
        all[i].token.id = (int32_t)id;
    }
    return true;
}

/* Of a token that is listed again, the last entry counts. */
static bool drop_repeated(added *all, size_t n, bl_error *err) {
    bl_string_table seen = {0};
    bool ok = true;
    for (size_t i = n; ok && i-- > 0;) {
        uint32_t number;
        size_t before = seen.n;
        if (!all[i].content) continue;
        ok = bl_string_table_put(&seen, all[i].content, all[i].n, &number, err);
        if (!ok || number == before) continue;
        free(all[i].content);
        all[i].content = NULL;
    }
    bl_string_table_free(&seen);
    return ok;
}

static bool find_all(const bl_node *node, bl_tokenizer *tokenizer, const added *all, size_t n,
                     bl_error *err) {
    for (size_t i = 0; i < n; i++) {
        bl_error why = {0};
        if (!all[i].content ||
            make_found(tokenizer, all[i].content, all[i].n, all[i].token, all[i].normalized, &why))
            continue;
        return bl_fail(err, why.code, "%s: %s[%zu]: %s", node->file, node->where, i, why.message);
    }
    return true;
}

static bool read_added_into(const bl_node *node, loader *self, added *all, bl_error *err) {
    size_t n = json_array_size(node->json);
    for (size_t i = 0; i < n; i++) {
        bl_node entry = bl_node_element(node, i);
        if (!read_entry(&entry, self, &all[i], err)) return false;
    }
    if (!number_added(node, self->tokenizer, all, n, err)) return false;
    return drop_repeated(all, n, err) && find_all(node, self->tokenizer, all, n, err);
}

static bool read_added(const bl_node *node, loader *self, bl_error *err) {
    if (!node->json || json_is_null(node->json)) return true;
    if (!bl_node_is_array(node, err)) return false;
    size_t n = json_array_size(node->json);
    added *all = bl_alloc_zero(n, sizeof *all, err);
    bool ok = all && read_added_into(node, self, all, err);
    for (size_t i = 0; all && i < n; i++) free(all[i].content);
    free(all);
    return ok;
}

/* ---- The template ---- */

/* A piece {"SpecialToken": {"id": name}} of a template: the ids that `special_tokens` gives for that name. */
static bool read_special(const bl_node *template, const bl_node *special, const bl_tokenizer *tokenizer,
                         bl_ids *to, bl_error *err) {
    const char *name;
    if (!bl_node_is_object(special, err) || !bl_node_string(special, "id", &name, err)) return false;
    bl_node table = bl_node_member(template, "special_tokens");
    if (!bl_node_is_object(&table, err)) return false;
    bl_node entry = bl_node_member(&table, name);
    if (!bl_node_is_object(&entry, err)) return false;
    bl_node ids = bl_node_member(&entry, "ids");
    if (!bl_node_is_array(&ids, err)) return false;
    for (size_t i = 0; i < json_array_size(ids.json); i++) {
        bl_node element = bl_node_element(&ids, i);
        int64_t id;
        if (!bl_node_integer(&element, (int64_t)tokenizer->vocabulary.size, &id, err)) return false;
        if (!bl_tokenizer_token(tokenizer, (int32_t)id))
            return bl_fail(err, BL_ERR_INPUT, "%s: %s: no token has the id %lld", element.file, element.where,
                           (long long)id);
        if (!bl_ids_push(to, (int32_t)id, err)) return false;
    }
    return true;
}

/* {"SpecialToken": …} before or after the one {"Sequence": {"id": "A"}}. */
static bool read_template(const bl_node *node, bl_tokenizer *tokenizer, bl_error *err) {
    bl_node single = bl_node_member(node, "single");
    size_t texts = 0;
    if (!bl_node_is_array(&single, err)) return false;
    for (size_t i = 0; i < json_array_size(single.json); i++) {
        bl_node piece = bl_node_element(&single, i), special = bl_node_member(&piece, "SpecialToken"),
                sequence = bl_node_member(&piece, "Sequence");
        const char *name;
        if (!bl_node_is_object(&piece, err)) return false;
        if (special.json) {
            if (!read_special(node, &special, tokenizer, texts ? &tokenizer->after : &tokenizer->before, err))
                return false;
        } else if (sequence.json) {
            if (!bl_node_is_object(&sequence, err) || !bl_node_string(&sequence, "id", &name, err))
                return false;
            if (strcmp(name, "A") != 0) return bl_node_refuse(&sequence, "sequence", name, "A", err);
            texts++;
        } else {
            return bl_node_expected(&piece, "a SpecialToken or a Sequence", err);
        }
    }
    if (texts == 1) return true;
    return bl_fail(err, BL_ERR_UNSUPPORTED,
                   "%s: %s: expected the sequence A exactly once, found it %zu times", node->file,
                   single.where, texts);
}

/* ByteLevel only trims the places of tokens in the text, which are not kept here. */
static bool read_post_processor(const bl_node *node, bl_tokenizer *tokenizer, bl_error *err) {
    if (!node->json || json_is_null(node->json)) return true;
    const char *type = bl_node_type(node, err);
    if (!type) return false;
    if (strcmp(type, "ByteLevel") == 0) return true;
    if (strcmp(type, "Sequence") == 0) {
        bl_node parts = bl_node_member(node, "processors");
        if (!bl_node_is_array(&parts, err)) return false;
        for (size_t i = 0; i < json_array_size(parts.json); i++) {
            bl_node part = bl_node_element(&parts, i);
            if (!read_post_processor(&part, tokenizer, err)) return false;
        }
        return true;
    }
    if (strcmp(type, "TemplateProcessing") != 0)
        return bl_node_refuse(node, "post-processor", type, "TemplateProcessing, ByteLevel, Sequence", err);
    if (tokenizer->has_template)
        return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: a second template is not supported", node->file,
                       node->where);
    tokenizer->has_template = true;
    return read_template(node, tokenizer, err);
}

/* ---- The whole file ---- */

bool bl_load_components(const bl_node *root, bl_tokenizer *tokenizer, bl_error *err) {
    bl_node normalizer = bl_node_member(root, "normalizer"),
            pretokenizer = bl_node_member(root, "pre_tokenizer"), decoder = bl_node_member(root, "decoder");
    return bl_read_normalizer(&normalizer, &tokenizer->normalizer, err) &&
           bl_read_pretokenizer(&pretokenizer, &tokenizer->normalizer, &tokenizer->pretokenizer, err) &&
           bl_read_decoder(&decoder, &tokenizer->decoder, err);
}

void bl_load_finish(bl_tokenizer *tokenizer) {
    static const char *const names[] = {"[EOS]", "</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>"};
    tokenizer->eos = -1;
    for (size_t i = 0; i < sizeof names / sizeof *names && tokenizer->eos < 0; i++)
        tokenizer->eos = bl_tokenizer_id(tokenizer, names[i]);
}

static bool read_all(const bl_node *root, loader *self, bl_error *err) {
    bl_node model = bl_node_member(root, "model"), post = bl_node_member(root, "post_processor"),
            added_tokens = bl_node_member(root, "added_tokens"), vocabulary;
    if (!bl_node_is_object(root, err)) return false;
    model_reader read_model = find_model_reader(&model, err);
    if (!read_model) return false;
    vocabulary = bl_node_member(&model, "vocab");
    if (!bl_load_components(root, self->tokenizer, err) || !read_vocabulary(&vocabulary, self, err) ||
        !read_model(&model, self, err) || !read_added(&added_tokens, self, err) ||
        !read_post_processor(&post, self->tokenizer, err))
        return false;
    bl_load_finish(self->tokenizer);
    return true;
}

bool bl_tokenizer_parse(bl_tokenizer *tokenizer, const char *name, const char *json, size_t size,
                        bl_error *err) {
    loader self = {.tokenizer = tokenizer};
    bl_error why = {0};
    char *copy = without_nuls(json, size, self.nul, &why);
    if (!copy && why.code != BL_OK) return bl_fail(err, why.code, "%s: %s", name, why.message);
    bl_node root = {.file = name, .json = bl_json_parse(copy ? copy : json, size, name, err)};
    bool ok = root.json && read_all(&root, &self, err);
    json_decref(root.json);
    free(copy);
    for (int i = 0; i < 2; i++) bl_buffer_free(&self.texts[i]);
    return ok;
}
