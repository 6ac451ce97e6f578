/* The magic number is 00 00 TYPE RANK; only type 08, unsigned bytes, is read. A gzip file is inflated into
 * memory that grows with what really comes out of it, so that a small hostile file cannot ask for much; the
 * sizes of its header must agree with that length to the byte. */
#include "format/idx.h"
#include "format/kind.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LARGEST ((size_t)4 << 30) /* bytes of an inflated file */

/* n_dims, shape and count, and how long the header is. */
static bool parse_header(const unsigned char *file, size_t size, const char *path, bl_idx *idx,
                         size_t *length, bl_error *err) {
    *idx = (bl_idx){0};
    if (!bl_kind_unknown(file, size, path, "an IDX file", err)) return false;
    if (size < 4 || file[0] != 0 || file[1] != 0)
        return bl_fail(err, BL_ERR_INPUT, "%s: not an IDX file (its first two bytes are not 0)", path);
    if (file[2] != 8)
        return bl_fail(err, BL_ERR_INPUT, "%s: IDX type 0x%02x; only 0x08, unsigned bytes, is read", path,
                       file[2]);
    size_t rank = file[3], header = 4 + 4 * rank;
    if (rank == 0 || rank > BL_MAX_DIMS)
        return bl_fail(err, BL_ERR_INPUT, "%s: IDX rank %zu; 1 to %d are read", path, rank, BL_MAX_DIMS);
    if (size < header)
        return bl_fail(err, BL_ERR_INPUT, "%s: the header needs %zu bytes, the file has %zu", path, header,
                       size);
    idx->count = 1;
    for (size_t i = 0; i < rank; i++) {
        const unsigned char *s = file + 4 + 4 * i;
        idx->shape[i] = (size_t)s[0] << 24 | (size_t)s[1] << 16 | (size_t)s[2] << 8 | s[3];
        if (!bl_mul_size(idx->count, idx->shape[i], &idx->count))
            return bl_fail(err, BL_ERR_INPUT, "%s: its sizes are too large", path);
    }
    idx->n_dims = rank;
    *length = header;
    return true;
}

bool bl_idx_parse(const unsigned char *file, size_t size, const char *path, bl_idx *idx, bl_error *err) {
    size_t header = 0;
    if (!parse_header(file, size, path, idx, &header, err)) return false;
    if (idx->count != size - header)
        return bl_fail(err, BL_ERR_INPUT, "%s: its sizes need %zu bytes of data, the file has %zu", path,
                       idx->count, size - header);
    idx->data = bl_alloc(idx->count, 1, err);
    if (!idx->data) return false;
    memcpy(idx->data, file + header, idx->count);
    return true;
}

/* The whole inflated content of one gzip file (of any number of members), NULL on failure. Free it. */
static unsigned char *inflate_all(const bl_content *map, const char *path, size_t *size, bl_error *err) {
    z_stream stream = {0};
    unsigned char *out = NULL;
    size_t capacity = 0, n = 0, at = 0;
    *size = 0;
    int status = Z_OK;
    if (inflateInit2(&stream, 15 + 16) != Z_OK)
        return bl_fail_null(err, BL_ERR_MEMORY, "%s: out of memory while decompressing", path);
    while (at < map->size || status != Z_STREAM_END) {
        size_t left = map->size - at, given = left < UINT_MAX ? left : UINT_MAX;
        if (status == Z_STREAM_END) inflateReset(&stream);
        if (n > LARGEST) {
            bl_fail(err, BL_ERR_INPUT, "%s: more than %zu bytes when decompressed", path, LARGEST);
            goto fail;
        }
        if (!bl_grow(&out, &capacity, n + 65536, 1, err)) goto fail;
        stream.next_in = (unsigned char *)(uintptr_t)(map->data + at); /* zlib only reads it */
        stream.avail_in = (unsigned)given;
        size_t room = capacity - n < UINT_MAX ? capacity - n : UINT_MAX;
        stream.next_out = out + n;
        stream.avail_out = (unsigned)room;
        status = inflate(&stream, Z_NO_FLUSH);
        n += room - stream.avail_out;
        at += given - stream.avail_in;
        if (status == Z_OK || status == Z_STREAM_END) continue;
        const char *why = stream.msg ? stream.msg : "the file is cut short";
        if (status == Z_MEM_ERROR) bl_fail(err, BL_ERR_MEMORY, "%s: out of memory while decompressing", path);
        else bl_fail(err, BL_ERR_INPUT, "%s: damaged gzip data at byte %zu: %s", path, at, why);
        goto fail;
    }
    inflateEnd(&stream);
    *size = n;
    return out;
fail:
    inflateEnd(&stream);
    free(out);
    return NULL;
}

bool bl_idx_read(const char *path, bl_idx *idx, bl_error *err) {
    bl_content map;
    *idx = (bl_idx){0};
    if (!bl_content_read(path, &map, err)) return false;
    bool ok, zipped = map.size >= 2 && map.data[0] == 0x1F && map.data[1] == 0x8B;
    if (zipped) {
        size_t size;
        unsigned char *data = inflate_all(&map, path, &size, err);
        ok = data && bl_idx_parse(data, size, path, idx, err);
        free(data);
    } else {
        ok = bl_idx_parse(map.data, map.size, path, idx, err);
    }
    bl_content_free(&map);
    return ok;
}

bool bl_idx_read_shape(const char *path, bl_idx *idx, bl_error *err) {
    unsigned char begin[4 + 4 * BL_MAX_DIMS];
    size_t header = 0;
    gzFile file = gzopen(path, "rbe"); /* reads what is not gzip as it is */
    int n = file ? gzread(file, begin, sizeof begin) : 0;
    if (file) gzclose(file);
    if (n > 0 && !parse_header(begin, (size_t)n, path, idx, &header, err)) return false;
    if (n > 0 && idx->count > LARGEST)
        return bl_fail(err, BL_ERR_INPUT, "%s: its sizes need %zu bytes of data, at most %zu are read", path,
                       idx->count, LARGEST);
    if (n > 0) return true;
    bool ok = bl_idx_read(path, idx, err); /* which says why it cannot be read */
    bl_idx_free(idx);
    return ok && bl_fail(err, BL_ERR_INPUT, "%s: cannot be read", path);
}

void bl_idx_free(bl_idx *idx) {
    free(idx->data);
    *idx = (bl_idx){0};
}
