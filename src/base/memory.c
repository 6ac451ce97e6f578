#include "base/memory.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE ((size_t)4 << 20)

/* Large pages where the system has them on request: fewer faults while a block is filled, and fewer misses of
 * the table of pages while it is read. Where it has none, nothing happens. */
static void ask_for_large_pages(void *pointer, size_t bytes) {
#ifdef MADV_HUGEPAGE
    size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = (page - (size_t)pointer % page) % page;
    if (bytes > LARGE) (void)madvise((char *)pointer + skip, (bytes - skip) / page * page, MADV_HUGEPAGE);
#else
    (void)pointer, (void)bytes;
#endif
}

void bl_free(void *pointer) { free(pointer); }

static void *out_of_memory(bl_error *err, size_t n, size_t size) {
    return bl_fail_null(err, BL_ERR_MEMORY, "out of memory: %zu x %zu bytes could not be allocated", n, size);
}

void *bl_alloc(size_t n, size_t size, bl_error *err) {
    size_t bytes, padded;
    if (!bl_mul_size(n, size, &bytes) || !bl_add_size(bytes, 63, &padded)) return out_of_memory(err, n, size);
    padded = padded ? padded & ~(size_t)63 : 64;
    if (padded == 0) padded = 64;
    void *pointer = aligned_alloc(64, padded);
    if (!pointer) return out_of_memory(err, n, size);
    ask_for_large_pages(pointer, padded);
    return pointer;
}

void *bl_alloc_zero(size_t n, size_t size, bl_error *err) {
    void *pointer = calloc(n ? n : 1, size ? size : 1);
    return pointer ? pointer : out_of_memory(err, n, size);
}

bool bl_grow(void *array, size_t *capacity, size_t need, size_t size, bl_error *err) {
    if (need <= *capacity) return true;
    size_t wanted = *capacity < 16 ? 16 : *capacity, bytes;
    while (wanted < need)
        if (!bl_mul_size(wanted, 2, &wanted)) return out_of_memory(err, need, size) != NULL;
    if (!bl_mul_size(wanted, size, &bytes)) return out_of_memory(err, wanted, size) != NULL;
    void *old, *grown;
    memcpy(&old, array, sizeof old);
    grown = realloc(old, bytes);
    if (!grown) return out_of_memory(err, wanted, size) != NULL;
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

char *bl_strdup(const char *text, bl_error *err) { return bl_strndup(text, strlen(text), err); }

char *bl_strndup(const char *text, size_t length, bl_error *err) {
    char *copy = bl_alloc(length + 1, 1, err);
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}
