/* The corpus: files in order as one stream of stories. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "text/corpus/corpus_private.h"
#include "text/tokenizer/unicode.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
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
    json_decref(corpus->line);
    bl_window_free(&corpus->window);
    for (size_t i = 0; i < corpus->n_paths; i++) free(corpus->paths[i]);
    free(corpus->paths);
    free(corpus);
}

/* Whether the name, with a suffix .gz or .zst taken off, ends in `suffix`. */
static bool is_named(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    if (n > 3 && strcmp(path + n - 3, ".gz") == 0) n -= 3;
    else if (n > 4 && strcmp(path + n - 4, ".zst") == 0) n -= 4;
    return n > m && strncmp(path + n - m, suffix, m) == 0;
}

/* Whether the first character that is no white space is `{`; what follows is read by more than one step only
 * if it is blank. */
static bool begins_with_brace(bl_window *window, bool *brace, bl_error *err) {
    size_t at = 0;
    *brace = false;
    for (;;) {
        for (; at < window->end - window->begin; at++) {
            unsigned char c = (unsigned char)bl_window_ahead(window)[at];
            if (c < 128 && bl_is_strippable(c)) continue;
            *brace = c == '{';
            return true;
        }
        if (window->ended || at >= BL_MAX_STORY) return true;
        if (!bl_window_more(window, err)) return false;
    }
}

/* Opens the next file and decides about its format. */
static bool open_file(bl_corpus *corpus, bl_error *err) {
    const char *path = corpus->paths[corpus->next_path];
    bool jsonl = is_named(path, ".jsonl");
    corpus->source = corpus->memory ? bl_source_memory(path, corpus->memory, corpus->memory_size, err)
                                    : bl_source_open(path, err);
    if (!corpus->source || !bl_window_attach(&corpus->window, corpus->source, path, err)) return false;
    if (!jsonl && !is_named(path, ".txt") && !begins_with_brace(&corpus->window, &jsonl, err)) return false;
    corpus->read = jsonl ? bl_read_jsonl_story : bl_read_txt_story;
    corpus->next_path++;
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
        if (!*got) close_file(corpus);
    }
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
