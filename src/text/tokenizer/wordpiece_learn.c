/* WordPiece as the Hugging Face library's trainer learns it: every character is a piece (`c` at the beginning
 * of a word, `##c` inside); then again and again the most frequent pair of neighbouring pieces becomes a
 * piece, and is joined wherever it stands.
 *
 * Only the words that hold the pair are touched, and only the counts of the pairs beside it change, so a
 * merge costs what it changes. Ids: special tokens, characters by code point, `##` characters by code point,
 * joined pieces in the order in which they were found. Among equally frequent pairs the one of lower ids
 * comes first, there as here; but there the ids of the `##` characters follow a hash table's order, which
 * differs from run to run, so that a few ties fall otherwise each time. Here they do not. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "text/tokenizer/pair_queue.h"
#include "text/tokenizer/wordpiece_train.h"
#include <stdlib.h>
#include <string.h>

#define PREFIX_BYTES (sizeof BL_WORDPIECE_PREFIX - 1)

typedef struct character {
    uint32_t point;
    uint64_t count;
    bool inside; /* somewhere it does not begin a word */
} character;

typedef struct learner {
    const bl_word_count *words;
    bl_string_table *pieces;
    character *alphabet; /* by code point */
    size_t n_alphabet;
    uint32_t *symbols; /* pieces of all words, word w from begin[w], length[w] of them */
    size_t *begin;
    uint32_t *length;
    bl_pairs pairs;
} learner;

static int by_point(const void *a, const void *b) {
    uint32_t x = ((const character *)a)->point, y = ((const character *)b)->point;
    return x < y ? -1 : x > y;
}

/* The most frequent first; equally frequent ones by code point. */
static int by_count(const void *a, const void *b) {
    uint64_t x = ((const character *)a)->count, y = ((const character *)b)->count;
    return x > y ? -1 : x < y ? 1 : by_point(a, b);
}

static void count_characters(const bl_word_count *words, character *all) {
    for (size_t w = 0; w < words->words.n; w++) {
        size_t length;
        const char *word = bl_string_table_text(&words->words, w, &length);
        for (size_t at = 0; at < length;) {
            bool inside = at > 0;
            character *c = &all[bl_utf8_next(word, &at)];
            c->count += words->count[w];
            c->inside = c->inside || inside;
        }
    }
}

static bool find_alphabet(learner *self, size_t limit, bl_error *err) {
    enum { POINTS = 0x110000 };
    size_t n = 0;
    character *all = bl_alloc_zero(POINTS, sizeof *all, err);
    if (!all) return false;
    count_characters(self->words, all);
    for (uint32_t point = 0; point < POINTS; point++) {
        if (!all[point].count) continue;
        all[n] = all[point];
        all[n++].point = point;
    }
    if (limit && n > limit) {
        qsort(all, n, sizeof *all, by_count);
        n = limit;
        qsort(all, n, sizeof *all, by_point);
    }
    self->alphabet = bl_alloc(n, sizeof *self->alphabet, err);
    if (self->alphabet) memcpy(self->alphabet, all, n * sizeof *all);
    self->n_alphabet = n;
    free(all);
    return self->alphabet != NULL;
}

static bool enter_characters(learner *self, bl_error *err) {
    static const char *const special[BL_WORDPIECE_SPECIAL] = {"[UNK]", "[BOS]", "[EOS]"};
    uint32_t id;
    char text[PREFIX_BYTES + 4];
    memcpy(text, BL_WORDPIECE_PREFIX, PREFIX_BYTES);
    for (size_t i = 0; i < BL_WORDPIECE_SPECIAL; i++)
        if (!bl_string_table_put(self->pieces, special[i], strlen(special[i]), &id, err)) return false;
    for (size_t inside = 0; inside < 2; inside++) {
        for (size_t i = 0; i < self->n_alphabet; i++) {
            if (inside && !self->alphabet[i].inside) continue;
            size_t n = bl_utf8_put(self->alphabet[i].point, text + PREFIX_BYTES);
            const char *piece = inside ? text : text + PREFIX_BYTES;
            if (!bl_string_table_put(self->pieces, piece, inside ? PREFIX_BYTES + n : n, &id, err))
                return false;
        }
    }
    return true;
}

/* Words as characters; one outside the alphabet is left out, as the library does it. */
static bool spell_words(learner *self, bl_error *err) {
    const bl_string_table *words = &self->words->words;
    size_t n_symbols = 0, bytes = words->n ? words->begin[words->n] : 0;
    char piece[PREFIX_BYTES + 4];
    memcpy(piece, BL_WORDPIECE_PREFIX, PREFIX_BYTES);
    self->symbols = bl_alloc(bytes, sizeof *self->symbols, err);
    self->begin = bl_alloc(words->n, sizeof *self->begin, err);
    self->length = bl_alloc(words->n, sizeof *self->length, err);
    if (!self->symbols || !self->begin || !self->length) return false;
    for (size_t w = 0; w < words->n; w++) {
        size_t length;
        const char *word = bl_string_table_text(words, w, &length);
        self->begin[w] = n_symbols;
        for (size_t at = 0; at < length;) {
            bool inside = at > 0;
            size_t n = bl_utf8_put(bl_utf8_next(word, &at), piece + PREFIX_BYTES);
            const char *text = inside ? piece : piece + PREFIX_BYTES;
            if (bl_string_table_find(self->pieces, text, inside ? PREFIX_BYTES + n : n,
                                     &self->symbols[n_symbols]))
                n_symbols++;
        }
        self->length[w] = (uint32_t)(n_symbols - self->begin[w]);
    }
    return true;
}

