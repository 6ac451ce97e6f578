/* The corpus: files in order as one stream of stories. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/kind.h"
#include "text/corpus/corpus_private.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Checks that a file can be read later, without opening it (a pipe may be opened only once), and adds its
 * size to the total. */
static bool check_file(const char *path, bool *sized, uint64_t *total, bl_error *err) {
    struct stat status;
    if (strcmp(path, "-") == 0) {
        *sized = false;
        return true;
    }
    if (stat(path, &status) != 0 || access(path, R_OK) != 0)
        return bl_fail(err, BL_ERR_INPUT, "%s: cannot open: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return bl_fail(err, BL_ERR_INPUT, "%s: is a directory, a text file was expected", path);
    if (S_ISREG(status.st_mode)) *total += (uint64_t)status.st_size;
    else *sized = false;
    return true;
}

static bool check_files(const char *const *paths, size_t n, uint64_t *total, bl_error *err) {
    bool sized = true;
    size_t standard_inputs = 0;
    *total = 0;
    if (n == 0) return bl_fail(err, BL_ERR_USAGE, "no corpus file was given");
    for (size_t i = 0; i < n; i++) {
        if (!check_file(paths[i], &sized, total, err)) return false;
        standard_inputs += strcmp(paths[i], "-") == 0;
    }
    if (standard_inputs > 1)
        return bl_fail(err, BL_ERR_USAGE, "standard input (-) can be read only once, it was given %zu times",
                       standard_inputs);
    if (!sized) *total = 0;
    return true;
}

static bl_corpus *corpus_new(const char *const *paths, size_t n, uint64_t total, bl_error *err) {
    bl_corpus *corpus = bl_alloc_zero(1, sizeof *corpus, err);
    if (!corpus) return NULL;
    corpus->total = total;
    corpus->max_story = BL_MAX_STORY;
    corpus->paths = bl_alloc_zero(n, sizeof *corpus->paths, err);
    if (!corpus->paths) goto fail;
    for (; corpus->n_paths < n; corpus->n_paths++) {
        corpus->paths[corpus->n_paths] = bl_strdup(paths[corpus->n_paths], err);
        if (!corpus->paths[corpus->n_paths]) goto fail;
    }
    return corpus;
fail:
    bl_corpus_free(corpus);
    return NULL;
}

bl_corpus *bl_corpus_open(const char *const *paths, size_t n_paths, bl_error *err) {
    uint64_t total;
    if (!check_files(paths, n_paths, &total, err)) return NULL;
    return corpus_new(paths, n_paths, total, err);
}

bl_corpus *bl_corpus_open_memory(const char *name, const void *data, size_t size, bl_error *err) {
    bl_corpus *corpus = corpus_new(&name, 1, size, err);
    if (!corpus) return NULL;
    corpus->memory = data ? data : "";
    corpus->memory_size = size;
    return corpus;
}

static void close_file(bl_corpus *corpus) {
    if (corpus->source) corpus->finished += bl_source_consumed(corpus->source);
    bl_source_close(corpus->source);
    corpus->source = NULL;
}

void bl_corpus_free(bl_corpus *corpus) {
    if (!corpus) return;
    close_file(corpus);
    json_decref(corpus->entry);
    bl_window_free(&corpus->window);
    for (size_t i = 0; i < corpus->n_paths; i++) free(corpus->paths[i]);
    free(corpus->paths);
    free(corpus->text_key);
    free(corpus);
}

/* Whether the name, with a suffix .gz or .zst taken off, ends in `suffix`. */
static bool is_named(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    if (n > 3 && strcmp(path + n - 3, ".gz") == 0) n -= 3;
    else if (n > 4 && strcmp(path + n - 4, ".zst") == 0) n -= 4;
    return n > m && strncmp(path + n - m, suffix, m) == 0;
}

/* Whether the first line is a CSV table's head: several names, one of them such as texts have. */
static bool is_table_head(const char *text, size_t n) {
    static const char *const usual[] = {"text", "story", "content", "body", "document"};
    const char *end = memchr(text, '\n', n);
    size_t cells = 1, length = end ? (size_t)(end - text) : n, begin = 0;
    bool known = false;
    if (length > 0 && text[length - 1] == '\r') length--;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && (isalnum((unsigned char)text[i]) || strchr("_\".-", text[i]))) continue;
        if (i < length && !strchr(",;\t", text[i])) return false;
        size_t from = begin, to = i;
        while (from < to && strchr("\" ", text[from])) from++;
        while (to > from && strchr("\" ", text[to - 1])) to--;
        for (size_t u = 0; u < sizeof usual / sizeof *usual; u++)
            known |= to - from == strlen(usual[u]) && strncasecmp(text + from, usual[u], to - from) == 0;
        begin = i + 1;
        cells += i < length;
    }
    return end && known && cells > 1;
}

/* Fails when the text is of a kind that holds no stories in a way that bilens reads. */
static bool refuse_others(const bl_window *window, const char *path, bl_error *err) {
    const char *first = bl_window_ahead(window);
    size_t n = window->end - window->begin;
    if (!bl_kind_unknown(first, n, path, NULL, err)) return false;
    bool table = is_named(path, ".csv") || is_named(path, ".tsv") || is_table_head(first, n);
    if (!table) return true;
    return bl_fail(err, BL_ERR_INPUT,
                   "%s: this is a table (CSV), which is not read: write its texts as .jsonl, one object like "
                   "{\"text\": \"Once ...\"} on each line",
                   path);
}

