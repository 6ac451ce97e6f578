/* Stories from the window's text.
 *
 *   .txt    stories stand between <|endoftext|>; each is stripped of white space as Python's str.strip() does
 * it .jsonl  an object per line, the story is its "text" (or another key), verbatim; empty lines are no
 * entries .json   an array of such objects, or of strings
 *
 * Blank entries are skipped but counted: a story's number is its entry's place in the input. */
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "format/json.h"
#include "text/corpus/corpus_private.h"
#include "text/tokenizer/unicode.h"
#include <stdlib.h>
#include <string.h>

static const char separator[] = "<|endoftext|>";

bool bl_check_utf8_ahead(const bl_window *window, size_t n, bl_error *err) {
    const char *text = bl_window_ahead(window);
    size_t bad;
    if (bl_utf8_check(text, n, &bad)) return true;
    return bl_fail(err, BL_ERR_INPUT,
                   "%s:%zu: not valid UTF-8: byte 0x%02x at offset %llu of the file's text", window->path,
                   window->line + bl_count_lines(text, bad), (unsigned char)text[bad],
                   (unsigned long long)window->offset + bad);
}

/* The well-formed text[*begin … *end) without the white space around it. */
static void strip(const char *text, size_t *begin, size_t *end) {
    for (size_t after = *begin; *begin < *end; *begin = after)
        if (!bl_is_strippable(bl_utf8_next(text, &after))) break;
    for (size_t before = *end; *end > *begin; *end = before)
        if (!bl_is_strippable(bl_utf8_previous(text, &before))) break;
}

static bool is_blank(const char *text, size_t n) {
    size_t begin = 0;
    strip(text, &begin, &n);
    return begin == n;
}

bool bl_read_txt_story(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err) {
    bl_window *window = &corpus->window;
    *got = false;
    for (bool found = true; found && !*got;) {
        size_t length;
        if (!bl_window_find(window, separator, corpus->max_story, "story", &length, &found, err))
            return false;
        if (!bl_check_utf8_ahead(window, length, err)) return false;
        size_t begin = 0, end = length;
        strip(bl_window_ahead(window), &begin, &end);
        bl_window_pass(window, begin);
        *story = (bl_story){.text = bl_window_ahead(window),
                            .length = end - begin,
                            .path = window->path,
                            .byte_offset = window->offset,
                            .line = window->line};
        *got = end > begin;
        if (found && !*got)
            corpus->entries++; /* what is behind the last separator is an entry only if it has text */
        bl_window_pass(window, length - begin + (found ? sizeof separator - 1 : 0));
    }
    return true;
}

/* The length of the number, NaN or Infinity that text[0 … n) begins with, as Python's json reads and writes
 * them; 0: none. */
static size_t number_length(const char *text, size_t n) {
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    for (size_t w = 0; w < 3; w++)
        if (n >= strlen(words[w]) && memcmp(text, words[w], strlen(words[w])) == 0) return strlen(words[w]);
    size_t at = n > 0 && text[0] == '-', digits = at;
    while (at < n && text[at] >= '0' && text[at] <= '9') at++;
    if (at == digits || (text[digits] == '0' && at > digits + 1)) return 0;
    if (at + 1 < n && text[at] == '.' && text[at + 1] >= '0' && text[at + 1] <= '9')
        for (at++; at < n && text[at] >= '0' && text[at] <= '9';) at++;
    if (at < n && (text[at] == 'e' || text[at] == 'E')) {
        size_t power = at + 1;
        if (power < n && (text[power] == '+' || text[power] == '-')) power++;
        if (power < n && text[power] >= '0' && text[power] <= '9')
            for (at = power; at < n && text[at] >= '0' && text[at] <= '9';) at++;
    }
    return at;
}

/* Writes 0 and blanks over every number outside strings: no number is read from a corpus, and those that do
 * not fit into a double or 64 bits are no reason to refuse a text. */