static bool count_pairs(learner *self, bl_error *err) {
    for (size_t w = 0; w < self->words->words.n; w++) {
        const uint32_t *s = self->symbols + self->begin[w];
        for (size_t i = 0; i + 1 < self->length[w]; i++)
            if (!bl_pairs_change(&self->pairs, s[i], s[i + 1], (uint32_t)w, (int64_t)self->words->count[w],
                                 err))
                return false;
    }
    return bl_pairs_queue(&self->pairs, err);
}

/* The piece that left and right make together, new or (reached by another way) not. */
static bool joined_piece(bl_string_table *pieces, uint32_t left, uint32_t right, uint32_t *id,
                         bl_error *err) {
    char text[PREFIX_BYTES + 4 * BL_WORDPIECE_LONGEST];
    size_t n, n_right;
    const char *a = bl_string_table_text(pieces, left, &n),
               *b = bl_string_table_text(pieces, right, &n_right);
    memcpy(text, a, n);
    memcpy(text + n, b + PREFIX_BYTES, n_right - PREFIX_BYTES); /* a right piece always continues a word */
    return bl_string_table_put(pieces, text, n + n_right - PREFIX_BYTES, id, err);
}

/* Joins (left, right) wherever it stands in word w, from the left. */
static bool join_in_word(learner *self, uint32_t w, uint32_t left, uint32_t right, uint32_t piece,
                         bl_error *err) {
    uint32_t *s = self->symbols + self->begin[w], n = self->length[w], out = 0;
    int64_t count = (int64_t)self->words->count[w];
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        if (s[i] != left || i + 1 >= n || s[i + 1] != right) {
            s[out++] = s[i];
            continue;
        }
        if (out > 0)
            ok = ok && bl_pairs_change(&self->pairs, s[out - 1], left, w, -count, err) &&
                 bl_pairs_change(&self->pairs, s[out - 1], piece, w, count, err);
        if (i + 2 < n)
            ok = ok && bl_pairs_change(&self->pairs, right, s[i + 2], w, -count, err) &&
                 bl_pairs_change(&self->pairs, piece, s[i + 2], w, count, err);
        s[out++] = piece;
        i++;
    }
    self->length[w] = out;
    return ok;
}

/* Joins the pair in all its words, which it then no longer has. It keeps its count, as in the library: should
 * it form again (its left or right piece reached by another way), it is soon joined again, and makes no new
 * piece. */
static bool join(learner *self, bl_pair *pair, bl_error *err) {
    uint32_t left = pair->left, right = pair->right, *words = pair->words, piece;
    size_t n = pair->n_words;
    pair->words = NULL;
    pair->n_words = pair->capacity = 0;
    bool ok = joined_piece(self->pieces, left, right, &piece, err);
    for (size_t i = 0; ok && i < n; i++) ok = join_in_word(self, words[i], left, right, piece, err);
    free(words);
    return ok && bl_pairs_queue(&self->pairs, err);
}

static bool learn(learner *self, const bl_wordpiece_options *options, bl_progress progress,
                  bl_wordpiece_summary *summary, bl_error *err) {
    size_t characters = self->pieces->n - BL_WORDPIECE_SPECIAL;
    if (self->pieces->n > options->size)
        return bl_fail(err, BL_ERR_USAGE,
                       "a vocabulary of %zu is too small: the corpus has %zu characters, which make %zu "
                       "pieces (some only begin words), and with the %d special "
                       "tokens that is %zu; choose at least so many, or keep fewer characters",
                       options->size, self->n_alphabet, characters, BL_WORDPIECE_SPECIAL, self->pieces->n);
    if (!spell_words(self, err) || !count_pairs(self, err)) return false;
    while (self->pieces->n < options->size) {
        bl_pair *pair = bl_pairs_pop(&self->pairs);
        if (!pair || (uint64_t)pair->count < options->min_frequency)
            return bl_fail(
                err, BL_ERR_INPUT,
                "the corpus gives a vocabulary of %zu, not of %zu: choose at most so many%s, or add text",
                self->pieces->n, options->size, pair ? ", or a lower minimum frequency" : "");
        summary->least = (uint64_t)pair->count;
        if (!join(self, pair, err)) return false;
        if (!bl_progress_step(&progress, "joining pieces", self->pieces->n, options->size, err)) return false;
    }
    summary->alphabet = self->n_alphabet;
    summary->characters = characters;
    summary->size = self->pieces->n;
    return true;
}

bool bl_wordpiece_learn(const bl_word_count *words, const bl_wordpiece_options *options, bl_progress progress,
                        bl_string_table *pieces, bl_wordpiece_summary *summary, bl_error *err) {
    learner self = {.words = words, .pieces = pieces};
    bool ok = find_alphabet(&self, options->limit_alphabet, err) && enter_characters(&self, err) &&
              learn(&self, options, progress, summary, err);
    bl_pairs_free(&self.pairs);
    free(self.alphabet);
    free(self.symbols);
    free(self.begin);
    free(self.length);
    return ok;
}
