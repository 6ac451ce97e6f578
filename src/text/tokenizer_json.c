/* Reading a Hugging Face tokenizer.json: from its JSON to the parts of a tokenizer.
 *
 * Components are looked up by name in small tables; one that is not there is refused by its name. `truncation` and `padding` are
 * settings of the library's batches and are not applied: the callers cut stories to n_ctx themselves (SPEC 3). */
#include "base/error.h"
#include "format/json.h"
#include "text/ids.h"
#include "text/json_place.h"
#include "text/tokenizer_private.h"
#include "text/tokenizer_vocabulary.h"
#include <stdio.h>
#include <string.h>

/* A component's "type", or NULL with the error set. */
static const char *component_type(const bl_place *place, bl_error *err) {
    const char *type = NULL;
    if (!bl_place_is_object(place, err)) return NULL;
    return bl_place_string(place, "type", &type, err) ? type : NULL;
}

static bool refuse(const bl_place *place, const char *what, const char *type, const char *supported, bl_error *err) {
    char shortened[64];
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: the %s \"%s\" is not supported; supported: %s", place->file, place->where, what,
                   bl_shorten(type, shortened), supported);
}

/* Flattens a component that may be null, one of a kind, or a Sequence of them: calls `one` for each. `list` is the Sequence's key. */
static bool each_component(const bl_place *place, const char *list, void *to,
                           bool (*one)(const bl_place *place, const char *type, void *to, bl_error *err), bl_error *err) {
    if (!place->json || json_is_null(place->json)) return true;
    const char *type = component_type(place, err);
    if (!type) return false;
    if (strcmp(type, "Sequence") != 0) return one(place, type, to, err);
    bl_place parts = bl_place_member(place, list);
    if (!bl_place_is_array(&parts, err)) return false;
    for (size_t i = 0; i < json_array_size(parts.json); i++) {
        bl_place part = bl_place_element(&parts, i);
        if (!each_component(&part, list, to, one, err)) return false;
    }
    return true;
}

static bool too_many(const bl_place *place, bl_error *err) {
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: more than %d components in sequence are not supported", place->file, place->where,
                   BL_MAX_STEPS);
}

static bool read_normaliser(const bl_place *place, const char *type, void *to, bl_error *err) {
    static const struct {
        const char *type;
        bl_normaliser_step (*make)(void);
    } known[] = {
        {"NFC", bl_normaliser_nfc},
        {"NFD", bl_normaliser_nfd},
        {"NFKC", bl_normaliser_nfkc},
        {"NFKD", bl_normaliser_nfkd},
        {"Lowercase", bl_normaliser_lowercase},
        {"StripAccents", bl_normaliser_strip_accents},
    };
    bl_normaliser *normaliser = to;
    if (normaliser->n == BL_MAX_STEPS) return too_many(place, err);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0) {
            normaliser->steps[normaliser->n++] = known[i].make();
            return true;
        }
    return refuse(place, "normalizer", type, "NFC, NFD, NFKC, NFKD, StripAccents, Lowercase, Sequence", err);
}

static bool make_punctuation(const bl_place *place, bl_pretokeniser_step *step, bl_error *err) {
    bl_place behaviour = bl_place_member(place, "behavior");
    *step = bl_pretokeniser_punctuation();
    if (!behaviour.json) return true;
    if (!json_is_string(behaviour.json)) return bl_place_expected(&behaviour, "a string", err);
    const char *name = json_string_value(behaviour.json);
    return strcmp(name, "Isolated") == 0 || refuse(&behaviour, "behaviour", name, "Isolated", err);
}

static bool make_whitespace(const bl_place *place, bl_pretokeniser_step *step, bl_error *err) {
    (void)place, (void)err;
    *step = bl_pretokeniser_whitespace();
    return true;
}

static bool make_whitespace_split(const bl_place *place, bl_pretokeniser_step *step, bl_error *err) {
    (void)place, (void)err;
    *step = bl_pretokeniser_whitespace_split();
    return true;
}

static bool make_digits(const bl_place *place, bl_pretokeniser_step *step, bl_error *err) {
    bool individual = false;
    if (!bl_place_bool(place, "individual_digits", &individual, err)) return false;
    *step = bl_pretokeniser_digits(individual);
    return true;
}

