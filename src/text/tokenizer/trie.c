/* Building the trie. The table is kept at most half full, so that a search ends soon even when it fails. */
#include "text/tokenizer/trie.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>

/* Keys are node << 8 | byte in 32 bits. */
#define MAX_NODES ((size_t)1 << 24)

static void place(uint64_t *edges, size_t mask, uint64_t edge) {
    size_t slot = ((uint32_t)(edge >> 32) * UINT32_C(0x9E3779B1)) >> 7 & mask;
    while (edges[slot]) slot = (slot + 1) & mask;
    edges[slot] = edge;
}

static bool grow_edges(bl_trie *trie, bl_error *err) {
    size_t size = trie->edges ? trie->mask + 1 : 0;
    if (trie->n_nodes * 2 < size) return true;
    size_t grown = size ? size * 2 : 256;
    uint64_t *edges = bl_alloc_zero(grown, sizeof *edges, err);
    if (!edges) return false;
    for (size_t i = 0; i < size; i++)
        if (trie->edges[i]) place(edges, grown - 1, trie->edges[i]);
    free(trie->edges);
    trie->edges = edges;
    trie->mask = grown - 1;
    return true;
}

static bool new_node(bl_trie *trie, bl_error *err) {
    if (trie->n_nodes >= MAX_NODES)
        return bl_fail(err, BL_ERR_UNSUPPORTED, "the vocabulary's strings need more than %zu trie nodes",
                       MAX_NODES);
    if (!bl_grow(&trie->values, &trie->capacity, trie->n_nodes + 1, sizeof *trie->values, err) ||
        !grow_edges(trie, err))
        return false;
    trie->values[trie->n_nodes++] = -1;
    return true;
}

bool bl_trie_add(bl_trie *trie, const char *text, size_t n, int32_t value, bl_error *err) {
    if (trie->n_nodes == 0 && !new_node(trie, err)) return false;
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)text[i];
        uint32_t child = bl_trie_step(trie, node, byte);
        if (child == 0) {
            if (!new_node(trie, err)) return false;
            child = (uint32_t)(trie->n_nodes - 1);
            place(trie->edges, trie->mask, (uint64_t)(node << 8 | byte) << 32 | child);
        }
        node = child;
    }
    if (node != 0) trie->values[node] = value;
    return true;
}

uint32_t bl_trie_find(const bl_trie *trie, const char *text, size_t n) {
    uint32_t node = 0;
    for (size_t i = 0; i < n && (i == 0 || node != 0); i++)
        node = trie->n_nodes ? bl_trie_step(trie, node, (unsigned char)text[i]) : 0;
    return node;
}

void bl_trie_free(bl_trie *trie) {
    free(trie->edges);
    free(trie->values);
    *trie = (bl_trie){0};
}