static void blank_numbers(char *text, size_t n) {
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (quoted && text[i] == '\\') i++;
        else if (text[i] == '"') quoted = !quoted;
        else if (!quoted) {
            size_t length = number_length(text + i, n - i);
            if (length == 0) continue;
            text[i] = '0';
            memset(text + i + 1, ' ', length - 1);
            i += length - 1;
        }
    }
}

static json_t *parse(const char *text, size_t length, json_error_t *where) {
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
    json_t *json = bl_json_load(text, length, flags, where);
    if (json || json_error_code(where) == json_error_out_of_memory) return json;
    char *copy = bl_strndup(text, length, NULL);
    if (!copy) {
        where->text[sizeof where->text - 1] = json_error_out_of_memory;
        return NULL;
    }
    blank_numbers(copy, length);
    json = bl_json_load(copy, length, flags, where);
    free(copy);
    return json;
}

/* The key under which an object without "text" seems to have its text, or NULL. */
static const char *likely_key(json_t *object) {
    static const char *const usual[] = {"text", "story", "content", "body", "document", "article"};
    const char *key, *longest = NULL;
    size_t length = 0;
    json_t *value;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (json_is_string(json_object_get(object, usual[i]))) return usual[i];
    json_object_foreach(object, key, value) {
        if (!json_is_string(value) || json_string_length(value) <= length) continue;
        longest = key;
        length = json_string_length(value);
    }
    return longest;
}

static bool no_text(const bl_corpus *corpus, const char *key, bl_error *err) {
    const bl_window *window = &corpus->window;
    json_t *entry = corpus->entry;
    if (!json_is_object(entry))
        return bl_fail(err, BL_ERR_INPUT,
                       "%s:%zu: neither a text in quotes nor an object like {\"%s\": \"Once ...\"}",
                       window->path, window->line, key);
    if (json_object_get(entry, key))
        return bl_fail(err, BL_ERR_INPUT, "%s:%zu: the key \"%s\" is not a string", window->path,
                       window->line, key);
    const char *other = likely_key(entry);
    if (!other)
        return bl_fail(err, BL_ERR_INPUT, "%s:%zu: the key \"%s\" is missing", window->path, window->line,
                       key);
    return bl_fail(err, BL_ERR_INPUT,
                   "%s:%zu: the key \"%s\" is missing; if the texts are under \"%s\": --text-key %s",
                   window->path, window->line, key, other, other);
}

/* Parses the `length` bytes ahead as an entry and points story at its text. */
static bool parse_entry(bl_corpus *corpus, size_t length, bl_story *story, bl_error *err) {
    const bl_window *window = &corpus->window;
    const char *key = corpus->text_key ? corpus->text_key : "text";
    json_error_t where;
    json_decref(corpus->entry);
    corpus->entry = parse(bl_window_ahead(window), length, &where);
    if (!corpus->entry && json_error_code(&where) == json_error_out_of_memory)
        return bl_fail(err, BL_ERR_MEMORY, "%s:%zu: out of memory while reading %zu bytes of JSON",
                       window->path, window->line, length);
    if (!corpus->entry)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s:%zu: not valid JSON: %s (column %d); expected an object like {\"%s\": \"Once "
                       "...\"} on each line",
                       window->path, window->line, where.text, where.column, key);
    json_t *text = json_is_string(corpus->entry) ? corpus->entry : json_object_get(corpus->entry, key);
    if (!json_is_string(text)) return no_text(corpus, key, err);
    *story = (bl_story){.text = json_string_value(text),
                        .length = json_string_length(text),
                        .path = window->path,
                        .byte_offset = window->offset,
                        .line = window->line};
    return true;
}

/* How far into a value of JSON a search has come. */
typedef struct extent {
    size_t at, depth;
    bool quoted, escaped;
} extent;

