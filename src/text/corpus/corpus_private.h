/* A corpus's parts, its opening from memory, and the readers of the two formats. */
#ifndef BL_TEXT_CORPUS_PRIVATE_H
#define BL_TEXT_CORPUS_PRIVATE_H
#include "text/corpus/window.h"
#include <bilens/text.h>
#include <jansson.h>

/* The longest story, or line of .jsonl, unless a test asks for less. */
#define BL_MAX_STORY ((size_t)1 << 30)

struct bl_corpus {
    char **paths;
    size_t n_paths;
    const void *memory; /* instead of a file: the only path's content */
    size_t memory_size;
    uint64_t total;    /* bytes of all files, 0 when one of them has no size */
    size_t next_path;  /* the file to open next */
    uint64_t finished; /* bytes of the files before the open one */
    bl_source *source; /* the open file, or NULL */
    bool (*read)(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err);
    bl_window window;
    json_t *line; /* the .jsonl line that the last story's text belongs to */
    uint64_t stories;
    size_t max_story;
    bl_error failure; /* the first one: it stays */
};

/* The open file's next story: *got is false when it has no more. */
bool bl_read_txt_story(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err);
bool bl_read_jsonl_story(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err);

/* Fails, naming path, line and byte, unless the window's next `n` bytes are well-formed UTF-8. */
bool bl_check_utf8_ahead(const bl_window *window, size_t n, bl_error *err);
#endif
