/* Oniguruma's expressions with PCRE2.
 *
 * What both write alike but mean otherwise is written anew: \s and \w by their properties, \h (hexadecimal
 * digits), (?m) (a dot that matches line ends, PCRE2's (?s)), {,n}. What PCRE2 has no words for is refused
 * by name: a class within a class, &&, and an interval that is repeated.
 *
 * Time: PCRE2 is asked for a match that begins within a window, which is the smaller the longer the text,
 * and may use QUICK steps per beginning; that is enough for all published patterns. When it is not, the
 * beginnings are tried one by one, each with a limit that grows eightfold. Between such calls the
 * processor's time is looked at: a text that needs more than ALLOWED_SECONDS, and some per byte, is
 * refused, so that no pattern of a file can keep a program busy for ever. */
#include "text/tokenizer/regex.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { QUICK = 256, WINDOW = 1 << 26 /* beginnings times bytes */, ALLOWED_SECONDS = 10 };
#define ALLOWED_PER_BYTE 1e-5

#define SPACES "\\p{Z}\\t-\\r\\x{85}"
#define WORDS                                              \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}" \
    "\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"
#define HEXADECIMAL "0-9A-Fa-f"

struct bl_regex {
    pcre2_code *code;
};

static bool refuse(const char *pattern, const char *at, const char *what, bl_error *err) {
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s is not supported, at offset %td of the regular expression",
                   what, at - pattern);
}

/* An escape at p[0] = '\\', within a class or not; returns its end. */
static const char *add_escape(bl_buffer *out, const char *p, bool in_class) {
    static const struct {
        char letter;
        const char *class;
    } classes[] = {{'s', SPACES}, {'w', WORDS}, {'h', HEXADECIMAL}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        bool negated = p[1] == classes[i].letter - 'a' + 'A';
        if (p[1] != classes[i].letter && (!negated || in_class)) continue;
        if (!in_class) bl_buffer_text(out, negated ? "[^" : "[");
        bl_buffer_text(out, classes[i].class);
        if (!in_class) bl_buffer_text(out, "]");
        return p + 2;
    }
    size_t n = p[1] ? 2 : 1;
    bl_buffer_add(out, p, n);
    return p + n;
}

/* The class at p[0] = '['; returns its end, or NULL with the error set. */
static const char *add_class(bl_buffer *out, const char *pattern, const char *p, bl_error *err) {
    bl_buffer_add(out, p++, 1);
    if (*p == '^') bl_buffer_add(out, p++, 1);
    if (*p == ']') bl_buffer_add(out, p++, 1);
    while (*p && *p != ']') {
        const char *posix = p[0] == '[' && p[1] == ':' ? strstr(p, ":]") : NULL;
        if (posix) {
            bl_buffer_add(out, p, (size_t)(posix + 2 - p));
            p = posix + 2;
        } else if (*p == '[') {
            return refuse(pattern, p, "a class within a class", err), NULL;
        } else if (p[0] == '&' && p[1] == '&') {
            return refuse(pattern, p, "an intersection of classes (&&)", err), NULL;
        } else if (*p == '\\') {
            if (p[1] == 'S' || p[1] == 'W' || p[1] == 'H')
                return refuse(pattern, p, "a negated shorthand (\\S, \\W, \\H) within a class", err), NULL;
            p = add_escape(out, p, true);
        } else {
            bl_buffer_add(out, p++, 1);
        }
    }
    if (*p) bl_buffer_add(out, p++, 1);
    return p;
}

/* What follows "(?" up to the end of its options; only in options is a letter other than PCRE2's. */
static const char *add_group(bl_buffer *out, const char *p) {
    size_t n = strspn(p + 2, "imx-");
    bool options = n > 0 && (p[2 + n] == ':' || p[2 + n] == ')');
    bl_buffer_add(out, p, 2);
    for (size_t i = 0; options && i < n; i++) bl_buffer_add(out, p[2 + i] == 'm' ? "s" : p + 2 + i, 1);
    return p + 2 + (options ? n : 0);
}

