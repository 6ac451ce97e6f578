/* A stream of bytes: a file, standard input or memory, plain or compressed by gzip or zstd; and a window that
 * slides over its text. */
#ifndef BL_TEXT_SOURCE_H
#define BL_TEXT_SOURCE_H
#include <bilens/base.h>

typedef struct bl_source bl_source;

/* Opens `path`, "-" for standard input. The first bytes decide about compression; a name that ends in .gz or
 * .zst demands it. `path` must outlive the source. */
bl_source *bl_source_open(const char *path, bl_error *err);
/* The same over memory that outlives the source; `name` is for messages and its suffix. */
bl_source *bl_source_memory(const char *name, const void *data, size_t size, bl_error *err);
void bl_source_close(bl_source *source);

/* Reads up to `capacity` > 0 uncompressed bytes; *got is 0 only at the end. Damaged or cut compressed data is
 * BL_ERR_INPUT with the offset in the compressed file, a failing read BL_ERR_IO. */
bool bl_source_read(bl_source *source, void *out, size_t capacity, size_t *got, bl_error *err);

/* Bytes taken from the file so far, compressed as they are. */
uint64_t bl_source_consumed(const bl_source *source);

/* What a story reader looks at, with the place in the file. Zero-initialise; bl_window_attach for each
 * source. */
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