/* Goes on over text[e->at … n); true when the value is complete: it is text[0 … e->at). */
static bool value_ends(extent *e, const char *text, size_t n) {
    for (; e->at < n; e->at++) {
        char c = text[e->at];
        if (e->escaped) e->escaped = false;
        else if (e->quoted && c == '\\') e->escaped = true;
        else if (c == '"') e->quoted = !e->quoted;
        else if (e->quoted) continue;
        else if (c == '{' || c == '[') e->depth++;
        else if (e->depth == 0 && (c == ',' || c == ']' || c == '}')) return true;
        else if (c == '}' || c == ']') e->depth--;
    }
    return false;
}

bool bl_read_jsonl_story(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err) {
    bl_window *window = &corpus->window;
    *got = false;
    for (bool found = true; found && !*got;) {
        size_t length;
        if (!bl_window_find(window, "\n", corpus->max_story, "line", &length, &found, err)) return false;
        if (!bl_check_utf8_ahead(window, length, err)) return false;
        const char *line = bl_window_ahead(window);
        if (!is_blank(line, length)) {
            extent e = {0};
            bool closed = value_ends(&e, line, length) || e.depth == 0;
            if (!closed && !e.quoted && found)
                return bl_fail(
                    err, BL_ERR_INPUT,
                    "%s:%zu: what begins on this line does not end on it: each object must stand on one line "
                    "(jq -c . writes them so)",
                    window->path, window->line);
            if (!parse_entry(corpus, length, story, err)) return false;
            *got = !is_blank(story->text, story->length);
            if (!*got) corpus->entries++;
        }
        bl_window_pass(window, length + (found ? 1 : 0));
    }
    return true;
}

bool bl_skip_white(bl_window *window, char *next, bl_error *err) {
    for (;;) {
        const char *ahead = bl_window_ahead(window);
        size_t visible = window->end - window->begin, n = 0;
        while (n < visible && (unsigned char)ahead[n] < 128 && bl_is_strippable((unsigned char)ahead[n])) n++;
        *next = n < visible ? ahead[n] : '\0';
        bl_window_pass(window, n);
        if (n < visible || window->ended) return true;
        if (!bl_window_more(window, err)) return false;
    }
}

static bool array_broken(const bl_window *window, const char *expected, bl_error *err) {
    return bl_fail(err, BL_ERR_INPUT, "%s:%zu: not a JSON array of texts: %s was expected at byte %llu",
                   window->path, window->line, expected, (unsigned long long)window->offset);
}

/* The array's next value, at which the window stands. */
static bool read_value(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err) {
    bl_window *window = &corpus->window;
    extent e = {0};
    while (!value_ends(&e, bl_window_ahead(window), window->end - window->begin)) {
        if (window->ended) return array_broken(window, "the end of the entry that begins here", err);
        if (e.at > corpus->max_story)
            return bl_fail(err, BL_ERR_INPUT,
                           "%s:%zu: the entry that begins here, at byte %llu, is longer than %zu bytes",
                           window->path, window->line, (unsigned long long)window->offset, corpus->max_story);
        if (!bl_window_more(window, err)) return false;
    }
    if (!bl_check_utf8_ahead(window, e.at, err) || !parse_entry(corpus, e.at, story, err)) return false;
    *got = !is_blank(story->text, story->length);
    if (!*got) corpus->entries++;
    bl_window_pass(window, e.at);
    return true;
}

bool bl_read_array_story(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err) {
    bl_window *window = &corpus->window;
    for (*got = false; !*got;) {
        char next;
        bool first = !corpus->in_array;
        if (!bl_skip_white(window, &next, err)) return false;
        if (first) { /* at the [ */
            bl_window_pass(window, 1);
            corpus->in_array = true;
            if (!bl_skip_white(window, &next, err)) return false;
        }
        if (next == ']') {
            bl_window_pass(window, 1);
            if (!bl_skip_white(window, &next, err)) return false;
            bool ended = window->end == window->begin;
            return ended || array_broken(window, "the end of the file", err);
        }
        if (!first && next != ',') return array_broken(window, "a comma or the array's end", err);
        if (!first) bl_window_pass(window, 1);
        if (!bl_skip_white(window, &next, err)) return false;
        if (!read_value(corpus, story, got, err)) return false;
    }
    return true;
}
