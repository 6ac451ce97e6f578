/* jansson 2.14 and running out of memory: its lexer drops the byte that found no room and goes on, so that a
 * name becomes shorter, or the end of a string is overrun. A file must never be read as something else, and
 * nothing may crash. So its allocator is watched (the functions that are in force stay in force, behind
 * these), and while a text is parsed a reserve stands by: the first allocation that fails is served from it,
 * the text ends there, and what was parsed is thrown away. The reserve is untouched memory unless that
 * happens. */
#include "format/json.h"
#include "format/kind.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_malloc_t inner_malloc;
static json_free_t inner_free;

/* Of this thread. */
static _Thread_local struct {
    bool failed; /* an allocation of jansson's, since watch() */
    char *reserve;
    size_t size, used;
} memory;

/* The lexer's buffer doubles as a string grows, and values may be made of what it has read ahead: PIECE
 * bytes, a list from each. */
enum { PIECE = 1024, RESERVE = PIECE * 256 };

static void *from_reserve(size_t size) {
    size_t room = memory.size - memory.used, wanted = (size + 15) / 16 * 16;
    if (wanted < size || wanted > room) return NULL;
    memory.used += wanted;
    return memory.reserve + memory.used - wanted;
}

static void *watched_malloc(size_t size) {
    void *pointer = inner_malloc(size);
    if (pointer) return pointer;
    memory.failed = true;
    return from_reserve(size);
}

static void watched_free(void *pointer) {
    uintptr_t at = (uintptr_t)pointer, begin = (uintptr_t)memory.reserve;
    if (memory.reserve && at >= begin && at < begin + memory.size) return;
    inner_free(pointer);
}

static void install(void) {
    json_get_alloc_funcs(&inner_malloc, &inner_free);
    json_set_alloc_funcs(watched_malloc, watched_free);
}

static void watch(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    memory.failed = false;
}

typedef struct source {
    const char *text;
    size_t left;
} source;

/* Up to PIECE bytes of the text; its end after a failure. */
static size_t feed(void *buffer, size_t size, void *context) {
    source *from = context;
    size_t n = from->left < size ? from->left : size;
    if (memory.failed) return 0;
    if (n > PIECE) n = PIECE;
    if (n) memcpy(buffer, from->text, n);
    from->text += n;
    from->left -= n;
    return n;
}

json_t *bl_json_load(const char *text, size_t length, size_t flags, json_error_t *where) {
    json_t *json = NULL;
    source from = {text, length};
    size_t size;
    watch();
    *where = (json_error_t){.line = -1, .column = -1};
    memory.failed = !bl_mul_size(length, 2, &size) || !bl_add_size(size, RESERVE, &size);
    if (!memory.failed) memory.reserve = bl_alloc(size, 1, NULL);
    if (memory.reserve) {
        memory.size = size;
        memory.used = 0;
        json = json_load_callback(feed, &from, flags, where);
    } else {
        memory.failed = true;
    }
    if (memory.failed) {
        json_decref(json);
        json = NULL;
        snprintf(where->text, sizeof where->text, "out of memory");
        where->text[sizeof where->text - 1] = json_error_out_of_memory; /* jansson's place for the code */
    }
    free(memory.reserve);
    memory.reserve = NULL;
    memory.size = memory.used = 0;
    return json;
}

json_t *bl_json_parse_with(const char *text, size_t length, size_t flags, const char *path, bl_error *err) {
    json_error_t where;
    json_t *json = bl_json_load(text, length, JSON_REJECT_DUPLICATES | flags, &where);
    if (json) return json;
    if (json_error_code(&where) == json_error_out_of_memory)
        return bl_fail_null(err, BL_ERR_MEMORY, "%s: out of memory while it was parsed", path);
    if (!bl_kind_unknown(text, length, path, "JSON", err)) return NULL;
    return bl_fail_null(err, BL_ERR_INPUT, "%s: not valid JSON: %s (line %d, column %d)", path, where.text,
                        where.line, where.column);
}

json_t *bl_json_parse(const char *text, size_t length, const char *path, bl_error *err) {
    return bl_json_parse_with(text, length, 0, path, err);
}

json_t *bl_json_read(const char *path, size_t limit, bl_error *err) {
    size_t size;
    char *text = bl_file_read(path, limit, &size, err);
    if (!text) return NULL;
    json_t *json = bl_json_parse(text, size, path, err);
    free(text);
    return json;
}

json_t *bl_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static int add_piece(const char *piece, size_t size, void *buffer) {
    bl_buffer_add(buffer, piece, size);
    return ((bl_buffer *)buffer)->failed ? -1 : 0;
}

char *bl_json_text(const json_t *json, size_t flags, bl_error *err) {
    bl_buffer buffer = {0};
    watch();
    if (json && json_dump_callback(json, add_piece, &buffer, flags) == 0 && !memory.failed)
        return bl_buffer_take(&buffer, err);
    bl_buffer_free(&buffer);
    return bl_fail_null(err, BL_ERR_MEMORY, "out of memory while JSON was written");
}

static bool put_failed(bl_error *err) {
    return bl_fail(err, BL_ERR_MEMORY, "out of memory while JSON was made");
}

json_t *bl_json_copy(const json_t *json, bl_error *err) {
    watch();
    json_t *copy = json_deep_copy(json);
    if (copy && !memory.failed) return copy;
    json_decref(copy);
    return bl_fail_null(err, BL_ERR_MEMORY, "out of memory");
}

bool bl_json_put(json_t *object, const char *key, json_t *value, bl_error *err) {
    return json_object_set_new(object, key, value) == 0 || put_failed(err);
}

bool bl_json_push(json_t *array, json_t *value, bl_error *err) {
    return json_array_append_new(array, value) == 0 || put_failed(err);
}
