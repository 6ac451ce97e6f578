/* Components of a tokenizer.json: objects that name their "type", alone or in a Sequence. tokenizer_json.c
 * reads the whole file with these. */
#ifndef BL_TEXT_COMPONENT_H
#define BL_TEXT_COMPONENT_H
#include "text/tokenizer/json_place.h"
#include "text/tokenizer/tokenizer_private.h"

/* A component's "type", or NULL with the error set. */
const char *bl_component_type(const bl_place *place, bl_error *err);

/* Fails with BL_ERR_UNSUPPORTED: "FILE: WHERE: the WHAT "TYPE" is not supported; supported: …". */
bool bl_component_refuse(const bl_place *place, const char *what, const char *type, const char *supported,
                         bl_error *err);

/* Flattens a component that may be null, one of a kind, or a Sequence of them: calls `one` for each. `list`
 * is the Sequence's key. */
bool bl_each_component(const bl_place *place, const char *list, void *to,
                       bool (*one)(const bl_place *place, const char *type, void *to, bl_error *err),
                       bl_error *err);

/* Fails with BL_ERR_UNSUPPORTED: more than BL_MAX_STEPS in sequence. */
bool bl_too_many_components(const bl_place *place, bl_error *err);

/* Member `key`, a string of at most BL_SHORT_TEXT bytes. */
bool bl_component_text(const bl_place *place, const char *key, bl_short_text *out, bl_error *err);
/* Member `key`, a string of one character. */
bool bl_component_character(const bl_place *place, const char *key, bl_short_text *out, bl_error *err);
/* Member "pattern" of a Replace, {"String": …}, not empty, and its "content". */
bool bl_component_replace(const bl_place *place, bl_short_text *pattern, bl_short_text *content,
                          bl_error *err);
/* Member `key`, true or false; `*out` keeps its value when it is missing. */
bool bl_component_flag(const bl_place *place, const char *key, bool *out, bl_error *err);
/* A Metaspace's "replacement", "prepend_scheme", "add_prefix_space" and "split". */
bool bl_component_metaspace(const bl_place *place, bl_short_text *sign, bl_prepend *prepend, bool *split,
                            bl_error *err);

/* splitter_json.c: the normaliser and the pre-tokenizer; decoder_json.c; model_json.c: WordPiece and BPE,
 * whose vocabulary has been checked and entered before. */
bool bl_read_splitter(const bl_place *normaliser, const bl_place *pretokeniser, bl_splitter *splitter,
                      bl_error *err);
bool bl_read_decoder(const bl_place *place, bl_decoder *decoder, bl_error *err);
typedef bool (*bl_model_reader)(const bl_place *place, bl_tokenizer *tokenizer, bl_error *err);
/* The reader of the model that the place names, or NULL with the error set. */
bl_model_reader bl_find_model_reader(const bl_place *place, bl_error *err);
#endif
