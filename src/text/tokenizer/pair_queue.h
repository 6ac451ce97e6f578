/* Pairs of neighbouring pieces: how often each stands in the corpus, in which words, and which is the most
 * frequent. */
#ifndef BL_TEXT_PAIR_QUEUE_H
#define BL_TEXT_PAIR_QUEUE_H
#include <bilens/base.h>

typedef struct bl_pair {
    uint32_t left, right;
    int64_t count;
    uint32_t *words; /* where it stands, or stood: looked at again when it is joined */
    size_t n_words, capacity;
    bool touched; /* in the list of pairs to queue again */
} bl_pair;

typedef struct bl_queued {
    int64_t count; /* when it was queued */
    uint32_t left, right, pair;
} bl_queued;

/* Zero-initialise; free with bl_pairs_free. */
typedef struct bl_pairs {
    bl_pair *pair;
    size_t n, capacity;
    uint32_t *slots; /* open-addressed table of index + 1 by (left, right) */
    size_t n_slots;
    bl_queued *heap;
    size_t n_heap, heap_capacity;
    uint32_t *touched;
    size_t n_touched, touched_capacity;
} bl_pairs;

/* Changes the count of (left, right), which stands in `word`, by `change`. */
bool bl_pairs_change(bl_pairs *pairs, uint32_t left, uint32_t right, uint32_t word, int64_t change,
                     bl_error *err);
/* Queues the pairs whose count has grown since the last call. */
bool bl_pairs_queue(bl_pairs *pairs, bl_error *err);
/* Takes the most frequent pair out of the queue (equally frequent ones: the smaller left, then the smaller
 * right); NULL when none is left with words in which to join it. Valid until the next bl_pairs_change. */
bl_pair *bl_pairs_pop(bl_pairs *pairs);
void bl_pairs_free(bl_pairs *pairs);
#endif
