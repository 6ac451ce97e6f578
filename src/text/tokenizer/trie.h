/* A trie over bytes: longest-match search for word pieces and added tokens. */
#ifndef BL_TEXT_TRIE_H
#define BL_TEXT_TRIE_H
#include <bilens/base.h>

/* Edges lie in one open-addressed table, keyed by (node, byte). Node 0 is the root, which no edge leads to.
 * Zero-initialise. */
typedef struct bl_trie {
    uint64_t *edges; /* key << 32 | child; 0 = free */
    size_t mask;     /* table size - 1 */
    int32_t *values; /* [n_nodes] what the string that ends here stands for, or -1 */
    size_t n_nodes, capacity;
} bl_trie;

/* Enters a string (not an empty one) with its value >= 0; the last value given to a string stays. */
bool bl_trie_add(bl_trie *trie, const char *text, size_t n, int32_t value, bl_error *err);
void bl_trie_free(bl_trie *trie);

/* The node that `byte` leads to from `node`, or 0. */
static inline uint32_t bl_trie_step(const bl_trie *trie, uint32_t node, unsigned char byte) {
    uint32_t key = node << 8 | byte;
    for (size_t slot = (key * UINT32_C(0x9E3779B1)) >> 7 & trie->mask;; slot = (slot + 1) & trie->mask) {
        uint64_t edge = trie->edges[slot];
        if (edge == 0) return 0;
        if ((uint32_t)(edge >> 32) == key) return (uint32_t)edge;
    }
}

/* The node that text[0 … n) leads to, or 0 (also for n = 0, the root). */
uint32_t bl_trie_find(const bl_trie *trie, const char *text, size_t n);

/* The longest entry that begins at text[0], continuing from `node`: its value (-1: none) and its length. */
static inline int32_t bl_trie_longest(const bl_trie *trie, uint32_t node, const char *text, size_t n,
                                      size_t *length) {
    int32_t value = -1;
    for (size_t i = 0; i < n;) {
        node = bl_trie_step(trie, node, (unsigned char)text[i++]);
        if (node == 0) break;
        if (trie->values[node] < 0) continue;
        value = trie->values[node];
        *length = i;
    }
    return value;
}
#endif
