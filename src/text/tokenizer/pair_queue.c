/* A binary heap that is never searched: a count that fell is noticed when its entry comes to the top and is
 * sent back with the new count; one that grew is entered again, and the entry that was there finds no words
 * left to do. */
#include "text/tokenizer/pair_queue.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>

static size_t hash(uint32_t left, uint32_t right) {
    uint64_t h = ((uint64_t)left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(h ^ h >> 32);
}

/* The slot of the pair, or the free one where it belongs. */
static size_t find_slot(const bl_pairs *pairs, uint32_t left, uint32_t right) {
    size_t mask = pairs->n_slots - 1, slot = hash(left, right) & mask;
    for (; pairs->slots[slot]; slot = (slot + 1) & mask) {
        const bl_pair *there = &pairs->pair[pairs->slots[slot] - 1];
        if (there->left == left && there->right == right) break;
    }
    return slot;
}

static bool rehash(bl_pairs *pairs, bl_error *err) {
    size_t n_slots = pairs->n_slots ? 2 * pairs->n_slots : 4096;
    uint32_t *slots = bl_alloc_zero(n_slots, sizeof *slots, err);
    if (!slots) return false;
    free(pairs->slots);
    pairs->slots = slots;
    pairs->n_slots = n_slots;
    for (size_t i = 0; i < pairs->n; i++)
        slots[find_slot(pairs, pairs->pair[i].left, pairs->pair[i].right)] = (uint32_t)i + 1;
    return true;
}

static bool find_or_add(bl_pairs *pairs, uint32_t left, uint32_t right, uint32_t *index, bl_error *err) {
    if (2 * (pairs->n + 1) > pairs->n_slots && !rehash(pairs, err)) return false;
    size_t slot = find_slot(pairs, left, right);
    if (!pairs->slots[slot]) {
        if (pairs->n >= UINT32_MAX - 1)
            return bl_fail(err, BL_ERR_INPUT, "more than %u different pairs of pieces", UINT32_MAX - 1);
        if (!bl_grow(&pairs->pair, &pairs->capacity, pairs->n + 1, sizeof *pairs->pair, err)) return false;
        pairs->pair[pairs->n++] = (bl_pair){.left = left, .right = right};
        pairs->slots[slot] = (uint32_t)pairs->n;
    }
    *index = pairs->slots[slot] - 1;
    return true;
}

bool bl_pairs_change(bl_pairs *pairs, uint32_t left, uint32_t right, uint32_t word, int64_t change,
                     bl_error *err) {
    uint32_t index = 0;
    if (!find_or_add(pairs, left, right, &index, err)) return false;
    bl_pair *pair = &pairs->pair[index];
    pair->count += change;
    if (change < 0) return true;
    if (!pair->n_words || pair->words[pair->n_words - 1] != word) {
        if (!bl_grow(&pair->words, &pair->capacity, pair->n_words + 1, sizeof *pair->words, err))
            return false;
        pair->words[pair->n_words++] = word;
    }
    if (pair->touched) return true;
    if (!bl_grow(&pairs->touched, &pairs->touched_capacity, pairs->n_touched + 1, sizeof *pairs->touched,
                 err))
        return false;
    pairs->touched[pairs->n_touched++] = index;
    pair->touched = true;
    return true;
}

/* a before b */
static bool before(const bl_queued *a, const bl_queued *b) {
    if (a->count != b->count) return a->count > b->count;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static void sink(bl_pairs *pairs, size_t at, bl_queued entry) {
    for (size_t child; (child = 2 * at + 1) < pairs->n_heap; at = child) {
        if (child + 1 < pairs->n_heap && before(&pairs->heap[child + 1], &pairs->heap[child])) child++;
        if (!before(&pairs->heap[child], &entry)) break;
        pairs->heap[at] = pairs->heap[child];
    }
    pairs->heap[at] = entry;
}

static bool push(bl_pairs *pairs, uint32_t index, bl_error *err) {
    const bl_pair *pair = &pairs->pair[index];
    bl_queued entry = {pair->count, pair->left, pair->right, index};
    if (!bl_grow(&pairs->heap, &pairs->heap_capacity, pairs->n_heap + 1, sizeof *pairs->heap, err))
        return false;
    size_t at = pairs->n_heap++;
    for (size_t parent; at > 0 && before(&entry, &pairs->heap[parent = (at - 1) / 2]); at = parent)
        pairs->heap[at] = pairs->heap[parent];
    pairs->heap[at] = entry;
    return true;
}

bool bl_pairs_queue(bl_pairs *pairs, bl_error *err) {
    for (size_t i = 0; i < pairs->n_touched; i++) {
        bl_pair *pair = &pairs->pair[pairs->touched[i]];
        pair->touched = false;
        if (pair->count > 0 && !push(pairs, pairs->touched[i], err)) return false;
    }
    pairs->n_touched = 0;
    return true;
}

bl_pair *bl_pairs_pop(bl_pairs *pairs) {
    while (pairs->n_heap) {
        bl_queued top = pairs->heap[0];
        bl_pair *pair = &pairs->pair[top.pair];
        bool done = pair->n_words == 0 || pair->count < 1;
        if (done || top.count == pair->count) {
            bl_queued last = pairs->heap[--pairs->n_heap];
            if (pairs->n_heap) sink(pairs, 0, last);
            if (!done) return pair;
        } else {
            top.count = pair->count;
            sink(pairs, 0, top);
        }
    }
    return NULL;
}

void bl_pairs_free(bl_pairs *pairs) {
    for (size_t i = 0; i < pairs->n; i++) free(pairs->pair[i].words);
    free(pairs->pair);
    free(pairs->slots);
    free(pairs->heap);
    free(pairs->touched);
    *pairs = (bl_pairs){0};
}
