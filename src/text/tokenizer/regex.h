/* Regular expressions of a tokenizer.json: written for Oniguruma (Ruby's syntax), matched with PCRE2. */
#ifndef BL_TEXT_REGEX_H
#define BL_TEXT_REGEX_H
#include <bilens/base.h>

/* Immutable; may be used from many threads at once. */
typedef struct bl_regex bl_regex;

/* Compiles the NUL-terminated pattern. BL_ERR_UNSUPPORTED names what PCRE2 means otherwise than Oniguruma or
 * does not know. */
bl_regex *bl_regex_new(const char *pattern, bl_error *err);
void bl_regex_free(bl_regex *regex);

/* The matches of one text in order, as Oniguruma finds them. An empty match directly behind another match is
 * left out. */
typedef struct bl_regex_search {
    const bl_regex *regex;
    const char *text; /* well-formed UTF-8, */
    size_t n;         /* bytes */
    size_t at;        /* where the next search begins */
    bool any;         /* there has been a match, */
    size_t last_end;  /* which ended here */
    double seconds;   /* of the processor's time that matching may take; 0: 10 and 10 per megabyte */
    double began;     /* when it was first looked at */
} bl_regex_search;

/* Found, none is left, or failed with the error set: the text needs too much time. `*memory` is a
 * bl_scratch's `regex`. */
typedef enum bl_regex_found { BL_REGEX_FAILED, BL_REGEX_NONE, BL_REGEX_FOUND } bl_regex_found;
bl_regex_found bl_regex_next(bl_regex_search *search, void **memory, size_t *begin, size_t *end,
                             bl_error *err);
void bl_regex_memory_free(void *memory);
#endif
