/* A 64-bit hash that tells whether two contents are the same. Not against malice. */
#ifndef BL_BASE_HASH_H
#define BL_BASE_HASH_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Begin with 0; feeding a content in other pieces gives another hash. */
static inline uint64_t bl_hash(uint64_t hash, const void *data, size_t size) {
    const unsigned char *bytes = (const unsigned char *)data;
    hash ^= (uint64_t)size;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, size - i < 8 ? size - i : 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash * UINT64_C(0xbf58476d1ce4e5b9) ^ hash >> 32;
}
#endif
