/* Oniguruma's expressions with PCRE2.
 *
 * What both write alike but mean otherwise is written anew: \s and \w by their properties, \h (hexadecimal
 * digits), (?m) (a dot that matches line ends, PCRE2's (?s)), {,n}. What PCRE2 has no words for is refused by
 * name: a class within a class, &&, and an interval that is repeated.
 *
 * Unicode: PCRE2 10.42 knows Unicode 14, the Hugging Face library a newer one. The letters and numbers of our
 * own table that PCRE2 does not take for such are found once, and stand beside \p{L} and \p{N} in every
 * expression.
 *
 * Time: PCRE2 is asked for a match that begins within a window, which is the smaller the longer the text, and
 * may use QUICK steps per beginning; that is enough for all published patterns. When it is not, the
 * beginnings are tried one by one, each with a limit that grows eightfold. Between such calls the processor's
 * time is looked at: a text that needs more than ALLOWED_SECONDS, and some per byte, is refused, so that no
 * pattern of a file can keep a program busy for ever. */
#include "text/tokenizer/regex.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer/unicode.h"
#include <pthread.h>
#include <stdio.h>
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

/* ---- What PCRE2's tables lack ---- */

/* Ranges "\x{A}-\x{B}…" of newer characters; of an old PCRE2 only as many as there is room for. */
typedef struct newer {
    char letters[4096], numbers[1024];
} newer;

/* All characters of a class of our table. */
static void add_characters(bl_buffer *to, unsigned class) {
    for (size_t i = 0; i < bl_unicode_n_runs; i++) {
        uint32_t end = i + 1 < bl_unicode_n_runs ? bl_unicode_runs[i + 1] >> 8 : 0x110000;
        for (uint32_t point = bl_unicode_runs[i] >> 8; bl_unicode_runs[i] & class && point < end; point++) {
            char bytes[4];
            bl_buffer_add(to, bytes, bl_utf8_put(point, bytes));
        }
    }
}

/* The runs of characters in the text that `pattern`, a negated property, matches. */
static void list_runs(const bl_buffer *text, pcre2_code *code, pcre2_match_data *data, char *out,
                      size_t room) {
    uint32_t first = 0, last = 0;
    size_t used = 0, at = 0;
    for (bool more = true; more && used + 40 < room;) {
        more = pcre2_match(code, (PCRE2_SPTR)text->data, text->n, at, PCRE2_NO_UTF_CHECK, data, NULL) > 0;
        uint32_t point = 0;
        if (more) {
            at = pcre2_get_ovector_pointer(data)[0];
            point = bl_utf8_next(text->data, &at);
        }
        if (last && (!more || point != last + 1))
            used += (size_t)snprintf(out + used, room - used, "\\x{%x}-\\x{%x}", first, last);
        if (!last || point != last + 1) first = point;
        last = point;
    }
}

static bool find_newer(unsigned class, const char *pattern, char *out, size_t room) {
    bl_buffer text = {0};
    int code;
    PCRE2_SIZE at;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    add_characters(&text, class);
    bool ok = compiled && data && text.data && !text.failed;
    if (ok) {
        pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
        list_runs(&text, compiled, data, out, room);
    }
    pcre2_match_data_free(data);
    pcre2_code_free(compiled);
    bl_buffer_free(&text);
    return ok;
}

/* The lists, made once; NULL when memory is short. */
static const newer *newer_characters(bl_error *err) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static newer lists;
    static bool made;
    pthread_mutex_lock(&lock);
    made = made || (find_newer(BL_CLASS_LETTER, "\\P{L}", lists.letters, sizeof lists.letters) &&
                    find_newer(BL_CLASS_NUMBER, "\\P{N}", lists.numbers, sizeof lists.numbers));
    bool ok = made;
    pthread_mutex_unlock(&lock);
    if (!ok) bl_fail(err, BL_ERR_MEMORY, "out of memory for a regular expression");
    return ok ? &lists : NULL;
}

/* ---- From Oniguruma's syntax to PCRE2's ---- */

/* An expression on its way; `at` is what is read next. */
typedef struct translation {
    const char *pattern, *at;
    bl_buffer *out;
    const newer *newer;
} translation;