/* Decides about the format of the file at whose beginning the window stands: by its name, or by the first
 * characters. */
static bool choose_reader(bl_corpus *corpus, const char *path, bl_error *err) {
    bl_window *window = &corpus->window;
    bool text = is_named(path, ".txt"), lines = is_named(path, ".jsonl") || is_named(path, ".ndjson");
    char first = '\0', second = '\0';
    size_t at = 0;
    corpus->read = text ? bl_read_txt_story : bl_read_jsonl_story;
    if (text) return true;
    while (second == '\0') { /* the two first characters that are no white space */
        size_t n = window->end - window->begin;
        for (; at < n && second == '\0'; at++) {
            char c = bl_window_ahead(window)[at];
            if (c == '\0' || strchr(" \t\r\n\v\f", c)) continue;
            if (first == '\0') first = c;
            else second = c;
        }
        if (window->ended || at >= BL_MAX_STORY || (first && first != '[')) break;
        if (second == '\0' && !bl_window_more(window, err)) return false;
    }
    if (first == '[' && second && strchr("\"{]", second)) corpus->read = bl_read_array_story;
    else if (!lines && first != '{') corpus->read = bl_read_txt_story;
    if (corpus->read == bl_read_txt_story && is_named(path, ".json"))
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: not a JSON array of texts, nor of objects like {\"text\": \"Once ...\"}", path);
    return true;
}

/* Opens the next file and decides about its format. */
static bool open_file(bl_corpus *corpus, bl_error *err) {
    const char *path = corpus->paths[corpus->next_path];
    bl_window *window = &corpus->window;
    corpus->source = corpus->memory ? bl_source_memory(path, corpus->memory, corpus->memory_size, err)
                                    : bl_source_open(path, err);
    if (!corpus->source || !bl_window_attach(window, corpus->source, path, err)) return false;
    while (!window->ended && window->end - window->begin < BL_KIND_BYTES)
        if (!bl_window_more(window, err)) return false;
    if (!refuse_others(window, path, err) || !choose_reader(corpus, path, err)) return false;
    corpus->in_array = false;
    corpus->in_file = 0;
    corpus->next_path++;
    return true;
}

/* At the end of a file: remembers the longest .txt that is one story. */
static void close_read_file(bl_corpus *corpus) {
    bool undivided = corpus->read == bl_read_txt_story && corpus->in_file == 1;
    if (undivided && corpus->last_length > corpus->undivided) {
        corpus->undivided = corpus->last_length;
        corpus->of_path = corpus->paths[corpus->next_path - 1];
    }
    close_file(corpus);
}

const char *bl_corpus_note(bl_corpus *corpus, size_t n_ctx) {
    if (corpus->undivided / 8 <= n_ctx) return NULL; /* a token has some four bytes of English */
    snprintf(
        corpus->note, sizeof corpus->note,
        "%s is one story of %zu bytes, far longer than a context of %zu tokens: only its beginning is read. "
        "In a .txt file <|endoftext|> separates stories; in .jsonl each line is one",
        corpus->of_path, corpus->undivided, n_ctx);
    return corpus->note;
}

bool bl_corpus_text_key(bl_corpus *corpus, const char *key, bl_error *err) {
    char *copy = key ? bl_strdup(key, err) : NULL;
    if (key && !copy) return false;
    free(corpus->text_key);
    corpus->text_key = copy;
    return true;
}

static bool no_story(const bl_corpus *corpus, bl_error *err) {
    bl_buffer names = {0};
    size_t n = corpus->n_paths, shown = n <= 4 ? n : 3;
    for (size_t i = 0; i < shown; i++) bl_buffer_print(&names, "%s%s", i ? ", " : "", corpus->paths[i]);
    if (shown < n) bl_buffer_print(&names, " and %zu more", n - shown);
    bl_fail(err, BL_ERR_INPUT, "no story found in %s", names.failed ? "the corpus" : names.data);
    bl_buffer_free(&names);
    return false;
}

static bool next(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err) {
    for (*got = false; !*got;) {
        if (!corpus->source && corpus->next_path == corpus->n_paths)
            return corpus->stories > 0 || no_story(corpus, err);
        if (!corpus->source && !open_file(corpus, err)) return false;
        if (!corpus->read(corpus, story, got, err)) return false;
        if (!*got) close_read_file(corpus);
    }
    story->number = corpus->entries++;
    corpus->last_length = story->length;
    corpus->in_file++;
    corpus->stories++;
    return true;
}

bool bl_corpus_next(bl_corpus *corpus, bl_story *story, bl_error *err) {
    bool got = false;
    bl_error_clear(err);
    if (corpus->failure.code == BL_OK && next(corpus, story, &got, &corpus->failure)) return got;
    if (err) *err = corpus->failure;
    return false;
}

void bl_corpus_position(const bl_corpus *corpus, uint64_t *done, uint64_t *total) {
    *done = corpus->finished + (corpus->source ? bl_source_consumed(corpus->source) : 0);
    *total = corpus->total;
}
