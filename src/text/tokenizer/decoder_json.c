/* Reading decoders. */
#include "base/error.h"
#include "text/tokenizer/component.h"
#include <string.h>

typedef bool (*maker)(const bl_place *place, bl_decoder_step *step, bl_error *err);

static bool make_wordpiece(const bl_place *place, bl_decoder_step *step, bl_error *err) {
    bl_short_text prefix;
    bool cleanup;
    if (!bl_component_text(place, "prefix", &prefix, err) || !bl_place_bool(place, "cleanup", &cleanup, err))
        return false;
    *step = bl_decoder_wordpiece(prefix, cleanup);
    return true;
}

static bool make_byte_level(const bl_place *place, bl_decoder_step *step, bl_error *err) {
    (void)place, (void)err;
    *step = bl_decoder_byte_level();
    return true;
}

static bool make_metaspace(const bl_place *place, bl_decoder_step *step, bl_error *err) {
    bl_short_text sign;
    bl_prepend prepend;
    bool split;
    if (!bl_component_metaspace(place, &sign, &prepend, &split, err)) return false;
    *step = bl_decoder_metaspace(sign, prepend != BL_PREPEND_NEVER);
    return true;
}

static bool make_replace(const bl_place *place, bl_decoder_step *step, bl_error *err) {
    bl_short_text pattern, content;
    if (!bl_component_replace(place, &pattern, &content, err)) return false;
    *step = bl_decoder_replace(pattern, content);
    return true;
}

static bool make_byte_fallback(const bl_place *place, bl_decoder_step *step, bl_error *err) {
    (void)place, (void)err;
    *step = bl_decoder_byte_fallback();
    return true;
}

static bool make_fuse(const bl_place *place, bl_decoder_step *step, bl_error *err) {
    (void)place, (void)err;
    *step = bl_decoder_fuse();
    return true;
}

static bool make_strip(const bl_place *place, bl_decoder_step *step, bl_error *err) {
    bl_short_text character;
    bl_place start = bl_place_member(place, "start"), stop = bl_place_member(place, "stop");
    int64_t at_start, at_stop;
    if (!bl_component_character(place, "content", &character, err) ||
        !bl_place_integer(&start, INT64_MAX, &at_start, err) ||
        !bl_place_integer(&stop, INT64_MAX, &at_stop, err))
        return false;
    *step = bl_decoder_strip(character, (size_t)at_start, (size_t)at_stop);
    return true;
}

static bool read_one(const bl_place *place, const char *type, void *to, bl_error *err) {
    static const struct {
        const char *type;
        maker make;
    } known[] = {
        {"WordPiece", make_wordpiece}, {"ByteLevel", make_byte_level},       {"Metaspace", make_metaspace},
        {"Replace", make_replace},     {"ByteFallback", make_byte_fallback}, {"Fuse", make_fuse},
        {"Strip", make_strip},
    };
    bl_decoder *decoder = to;
    if (decoder->n == BL_MAX_STEPS) return bl_too_many_components(place, err);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0) return known[i].make(place, &decoder->steps[decoder->n++], err);
    return bl_component_refuse(
        place, "decoder", type,
        "null, WordPiece, ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip, Sequence", err);
}

bool bl_read_decoder(const bl_place *place, bl_decoder *decoder, bl_error *err) {
    return bl_each_component(place, "decoders", decoder, read_one, err);
}
