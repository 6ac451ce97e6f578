/* Reading bytes and undoing compression, in bounded memory.
 *
 * gzip files may have several members, zstd files several frames (and skippable ones): they follow each other
 * as if they were one. Zero bytes after the last gzip member are padding, as gzip itself has it; anything
 * else there is an error. */
#include "text/corpus/source.h"
#include "format/kind.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define INPUT_SIZE ((size_t)1 << 17)

struct bl_source {
    const char *name;
    int fd;                /* -1: memory */
    unsigned char *buffer; /* what was read from the file and not yet used: input[at … n) */
    const unsigned char *input;
    size_t at, n;
    uint64_t before; /* bytes of the file before input[0] */
    bool ended;      /* the file has no more to give */
    bool (*read)(bl_source *source, void *out, size_t capacity, size_t *got, bl_error *err);
    z_stream gzip;
    bool gzip_open, member_open; /* inflateEnd is due; a member has begun and not ended */
    ZSTD_DCtx *zstd;
    bool frame_open; /* a frame has begun and not ended */
};

/* Reads on until input[at … n) has `wanted` bytes or the file ends. `wanted` is small. */
static bool fill(bl_source *source, size_t wanted, bl_error *err) {
    while (source->n - source->at < wanted && !source->ended) {
        if (source->at > 0 && source->fd >= 0) { /* memory is given whole, its end known from the start */
            memmove(source->buffer, source->buffer + source->at, source->n - source->at);
            source->before += source->at;
            source->n -= source->at;
            source->at = 0;
        }
        if (!bl_go_on(err)) return false;
        ssize_t got = read(source->fd, source->buffer + source->n, INPUT_SIZE - source->n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return bl_fail(err, BL_ERR_IO, "%s: cannot read: %s", source->name, strerror(errno));
        if (got == 0) source->ended = true;
        source->n += (size_t)got;
    }
    return true;
}

uint64_t bl_source_consumed(const bl_source *source) { return source->before + source->at; }

static bool damaged(const bl_source *source, const char *kind, const char *why, bl_error *err) {
    return bl_fail(err, BL_ERR_INPUT, "%s: damaged %s data at byte %llu: %s", source->name, kind,
                   (unsigned long long)bl_source_consumed(source), why);
}

static bool cut_short(const bl_source *source, const char *kind, bl_error *err) {
    return bl_fail(err, BL_ERR_INPUT, "%s: the %s data ends too early, at byte %llu: the file is cut short",
                   source->name, kind, (unsigned long long)bl_source_consumed(source));
}

static bool read_plain(bl_source *source, void *out, size_t capacity, size_t *got, bl_error *err) {
    *got = 0;
    if (!fill(source, 1, err)) return false;
    size_t n = source->n - source->at;
    if (n > capacity) n = capacity;
    if (n) memcpy(out, source->input + source->at, n);
    source->at += n;
    *got = n;
    return true;
}

/* Between members: true and *more says whether another one follows. */
static bool next_member(bl_source *source, bool *more, bl_error *err) {
    for (;;) {
        if (!fill(source, 1, err)) return false;
        *more = source->at < source->n;
        if (!*more) return true;
        if (source->input[source->at] != 0) break;
        source->at++;
    }
    if (source->input[source->at] != 0x1F)
        return damaged(source, "gzip", "something else follows its end", err);
    source->member_open = true;
    inflateReset(&source->gzip);
    return true;
}

static bool read_gzip(bl_source *source, void *out, size_t capacity, size_t *got, bl_error *err) {
    z_stream *stream = &source->gzip;
    size_t room = capacity < UINT_MAX ? capacity : UINT_MAX;
    stream->next_out = out;
    stream->avail_out = (unsigned)room;
    *got = 0;
    while (stream->avail_out == room) {
        bool more = true;
        if (!source->member_open && !next_member(source, &more, err)) return false;
        if (!more) break;
        if (!fill(source, 1, err)) return false;
        if (source->at == source->n) return cut_short(source, "gzip", err);
        unsigned given = (unsigned)(source->n - source->at < UINT_MAX ? source->n - source->at : UINT_MAX);
        stream->next_in = (unsigned char *)(uintptr_t)(source->input + source->at); /* zlib only reads it */
        stream->avail_in = given;
        int status = inflate(stream, Z_NO_FLUSH);
        source->at += given - stream->avail_in;
        if (status == Z_STREAM_END) source->member_open = false;
        else if (status == Z_MEM_ERROR)
            return bl_fail(err, BL_ERR_MEMORY, "%s: out of memory while decompressing", source->name);
        else if (status != Z_OK && status != Z_BUF_ERROR)
            return damaged(source, "gzip", stream->msg ? stream->msg : "not decodable", err);
    }
    *got = room - stream->avail_out;
    return true;
}

static bool read_zstd(bl_source *source, void *out, size_t capacity, size_t *got, bl_error *err) {
    ZSTD_outBuffer to = {.dst = out, .size = capacity};
    *got = 0;
    while (to.pos == 0) {
        if (!fill(source, 1, err)) return false;
        bool at_end = source->at == source->n;
        if (at_end && !source->frame_open) break;
        ZSTD_inBuffer from = {.src = source->input + source->at, .size = source->n - source->at};
        size_t status = ZSTD_decompressStream(source->zstd, &to, &from);
        source->at += from.pos;
        if (ZSTD_isError(status)) {
            if (ZSTD_getErrorCode(status) == ZSTD_error_memory_allocation)
                return bl_fail(err, BL_ERR_MEMORY, "%s: out of memory while decompressing", source->name);
            return damaged(source, "zstd", ZSTD_getErrorName(status), err);
        }
        source->frame_open = status != 0;
        if (at_end && to.pos == 0 && source->frame_open) return cut_short(source, "zstd", err);
    }
    *got = to.pos;
    return true;
}

static bool has_suffix(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

/* Looks at the first bytes and prepares the decompression they ask for. No plain text begins so: both are
 * invalid UTF-8. */
static bool prepare(bl_source *source, bl_error *err) {
    static const unsigned char frame[] = {0x28, 0xB5, 0x2F, 0xFD}, skippable[] = {0x2A, 0x4D, 0x18};
    if (!fill(source, 4, err)) return false;
    const unsigned char *first = source->input + source->at;
    size_t n = source->n - source->at;
    source->read = read_plain;
    if (n >= 2 && first[0] == 0x1F && first[1] == 0x8B) {
        source->read = read_gzip;
        source->member_open = true;
        if (inflateInit2(&source->gzip, 15 + 16) != Z_OK)
            return bl_fail(err, BL_ERR_MEMORY, "%s: out of memory while decompressing", source->name);
        source->gzip_open = true;
    } else if (n >= 4 && (memcmp(first, frame, 4) == 0 ||
                          (first[0] >> 4 == 5 && memcmp(first + 1, skippable, 3) == 0))) {
        source->read = read_zstd;
        source->frame_open = true;
        source->zstd = ZSTD_createDCtx();
        if (!source->zstd)
            return bl_fail(err, BL_ERR_MEMORY, "%s: out of memory while decompressing", source->name);
    }
    bool gzip = has_suffix(source->name, ".gz"), zstd = has_suffix(source->name, ".zst");
    if (source->read == read_plain && (gzip || zstd) &&
        !bl_kind_unknown(first, n, source->name, gzip ? "gzip data" : "zstd data", err))
        return false;
    if (source->read != read_gzip && gzip)
        return bl_fail(err, BL_ERR_INPUT, "%s: not gzip data, though the name ends in .gz", source->name);
    if (source->read != read_zstd && zstd)
        return bl_fail(err, BL_ERR_INPUT, "%s: not zstd data, though the name ends in .zst", source->name);
    return true;
}

bl_source *bl_source_open(const char *path, bl_error *err) {
    bl_source *source = bl_alloc_zero(1, sizeof *source, err);
    if (!source) return NULL;
    source->name = path;
    source->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0) {
        bl_fail(err, BL_ERR_INPUT, "%s: cannot open: %s", path, strerror(errno));
        goto fail;
    }
    source->buffer = bl_alloc(INPUT_SIZE, 1, err);
    source->input = source->buffer;
    if (source->buffer && prepare(source, err)) return source;
fail:
    bl_source_close(source);
    return NULL;
}

bl_source *bl_source_memory(const char *name, const void *data, size_t size, bl_error *err) {
    bl_source *source = bl_alloc_zero(1, sizeof *source, err);
    if (!source) return NULL;
    source->name = name;
    source->fd = -1;
    source->input = size ? data : (const unsigned char *)"";
    source->n = size;
    source->ended = true;
    if (prepare(source, err)) return source;
    bl_source_close(source);
    return NULL;
}

bool bl_source_read(bl_source *source, void *out, size_t capacity, size_t *got, bl_error *err) {
    return source->read(source, out, capacity, got, err);
}

void bl_source_close(bl_source *source) {
    if (!source) return;
    if (source->fd >= 0 && source->fd != STDIN_FILENO) close(source->fd);
    if (source->gzip_open) inflateEnd(&source->gzip);
    ZSTD_freeDCtx(source->zstd);
    free(source->buffer);
    free(source);
}

/* The sliding window. The text ahead is moved to the front of the buffer only when there is no room behind
 * it, and the buffer doubles only when one story fills it, so that both cost a constant per byte. */

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