static bool translate(const char *pattern, bl_buffer *out, bl_error *err) {
    for (const char *p = pattern; *p;) {
        size_t interval = *p == '{' ? strspn(p + 1, "0123456789,") : 0;
        if (*p == '\\') {
            p = add_escape(out, p, false);
        } else if (*p == '[') {
            p = add_class(out, pattern, p, err);
            if (!p) return false;
        } else if (p[0] == '(' && p[1] == '?') {
            p = add_group(out, p);
        } else if (p[0] == '(' && p[1] == '*') {
            return refuse(pattern, p, "(*", err);
        } else if (interval && p[1 + interval] == '}') {
            if (p[2 + interval] == '+') return refuse(pattern, p, "a repeated interval ({…}+)", err);
            bl_buffer_text(out, p[1] == ',' ? "{0" : "{");
            bl_buffer_add(out, p + 1, interval + 1);
            p += interval + 2;
        } else {
            bl_buffer_add(out, p++, 1);
        }
    }
    return true;
}

static pcre2_code *compile(const char *pattern, const char *translated, size_t n, bl_error *err) {
    const uint32_t options =
        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    int code = PCRE2_ERROR_NOMEMORY;
    PCRE2_SIZE at = 0;
    pcre2_code *compiled = NULL;
    if (context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        compiled = pcre2_compile((PCRE2_SPTR)translated, n, options, &code, &at, context);
    }
    pcre2_compile_context_free(context);
    if (compiled) {
        pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* where there is none, the interpreter runs it */
        return compiled;
    }
    char message[128];
    pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
    bl_fail(err, code == PCRE2_ERROR_NOMEMORY ? BL_ERR_MEMORY : BL_ERR_UNSUPPORTED,
            "the regular expression \"%.100s\" cannot be compiled: %s", pattern, message);
    return NULL;
}

bl_regex *bl_regex_new(const char *pattern, bl_error *err) {
    bl_buffer translated = {0};
    bl_regex *regex = NULL;
    if (!translate(pattern, &translated, err)) goto done;
    if (translated.failed) {
        bl_fail(err, BL_ERR_MEMORY, "out of memory for a regular expression");
        goto done;
    }
    regex = bl_alloc_zero(1, sizeof *regex, err);
    if (!regex) goto done;
    regex->code = compile(pattern, translated.data ? translated.data : "", translated.n, err);
    if (!regex->code) bl_regex_free(regex), regex = NULL;
done:
    bl_buffer_free(&translated);
    return regex;
}

void bl_regex_free(bl_regex *regex) {
    if (!regex) return;
    pcre2_code_free(regex->code);
    free(regex);
}

/* What one thread needs for matching. */
typedef struct memory {
    pcre2_match_data *data; /* one pair: the whole match */
    pcre2_match_context *context;
} memory;

void bl_regex_memory_free(void *of_scratch) {
    memory *self = of_scratch;
    if (!self) return;
    pcre2_match_data_free(self->data);
    pcre2_match_context_free(self->context);
    free(self);
}

static memory *new_memory(bl_error *err) {
    memory *self = bl_alloc_zero(1, sizeof *self, err);
    if (!self) return NULL;
    self->data = pcre2_match_data_create(1, NULL);
    self->context = pcre2_match_context_create(NULL);
    if (self->data && self->context) return self;
    bl_regex_memory_free(self);
    bl_fail(err, BL_ERR_MEMORY, "out of memory for matching a regular expression");
    return NULL;
}

/* One call of PCRE2 with a limit of steps per beginning; a match that needs more stack than compiled code
 * has is interpreted. */
