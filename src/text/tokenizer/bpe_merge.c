/* Merging the symbols of a word.
 *
 * A short word is merged by looking through all its pairs for the lowest rank again and again: n^2, but of a
 * few steps each. A longer one keeps its pairs in a heap of (rank, position), so a word of n symbols costs
 * O(n log n) whatever it is. An entry of the heap whose pair is no longer there is recognised when it comes
 * up: what stands there now does not merge, or to another product. */
#include "base/error.h"
#include "base/memory.h"
#include "text/tokenizer/bpe_private.h"
#include <stdlib.h>
#include <string.h>

enum { SHORT = 40 };

#define GONE (-1) /* a symbol that its left neighbour has taken in */

static uint32_t rank_at(const bl_merges *merges, const int32_t *symbols, size_t i) {
    return bl_merges_find(merges, (uint32_t)symbols[i], (uint32_t)symbols[i + 1])->rank;
}

static size_t merge_short(const bl_merges *merges, int32_t *symbols, size_t n) {
    uint32_t ranks[SHORT]; /* of the pairs (i, i + 1) */
    for (size_t i = 0; i + 1 < n; i++) ranks[i] = rank_at(merges, symbols, i);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best]) best = i;
        if (ranks[best] == BL_NO_RANK) break;
        symbols[best] = (int32_t)merges->products[ranks[best]];
        n--;
        memmove(symbols + best + 1, symbols + best + 2, (n - best - 1) * sizeof *symbols);
        if (best + 1 < n) memmove(ranks + best, ranks + best + 1, (n - best - 1) * sizeof *ranks);
        if (best > 0) ranks[best - 1] = rank_at(merges, symbols, best - 1);
        if (best + 1 < n) ranks[best] = rank_at(merges, symbols, best);
    }
    return n;
}

/* A heap of rank << 32 | position, the least first. */
typedef struct queue {
    uint64_t *heap;
    size_t n;
} queue;

static void sift_down(queue *q, size_t i) {
    uint64_t entry = q->heap[i];
    for (size_t child; (child = 2 * i + 1) < q->n; i = child) {
        if (child + 1 < q->n && q->heap[child + 1] < q->heap[child]) child++;
        if (q->heap[child] >= entry) break;
        q->heap[i] = q->heap[child];
    }
    q->heap[i] = entry;
}

static uint64_t pop(queue *q) {
    uint64_t top = q->heap[0];
    q->heap[0] = q->heap[--q->n];
    if (q->n) sift_down(q, 0);
    return top;
}

static void push(queue *q, uint64_t entry) {
    size_t i = q->n++;
    for (; i > 0 && q->heap[(i - 1) / 2] > entry; i = (i - 1) / 2) q->heap[i] = q->heap[(i - 1) / 2];
    q->heap[i] = entry;
}

/* The word as a list: symbols that are gone are left out of next and previous. */
typedef struct chain {
    const bl_merges *merges;
    int32_t *symbols;
    uint32_t *next, *previous; /* [n]; n: none */
    uint32_t n;
    queue queue;
} chain;

static void push_pair(chain *c, uint32_t left, uint32_t right) {
    uint32_t rank = bl_merges_find(c->merges, (uint32_t)c->symbols[left], (uint32_t)c->symbols[right])->rank;
    if (rank != BL_NO_RANK) push(&c->queue, (uint64_t)rank << 32 | left);
}

/* One entry of the queue: the symbol at its position takes in the next one, if they still give the entry's
 * product. */
static void take(chain *c, uint64_t entry) {
    uint32_t at = (uint32_t)entry, rank = (uint32_t)(entry >> 32), n = c->n;
    if (c->symbols[at] == GONE || c->next[at] == n) return;
    uint32_t right = c->next[at], product = c->merges->products[rank];
    const bl_merge *now = bl_merges_find(c->merges, (uint32_t)c->symbols[at], (uint32_t)c->symbols[right]);
    if (now->rank == BL_NO_RANK || now->product != product) return;
    c->symbols[at] = (int32_t)product;
    c->symbols[right] = GONE;
    c->next[at] = c->next[right];
    if (c->next[at] != n) c->previous[c->next[at]] = at;
    if (c->previous[at] != n) push_pair(c, c->previous[at], at);
    if (c->next[at] != n) push_pair(c, at, c->next[at]);
}

static size_t merge_long(const bl_merges *merges, int32_t *symbols, size_t n, bl_error *err) {
    if (n >= UINT32_MAX) return bl_fail(err, BL_ERR_UNSUPPORTED, "a word of %zu characters is too long", n);
    chain c = {.merges = merges, .symbols = symbols, .n = (uint32_t)n};
    size_t left = 0;
    c.next = bl_alloc(n, sizeof *c.next, err);
    c.previous = c.next ? bl_alloc(n, sizeof *c.previous, err) : NULL;
    /* A pair each at first; then each merge, of which there are fewer than n, takes one out and puts at most
     * two in. */
    c.queue.heap = c.previous ? bl_alloc(n, 2 * sizeof *c.queue.heap, err) : NULL;
    if (!c.queue.heap) goto done;
    for (uint32_t i = 0; i < c.n; i++) {
        c.next[i] = i + 1;
        c.previous[i] = i ? i - 1 : c.n;
        uint32_t rank = i + 1 < c.n ? rank_at(merges, symbols, i) : BL_NO_RANK;
        if (rank != BL_NO_RANK) c.queue.heap[c.queue.n++] = (uint64_t)rank << 32 | i;
    }
    for (size_t i = c.queue.n / 2; i-- > 0;) sift_down(&c.queue, i);
    while (c.queue.n) take(&c, pop(&c.queue));
    for (size_t i = 0; i < n; i++)
        if (symbols[i] != GONE) symbols[left++] = symbols[i];
done:
    free(c.next);
    free(c.previous);
    free(c.queue.heap);
    return left;
}

size_t bl_merge_all(const bl_merges *merges, int32_t *symbols, size_t n, bl_error *err) {
    return n <= SHORT && !merges->queued ? merge_short(merges, symbols, n)
                                         : merge_long(merges, symbols, n, err);
}