static bool refuse(const translation *self, const char *what, bl_error *err) {
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s is not supported, at offset %td of the regular expression",
                   what, self->at - self->pattern);
}

/* An escape, within a class or not. */
static void add_escape(translation *self, bool in_class) {
    const newer *more = self->newer;
    const struct {
        const char *escape, *negated, *class, *beyond;
    } classes[] = {
        {"\\s", "\\S", SPACES, ""},
        {"\\w", "\\W", WORDS, more->letters},
        {"\\h", "\\H", HEXADECIMAL, ""},
        {"\\p{L}", "\\P{L}", "\\p{L}", more->letters},
        {"\\p{N}", "\\P{N}", "\\p{N}", more->numbers},
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        size_t n = strlen(classes[i].escape);
        bool negated = strncmp(self->at, classes[i].negated, n) == 0;
        if (strncmp(self->at, classes[i].escape, n) != 0 && (!negated || in_class)) continue;
        if (!in_class) bl_buffer_text(self->out, negated ? "[^" : "[");
        bl_buffer_text(self->out, classes[i].class);
        bl_buffer_text(self->out, classes[i].beyond);
        if (!in_class) bl_buffer_text(self->out, "]");
        self->at += n;
        return;
    }
    size_t n = self->at[1] ? 2 : 1;
    bl_buffer_add(self->out, self->at, n);
    self->at += n;
}

/* The next n bytes as they are. */
static void copy(translation *self, size_t n) {
    bl_buffer_add(self->out, self->at, n);
    self->at += n;
}

/* A class, from its '['. */
static bool add_class(translation *self, bl_error *err) {
    copy(self, 1);
    if (*self->at == '^') copy(self, 1);
    if (*self->at == ']') copy(self, 1);
    while (*self->at && *self->at != ']') {
        const char *p = self->at, *posix = p[0] == '[' && p[1] == ':' ? strstr(p, ":]") : NULL;
        if (posix) copy(self, (size_t)(posix + 2 - p));
        else if (*p == '[') return refuse(self, "a class within a class", err);
        else if (p[0] == '&' && p[1] == '&') return refuse(self, "an intersection of classes (&&)", err);
        else if (*p != '\\') copy(self, 1);
        else if (p[1] && strchr("SWH", p[1]))
            return refuse(self, "a negated shorthand (\\S, \\W, \\H) within a class", err);
        else add_escape(self, true);
    }
    if (*self->at) copy(self, 1);
    return true;
}

/* "(?" up to the end of its options; only in options is a letter other than PCRE2's. */
static void add_group(translation *self) {
    copy(self, 2);
    size_t n = strspn(self->at, "imx-");
    if (n == 0 || (self->at[n] != ':' && self->at[n] != ')')) return;
    for (; n > 0; n--, self->at++) bl_buffer_add(self->out, *self->at == 'm' ? "s" : self->at, 1);
}

/* {n,m}; {,m} is {0,m}. */
static bool add_interval(translation *self, size_t n, bl_error *err) {
    if (self->at[n] == '+') return refuse(self, "a repeated interval ({…}+)", err);
    if (self->at[1] == ',') bl_buffer_text(self->out, "{0"), self->at++, n--;
    copy(self, n);
    return true;
}

static bool translate(translation *self, bl_error *err) {
    while (*self->at) {
        const char *p = self->at;
        size_t digits = *p == '{' ? strspn(p + 1, "0123456789,") : 0;
        bool interval = digits > 0 && p[1 + digits] == '}';
        bool ok = true;
        if (p[0] == '(' && p[1] == '*') ok = refuse(self, "(*", err);
        else if (p[0] == '(' && p[1] == '?') add_group(self);
        else if (*p == '[') ok = add_class(self, err);
        else if (*p == '\\') add_escape(self, false);
        else if (interval) ok = add_interval(self, digits + 2, err);
        else copy(self, 1);
        if (!ok) return false;
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
    translation whole = {pattern, pattern, &translated, newer_characters(err)};
    if (!whole.newer || !translate(&whole, err)) goto done;
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
    double now = seconds_now(), allowed = search->seconds;
    if (allowed == 0) allowed = ALLOWED_SECONDS + ALLOWED_PER_BYTE * (double)search->n;
    if (search->began == 0) search->began = now;
    return now - search->began > allowed;
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
