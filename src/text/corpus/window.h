/* A window that slides over a source's text: what a story reader looks at, with the place in the file. */
#ifndef BL_TEXT_WINDOW_H
#define BL_TEXT_WINDOW_H
#include "text/corpus/source.h"

/* Zero-initialise; bl_window_attach for each source. */
typedef struct bl_window {
    bl_source *source;
    const char *path; /* for messages */
    char *data;       /* the text ahead: data[begin … end) */
    size_t begin, end, capacity;
    size_t searched; /* bytes ahead that the search under way has gone through */
    uint64_t offset; /* of data[begin] in the uncompressed text */
    size_t line;     /* 1-based, of data[begin] */
    bool ended;      /* nothing comes after data[end] */
} bl_window;

/* Puts the window at the beginning of a source, which stays the caller's, and past a byte order mark. */
bool bl_window_attach(bl_window *window, bl_source *source, const char *path, bl_error *err);
void bl_window_free(bl_window *window);

/* Makes at least one more byte visible, or sets `ended`. Moves the data: pointers into it become invalid. */
bool bl_window_more(bl_window *window, bl_error *err);

/* Looks for `mark` ahead, reading on as needed: *length bytes stand before it, or before the end of the text
 * (*found says which). Fails with BL_ERR_INPUT when they are more than `limit`, what they are called being
 * `what`. */
bool bl_window_find(bl_window *window, const char *mark, size_t limit, const char *what, size_t *length,
                    bool *found, bl_error *err);

/* Moves past `n` visible bytes, keeping count of lines. They stay where they are until the window reads on.
 */
void bl_window_pass(bl_window *window, size_t n);

static inline const char *bl_window_ahead(const bl_window *window) { return window->data + window->begin; }

size_t bl_count_lines(const char *text, size_t n);
#endif
