/* Byte-pair encoding of words: as in the Hugging Face library, but faster in two ways that give the same
 * result.
 *
 * Cut: the characters a and b next to each other stay in different tokens if no merge has a left part that
 * ends in a and a right part that begins with b. Merges on either side of such a place do not see each other,
 * so the word is cut there. That turns whole texts, which SentencePiece's kind of tokenizer takes as one
 * word, into words.
 *
 * Whole: a piece of text that is a token's string, and that the merges turn into that very token (found out
 * once, when loading), is that token. Nearly all words are.
 *
 * Merging: a short word is merged by looking through all its pairs for the lowest rank again and again: n^2,
 * but of a few steps each. A longer one keeps its pairs in a heap of (rank, position), so a word of n symbols
 * costs O(n log n). An entry of the heap whose pair is no longer there is recognised when it comes up: what
 * stands there now does not merge, or to another product. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer/ids.h"
#include "text/tokenizer/models.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIRECT = 0x800,    /* characters below have a table of ids, */
    LONGEST_WHOLE = 64 /* and tokens up to so many bytes are tried whole */
};

#define NO_RANK UINT32_MAX

typedef struct merge {
    uint32_t left, right, rank, product; /* rank NO_RANK: a free slot */
} merge;

/* Merges by their pair. */
typedef struct merge_table {
    merge *slots; /* open-addressed, at most half full */
    size_t mask;
    size_t n; /* merges given */
    /* Short words, too, go by the queue: with a prefix, two pairs may give the same product, which only the
     * queue sees. */
    bool queued;
} merge_table;

static inline size_t pair_slot(uint32_t left, uint32_t right, size_t mask) {
    uint64_t h = ((uint64_t)left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(h ^ h >> 32) & mask;
}

/* The slot of the pair: with rank NO_RANK if it does not merge. */
static inline merge *find_merge(const merge_table *merges, uint32_t left, uint32_t right) {
    size_t slot = pair_slot(left, right, merges->mask);
    merge *at = &merges->slots[slot];
    while (at->rank != NO_RANK && (at->left != left || at->right != right))
        at = &merges->slots[slot = (slot + 1) & merges->mask];
    return at;
}

/* ---- Merging the symbols of a word ---- */

enum { SHORT = 40 };

#define GONE (-1) /* a symbol that its left neighbour has taken in */

/* The merge of symbols i and i + 1. */
static const merge *merge_at(const merge_table *merges, const int32_t *symbols, size_t i) {
    return find_merge(merges, (uint32_t)symbols[i], (uint32_t)symbols[i + 1]);
}

static size_t merge_short(const merge_table *merges, int32_t *symbols, size_t n) {
    const merge *pairs[SHORT]; /* of the symbols i and i + 1 */
    for (size_t i = 0; i + 1 < n; i++) pairs[i] = merge_at(merges, symbols, i);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (pairs[i]->rank < pairs[best]->rank) best = i;
        if (pairs[best]->rank == NO_RANK) break;
        symbols[best] = (int32_t)pairs[best]->product;
        n--;
        memmove(symbols + best + 1, symbols + best + 2, (n - best - 1) * sizeof *symbols);
        if (best + 1 < n) memmove(pairs + best, pairs + best + 1, (n - best - 1) * sizeof *pairs);
        if (best > 0) pairs[best - 1] = merge_at(merges, symbols, best - 1);
        if (best + 1 < n) pairs[best] = merge_at(merges, symbols, best);
    }
    return n;
}

/* A merge that is due: the lowest rank first, then the leftmost. */
typedef struct due {
    uint64_t key; /* rank << 32 | position */
    uint32_t product;
} due;

/* A heap, the least first. */
typedef struct queue {
    due *heap;
    size_t n;
} queue;

static void sift_down(queue *q, size_t i) {
    due entry = q->heap[i];
    for (size_t child; (child = 2 * i + 1) < q->n; i = child) {
        if (child + 1 < q->n && q->heap[child + 1].key < q->heap[child].key) child++;
        if (q->heap[child].key >= entry.key) break;
        q->heap[i] = q->heap[child];
    }
    q->heap[i] = entry;
}

static due pop(queue *q) {
    due top = q->heap[0];
    q->heap[0] = q->heap[--q->n];
    if (q->n) sift_down(q, 0);
    return top;
}

static void push(queue *q, due entry) {
    size_t i = q->n++;
    for (; i > 0 && q->heap[(i - 1) / 2].key > entry.key; i = (i - 1) / 2) q->heap[i] = q->heap[(i - 1) / 2];
    q->heap[i] = entry;
}

/* The word as a list: symbols that are gone are left out of next and previous. */
typedef struct chain {
    const merge_table *merges;
    int32_t *symbols;
    uint32_t *next, *previous; /* [n]; n: none */
    uint32_t n;
    queue queue;
} chain;

