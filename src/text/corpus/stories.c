/* Stories from the window's text.
 *
 *   .txt    stories stand between <|endoftext|>; each is stripped of white space as Python's str.strip() does
 * it; empty ones are skipped .jsonl  an object a line, the story is its "text", verbatim; stories of white
 * space only and empty lines are skipped */
#include "base/error.h"
#include "format/json.h"
#include "text/corpus/corpus_private.h"
#include "text/tokenizer/unicode.h"
#include "base/utf8.h"

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
        bl_window_pass(window, length - begin + (found ? sizeof separator - 1 : 0));
    }
    return true;
}

/* Parses the line ahead into corpus->line and points *text at its "text". */
static bool parse_line(bl_corpus *corpus, size_t length, json_t **text, bl_error *err) {
    const bl_window *window = &corpus->window;
    json_error_t where;
    json_decref(corpus->line);
    corpus->line =
        bl_json_load(bl_window_ahead(window), length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    if (!corpus->line && json_error_code(&where) == json_error_out_of_memory)
        return bl_fail(err, BL_ERR_MEMORY, "%s:%zu: out of memory while reading a line of %zu bytes",
                       window->path, window->line, length);
    if (!corpus->line)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s:%zu: not valid JSON: %s (column %d); expected an object like {\"text\": \"Once "
                       "...\"} on each line",
                       window->path, window->line, where.text, where.column);
    *text = json_object_get(corpus->line, "text");
    if (json_is_string(*text)) return true;
    if (!*text)
        return bl_fail(err, BL_ERR_INPUT, "%s:%zu: the key \"text\" is missing", window->path, window->line);
    return bl_fail(err, BL_ERR_INPUT, "%s:%zu: the key \"text\" is not a string", window->path, window->line);
}

bool bl_read_jsonl_story(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err) {
    bl_window *window = &corpus->window;
    *got = false;
    for (bool found = true; found && !*got;) {
        size_t length;
        json_t *text = NULL;
        if (!bl_window_find(window, "\n", corpus->max_story, "line", &length, &found, err)) return false;
        if (!bl_check_utf8_ahead(window, length, err)) return false;
        if (!is_blank(bl_window_ahead(window), length)) {
            if (!parse_line(corpus, length, &text, err)) return false;
            *story = (bl_story){.text = json_string_value(text),
                                .length = json_string_length(text),
                                .path = window->path,
                                .byte_offset = window->offset,
                                .line = window->line};
            *got = !is_blank(story->text, story->length);
        }
        bl_window_pass(window, length + (found ? 1 : 0));
    }
    return true;
}
