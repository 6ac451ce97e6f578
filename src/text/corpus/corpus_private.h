/* A corpus's parts, its opening from memory, and the readers of its formats. */
#ifndef BL_TEXT_CORPUS_PRIVATE_H
#define BL_TEXT_CORPUS_PRIVATE_H
#include "text/corpus/source.h"
#include <bilens/text.h>
#include <jansson.h>

/* The longest story, or line of .jsonl, unless a test asks for less. */
#define BL_MAX_STORY ((size_t)1 << 30)

/* The open file's next story, with `story` filled in all but its number: *got is false when it has no more.
 */
typedef bool (*bl_read_story_fn)(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err);

struct bl_corpus {
    char **paths;
    size_t n_paths;
    char *text_key;     /* of JSON objects, NULL: "text" */
    const void *memory; /* instead of a file: the only path's content */
    size_t memory_size;
    uint64_t total;    /* bytes of all files, 0 when one of them has no size */
    size_t next_path;  /* the file to open next */
    uint64_t finished; /* bytes of the files before the open one */
    bl_source *source; /* the open file, or NULL */
    bl_read_story_fn read;
    bl_window window;
    json_t *entry;       /* what the last story's text belongs to */
    uint64_t entries;    /* of all files so far, blank ones included */
    uint64_t stories;    /* those that are not blank */
    uint64_t in_file;    /* stories of the open file */
    bool in_array;       /* its [ is passed */
    size_t last_length;  /* of the last story */
    size_t undivided;    /* bytes of the longest .txt file that is one story; 0: none */
    const char *of_path; /* that file */
    char note[512];
    size_t max_story;
    bl_error failure; /* the first one: it stays */
};

bool bl_read_txt_story(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err);
bool bl_read_jsonl_story(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err);
bool bl_read_array_story(bl_corpus *corpus, bl_story *story, bool *got, bl_error *err);

/* Fails, naming path, line and byte, unless the window's next `n` bytes are well-formed UTF-8. */
bool bl_check_utf8_ahead(const bl_window *window, size_t n, bl_error *err);
/* Moves past white space (ASCII): *next is the first character behind it, '\0' at the end of the text. */
bool bl_skip_white(bl_window *window, char *next, bl_error *err);
#endif