static bool read_pretokeniser(const bl_place *place, const char *type, void *to, bl_error *err) {
    static const struct {
        const char *type;
        bool (*make)(const bl_place *place, bl_pretokeniser_step *step, bl_error *err);
    } known[] = {
        {"Punctuation", make_punctuation},
        {"Whitespace", make_whitespace},
        {"WhitespaceSplit", make_whitespace_split},
        {"Digits", make_digits},
    };
    bl_pretokeniser *pretokeniser = to;
    if (pretokeniser->n == BL_MAX_STEPS) return too_many(place, err);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0) return known[i].make(place, &pretokeniser->steps[pretokeniser->n++], err);
    return refuse(place, "pre-tokenizer", type, "Punctuation, Whitespace, WhitespaceSplit, Digits, Sequence", err);
}

static bool read_wordpiece(const bl_place *place, bl_tokenizer *tokenizer, bl_error *err) {
    const char *prefix, *unknown;
    int64_t max_chars;
    bl_place limit = bl_place_member(place, "max_input_chars_per_word"), vocabulary = bl_place_member(place, "vocab");
    if (!bl_place_string(place, "unk_token", &unknown, err) || !bl_place_string(place, "continuing_subword_prefix", &prefix, err) ||
        !bl_place_integer(&limit, INT64_MAX, &max_chars, err))
        return false;
    json_t *id = json_object_get(vocabulary.json, unknown);
    if (!id) {
        char shortened[64];
        return bl_fail(err, BL_ERR_INPUT, "%s: %s.unk_token: \"%s\" is not in %s", place->file, place->where,
                       bl_shorten(unknown, shortened), vocabulary.where);
    }
    bl_wordpiece *wordpiece = bl_wordpiece_new(err);
    bool ok = wordpiece != NULL;
    const char *token;
    json_t *value;
    json_object_foreach(vocabulary.json, token, value) {
        if (ok) ok = bl_wordpiece_add(wordpiece, token, strlen(token), (int32_t)json_integer_value(value), err);
    }
    if (ok) tokenizer->model = bl_wordpiece_finish(wordpiece, prefix, strlen(prefix), (int32_t)json_integer_value(id), (size_t)max_chars);
    else bl_wordpiece_free(wordpiece);
    return ok;
}

/* The kinds of model. The vocabulary has been checked and entered before `read` is called. */
typedef struct model_kind {
    const char *type;
    bool (*read)(const bl_place *place, bl_tokenizer *tokenizer, bl_error *err);
} model_kind;

static const model_kind *find_model(const bl_place *place, bl_error *err) {
    static const model_kind known[] = {{"WordPiece", read_wordpiece}};
    const char *type = component_type(place, err);
    if (!type) return NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0) return &known[i];
    refuse(place, "model", type, "WordPiece", err);
    return NULL;
}

/* A piece {"SpecialToken": {"id": name}} of a template: the ids that `special_tokens` gives for that name. */
static bool read_special(const bl_place *template, const bl_place *special, const bl_tokenizer *tokenizer, bl_ids *to, bl_error *err) {
    const char *name;
    if (!bl_place_is_object(special, err) || !bl_place_string(special, "id", &name, err)) return false;
    bl_place table = bl_place_member(template, "special_tokens");
    if (!bl_place_is_object(&table, err)) return false;
    bl_place entry = bl_place_member(&table, name);
    if (!bl_place_is_object(&entry, err)) return false;
    bl_place ids = bl_place_member(&entry, "ids");
    if (!bl_place_is_array(&ids, err)) return false;
    for (size_t i = 0; i < json_array_size(ids.json); i++) {
        bl_place element = bl_place_element(&ids, i);
        int64_t id;
        if (!bl_place_integer(&element, (int64_t)tokenizer->vocabulary.size, &id, err)) return false;
        if (!tokenizer->vocabulary.tokens[id])
            return bl_fail(err, BL_ERR_INPUT, "%s: %s: no token has the id %lld", element.file, element.where, (long long)id);
        if (!bl_ids_push(to, (int32_t)id, err)) return false;
    }
    return true;
}

