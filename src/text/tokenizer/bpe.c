/* Byte-pair encoding of words: as in the Hugging Face library, but faster in two ways that cannot be told
 * from the result.
 *
 * Cut: the characters a and b next to each other stay in different tokens if no merge has a left part that
 * ends in a and a right part that begins with b. Merges on either side of such a place do not see each other,
 * so the word is cut there. That turns whole texts, which SentencePiece's kind of tokenizer takes as one
 * word, into words.
 *
 * Whole: a piece of text that is a token's string, and that the merges turn into that very token (found out
 * once, when loading), is that token. Nearly all words are. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "text/tokenizer/bpe_private.h"
#include "text/tokenizer/ids.h"
#include "base/utf8.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    DIRECT = 0x800,    /* characters below have a table of ids, */
    LONGEST_WHOLE = 64 /* and tokens up to so many bytes are tried whole */
};

struct bl_bpe {
    bl_bpe_options options; /* prefix and suffix are owned */
    bl_vocabulary pieces;   /* the model's strings, without added tokens */
    bl_merges merges;
    bool *whole; /* [pieces.size] */
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
    return point < DIRECT && at == n ? self->direct[point] : bl_vocabulary_id(&self->pieces, text, n);
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
    size_t left = bl_merge_all(&self->merges, ids->data + before, ids->n - before, err);
    ids->n = before + left;
    return left > 0;
}

/* A text between two cuts. */
static bool push_part(const bl_bpe *self, const char *text, size_t n, bl_ids *ids, bl_error *err) {
    if (n <= self->longest_whole) {
        int32_t id = bl_vocabulary_id(&self->pieces, text, n);
        if (id >= 0 && self->whole[id]) return bl_ids_push(ids, id, err);
    }
    return push_merged(self, text, n, ids, err);
}

static bool has_joint(const bl_bpe *self, uint32_t left, uint32_t right) {
    size_t slot = bl_pair_slot(left, right, self->joints_mask);
    for (uint64_t joint; (joint = self->joints[slot]) != UINT64_MAX; slot = (slot + 1) & self->joints_mask)
        if (joint == ((uint64_t)left << 32 | right)) return true;
    return false;
}

/* Whether the text may be cut between the character `left`, at text[before … at), and `right`, at
 * text[at …
 * end). Next to an unknown character it is not: that may be fused with another one, or leave no trace, so
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
        int32_t id = bl_vocabulary_id(&self->pieces, word, length);
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
    bl_vocabulary_free(&bpe->pieces);
    free(bpe->merges.slots);
    free(bpe->merges.products);
    free(bpe->whole);
    free(bpe->joints);
    free((char *)(uintptr_t)bpe->options.prefix);
    free((char *)(uintptr_t)bpe->options.suffix);
    free(bpe);
}

bl_bpe *bl_bpe_new(const bl_bpe_options *options, size_t size, size_t n, size_t bytes, size_t merges,
                   bl_error *err) {
    bl_bpe *bpe = bl_alloc_zero(1, sizeof *bpe, err);
    if (!bpe) return NULL;
    bpe->options = *options;
    bpe->options.suffix = NULL;
    bpe->options.prefix = bl_strdup(options->prefix, err);
    bpe->options.suffix = bpe->options.prefix ? bl_strdup(options->suffix, err) : NULL;
    bpe->merges.mask = table_size(merges) - 1;
    bool ok = bpe->options.suffix && bl_vocabulary_init(&bpe->pieces, size, n, bytes, err);
    ok = ok && (bpe->merges.slots = bl_alloc(bpe->merges.mask + 1, sizeof *bpe->merges.slots, err));
    ok = ok && (bpe->merges.products = bl_alloc(merges, sizeof *bpe->merges.products, err));
    ok = ok && (bpe->whole = bl_alloc_zero(size, sizeof *bpe->whole, err));
    if (!ok) {
        bl_bpe_free(bpe);
        return NULL;
    }
    for (size_t i = 0; i <= bpe->merges.mask; i++) bpe->merges.slots[i].rank = BL_NO_RANK;
    bpe->affixes = bpe->merges.queued = *options->prefix || *options->suffix;
    return bpe;
}

void bl_bpe_add(bl_bpe *bpe, const char *token, size_t length, int32_t id) {
    bl_vocabulary_add(&bpe->pieces, token, length, id);
}

int32_t bl_bpe_id(const bl_bpe *bpe, const char *token, size_t length) {
    return bl_vocabulary_id(&bpe->pieces, token, length);
}

void bl_bpe_merge(bl_bpe *bpe, int32_t left, int32_t right, int32_t product) {
    bl_merges *merges = &bpe->merges;
    *bl_merges_find(merges, (uint32_t)left, (uint32_t)right) =
        (bl_merge){(uint32_t)left, (uint32_t)right, (uint32_t)merges->n, (uint32_t)product};
    merges->products[merges->n++] = (uint32_t)product;
}

static void fill_tables(bl_bpe *self) {
    char text[8];
    for (uint32_t point = 0; point < DIRECT; point++)
        self->direct[point] = bl_vocabulary_id(&self->pieces, text, bl_utf8_put(point, text));
    for (unsigned byte = 0; byte < 256; byte++) {
        int n = snprintf(text, sizeof text, "<0x%02X>", byte);
        self->bytes[byte] = bl_vocabulary_id(&self->pieces, text, (size_t)n);
    }
}

/* Whether a merge takes a symbol that stands for characters which its string does not show. */
static bool hides_characters(const bl_bpe *self, uint32_t id) {
    if (self->options.unknown >= 0 && id == (uint32_t)self->options.unknown) return true;
    if (!self->options.byte_fallback || self->pieces.tokens[id][0] != '<') return false;
    for (size_t byte = 0; byte < 256; byte++)
        if (self->bytes[byte] >= 0 && id == (uint32_t)self->bytes[byte]) return true;
    return false;
}

static void add_joint(bl_bpe *self, const char *left, const char *right) {
    size_t end = strlen(left), begin = 0;
    if (!end || !*right) return;
    uint32_t a = bl_utf8_previous(left, &end), b = bl_utf8_next(right, &begin);
    size_t slot = bl_pair_slot(a, b, self->joints_mask);
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
        const bl_merge *merge = &self->merges.slots[i];
        if (merge->rank == BL_NO_RANK) continue;
        if (hides_characters(self, merge->left) || hides_characters(self, merge->right))
            self->divides = false;
        add_joint(self, self->pieces.tokens[merge->left], self->pieces.tokens[merge->right]);
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
    for (size_t id = 0; ok && self->divides && id < self->pieces.size; id++) {
        const char *token = self->pieces.tokens[id];
        size_t n = token ? strlen(token) : 0;
        if (n == 0 || n > LONGEST_WHOLE) continue;
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
