/* jansson 2.14 does not always notice that it has run out of memory: its lexer drops the byte that found no room, and goes on with a name
 * that is too short. A file must never be read as something else, so its allocator is watched: the functions that are in force stay in
 * force, behind one that remembers a failure of this thread. Writing is watched for the same reason. */
#include "format/json.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static json_malloc_t inner_malloc;
static _Thread_local bool out_of_memory;

static void *watched_malloc(size_t size) {
    void *pointer = inner_malloc(size);
    if (!pointer) out_of_memory = true;
    return pointer;
}

static void install(void) {
    json_free_t inner_free;
    json_get_alloc_funcs(&inner_malloc, &inner_free);
    json_set_alloc_funcs(watched_malloc, inner_free);
}

static void watch(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    out_of_memory = false;
}

json_t *bl_json_load(const char *text, size_t length, size_t flags, json_error_t *where) {
    watch();
    json_t *json = json_loadb(text, length, flags, where);
    if (!out_of_memory) return json;
    json_decref(json);
    snprintf(where->text, sizeof where->text, "out of memory");
    where->text[sizeof where->text - 1] = json_error_out_of_memory; /* jansson's place for the code */
    return NULL;
}

json_t *bl_json_parse(const char *text, size_t length, const char *path, bl_error *err) {
    json_error_t where;
    json_t *json = bl_json_load(text, length, JSON_REJECT_DUPLICATES, &where);
    if (json) return json;
    if (json_error_code(&where) == json_error_out_of_memory) return bl_fail_null(err, BL_ERR_MEMORY, "%s: out of memory while it was parsed", path);
    return bl_fail_null(err, BL_ERR_INPUT, "%s: not valid JSON: %s (line %d, column %d)", path, where.text, where.line, where.column);
}

json_t *bl_json_read(const char *path, size_t limit, bl_error *err) {
    size_t size;
    char *text = bl_file_read(path, limit, &size, err);
    if (!text) return NULL;
    json_t *json = bl_json_parse(text, size, path, err);
    free(text);
    return json;
}

static int add_piece(const char *piece, size_t size, void *buffer) {
    bl_buffer_add(buffer, piece, size);
    return ((bl_buffer *)buffer)->failed ? -1 : 0;
}

char *bl_json_text(const json_t *json, size_t flags, bl_error *err) {
    bl_buffer buffer = {0};
    watch();
    if (json && json_dump_callback(json, add_piece, &buffer, flags) == 0 && !out_of_memory) return bl_buffer_take(&buffer, err);
    bl_buffer_free(&buffer);
    return bl_fail_null(err, BL_ERR_MEMORY, "out of memory while JSON was written");
}
