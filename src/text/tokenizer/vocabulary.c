/* The vocabulary's table: FNV-1a, linear probing, at most half full. */
#include "text/tokenizer/vocabulary.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

static size_t hash(const char *text, size_t n) {
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001B3);
    return (size_t)(h ^ h >> 29);
}

bool bl_vocabulary_init(bl_vocabulary *vocabulary, size_t size, size_t n, size_t bytes, bl_error *err) {
    size_t slots = 16;
    while (slots < 2 * n) slots *= 2;
    vocabulary->size = size;
    vocabulary->mask = slots - 1;
    vocabulary->capacity_bytes = bytes;
    vocabulary->tokens = bl_alloc_zero(size, sizeof *vocabulary->tokens, err);
    vocabulary->slots = bl_alloc_zero(slots, sizeof *vocabulary->slots, err);
    vocabulary->strings = bl_alloc(bytes, 1, err);
    return vocabulary->tokens && vocabulary->slots && vocabulary->strings;
}

void bl_vocabulary_free(bl_vocabulary *vocabulary) {
    free(vocabulary->tokens);
    free(vocabulary->slots);
    free(vocabulary->strings);
    *vocabulary = (bl_vocabulary){0};
}

/* The slot that holds the string, or the free one where it belongs. */
static size_t find(const bl_vocabulary *vocabulary, const char *token, size_t length) {
    size_t slot = hash(token, length) & vocabulary->mask;
    for (; vocabulary->slots[slot]; slot = (slot + 1) & vocabulary->mask) {
        const char *there = vocabulary->tokens[vocabulary->slots[slot] - 1];
        if (strlen(there) == length && memcmp(there, token, length) == 0) break;
    }
    return slot;
}

void bl_vocabulary_add(bl_vocabulary *vocabulary, const char *token, size_t length, int32_t id) {
    char *copy = vocabulary->strings + vocabulary->n_bytes;
    memcpy(copy, token, length);
    copy[length] = '\0';
    vocabulary->n_bytes += length + 1;
    vocabulary->slots[find(vocabulary, token, length)] = (uint32_t)id + 1;
    vocabulary->tokens[id] = copy;
}

int32_t bl_vocabulary_id(const bl_vocabulary *vocabulary, const char *token, size_t length) {
    return (int32_t)vocabulary->slots[find(vocabulary, token, length)] - 1;
}
