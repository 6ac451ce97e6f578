/* Directions as text: the grammar of direction.h, read by one descent, and its canonical form. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include <bilens/direction.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is being read. Strings of the result lie one behind the other in `strings`, whose size is bounded by
 * the text's: a label is never longer than its source. */
typedef struct parser {
    const char *text, *at;
    char *strings; /* where the next one goes */
    bl_error *err;
    bool failed;
} parser;

static const char *refuse(parser *p, const char *what) {
    if (!p->failed)
        bl_fail(p->err, BL_ERR_USAGE,
                "direction '%.200s': %s at byte %zu (write swim, swim - mean(run, climb), swim - mean(*) or "
                "@probe.npy:3; a label with blanks, commas or parentheses in double quotes)",
                p->text, what, (size_t)(p->at - p->text));
    p->failed = true;
    return NULL;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static void skip_blanks(parser *p) {
    while (is_blank(*p->at)) p->at++;
}
static bool take(parser *p, const char *word) {
    size_t n = strlen(word);
    if (strncmp(p->at, word, n) != 0) return false;
    p->at += n;
    return true;
}

/* Four hexadecimal digits; -1 when they are not there. */
static long hexadecimal(parser *p) {
    char digits[5] = "";
    memcpy(digits, p->at, strnlen(p->at, 4));
    if (strspn(digits, "0123456789abcdefABCDEF") != 4) return -1;
    p->at += 4;
    return strtol(digits, NULL, 16);
}

/* \uXXXX, two of them for a character beyond 16 bits; false when it is none. */
static bool unicode_escape(parser *p) {
    long code = hexadecimal(p);
    if (code >= 0xD800 && code < 0xDC00 && take(p, "\\u")) {
        long low = hexadecimal(p);
        code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) : -1;
    }
    if (code <= 0 || (code >= 0xD800 && code < 0xE000)) return false;
    p->strings += bl_utf8_put((uint32_t)code, p->strings);
    return true;
}

/* A string in quotes, of which the first has been taken. */
static const char *quoted(parser *p) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *begin = p->strings;
    while (*p->at != '"') {
        if (*p->at == '\0') return refuse(p, "a quotation mark is not closed");
        if (*p->at != '\\') {
            *p->strings++ = *p->at++;
            continue;
        }
        p->at++;
        const char *letter = *p->at ? strchr(letters, *p->at) : NULL;
        if (letter) {
            *p->strings++ = meanings[letter - letters];
            p->at++;
        } else if (!take(p, "u") || !unicode_escape(p)) {
            return refuse(p, "an unknown escape");
        }
    }
    p->at++;
    *p->strings++ = '\0';
    return begin;
}

/* Text up to a blank, a comma or a parenthesis. */
static const char *bare(parser *p, const char *what) {
    size_t n = strcspn(p->at, " \t\r\n,()\"");
    const char *begin = p->strings;
    if (n == 0) return refuse(p, what);
    memcpy(p->strings, p->at, n);
    p->strings += n;
    *p->strings++ = '\0';
    p->at += n;
    return begin;
}

/* A label, in quotes or not. */
static const char *label(parser *p) {
    if (*p->at == '@') return refuse(p, "a file can only stand alone");
    if (*p->at != '"') return bare(p, "a label is missing");
    p->at++;
    return quoted(p);
}

/* FILE, in quotes or not, and what follows it up to a blank. */
static const char *source(parser *p) {
    if (*p->at != '"') return bare(p, "a file is missing");
    p->at++;
    const char *begin = quoted(p);
    if (!begin || *p->at != ':') return begin;
    p->strings--; /* over the NUL */
    return bare(p, "a tensor or row is missing") ? begin : NULL;
}

/* feature:12@FILE, of which "feature:" has been taken: the source FILE:12 */
static const char *feature(parser *p) {
    char number[20];
    size_t n = strspn(p->at, "0123456789");
    if (n == 0 || n > 17 || p->at[n] != '@') return refuse(p, "feature:NUMBER@FILE is expected");
    memcpy(number, p->at, n);
    number[n] = '\0';
    p->at += n + 1;
    const char *begin = source(p);
    if (!begin) return NULL;
    p->strings[-1] = ':';
    memcpy(p->strings, number, n + 1);
    p->strings += n + 1;
    return begin;
}

/* What stands behind a minus sign. */
static void subtracted(parser *p, bl_direction *d, const char **minus) {
    d->minus = minus;
    if (!take(p, "mean(")) {
        minus[d->n_minus++] = label(p);
        return;
    }
    skip_blanks(p);
    if (take(p, "*")) {
        d->minus_all = true;
    } else {
        do {
            skip_blanks(p);
            minus[d->n_minus++] = label(p);
            skip_blanks(p);
        } while (!p->failed && take(p, ","));
    }
    skip_blanks(p);
    if (!p->failed && !take(p, ")")) refuse(p, "a closing parenthesis is expected");
}

static bool is_feature(const char *text) {
    size_t n = strncmp(text, "feature:", 8) == 0 ? strspn(text + 8, "0123456789") : 0;
    return n > 0 && text[8 + n] == '@';
}

static void expression(parser *p, bl_direction *d, const char **minus) {
    skip_blanks(p);
    if (take(p, "@")) d->source = source(p);
    else if (is_feature(p->at) && take(p, "feature:")) d->source = feature(p);
    else d->token = label(p);
    bool blank = is_blank(*p->at);
    skip_blanks(p);
    if (p->failed || *p->at != '-') return;
    if (d->source) refuse(p, "a file's vector is taken as it is, nothing can be subtracted");
    else if (!blank || !is_blank(p->at[1])) refuse(p, "blanks are expected on both sides of the minus sign");
    else {
        p->at++;
        skip_blanks(p);
        subtracted(p, d, minus);
    }
}

