/* Reading a Hugging Face tokenizer.json: from its JSON to the parts of a tokenizer.
 *
 * Components are looked up by name in small tables (splitter_json.c, model_json.c, decoder_json.c); one that
 * is not there is refused by its name. `truncation` and `padding` are settings of the library's batches and
 * are not applied: the callers cut stories to n_ctx themselves (docs/specification.md, 3). */
#include "base/error.h"
#include "format/json.h"
#include "text/tokenizer/component.h"
#include "text/tokenizer/ids.h"
#include "text/tokenizer/tokenizer_vocabulary.h"
#include <string.h>

/* A piece {"SpecialToken": {"id": name}} of a template: the ids that `special_tokens` gives for that name. */
static bool read_special(const bl_place *template, const bl_place *special, const bl_tokenizer *tokenizer,
                         bl_ids *to, bl_error *err) {
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
            return bl_fail(err, BL_ERR_INPUT, "%s: %s: no token has the id %lld", element.file, element.where,
                           (long long)id);
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
            if (!read_special(place, &special, tokenizer, texts ? &tokenizer->after : &tokenizer->before,
                              err))
                return false;
        } else if (text.json) {
            if (!bl_place_is_object(&text, err) || !bl_place_string(&text, "id", &name, err)) return false;
            if (strcmp(name, "A") != 0) return bl_component_refuse(&text, "sequence", name, "A", err);
            texts++;
        } else {
            return bl_place_expected(&piece, "a SpecialToken or a Sequence", err);
        }
    }
    if (texts == 1) return true;
    return bl_fail(err, BL_ERR_UNSUPPORTED,
                   "%s: %s: expected the sequence A exactly once, found it %zu times", place->file,
                   single.where, texts);
}

/* ByteLevel only trims the places of tokens in the text, which are not kept here. */
static bool read_post_processor(const bl_place *place, const char *type, void *to, bl_error *err) {
    bl_tokenizer *tokenizer = to;
    if (strcmp(type, "ByteLevel") == 0) return true;
    if (strcmp(type, "TemplateProcessing") != 0)
        return bl_component_refuse(place, "post-processor", type, "TemplateProcessing, ByteLevel, Sequence",
                                   err);
    if (tokenizer->has_template)
        return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: a second template is not supported", place->file,
                       place->where);
    tokenizer->has_template = true;
    return read_template(place, tokenizer, err);
}

static int32_t end_token(const bl_tokenizer *tokenizer) {
    static const char *const names[] = {"[EOS]", "</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>"};
    int32_t id = -1;
    for (size_t i = 0; i < sizeof names / sizeof *names && id < 0; i++)
        id = bl_tokenizer_id(tokenizer, names[i]);
    return id;
}

static bool read_all(const bl_place *root, bl_tokenizer *tokenizer, bl_error *err) {
    bl_place model = bl_place_member(root, "model"), normaliser = bl_place_member(root, "normalizer"),
             pretokeniser = bl_place_member(root, "pre_tokenizer"),
             post = bl_place_member(root, "post_processor"), decoder = bl_place_member(root, "decoder"),
             added = bl_place_member(root, "added_tokens"), vocabulary;
    if (!bl_place_is_object(root, err)) return false;
    bl_model_reader read_model = bl_find_model_reader(&model, err);
    if (!read_model) return false;
    vocabulary = bl_place_member(&model, "vocab");
    bool ok = bl_read_splitter(&normaliser, &pretokeniser, &tokenizer->splitter, err) &&
              bl_read_vocabulary(&vocabulary, &added, tokenizer, err) && read_model(&model, tokenizer, err) &&
              bl_each_component(&post, "processors", tokenizer, read_post_processor, err) &&
              bl_read_decoder(&decoder, &tokenizer->decoder, err);
    if (ok) tokenizer->eos = end_token(tokenizer);
    return ok;
}

bool bl_tokenizer_parse(bl_tokenizer *tokenizer, const char *name, const char *json, size_t size,
                        bl_error *err) {
    bl_place root = {.file = name, .json = bl_json_parse(json, size, name, err)};
    if (!root.json) return false;
    bool ok = read_all(&root, tokenizer, err);
    json_decref(root.json);
    return ok;
}
