/* The sliding window. The text ahead is moved to the front of the buffer only when there is no room behind
 * it, and the buffer doubles only when one story fills it, so that both cost a constant per byte. */
#include "text/corpus/window.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

#define READ_SIZE ((size_t)1 << 16)

bool bl_window_more(bl_window *window, bl_error *err) {
    size_t kept = window->end - window->begin, got = 0;
    if (window->begin > 0 && window->capacity - window->end < READ_SIZE) {
        memmove(window->data, window->data + window->begin, kept);
        window->begin = 0, window->end = kept;
    }
    if (!bl_grow(&window->data, &window->capacity, window->end + READ_SIZE, 1, err)) return false;
    if (!bl_source_read(window->source, window->data + window->end, window->capacity - window->end, &got,
                        err))
        return false;
    window->end += got;
    if (got == 0) window->ended = true;
    return true;
}

bool bl_window_attach(bl_window *window, bl_source *source, const char *path, bl_error *err) {
    window->source = source;
    window->path = path;
    window->begin = window->end = window->searched = 0;
    window->offset = 0, window->line = 1;
    window->ended = false;
    while (window->end < 3 && !window->ended)
        if (!bl_window_more(window, err)) return false;
    if (window->end >= 3 && memcmp(window->data, "\xEF\xBB\xBF", 3) == 0) bl_window_pass(window, 3);
    return true;
}

void bl_window_free(bl_window *window) {
    free(window->data);
    *window = (bl_window){0};
}

bool bl_window_find(bl_window *window, const char *mark, size_t limit, const char *what, size_t *length,
                    bool *found, bl_error *err) {
    size_t mark_length = strlen(mark);
    for (;;) {
        const char *ahead = bl_window_ahead(window);
        size_t visible = window->end - window->begin;
        const char *hit = visible > window->searched
                            ? memmem(ahead + window->searched, visible - window->searched, mark, mark_length)
                            : NULL;
        *found = hit != NULL;
        *length = hit ? (size_t)(hit - ahead) : visible;
        if (*length > limit)
            return bl_fail(err, BL_ERR_INPUT,
                           "%s:%zu: the %s that begins here, at byte %llu, is longer than %zu bytes",
                           window->path, window->line, what, (unsigned long long)window->offset, limit);
        if (hit || window->ended) break;
        /* The mark may be cut in two by the end of what is visible. */
        window->searched = visible >= mark_length ? visible - mark_length + 1 : 0;
        if (!bl_window_more(window, err)) return false;
    }
    window->searched = 0;
    return true;
}

size_t bl_count_lines(const char *text, size_t n) {
    size_t lines = 0;
    for (const char *end = text + n; n > 0 && (text = memchr(text, '\n', (size_t)(end - text))); text++)
        lines++;
    return lines;
}

void bl_window_pass(bl_window *window, size_t n) {
    window->line += bl_count_lines(bl_window_ahead(window), n);
    window->begin += n;
    window->offset += n;
}
