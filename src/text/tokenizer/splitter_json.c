/* Reading normalisers and pre-tokenizers: names to functions in small tables. */
#include "base/error.h"
#include "text/tokenizer/component.h"
#include <string.h>

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
    if (normaliser->n == BL_MAX_STEPS) return bl_too_many_components(place, err);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0) {
            normaliser->steps[normaliser->n++] = known[i].make();
            return true;
        }
    bl_normaliser_step *step = &normaliser->steps[normaliser->n];
    bl_short_text pattern = {.n = 0}, content;
    bool prepend = strcmp(type, "Prepend") == 0;
    if (!prepend && strcmp(type, "Replace") != 0)
        return bl_component_refuse(
            place, "normalizer", type,
            "NFC, NFD, NFKC, NFKD, StripAccents, Lowercase, Prepend, Replace, Sequence", err);
    normaliser->n++;
    if (prepend ? !bl_component_text(place, "prepend", &content, err)
                : !bl_component_replace(place, &pattern, &content, err))
        return false;
    *step = prepend ? bl_normaliser_prepend(content) : bl_normaliser_replace(pattern, content);
    return true;
}

static bool make_punctuation(const bl_place *place, bl_pretokeniser_step *step, bl_error *err) {
    bl_place behaviour = bl_place_member(place, "behavior");
    *step = bl_pretokeniser_punctuation();
    if (!behaviour.json) return true;
    if (!json_is_string(behaviour.json)) return bl_place_expected(&behaviour, "a string", err);
    const char *name = json_string_value(behaviour.json);
    return strcmp(name, "Isolated") == 0 ||
           bl_component_refuse(&behaviour, "behaviour", name, "Isolated", err);
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

static bool make_byte_level(const bl_place *place, bl_pretokeniser_step *step, bl_error *err) {
    bool prefix_space = true, split = true;
    if (!bl_place_bool(place, "add_prefix_space", &prefix_space, err) ||
        !bl_component_flag(place, "use_regex", &split, err))
        return false;
    *step = bl_pretokeniser_byte_level(prefix_space, split);
    return true;
}

static bool make_metaspace(const bl_place *place, bl_pretokeniser_step *step, bl_error *err) {
    bl_short_text sign;
    bl_prepend prepend;
    bool split;
    if (!bl_component_metaspace(place, &sign, &prepend, &split, err)) return false;
    *step = bl_pretokeniser_metaspace(sign, prepend, split);
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
        {"ByteLevel", make_byte_level},
        {"Metaspace", make_metaspace},
    };
    bl_pretokeniser *pretokeniser = to;
    if (pretokeniser->n == BL_MAX_STEPS) return bl_too_many_components(place, err);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0)
            return known[i].make(place, &pretokeniser->steps[pretokeniser->n++], err);
    return bl_component_refuse(
        place, "pre-tokenizer", type,
        "Punctuation, Whitespace, WhitespaceSplit, Digits, ByteLevel, Metaspace, Sequence", err);
}

/* "first" is a question about the input, which can be answered only while nothing of its beginning has been
 * removed or cut off. */
static bool check_first(const bl_place *place, const bl_splitter *splitter, bl_error *err) {
    bool removed = false;
    for (size_t i = 0; i < splitter->normaliser.n; i++) removed |= splitter->normaliser.steps[i].may_remove;
    for (size_t i = 0; i < splitter->pretokeniser.n; i++)
        if (splitter->pretokeniser.steps[i].prepend == BL_PREPEND_FIRST && (i > 0 || removed))
            return bl_fail(err, BL_ERR_UNSUPPORTED,
                           "%s: %s: the prepend_scheme \"first\" is not supported behind another "
                           "pre-tokenizer, nor behind a normalizer that "
                           "removes characters",
                           place->file, place->where);
    return true;
}

bool bl_read_splitter(const bl_place *normaliser, const bl_place *pretokeniser, bl_splitter *splitter,
                      bl_error *err) {
    return bl_each_component(normaliser, "normalizers", &splitter->normaliser, read_normaliser, err) &&
           bl_each_component(pretokeniser, "pretokenizers", &splitter->pretokeniser, read_pretokeniser,
                             err) &&
           check_first(pretokeniser, splitter, err);
}