bl_direction *bl_direction_parse(const char *text, bl_error *err) {
    bl_error_clear(err);
    size_t length = strlen(text), bad, most = 1, bytes;
    if (!bl_utf8_check(text, length, &bad))
        return bl_fail_null(err, BL_ERR_USAGE, "the direction is not valid UTF-8 at byte %zu", bad);
    for (const char *c = text; *c; c++) most += *c == ',';
    bytes = sizeof(bl_direction) + most * sizeof(char *) + 2 * length + 64;
    char *block = bl_alloc_zero(bytes, 1, err);
    if (!block) return NULL;
    bl_direction *d = (bl_direction *)(void *)block;
    const char **minus = (const char **)(void *)(block + sizeof *d);
    parser p = {text, text, block + sizeof *d + most * sizeof(char *), err, false};
    skip_blanks(&p);
    d->centre_unembedding = take(&p, "centred(");
    expression(&p, d, minus);
    skip_blanks(&p);
    if (d->centre_unembedding && d->source) refuse(&p, "a file's vector is taken as it is, without centring");
    if (!p.failed && d->centre_unembedding && !take(&p, ")")) refuse(&p, "a closing parenthesis is expected");
    skip_blanks(&p);
    if (!p.failed && *p.at) refuse(&p, "the end is expected");
    if (!p.failed) return d;
    bl_free(block);
    return NULL;
}

void bl_direction_free(bl_direction *direction) { bl_free(direction); }

/* Text in quotes, with JSON's escapes. */
static void put_quoted(bl_buffer *out, const char *text) {
    bl_buffer_text(out, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') bl_buffer_print(out, "\\%c", c);
        else if (c == '\n') bl_buffer_text(out, "\\n");
        else if (c == '\t') bl_buffer_text(out, "\\t");
        else if (c == '\r') bl_buffer_text(out, "\\r");
        else if (c < 0x20 || c == 0x7F) bl_buffer_print(out, "\\u%04x", c);
        else bl_buffer_add(out, text, 1);
    }
    bl_buffer_text(out, "\"");
}

/* Whether a bare text would end early, or mean something else. */
static bool has_special(const char *text) {
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= 0x20 || *c == 0x7F || strchr("\",()", *c)) return true;
    return *text == '\0';
}

static bool needs_quotes(const char *text) {
    return has_special(text) || strcmp(text, "*") == 0 || strcmp(text, "-") == 0 || *text == '@' ||
           is_feature(text);
}

/* Vector i of the basis as the grammar has it: tokens alone, others behind the basis's name. */
static bool put_vector(bl_buffer *out, const bl_basis *basis, size_t i, bl_error *err) {
    char space[BL_LABEL_SPACE];
    bl_buffer text = {0};
    if (basis->name && strcmp(basis->name, "token") != 0) bl_buffer_print(&text, "%s:", basis->name);
    bl_buffer_text(&text, bl_basis_label(basis, i, space));
    char *whole = bl_buffer_take(&text, err);
    if (!whole) return false;
    if (needs_quotes(whole)) put_quoted(out, whole);
    else bl_buffer_text(out, whole);
    free(whole);
    return true;
}

static int ascending(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return x < y ? -1 : x > y;
}

static bool put_minus(bl_buffer *out, const bl_direction *d, const bl_basis *basis, bl_error *err) {
    long *ids = bl_alloc(d->n_minus, sizeof *ids, err);
    bool ok = ids != NULL;
    for (size_t i = 0; ok && i < d->n_minus; i++) ok = (ids[i] = bl_basis_find(basis, d->minus[i], err)) >= 0;
    if (ok) qsort(ids, d->n_minus, sizeof *ids, ascending);
    bl_buffer_text(out, d->n_minus > 1 ? " - mean(" : " - ");
    for (size_t i = 0; ok && i < d->n_minus; i++) {
        if (i > 0) bl_buffer_text(out, ", ");
        ok = put_vector(out, basis, (size_t)ids[i], err);
    }
    if (d->n_minus > 1) bl_buffer_text(out, ")");
    free(ids);
    return ok;
}

/* A file's name and what follows it: a name in quotes must not take its tensor or row with it. */
static void put_source(bl_buffer *out, const char *source) {
    bl_buffer_text(out, "@");
    if (!has_special(source)) bl_buffer_text(out, source);
    else put_quoted(out, source);
}

char *bl_direction_text(const bl_direction *d, const bl_basis *basis, bl_error *err) {
    bl_error_clear(err);
    bl_buffer out = {0};
    if (d->source || d->vector) {
        put_source(&out, d->source ? d->source : d->name ? d->name : "direction");
        return bl_buffer_take(&out, err);
    }
    long id = d->token ? bl_basis_find(basis, d->token, err) : -1;
    if (!d->token) bl_fail(err, BL_ERR_USAGE, "a direction needs a label, a file or a vector");
    if (id < 0) return NULL;
    if (d->centre_unembedding) bl_buffer_text(&out, "centred(");
    bool ok = put_vector(&out, basis, (size_t)id, err);
    if (d->minus_all) bl_buffer_text(&out, " - mean(*)");
    if (d->n_minus) ok = ok && put_minus(&out, d, basis, err);
    if (d->centre_unembedding) bl_buffer_text(&out, ")");
    if (ok) return bl_buffer_take(&out, err);
    bl_buffer_free(&out);
    return NULL;
}