static void push_pair(chain *c, uint32_t left, uint32_t right) {
    const merge *found = find_merge(c->merges, (uint32_t)c->symbols[left], (uint32_t)c->symbols[right]);
    if (found->rank != NO_RANK) push(&c->queue, (due){(uint64_t)found->rank << 32 | left, found->product});
}

/* One entry of the queue: the symbol at its position takes in the next one, if they still give the entry's
 * product. */
static void take(chain *c, due entry) {
    uint32_t at = (uint32_t)entry.key, n = c->n;
    if (c->symbols[at] == GONE || c->next[at] == n) return;
    uint32_t right = c->next[at];
    const merge *now = find_merge(c->merges, (uint32_t)c->symbols[at], (uint32_t)c->symbols[right]);
    if (now->rank == NO_RANK || now->product != entry.product) return;
    c->symbols[at] = (int32_t)entry.product;
    c->symbols[right] = GONE;
    c->next[at] = c->next[right];
    if (c->next[at] != n) c->previous[c->next[at]] = at;
    if (c->previous[at] != n) push_pair(c, c->previous[at], at);
    if (c->next[at] != n) push_pair(c, at, c->next[at]);
}

static size_t merge_long(const merge_table *merges, int32_t *symbols, size_t n, bl_error *err) {
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
        const merge *found = i + 1 < c.n ? merge_at(merges, symbols, i) : NULL;
        if (found && found->rank != NO_RANK)
            c.queue.heap[c.queue.n++] = (due){(uint64_t)found->rank << 32 | i, found->product};
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

/* Merges symbols[0 … n) in place; returns how many are left, 0 with the error set when memory is short. */
static size_t merge_all(const merge_table *merges, int32_t *symbols, size_t n, bl_error *err) {
    return n <= SHORT && !merges->queued ? merge_short(merges, symbols, n)
                                         : merge_long(merges, symbols, n, err);
}

/* ---- The model ---- */

struct bl_bpe {
    bl_bpe_options options; /* prefix and suffix are owned */
    const bl_vocabulary *vocabulary;
    merge_table merges;
    bool *whole; /* [vocabulary->size] */
    size_t longest_whole;
    int32_t direct[DIRECT]; /* the ids of single characters, or -1 */
    int32_t bytes[256];     /* the ids of <0xNN>, or -1 */
    bool affixes;           /* prefix or suffix is not empty */
    bool divides;           /* words may be cut where `joints` allows it */
    uint64_t *joints;       /* open-addressed table of (last character of left) << 32 | (first of right), all
                               merges; UINT64_MAX = free */
    size_t joints_mask;
    uint64_t holds[128][2]; /* bit b of [a]: no cut between the ASCII characters a and b */
};

static size_t table_size(size_t n) {
    size_t size = 16;
    while (size < 2 * n) size *= 2;
    return size;
}

static int32_t character_id(const bl_bpe *self, const char *text, size_t n) {
    size_t at = 0;
    uint32_t point = bl_utf8_next(text, &at);
    return point < DIRECT && at == n ? self->direct[point]
                                     : bl_vocabulary_model_id(self->vocabulary, text, n);
}

/* The ids of the bytes of a character, if all are there. */
static bool push_bytes(const bl_bpe *self, const char *text, size_t n, bl_ids *ids, bool *pushed,
                       bl_error *err) {
    *pushed = false;
    for (size_t i = 0; i < n; i++)
        if (self->bytes[(unsigned char)text[i]] < 0) return true;
    *pushed = true;
    for (size_t i = 0; i < n; i++)
        if (!bl_ids_push(ids, self->bytes[(unsigned char)text[i]], err)) return false;
    return true;
}

/* An unknown token that waits whether the next character is unknown, too. As in the library, bytes that come
 * meanwhile overtake it. */
static bool push_character(const bl_bpe *self, const char *text, size_t n, bool *unknown, bl_ids *ids,
                           bl_error *err) {
    int32_t id = character_id(self, text, n);
    if (id >= 0) {
        if (*unknown && !bl_ids_push(ids, self->options.unknown, err)) return false;
        *unknown = false;
        return bl_ids_push(ids, id, err);
    }
    if (self->options.byte_fallback) {
        bool pushed;
        if (!push_bytes(self, text, n, ids, &pushed, err)) return false;
        if (pushed) return true;
    }
    if (self->options.unknown < 0) return true;
    if (*unknown && !self->options.fuse_unknown && !bl_ids_push(ids, self->options.unknown, err))
        return false;
    *unknown = true;
    return true;
}

/* The ids of a text's characters, with prefix and suffix where there are any. */
static bool push_characters(const bl_bpe *self, const char *text, size_t n, bl_ids *ids, bl_error *err) {
    bool unknown = false, ok = true;
    bl_buffer affixed = {0};
    for (size_t i = 0; ok && i < n;) {
        size_t begin = i;
        bl_utf8_next(text, &i);
        if (!self->affixes) {
            ok = push_character(self, text + begin, i - begin, &unknown, ids, err);
            continue;
        }
        affixed.n = 0;
        if (begin > 0) bl_buffer_text(&affixed, self->options.prefix);
        bl_buffer_add(&affixed, text + begin, i - begin);
        if (i == n) bl_buffer_text(&affixed, self->options.suffix);
        ok = !affixed.failed ||
             bl_fail(err, BL_ERR_MEMORY, "out of memory while a word of %zu bytes was encoded", n);
        ok = ok && push_character(self, affixed.data, affixed.n, &unknown, ids, err);
    }
    bl_buffer_free(&affixed);
    return ok && (!unknown || bl_ids_push(ids, self->options.unknown, err));
}

static bool push_merged(const bl_bpe *self, const char *text, size_t n, bl_ids *ids, bl_error *err) {
    size_t before = ids->n;
    if (!push_characters(self, text, n, ids, err)) return false;
    if (ids->n - before < 2) return true;
    size_t left = merge_all(&self->merges, ids->data + before, ids->n - before, err);
    ids->n = before + left;
    return left > 0;
}

/* A text between two cuts. */
static bool push_part(const bl_bpe *self, const char *text, size_t n, bl_ids *ids, bl_error *err) {
    if (n <= self->longest_whole) {
        int32_t id = bl_vocabulary_model_id(self->vocabulary, text, n);
        if (id >= 0 && self->whole[id]) return bl_ids_push(ids, id, err);
    }
    return push_merged(self, text, n, ids, err);
}

static bool has_joint(const bl_bpe *self, uint32_t left, uint32_t right) {
    size_t slot = pair_slot(left, right, self->joints_mask);
    for (uint64_t joint; (joint = self->joints[slot]) != UINT64_MAX; slot = (slot + 1) & self->joints_mask)
        if (joint == ((uint64_t)left << 32 | right)) return true;
    return false;
}

/* Whether the text may be cut between the character `left`, at text[before … at), and `right`, at text[at
 * … end). Next to an unknown character it is not: that may be fused with another one, or leave no trace, so
 * that those around it meet. */
static inline bool may_cut(const bl_bpe *self, uint32_t left, uint32_t right, const char *text, size_t before,
                           size_t at, size_t end) {
    if ((left | right) < 128) return !(self->holds[left][right / 64] >> right % 64 & 1);
    return !has_joint(self, left, right) && character_id(self, text + at, end - at) >= 0 &&
           character_id(self, text + before, at - before) >= 0;
}

static bool encode(const void *data, const char *word, size_t length, bl_ids *ids, bl_error *err) {
    const bl_bpe *self = data;
    if (self->options.ignore_merges) {
        int32_t id = bl_vocabulary_model_id(self->vocabulary, word, length);
        if (id >= 0) return bl_ids_push(ids, id, err);
    }
    if (!self->divides) return push_merged(self, word, length, ids, err);
    size_t begin = 0, before = 0, at = 0;
    uint32_t left = bl_utf8_next(word, &at);
    while (at < length) {
        size_t end = at;
        uint32_t right = bl_utf8_next(word, &end);
        if (may_cut(self, left, right, word, before, at, end)) {
            if (!push_part(self, word + begin, at - begin, ids, err)) return false;
            begin = at;
        }
        left = right, before = at, at = end;
    }
    return push_part(self, word + begin, length - begin, ids, err);
}

void bl_bpe_free(bl_bpe *bpe) {
    if (!bpe) return;
    free(bpe->merges.slots);
    free(bpe->whole);
    free(bpe->joints);
    free((char *)(uintptr_t)bpe->options.prefix);
    free((char *)(uintptr_t)bpe->options.suffix);
    free(bpe);
}

bl_bpe *bl_bpe_new(const bl_bpe_options *options, const bl_vocabulary *vocabulary, size_t merges,
                   bl_error *err) {
    bl_bpe *bpe = bl_alloc_zero(1, sizeof *bpe, err);
    if (!bpe) return NULL;
    bpe->vocabulary = vocabulary;
    bpe->options = *options;
    bpe->options.suffix = NULL;
    bpe->options.prefix = bl_strdup(options->prefix, err);
    bpe->options.suffix = bpe->options.prefix ? bl_strdup(options->suffix, err) : NULL;
    bpe->merges.mask = table_size(merges) - 1;
    bpe->merges.slots =
        bpe->options.suffix ? bl_alloc(bpe->merges.mask + 1, sizeof *bpe->merges.slots, err) : NULL;
    bpe->whole = bpe->merges.slots ? bl_alloc_zero(vocabulary->size, sizeof *bpe->whole, err) : NULL;
    if (!bpe->whole) {
        bl_bpe_free(bpe);
        return NULL;
    }
    for (size_t i = 0; i <= bpe->merges.mask; i++) bpe->merges.slots[i].rank = NO_RANK;
    bpe->affixes = bpe->merges.queued = *options->prefix || *options->suffix;
    return bpe;
}

void bl_bpe_merge(bl_bpe *bpe, int32_t left, int32_t right, int32_t product, uint32_t rank) {
    *find_merge(&bpe->merges, (uint32_t)left, (uint32_t)right) =
        (merge){(uint32_t)left, (uint32_t)right, rank, (uint32_t)product};
    bpe->merges.n++;
}

static void fill_tables(bl_bpe *self) {
    char text[8];
    for (uint32_t point = 0; point < DIRECT; point++)
        self->direct[point] = bl_vocabulary_model_id(self->vocabulary, text, bl_utf8_put(point, text));
    for (unsigned byte = 0; byte < 256; byte++) {
        int n = snprintf(text, sizeof text, "<0x%02X>", byte);
        self->bytes[byte] = bl_vocabulary_model_id(self->vocabulary, text, (size_t)n);
    }
}

/* Whether a merge takes a symbol that stands for characters which its string does not show. */
static bool hides_characters(const bl_bpe *self, uint32_t id) {
    size_t n;
    if (self->options.unknown >= 0 && id == (uint32_t)self->options.unknown) return true;
    if (!self->options.byte_fallback || *bl_vocabulary_token(self->vocabulary, (int32_t)id, &n) != '<')
        return false;
    for (size_t byte = 0; byte < 256; byte++)
        if (self->bytes[byte] >= 0 && id == (uint32_t)self->bytes[byte]) return true;
    return false;
}

static void add_joint(bl_bpe *self, const merge *pair) {
    size_t end, right_n, begin = 0;
    const char *left = bl_vocabulary_token(self->vocabulary, (int32_t)pair->left, &end),
               *right = bl_vocabulary_token(self->vocabulary, (int32_t)pair->right, &right_n);
    if (!end || !right_n) return;
    uint32_t a = bl_utf8_previous(left, &end), b = bl_utf8_next(right, &begin);
    size_t slot = pair_slot(a, b, self->joints_mask);
    uint64_t joint = (uint64_t)a << 32 | b;
    while (self->joints[slot] != UINT64_MAX && self->joints[slot] != joint)
        slot = (slot + 1) & self->joints_mask;
    self->joints[slot] = joint;
}

static bool find_joints(bl_bpe *self, bl_error *err) {
    self->divides = !self->affixes;
    self->joints_mask = table_size(self->merges.n) - 1;
    self->joints = bl_alloc(self->joints_mask + 1, sizeof *self->joints, err);
    if (!self->joints) return false;
    memset(self->joints, 0xFF, (self->joints_mask + 1) * sizeof *self->joints);
    for (size_t i = 0; i <= self->merges.mask; i++) {
        const merge *pair = &self->merges.slots[i];
        if (pair->rank == NO_RANK) continue;
        if (hides_characters(self, pair->left) || hides_characters(self, pair->right)) self->divides = false;
        add_joint(self, pair);
    }
    for (uint32_t a = 0; a < 128; a++)
        for (uint32_t b = 0; b < 128; b++)
            if (self->direct[a] < 0 || self->direct[b] < 0 || has_joint(self, a, b))
                self->holds[a][b / 64] |= UINT64_C(1) << b % 64;
    return true;
}

static bool find_whole(bl_bpe *self, bl_error *err) {
    bl_ids ids = {0};
    bool ok = true;
    for (size_t id = 0; ok && self->divides && id < self->vocabulary->size; id++) {
        size_t n;
        const char *token = bl_vocabulary_token(self->vocabulary, (int32_t)id, &n);
        if (!token || n == 0 || n > LONGEST_WHOLE) continue;
        ids.n = 0;
        ok = push_merged(self, token, n, &ids, err);
        self->whole[id] = ok && ids.n == 1 && ids.data[0] == (int32_t)id;
        if (self->whole[id] && n > self->longest_whole) self->longest_whole = n;
    }
    bl_ids_free(&ids);
    return ok;
}

static void free_data(void *data) { bl_bpe_free(data); }

bl_word_model bl_bpe_finish(bl_bpe *bpe, bl_error *err) {
    fill_tables(bpe);
    if (find_joints(bpe, err) && find_whole(bpe, err))
        return (bl_word_model){.encode = encode, .free = free_data, .data = bpe, .keeps_blanks = true};
    bl_bpe_free(bpe);
    return (bl_word_model){0};
}