/* {"SpecialToken": …} before or after the one {"Sequence": {"id": "A"}}. */
static bool read_template(const bl_place *place, bl_tokenizer *tokenizer, bl_error *err) {
    bl_place single = bl_place_member(place, "single");
    size_t texts = 0;
    if (!bl_place_is_array(&single, err)) return false;
    for (size_t i = 0; i < json_array_size(single.json); i++) {
        bl_place piece = bl_place_element(&single, i), special = bl_place_member(&piece, "SpecialToken"),
                 text = bl_place_member(&piece, "Sequence");
        const char *name;
        if (!bl_place_is_object(&piece, err)) return false;
        if (special.json) {
            if (!read_special(place, &special, tokenizer, texts ? &tokenizer->after : &tokenizer->before, err)) return false;
        } else if (text.json) {
            if (!bl_place_is_object(&text, err) || !bl_place_string(&text, "id", &name, err)) return false;
            if (strcmp(name, "A") != 0) return refuse(&text, "sequence", name, "A", err);
            texts++;
        } else {
            return bl_place_expected(&piece, "a SpecialToken or a Sequence", err);
        }
    }
    if (texts == 1) return true;
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: expected the sequence A exactly once, found it %zu times", place->file, single.where,
                   texts);
}

static bool read_post_processor(const bl_place *place, bl_tokenizer *tokenizer, bl_error *err) {
    if (!place->json || json_is_null(place->json)) return true;
    const char *type = component_type(place, err);
    if (!type) return false;
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(place, tokenizer, err);
    return refuse(place, "post-processor", type, "TemplateProcessing", err);
}

static bool read_decoder(const bl_place *place, bl_decoder *decoder, bl_error *err) {
    const char *prefix;
    if (!place->json || json_is_null(place->json)) return true;
    const char *type = component_type(place, err);
    if (!type) return false;
    if (strcmp(type, "WordPiece") != 0) return refuse(place, "decoder", type, "null, WordPiece", err);
    decoder->kind = BL_DECODE_WORDPIECE;
    if (!bl_place_string(place, "prefix", &prefix, err) || !bl_place_bool(place, "cleanup", &decoder->cleanup, err)) return false;
    decoder->prefix = bl_strdup(prefix, err);
    return decoder->prefix != NULL;
}

static int32_t end_token(const bl_tokenizer *tokenizer) {
    static const char *const names[] = {"[EOS]", "</s>", "<|endoftext|>"};
    int32_t id = -1;
    for (size_t i = 0; i < sizeof names / sizeof *names && id < 0; i++) id = bl_tokenizer_id(tokenizer, names[i]);
    return id;
}

static bool read_all(const bl_place *root, bl_tokenizer *tokenizer, bl_error *err) {
    bl_place model = bl_place_member(root, "model"), normaliser = bl_place_member(root, "normalizer"),
             pretokeniser = bl_place_member(root, "pre_tokenizer"), post = bl_place_member(root, "post_processor"),
             decoder = bl_place_member(root, "decoder"), added = bl_place_member(root, "added_tokens"), vocabulary;
    if (!bl_place_is_object(root, err)) return false;
    const model_kind *kind = find_model(&model, err);
    if (!kind) return false;
    vocabulary = bl_place_member(&model, "vocab");
    bool ok = each_component(&normaliser, "normalizers", &tokenizer->splitter.normaliser, read_normaliser, err) &&
              each_component(&pretokeniser, "pretokenizers", &tokenizer->splitter.pretokeniser, read_pretokeniser, err) &&
              bl_read_vocabulary(&vocabulary, &added, tokenizer, err) && kind->read(&model, tokenizer, err) &&
              read_post_processor(&post, tokenizer, err) && read_decoder(&decoder, &tokenizer->decoder, err);
    if (ok) tokenizer->eos = end_token(tokenizer);
    return ok;
}

bool bl_tokenizer_parse(bl_tokenizer *tokenizer, const char *name, const char *json, size_t size, bl_error *err) {
    bl_place root = {.file = name, .json = bl_json_parse(json, size, name, err)};
    if (!root.json) return false;
    bool ok = read_all(&root, tokenizer, err);
    json_decref(root.json);
    return ok;
}
