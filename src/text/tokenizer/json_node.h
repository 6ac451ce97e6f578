/* Reading a tokenizer.json: members with errors that name the file, the key, what was expected and what
 * stands there; and components, objects that name their "type", alone or in a Sequence. */
#ifndef BL_TEXT_JSON_NODE_H
#define BL_TEXT_JSON_NODE_H
#include <bilens/base.h>
#include <jansson.h>

/* An object within a file. `where` is its path, e.g. "normalizer.normalizers[1]", empty for the whole file.
 */
typedef struct bl_node {
    const char *file;
    char where[160];
    json_t *json;
} bl_node;

/* A short piece of text inside a plain value, so that components can be copied. */
enum { BL_SHORT_TEXT = 32 };
typedef struct bl_short_text {
    char data[BL_SHORT_TEXT];
    size_t n; /* bytes, at most BL_SHORT_TEXT */
} bl_short_text;

/* The node of member `key`, or of element `index`, of `node`; `json` is NULL when it is missing. */
bl_node bl_node_member(const bl_node *node, const char *key);
bl_node bl_node_element(const bl_node *node, size_t index);

/* Fails with BL_ERR_INPUT: "FILE: WHERE: expected WHAT, found a string". */
bool bl_node_expected(const bl_node *node, const char *what, bl_error *err);

bool bl_node_is_object(const bl_node *node, bl_error *err);
bool bl_node_is_array(const bl_node *node, bl_error *err);
bool bl_node_bool(const bl_node *node, const char *key, bool *out, bl_error *err);
/* A string; it belongs to the JSON. */
bool bl_node_string(const bl_node *node, const char *key, const char **out, bl_error *err);
/* The node's own value: an integer from 0 to `limit` - 1. */
bool bl_node_integer(const bl_node *node, int64_t limit, int64_t *out, bl_error *err);

/* Copies `text`, cut to at most 60 bytes at a code point, into out[64] and returns that: for messages. */
const char *bl_shorten(const char *text, char *out);

/* Member `key`, true or false; `*out` keeps its value when it is missing. */
bool bl_node_flag(const bl_node *node, const char *key, bool *out, bl_error *err);
/* Member `key`, a string of at most BL_SHORT_TEXT bytes. */
bool bl_node_text(const bl_node *node, const char *key, bl_short_text *out, bl_error *err);
/* Member `key`, a string of one character. */
bool bl_node_character(const bl_node *node, const char *key, bl_short_text *out, bl_error *err);
/* Member `key`, one of `n` names, e.g. {"never", "always"}: which one. Refused by its name when it is none
 * of them. */
bool bl_node_choice(const bl_node *node, const char *key, const char *const *names, size_t n, int *out,
                    bl_error *err);

/* A component's "type", or NULL with the error set. */
const char *bl_node_type(const bl_node *node, bl_error *err);
/* Fails with BL_ERR_UNSUPPORTED: "FILE: WHERE: the WHAT "TYPE" is not supported; supported: …". */
bool bl_node_refuse(const bl_node *node, const char *what, const char *type, const char *supported,
                    bl_error *err);

/* Components of one sequence at most; nested sequences are flattened. */
#define BL_MAX_STEPS 16

/* One kind of component: its "type", and what reads the rest of it into `step`. */
typedef struct bl_component {
    const char *type;
    bool (*read)(const bl_node *node, void *step, bl_error *err);
} bl_component;

/* Reads a component that may be null, one of `kinds`, or a Sequence of them under the key `list`, into
 * steps[0 … *n), each of `size` bytes and zeroed before it is read, at most BL_MAX_STEPS. `what` names the
 * component in messages. On failure the steps before *n may hold what has been read. */
bool bl_node_components(const bl_node *node, const char *what, const char *list, const bl_component *kinds,
                        size_t n_kinds, void *steps, size_t size, size_t *n, bl_error *err);

/* Metaspace, as pre-tokenizer and as decoder: its sign, and when it is put before a text that does not begin
 * with it. */
typedef enum bl_prepend { BL_PREPEND_NEVER, BL_PREPEND_ALWAYS, BL_PREPEND_FIRST } bl_prepend;
bool bl_node_metaspace(const bl_node *node, bl_short_text *sign, bl_prepend *prepend, bool *split,
                       bl_error *err);
/* Member "pattern" of a Replace, {"String": …}, not empty, and its "content". */
bool bl_node_replace(const bl_node *node, bl_short_text *pattern, bl_short_text *content, bl_error *err);
#endif