static int match(const bl_regex_search *search, memory *self, size_t at, uint32_t options, uint32_t limit) {
    PCRE2_SPTR text = (PCRE2_SPTR)search->text;
    options |= PCRE2_NO_UTF_CHECK;
    pcre2_set_match_limit(self->context, limit);
    int rc = pcre2_match(search->regex->code, text, search->n, at, options, self->data, self->context);
    if (rc != PCRE2_ERROR_JIT_STACKLIMIT) return rc;
    return pcre2_match(search->regex->code, text, search->n, at, options | PCRE2_NO_JIT, self->data,
                       self->context);
}

static double seconds_now(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Whether the text has had its time. The first call begins to count. */
static bool too_long(bl_regex_search *search) {
    double now = seconds_now(), allowed = search->seconds > 0 ? search->seconds : ALLOWED_SECONDS;
    if (search->began == 0) search->began = now;
    return now - search->began > allowed + ALLOWED_PER_BYTE * (double)search->n;
}

static bool within_character(const bl_regex_search *search, size_t at) {
    return at < search->n && ((unsigned char)search->text[at] & 0xC0) == 0x80;
}

/* Beginnings at to last, one after the other. */
static int match_slowly(bl_regex_search *search, memory *self, size_t at, size_t last) {
    for (; at <= last; at++) {
        if (within_character(search, at)) continue;
        int rc = PCRE2_ERROR_MATCHLIMIT;
        for (uint32_t limit = QUICK; rc == PCRE2_ERROR_MATCHLIMIT && limit < UINT32_MAX / 8; limit *= 8) {
            if (too_long(search)) return rc;
            rc = match(search, self, at, PCRE2_ANCHORED, limit);
        }
        if (rc != PCRE2_ERROR_NOMATCH) return rc;
    }
    return PCRE2_ERROR_NOMATCH;
}

/* From `at` on, window by window. */
static int find(bl_regex_search *search, memory *self, size_t at) {
    size_t window = search->n ? WINDOW / search->n + 1 : 1;
    for (;; at++) {
        bool final = search->n - at <= window;
        size_t last = final ? search->n : at + window;
        pcre2_set_offset_limit(self->context, last);
        int rc = match(search, self, at, 0, QUICK);
        if (rc == PCRE2_ERROR_MATCHLIMIT) rc = match_slowly(search, self, at, last);
        if (rc != PCRE2_ERROR_NOMATCH || final) return rc;
        if (too_long(search)) return PCRE2_ERROR_MATCHLIMIT;
        at = last;
        while (within_character(search, at + 1)) at++;
    }
}

static bl_regex_found failed(int rc, bl_error *err) {
    char message[128];
    if (rc == PCRE2_ERROR_MATCHLIMIT)
        bl_fail(err, BL_ERR_INPUT, "the tokenizer's regular expression needs too much time on this text");
    else if (pcre2_get_error_message(rc, (PCRE2_UCHAR *)message, sizeof message))
        bl_fail(err, rc == PCRE2_ERROR_NOMEMORY ? BL_ERR_MEMORY : BL_ERR_INPUT,
                "the tokenizer's regular expression cannot be matched on this text: %s", message);
    return BL_REGEX_FAILED;
}

bl_regex_found bl_regex_next(bl_regex_search *search, void **of_scratch, size_t *begin, size_t *end,
                             bl_error *err) {
    if (!*of_scratch && !(*of_scratch = new_memory(err))) return BL_REGEX_FAILED;
    memory *self = *of_scratch;
    while (search->at <= search->n) {
        int rc = find(search, self, search->at);
        if (rc == PCRE2_ERROR_NOMATCH) break;
        if (rc < 0) return failed(rc, err);
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(self->data);
        *begin = span[0], *end = span[1];
        search->at = *end;
        if (*begin < *end || !search->any || *end != search->last_end) {
            search->any = true;
            search->last_end = *end;
            return BL_REGEX_FOUND;
        }
        do search->at++;
        while (within_character(search, search->at));
    }
    return BL_REGEX_NONE;
}
